"""Tags of SageMaker's resources."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from sandbox.cloud.actions import Call, Handler
from sandbox.cloud.sagemaker import wording
from sandbox.cloud.sagemaker.store import Description, Shelf, Store, refuse

_VERSION = re.compile(r":model-package/[^/]+/\d+$")
_RESERVED = "aws:"
# That a resource which is gone has no tags to list or add is a ValidationException (amazon-sagemaker-feedback#108, of a
# Studio app); the words are the ones in which each kind is missing elsewhere.
_KINDS: dict[str, tuple[Callable[[Shelf], Iterable[str]], str]] = {
    "endpoint": (lambda shelf: (one.arn for one in shelf.endpoints.values()), 'Could not find endpoint "{arn}".'),
    "endpoint-config": (
        lambda shelf: (one["EndpointConfigArn"] for one in shelf.endpoint_configs.values()),
        'Could not find endpoint configuration "{arn}".',
    ),
    "model": (lambda shelf: (one["ModelArn"] for one in shelf.models.values()), 'Could not find model "{arn}".'),
    "model-package": (lambda shelf: shelf.packages, wording.MISSING_PACKAGE),
    "model-package-group": (
        lambda shelf: (one["ModelPackageGroupArn"] for one in shelf.package_groups.values()),
        "ModelPackageGroup {arn} does not exist.",
    ),
    "training-job": (lambda shelf: (one.arn for one in shelf.training_jobs.values()), wording.MISSING_JOB),
}


class Tags:
    """AddTags, ListTags, DeleteTags. Versioned model packages have none: their group has."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def handlers(self) -> dict[str, Handler]:
        return {"AddTags": self.add, "ListTags": self.list, "DeleteTags": self.delete}

    def add(self, call: Call) -> Description:
        resource_arn = call["ResourceArn"]
        shelf = self._shelf(resource_arn)
        if _VERSION.search(resource_arn):
            raise refuse(wording.TAGS_ON_VERSION)
        _check_keys(tag["Key"] for tag in call["Tags"])
        shelf.tag(resource_arn, call["Tags"])
        return {"Tags": _listed(shelf.tags.get(resource_arn, {}))}

    def list(self, call: Call) -> Description:
        resource_arn = call["ResourceArn"]
        return {"Tags": _listed(self._shelf(resource_arn).tags.get(resource_arn, {}))}

    def delete(self, call: Call) -> None:
        resource_arn = call["ResourceArn"]
        tags = self._shelf(resource_arn).tags.get(resource_arn, {})
        _check_keys(call["TagKeys"])
        for key in call["TagKeys"]:
            tags.pop(key, None)

    def _shelf(self, resource_arn: str) -> Shelf:
        """The shelf that the resource is on; refuses a resource that is not there."""
        shelf = self._store.shelf_of(resource_arn)
        kind = resource_arn.split(":", 5)[5].partition("/")[0]
        known, missing = _KINDS.get(kind, (lambda _: (), wording.MISSING_RESOURCE))
        if resource_arn not in known(shelf):
            raise refuse(missing.format(arn=resource_arn))
        return shelf


def _check_keys(keys: Iterable[str]) -> None:
    for key in keys:
        if key.startswith(_RESERVED):
            raise refuse(f"System prefix '{_RESERVED}' reserved for AWS usage in tag key: {key}")


def _listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
