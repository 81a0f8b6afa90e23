"""SageMaker's EventBridge events.

Endpoints and jobs: statuses in UPPER_SNAKE, times in epoch milliseconds, tags as a map. Model packages: as described,
times in ISO 8601 (the examples of AWS's guide).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.cloud.ports import Cloud, Scope

if TYPE_CHECKING:
    from sandbox.cloud.sagemaker.endpoint import Endpoint

SOURCE = "aws.sagemaker"
_STATUSES = ("EndpointStatus", "Status")


def endpoint_state(cloud: Cloud, endpoint: Endpoint, tags: Mapping[str, str]) -> None:
    """`SageMaker Endpoint State Change`."""
    detail = _plain({**endpoint.describe(), "Tags": dict(tags)})
    detail.pop("PendingDeploymentSummary", None)
    cloud.events.publish(endpoint.scope, SOURCE, "SageMaker Endpoint State Change", detail, [endpoint.arn])


def endpoint_deployment(cloud: Cloud, endpoint: Endpoint) -> None:
    """`SageMaker Endpoint Deployment State Change`: one at each step of a rollout."""
    detail = _plain(endpoint.describe())
    cloud.events.publish(endpoint.scope, SOURCE, "SageMaker Endpoint Deployment State Change", detail, [endpoint.arn])


def model_package(cloud: Cloud, scope: Scope, package: Mapping[str, Any], updated: list[str]) -> None:
    """`SageMaker Model Package State Change`; `updated` names the fields that an update changed."""
    detail = _iso({**package, "UpdatedModelPackageFields": updated})
    arn = package["ModelPackageArn"]
    cloud.events.publish(scope, SOURCE, "SageMaker Model Package State Change", detail, [arn])


def training_job(cloud: Cloud, scope: Scope, description: Mapping[str, Any]) -> None:
    """`SageMaker Training Job State Change`."""
    detail = _plain(description)
    arn = description["TrainingJobArn"]
    cloud.events.publish(scope, SOURCE, "SageMaker Training Job State Change", detail, [arn])


def _plain(value: Any, key: str = "") -> Any:
    """The JSON form that events have."""
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    if isinstance(value, Mapping):
        return {name: _plain(item, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if key in _STATUSES and isinstance(value, str):
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", value).upper()
    return value


def _iso(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, Mapping):
        return {name: _iso(item) for name, item in value.items()}
    return [_iso(item) for item in value] if isinstance(value, list | tuple) else value
