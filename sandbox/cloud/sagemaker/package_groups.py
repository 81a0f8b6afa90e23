"""Model package groups: what versions belong to, and the policy by which other accounts see them."""

from __future__ import annotations

import json
import re

from sandbox.cloud.actions import AwsError, Call, Handler
from sandbox.cloud.sagemaker import wording
from sandbox.cloud.sagemaker.listing import page
from sandbox.cloud.sagemaker.store import Description, Shelf, Store, arn, now, refuse, scope_of

_GROUP = re.compile(r"arn:aws:sagemaker:[a-z0-9-]+:\d{12}:model-package-group/(?P<name>[^/]+)")


class PackageGroups:
    """Create, describe, list and delete groups; put, get and delete their policies.

    SageMaker's ARNs are in lower case whatever the name, so a shelf holds groups by their name in lower case.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateModelPackageGroup": self.create,
            "DescribeModelPackageGroup": self.describe,
            "ListModelPackageGroups": self.list,
            "DeleteModelPackageGroup": self.delete,
            "PutModelPackageGroupPolicy": self.put_policy,
            "GetModelPackageGroupPolicy": self.get_policy,
            "DeleteModelPackageGroupPolicy": self.delete_policy,
        }

    def create(self, call: Call) -> Description:
        shelf, name = self._store.shelf(call.scope), call["ModelPackageGroupName"]
        group_arn = arn(call.scope, "model-package-group", name)
        if name.lower() in shelf.package_groups:
            raise refuse(f"Model Package Group already exists: {group_arn}")
        group = {
            "ModelPackageGroupName": name,
            "ModelPackageGroupArn": group_arn,
            "CreationTime": now(),
            "CreatedBy": user_context(call),
            "ModelPackageGroupStatus": "Completed",
        }
        group |= {m: call[m] for m in ("ModelPackageGroupDescription", "ManagedConfiguration") if call.get(m)}
        shelf.package_groups[name.lower()] = group
        shelf.tag(group_arn, call.get("Tags"))
        return {"ModelPackageGroupArn": group_arn}

    def describe(self, call: Call) -> Description:
        return self.find(call)[1]

    def list(self, call: Call) -> Description:
        groups = self._store.shelf(call.scope).package_groups.values()
        # What accounts make discoverable to each other (AWS RAM) does not exist here; policies alone do not list.
        shown = [] if call.get("CrossAccountFilterOption") == "CrossAccount" else groups
        return page(call, "ModelPackageGroupSummaryList", shown, name="ModelPackageGroupName", order="Ascending")

    def delete(self, call: Call) -> None:
        shelf, group = self.find(call)
        name = group["ModelPackageGroupName"]
        if any(package.get("ModelPackageGroupName") == name for package in shelf.packages.values()):
            raise AwsError("ConflictException", wording.GROUP_NOT_EMPTY.format(arn=group["ModelPackageGroupArn"]))
        del shelf.package_groups[name.lower()]
        shelf.group_policies.pop(name.lower(), None)
        shelf.tags.pop(group["ModelPackageGroupArn"], None)

    def put_policy(self, call: Call) -> Description:
        shelf, group = self.find(call, "Cannot find Model Package Group: {arn}")
        _check_policy(call["ResourcePolicy"])
        shelf.group_policies[group["ModelPackageGroupName"].lower()] = call["ResourcePolicy"]
        return {"ModelPackageGroupArn": group["ModelPackageGroupArn"]}

    def get_policy(self, call: Call) -> Description:
        shelf, group = self._policy_group(call)
        return {"ResourcePolicy": shelf.group_policies[group["ModelPackageGroupName"].lower()]}

    def delete_policy(self, call: Call) -> None:
        shelf, group = self._policy_group(call)
        del shelf.group_policies[group["ModelPackageGroupName"].lower()]

    def find(self, call: Call, missing: str = "ModelPackageGroup {arn} does not exist.") -> tuple[Shelf, Description]:
        """The group that a request names, by name or ARN (another account's too), and the shelf it is on."""
        named = call["ModelPackageGroupName"]
        match = _GROUP.fullmatch(named)
        scope, name = (scope_of(named), match["name"]) if match else (call.scope, named)
        shelf = self._store.shelf(scope)
        group = shelf.package_groups.get(name.lower())
        if group is None:
            raise refuse(missing.format(arn=arn(scope, "model-package-group", name)))
        return shelf, group

    def _policy_group(self, call: Call) -> tuple[Shelf, Description]:
        shelf, group = self.find(call, "Cannot find Model Package Group: {arn}")
        if group["ModelPackageGroupName"].lower() not in shelf.group_policies:
            raise refuse(f"Cannot find resource policy for: {group['ModelPackageGroupArn']}")
        return shelf, group


def user_context(call: Call) -> Description:
    """UserContext of whoever calls."""
    return {"IamIdentity": {"Arn": call.caller, "PrincipalId": call.caller.rsplit("/", 1)[-1]}}


def _check_policy(text: str) -> None:
    """Refuse what is no policy document."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not document.get("Statement"):
        raise refuse(wording.MALFORMED_POLICY)
