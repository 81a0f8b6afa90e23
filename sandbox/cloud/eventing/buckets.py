"""S3 notifications: to EventBridge, queues, topics and functions, after the request that caused them."""

from __future__ import annotations

import json
import logging
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from moto.s3 import notifications as moto_notifications

from sandbox.cloud.eventing.delivery import Deliveries, DeliveryError, Sender
from sandbox.cloud.ports import Cloud, Scope

log = logging.getLogger(__name__)

SERVICE = "s3.amazonaws.com"
REASONS = {
    "s3:ObjectCreated:Put": "PutObject",
    "s3:ObjectCreated:Post": "POST Object",
    "s3:ObjectCreated:Copy": "CopyObject",
    "s3:ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "s3:ObjectRemoved:Delete": "DeleteObject",
    "s3:ObjectRemoved:DeleteMarkerCreated": "DeleteObject",
}
DELETIONS = {
    "s3:ObjectRemoved:Delete": "Permanently Deleted",
    "s3:ObjectRemoved:DeleteMarkerCreated": "Delete Marker Created",
}


class Buckets:
    """Takes over moto's notifications, which it sends inside the request."""

    def __init__(self, cloud: Cloud, deliveries: Deliveries) -> None:
        self._cloud = cloud
        self._deliveries = deliveries

    def install(self) -> None:
        moto_notifications.send_event = self.send_event
        moto_notifications.send_test_event = self.send_test_event

    def send_event(self, account_id: str, event_name: Any, bucket: Any, key: Any) -> None:
        """In the place of moto's: notes what happened to `key` and leaves delivery to other threads."""
        configuration = bucket.notification_configuration
        if configuration is None:
            return
        name = str(getattr(event_name, "value", event_name))
        scope = Scope(account_id, bucket.region_name)
        sender = Sender(SERVICE, bucket.arn, scope)
        for notification in (*configuration.cloud_function, *configuration.queue, *configuration.topic):
            if notification.matches(name, key.name):
                text = json.dumps(record(name, bucket, key, notification.id))
                self._later(sender, notification.arn, text)
        if configuration.event_bridge is not None:
            detail_type = moto_notifications._detail_type(name)
            detail = event_detail(scope.account, name, bucket, key)
            self._cloud.events.publish(scope, "aws.s3", detail_type, detail, [bucket.arn])

    def send_test_event(self, account_id: str, bucket: Any) -> None:
        """What S3 sends when notifications are configured."""
        sender = Sender(SERVICE, bucket.arn, Scope(account_id, bucket.region_name))
        configuration = bucket.notification_configuration
        text = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": _now(), "Bucket": bucket.name})
        for arn in {notification.arn for notification in (*configuration.queue, *configuration.topic)}:
            self._later(sender, arn, text)

    def _later(self, sender: Sender, arn: str, text: str) -> None:
        def task() -> None:
            try:
                self._deliveries.deliver(sender, arn, text, {})
            except DeliveryError as error:
                log.error("notification of %s: %s", sender.arn, error)

        self._deliveries.workers.submit(task)


def record(event_name: str, bucket: Any, key: Any, configuration_id: str) -> dict[str, Any]:
    """The message of an S3 notification to a queue, topic or function; the key is URL-encoded."""
    content: dict[str, Any] = {
        "key": quote_plus(key.name, safe="/"),
        "size": key.size,
        "eTag": key.etag.replace('"', ""),
        "sequencer": _sequencer(),
    }
    if key.version_id not in (None, "null"):
        content["versionId"] = key.version_id
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": bucket.region_name,
                "eventTime": _now(),
                "eventName": event_name.removeprefix("s3:"),
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": configuration_id,
                    "bucket": {"name": bucket.name, "arn": bucket.arn},
                    "object": content,
                },
            }
        ]
    }


def event_detail(account: str, event_name: str, bucket: Any, key: Any) -> dict[str, Any]:
    """`detail` of S3's EventBridge events; the key is as it is, not URL-encoded."""
    content: dict[str, Any] = {"key": key.name, "sequencer": _sequencer()}
    if event_name not in DELETIONS:
        content |= {"size": key.size, "etag": key.etag.replace('"', "")}
    if key.version_id not in (None, "null"):
        content["version-id"] = key.version_id
    detail: dict[str, Any] = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": content,
        "request-id": uuid.uuid4().hex[:16].upper(),
        "requester": account,
        "source-ip-address": "127.0.0.1",
    }
    if event_name in REASONS:
        detail["reason"] = REASONS[event_name]
    if event_name in DELETIONS:
        detail["deletion-type"] = DELETIONS[event_name]
    return detail


def _sequencer() -> str:
    return f"{int(datetime.now(UTC).timestamp() * 1e6):018X}"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
