"""S3: buckets, their notification and lifecycle documents, objects."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

from sandbox.aws_provider import assets, compare
from sandbox.aws_provider.errors import AwsError
from sandbox.aws_provider.resource import Resource
from sandbox.aws_provider.table import Call

_BATCH = 1000  # the most keys DeleteObjects takes


class Bucket(Resource):
    """A bucket; its tags are set as a whole, and `forceDestroy` empties it first."""

    def adjust(self, call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
        if call.call == "CreateBucket":
            if self._region() != "us-east-1":
                arguments["CreateBucketConfiguration"] = {"LocationConstraint": self._region()}
            if not arguments.get("ObjectLockEnabledForBucket"):
                arguments.pop("ObjectLockEnabledForBucket", None)
        return _whole_tag_set(call, arguments)

    def _await_ready(self) -> None:
        if self.inputs.get("tagsAll") and not self.state:
            self._retag({}, self.inputs["tagsAll"])

    def before_delete(self) -> None:
        if self.inputs.get("forceDestroy"):
            for batch in _versions(self, self.id, ""):
                self.call("DeleteObjects", {"Bucket": self.id, "Delete": {"Objects": batch, "Quiet": True}})


class Object(Resource):
    """An object; its body comes from `source` (an asset), `content` or `contentBase64`."""

    def adjust(self, call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
        if call.call == "PutObject":
            arguments["Body"] = self._body()
            arguments["Key"] = _clean(arguments["Key"])
            tags = self.inputs.get("tagsAll")
            if tags:
                arguments["Tagging"] = urlencode(tags)
        elif "Key" in arguments:
            arguments["Key"] = _clean(arguments["Key"])
        return _whole_tag_set(call, arguments)

    def answer(self, found: dict[str, Any]) -> dict[str, Any]:
        etag = found.get("eTag") or found.get("etag")
        return {**found, "etag": str(etag).strip('"') if etag else None}

    def before_delete(self) -> None:
        """With a version in the state every version of the key goes, as in the real plugin."""
        if not self.state.get("versionId"):
            return
        key = _clean(str(self.look("key")))
        for batch in _versions(self, str(self.look("bucket")), key):
            mine = [entry for entry in batch if entry["Key"] == key]
            if mine:
                request = {"Bucket": self.look("bucket"), "Delete": {"Objects": mine, "Quiet": True}}
                self.call("DeleteObjects", request)

    def _run(self, call: Call, inputs: Any = None) -> dict[str, Any] | None:
        if call.call == "DeleteObject" and self.state.get("versionId"):
            return {}  # a plain delete would leave a marker behind
        return super()._run(call, inputs)

    def _body(self) -> bytes:
        if "source" in self.inputs:
            return assets.content(self.inputs["source"], self.directory)
        if "contentBase64" in self.inputs:
            return base64.b64decode(self.inputs["contentBase64"])
        return str(self.inputs.get("content", "")).encode()


class Lifecycle(Resource):
    """Lifecycle rules; AWS wants a filter in every rule."""

    def adjust(self, call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
        for rule in arguments.get("LifecycleConfiguration", {}).get("Rules", []):
            if not rule.get("Filter") and "Prefix" not in rule:
                rule["Filter"] = {"Prefix": ""}
        return arguments

    def answer(self, found: dict[str, Any]) -> dict[str, Any]:
        """The filter that was made up for a rule is not the program's."""
        without = {rule.get("id") for rule in self.inputs.get("rules") or [] if "filter" not in rule}
        for rule in found.get("rules", []):
            if rule.get("id") in without and compare.same(rule.get("filter"), {"prefix": ""}):
                del rule["filter"]
        return found


class Notification(Resource):
    """The whole notification document of a bucket."""

    _KINDS = (
        ("topics", "TopicConfigurations", "TopicArn", "topicArn"),
        ("queues", "QueueConfigurations", "QueueArn", "queueArn"),
        ("lambdaFunctions", "LambdaFunctionConfigurations", "LambdaFunctionArn", "lambdaFunctionArn"),
    )

    def adjust(self, call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
        if call.call != "PutBucketNotificationConfiguration" or call in self.spec.delete:
            return arguments
        document: dict[str, Any] = {}
        if self.inputs.get("eventbridge"):
            document["EventBridgeConfiguration"] = {}
        for name, member, theirs, mine in self._KINDS:
            for index, entry in enumerate(self.inputs.get(name) or []):
                kind = {"topics": "topic", "queues": "queue", "lambdaFunctions": "lambda"}[name]
                target = {
                    "Id": entry.get("id") or f"tf-s3-{kind}-{index}",
                    theirs: entry[mine],
                    "Events": entry["events"],
                }
                rules = [
                    {"Name": part, "Value": entry[f"filter{part.capitalize()}"]}
                    for part in ("prefix", "suffix")
                    if entry.get(f"filter{part.capitalize()}")
                ]
                if rules:
                    target["Filter"] = {"Key": {"FilterRules": rules}}
                document.setdefault(member, []).append(target)
        return {**arguments, "NotificationConfiguration": document}

    def answer(self, found: dict[str, Any]) -> dict[str, Any]:
        read: dict[str, Any] = {"eventbridge": "eventBridgeConfiguration" in found}
        for name, member, theirs, mine in self._KINDS:
            entries = found.get(member[0].lower() + member[1:]) or []
            read[name] = []
            theirs = theirs[0].lower() + theirs[1:]
            for entry in entries:
                item = {"id": entry.get("id"), mine: entry.get(theirs), "events": entry.get("events")}
                for rule in ((entry.get("filter") or {}).get("key") or {}).get("filterRules") or []:
                    item[f"filter{rule['name'].capitalize()}"] = rule["value"]
                read[name].append(item)
        return read


def _whole_tag_set(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    if call.call in ("PutBucketTagging", "PutObjectTagging"):
        arguments.setdefault("Tagging", {"TagSet": []})
    return arguments


def _clean(key: str) -> str:
    """The key as the real plugin sends it: no leading and no doubled slashes."""
    cleaned = key.lstrip("/")
    while "//" in cleaned:
        cleaned = cleaned.replace("//", "/")
    return cleaned


def _versions(resource: Resource, bucket: str, prefix: str) -> list[list[dict[str, str]]]:
    """Every version and delete marker under a prefix, in batches for DeleteObjects."""
    try:
        listed = resource.call("ListObjectVersions", {"Bucket": bucket, "Prefix": prefix}, pages=True)
    except AwsError as error:
        if error.matches(resource.spec.not_found):
            return []
        raise
    entries = [
        {"Key": entry["Key"], "VersionId": entry["VersionId"]}
        for entry in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]
    ]
    return [entries[start : start + _BATCH] for start in range(0, len(entries), _BATCH)]
