"""Tags of SageMaker's resources."""

from __future__ import annotations

import re

from sandbox.cloud.actions import Call, Handler
from sandbox.cloud.sagemaker import wording
from sandbox.cloud.sagemaker.store import Description, Store, refuse

_VERSION = re.compile(r":model-package/[^/]+/\d+$")


class Tags:
    """AddTags, ListTags, DeleteTags. Versioned model packages have none: their group has."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def handlers(self) -> dict[str, Handler]:
        return {"AddTags": self.add, "ListTags": self.list, "DeleteTags": self.delete}

    def add(self, call: Call) -> Description:
        resource_arn = call["ResourceArn"]
        if _VERSION.search(resource_arn):
            raise refuse(wording.TAGS_ON_VERSION)
        shelf = self._store.shelf_of(resource_arn)
        shelf.tag(resource_arn, call["Tags"])
        return {"Tags": _listed(shelf.tags[resource_arn])}

    def list(self, call: Call) -> Description:
        resource_arn = call["ResourceArn"]
        return {"Tags": _listed(self._store.shelf_of(resource_arn).tags.get(resource_arn, {}))}

    def delete(self, call: Call) -> None:
        resource_arn = call["ResourceArn"]
        tags = self._store.shelf_of(resource_arn).tags.get(resource_arn, {})
        for key in call["TagKeys"]:
            tags.pop(key, None)


def _listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
