"""S3, where moto answers differently from AWS."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response

from sandbox.cloud.eventing.overrides import Method, override
from sandbox.cloud.ports import Cloud


def install(_cloud: Cloud) -> None:
    override(S3Backend, "delete_object", _by_version)
    override(S3Response, "get_bucket_notification", _with_event_bridge)


def _by_version(delete: Method) -> Method:
    """Deletion in a bucket whose versioning is suspended: of one version, or by a delete marker, as on AWS.

    moto takes such a bucket for one that never had versions: it drops all of them, and fails at delete markers.
    """

    def delete_object(backend: S3Backend, bucket_name: str, *rest: Any, **named: Any) -> Any:
        bucket = backend.get_bucket(bucket_name)
        if bucket.versioning_status != "Suspended":
            return delete(backend, bucket_name, *rest, **named)
        # S3's lock is held: nobody else sees the bucket like this.
        bucket.versioning_status = "Enabled"
        try:
            return delete(backend, bucket_name, *rest, **named)
        finally:
            bucket.versioning_status = "Suspended"

    return delete_object


def _with_event_bridge(get: Method) -> Method:
    """GetBucketNotificationConfiguration with EventBridgeConfiguration, which moto stores and leaves out."""

    def get_bucket_notification(response: Any) -> Any:
        stored = response.backend.get_bucket_notification_configuration(response.bucket_name)
        if stored is None or stored.event_bridge is None:
            return get(response)
        serialize = response.serialized

        response.serialized = lambda action: serialize(ActionResult({**action.result, "EventBridgeConfiguration": {}}))
        try:
            return get(response)
        finally:
            response.serialized = serialize

    return get_bucket_notification
