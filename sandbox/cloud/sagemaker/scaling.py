"""Application Auto Scaling for the variants of endpoints.

moto stores targets and policies. Here a target has to be a variant that exists, and targets have tags. Policies are
kept, not carried out: nothing scales by itself in the sandbox.
"""

from __future__ import annotations

import re

from sandbox.cloud.actions import AwsError, Call, FallbackSignal, Handler
from sandbox.cloud.sagemaker import wording
from sandbox.cloud.sagemaker.store import Description, Store, refuse

_RESOURCE = re.compile(r"endpoint/(?P<endpoint>[^/]+)/variant/(?P<variant>[^/]+)")


class Scaling:
    """RegisterScalableTarget of sagemaker's namespace, and the tags of all targets."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tags: dict[str, dict[str, str]] = {}

    def handlers(self) -> dict[str, Handler]:
        return {
            "RegisterScalableTarget": self.register,
            "TagResource": self.tag,
            "UntagResource": self.untag,
            "ListTagsForResource": self.list_tags,
        }

    def register(self, call: Call) -> Description:
        """Check the variant, then leave the rest to moto."""
        if call["ServiceNamespace"] == "sagemaker":
            match = _RESOURCE.fullmatch(call["ResourceId"])
            endpoint = self._store.shelf(call.scope).endpoints.get(match["endpoint"]) if match else None
            fleet = endpoint.fleet if endpoint else None
            if match is None or fleet is None or match["variant"] not in {one.name for one in fleet.production}:
                raise refuse(wording.SCALING_TARGET.format(resource=call["ResourceId"]))
        raise FallbackSignal

    def tag(self, call: Call) -> None:
        self._tags.setdefault(self._known(call), {}).update(call["Tags"])

    def untag(self, call: Call) -> None:
        tags = self._tags.get(self._known(call), {})
        for key in call["TagKeys"]:
            tags.pop(key, None)

    def list_tags(self, call: Call) -> Description:
        return {"Tags": self._tags.get(self._known(call), {})}

    @staticmethod
    def _known(call: Call) -> str:
        resource = str(call["ResourceARN"])
        if ":scalable-target/" not in resource:
            raise AwsError("ResourceNotFoundException", wording.SCALING_ARN.format(arn=resource))
        return resource
