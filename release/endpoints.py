"""What an endpoint really runs, asked of SageMaker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

_MOVING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack"})


@dataclass(frozen=True)
class Running:
    """What answers now. `package` is None where the model was not made from a package, or nothing is there."""

    status: str
    package: str | None

    @property
    def is_moving(self) -> bool:
        """A rollout is under way: what answers now is not settled."""
        return self.status in _MOVING


def running(endpoint: str, region: str) -> Running:
    """State of an endpoint, and the package its production variant serves; status `Missing` when it is not there.

    API: DescribeEndpoint, DescribeEndpointConfig, DescribeModel.
    """
    client: Any = boto3.client("sagemaker", region_name=region)
    try:
        described = client.describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if "Could not find endpoint" in error.response["Error"]["Message"]:
            return Running("Missing", None)
        raise
    config = client.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    model = client.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    container = model.get("PrimaryContainer") or model["Containers"][0]
    return Running(str(described["EndpointStatus"]), container.get("ModelPackageName"))
