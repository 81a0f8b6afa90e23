"""The model registry: groups, numbered versions, approval.

A version keeps everything that was registered with it and every change names what it changes: an update leaves alone
what it does not mention.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from sandbox.cloud.actions import AwsError, Call, Handler
from sandbox.cloud.ports import Cloud, Scope
from sandbox.cloud.sagemaker import events, wording
from sandbox.cloud.sagemaker.listing import page
from sandbox.cloud.sagemaker.models import check_image, check_model_data
from sandbox.cloud.sagemaker.store import Description, Shelf, Store, arn, now, refuse, scope_of

MAXIMUM_METADATA = 50
# What CreateModelPackage is given and DescribeModelPackage returns.
_REGISTERED = (
    "ModelPackageDescription",
    "InferenceSpecification",
    "SourceAlgorithmSpecification",
    "ValidationSpecification",
    "CertifyForMarketplace",
    "MetadataProperties",
    "ModelMetrics",
    "Domain",
    "Task",
    "SamplePayloadUrl",
    "CustomerMetadataProperties",
    "DriftCheckBaselines",
    "AdditionalInferenceSpecifications",
    "SkipModelValidation",
    "SourceUri",
    "SecurityConfig",
    "ModelCard",
    "ModelLifeCycle",
    "ModelPackageRegistrationType",
)
_UPDATED = (
    "ModelApprovalStatus",
    "ApprovalDescription",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
    "ModelPackageRegistrationType",
)
_GROUP = re.compile(r"arn:aws:sagemaker:[a-z0-9-]+:\d{12}:model-package-group/(?P<name>[^/]+)")


class Registry:
    """Model package groups, their policies, and model packages."""

    def __init__(self, cloud: Cloud, store: Store) -> None:
        self._cloud = cloud
        self._store = store

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateModelPackageGroup": self.create_group,
            "DescribeModelPackageGroup": self.describe_group,
            "ListModelPackageGroups": self.list_groups,
            "DeleteModelPackageGroup": self.delete_group,
            "PutModelPackageGroupPolicy": self.put_policy,
            "GetModelPackageGroupPolicy": self.get_policy,
            "DeleteModelPackageGroupPolicy": self.delete_policy,
            "CreateModelPackage": self.create,
            "DescribeModelPackage": self.describe,
            "UpdateModelPackage": self.update,
            "ListModelPackages": self.list_packages,
            "DeleteModelPackage": self.delete,
        }

    # -- groups

    def create_group(self, call: Call) -> Description:
        shelf, name = self._store.shelf(call.scope), call["ModelPackageGroupName"]
        group_arn = arn(call.scope, "model-package-group", name)
        if name in shelf.package_groups:
            raise refuse(f"Model Package Group already exists: {group_arn}")
        group = {
            "ModelPackageGroupName": name,
            "ModelPackageGroupArn": group_arn,
            "CreationTime": now(),
            "CreatedBy": _user(call),
            "ModelPackageGroupStatus": "Completed",
        }
        if call.get("ModelPackageGroupDescription"):
            group["ModelPackageGroupDescription"] = call["ModelPackageGroupDescription"]
        shelf.package_groups[name] = group
        shelf.tag(group_arn, call.get("Tags"))
        return {"ModelPackageGroupArn": group_arn}

    def describe_group(self, call: Call) -> Description:
        return self._group(call)[1]

    def list_groups(self, call: Call) -> Description:
        groups = self._store.shelf(call.scope).package_groups.values()
        return page(call, "ModelPackageGroupSummaryList", groups, name="ModelPackageGroupName")

    def delete_group(self, call: Call) -> None:
        shelf, group = self._group(call)
        name = group["ModelPackageGroupName"]
        if any(package.get("ModelPackageGroupName") == name for package in shelf.packages.values()):
            raise AwsError("ConflictException", wording.GROUP_NOT_EMPTY.format(arn=group["ModelPackageGroupArn"]))
        del shelf.package_groups[name]
        shelf.group_policies.pop(name, None)
        shelf.tags.pop(group["ModelPackageGroupArn"], None)

    def put_policy(self, call: Call) -> Description:
        shelf, group = self._group(call, "Cannot find Model Package Group: {arn}")
        shelf.group_policies[group["ModelPackageGroupName"]] = call["ResourcePolicy"]
        return {"ModelPackageGroupArn": group["ModelPackageGroupArn"]}

    def get_policy(self, call: Call) -> Description:
        shelf, group = self._policy_group(call)
        return {"ResourcePolicy": shelf.group_policies[group["ModelPackageGroupName"]]}

    def delete_policy(self, call: Call) -> None:
        shelf, group = self._policy_group(call)
        del shelf.group_policies[group["ModelPackageGroupName"]]

    # -- packages

    def create(self, call: Call) -> Description:
        name, group_name = call.get("ModelPackageName"), call.get("ModelPackageGroupName")
        if name and group_name:
            raise refuse(
                "Both ModelPackageName and ModelPackageGroupName are provided in the input. Cannot determine which "
                "one to use."
            )
        if not name and not group_name:
            raise refuse("Missing ARN.")
        if group_name and call.get("Tags"):
            raise refuse(wording.TAGS_ON_VERSION)
        token = call.get("ClientToken")
        shelf = self._store.shelf(call.scope)
        known = shelf.client_tokens.get((group_name or name, token)) if token else None
        if known is not None:
            return {"ModelPackageArn": known}
        package = self._versioned(call, group_name) if group_name else self._unversioned(call, name)
        package |= copy.deepcopy({member: call[member] for member in _REGISTERED if call.get(member) is not None})
        for specification in [call.get("InferenceSpecification"), *call.get("AdditionalInferenceSpecifications", [])]:
            _check_containers(specification, call.scope)
        shelf = self._store.shelf_of(package["ModelPackageArn"])
        if group_name:
            shelf.last_versions[package["ModelPackageGroupName"]] = package["ModelPackageVersion"]
        shelf.packages[package["ModelPackageArn"]] = package
        shelf.tag(package["ModelPackageArn"], call.get("Tags"))
        if token:
            self._store.shelf(call.scope).client_tokens[group_name or name, token] = package["ModelPackageArn"]
        self._announce(package, [])
        return {"ModelPackageArn": package["ModelPackageArn"]}

    def describe(self, call: Call) -> Description:
        return self._package(call.scope, call["ModelPackageName"])

    def update(self, call: Call) -> Description:
        package = self._package(call.scope, call["ModelPackageArn"])
        changed = {member: call[member] for member in _UPDATED if call.get(member) is not None}
        metadata = {
            **package.get("CustomerMetadataProperties", {}),
            **(call.get("CustomerMetadataProperties") or {}),
        }
        for key in call.get("CustomerMetadataPropertiesToRemove") or []:
            metadata.pop(key, None)
        if len(metadata) > MAXIMUM_METADATA:
            raise refuse(f"CustomerMetadataProperties can have at most {MAXIMUM_METADATA} entries.")
        if metadata != package.get("CustomerMetadataProperties", {}):
            changed["CustomerMetadataProperties"] = metadata
        if call.get("AdditionalInferenceSpecificationsToAdd"):
            more = call["AdditionalInferenceSpecificationsToAdd"]
            changed["AdditionalInferenceSpecifications"] = [
                *package.get("AdditionalInferenceSpecifications", []),
                *more,
            ]
        if "InferenceSpecification" in changed:
            _check_containers(changed["InferenceSpecification"], call.scope)
        package.update(copy.deepcopy(changed))
        package |= {"LastModifiedTime": now(), "LastModifiedBy": _user(call)}
        self._announce(package, sorted(changed))
        return {"ModelPackageArn": package["ModelPackageArn"]}

    def list_packages(self, call: Call) -> Description:
        group_name, status = call.get("ModelPackageGroupName"), call.get("ModelApprovalStatus")
        kind = call.get("ModelPackageType") or ("Versioned" if group_name else "Unversioned")
        shelf = self._store.shelf(call.scope)
        if group_name:
            shelf, group = self._group(call)
            group_name = group["ModelPackageGroupName"]
        kept = [
            package
            for package in shelf.packages.values()
            if (group_name is None or package.get("ModelPackageGroupName") == group_name)
            and (status is None or package.get("ModelApprovalStatus") == status)
            and (kind == "Both" or ("ModelPackageVersion" in package) == (kind == "Versioned"))
        ]
        return page(call, "ModelPackageSummaryList", kept, name="ModelPackageName")

    def delete(self, call: Call) -> None:
        package = self._package(call.scope, call["ModelPackageName"])
        package_arn = package["ModelPackageArn"]
        shelf = self._store.shelf_of(package_arn)
        del shelf.packages[package_arn]
        shelf.tags.pop(package_arn, None)

    # -- parts

    def _group(self, call: Call, missing: str = "ModelPackageGroup {arn} does not exist.") -> tuple[Shelf, Description]:
        """The group that a request names, by name or ARN (another account's too), and the shelf it is on."""
        named = call["ModelPackageGroupName"]
        match = _GROUP.fullmatch(named)
        scope, name = (scope_of(named), match["name"]) if match else (call.scope, named)
        shelf = self._store.shelf(scope)
        group = shelf.package_groups.get(name)
        if group is None:
            raise refuse(missing.format(arn=arn(scope, "model-package-group", name)))
        return shelf, group

    def _policy_group(self, call: Call) -> tuple[Shelf, Description]:
        shelf, group = self._group(call, "Cannot find Model Package Group: {arn}")
        if group["ModelPackageGroupName"] not in shelf.group_policies:
            raise refuse(f"Cannot find resource policy for: {group['ModelPackageGroupArn']}")
        return shelf, group

    def _package(self, scope: Scope, name: str) -> Description:
        package_arn = name if name.startswith("arn:") else arn(scope, "model-package", name)
        package = self._store.shelf_of(package_arn).packages.get(package_arn)
        if package is None:
            raise refuse(wording.MISSING_PACKAGE.format(arn=package_arn))
        return package

    def _versioned(self, call: Call, group_name: str) -> Description:
        shelf, group = self._group(call)
        name = group["ModelPackageGroupName"]
        version = shelf.last_versions.get(name, 0) + 1
        package_arn = f"{group['ModelPackageGroupArn'].replace(':model-package-group/', ':model-package/')}/{version}"
        return {
            **self._basis(call, package_arn, name),
            "ModelPackageGroupName": name,
            "ModelPackageVersion": version,
            "ModelApprovalStatus": call.get("ModelApprovalStatus") or "PendingManualApproval",
        }

    def _unversioned(self, call: Call, name: str) -> Description:
        package_arn = arn(call.scope, "model-package", name)
        if package_arn in self._store.shelf(call.scope).packages:
            raise refuse(f"Model Package already exists: {package_arn}")
        return self._basis(call, package_arn, name)

    def _basis(self, call: Call, package_arn: str, name: str) -> Description:
        return {
            "ModelPackageName": name,
            "ModelPackageArn": package_arn,
            "CreationTime": now(),
            "CreatedBy": _user(call),
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "CertifyForMarketplace": False,
        }

    def _announce(self, package: Description, updated: list[str]) -> None:
        scope = scope_of(package["ModelPackageArn"])
        tags = self._store.shelf(scope).tags.get(package["ModelPackageArn"], {})
        events.model_package(self._cloud, scope, package, updated, tags)


def _check_containers(specification: dict[str, Any] | None, scope: Scope) -> None:
    """Images have to be well-formed and model data in place, as for a model."""
    for container in (specification or {}).get("Containers", []):
        check_image(container["Image"], scope)
        if container.get("ModelDataUrl"):
            check_model_data(container["ModelDataUrl"], None, scope)


def _user(call: Call) -> Description:
    """UserContext of whoever calls."""
    return {"IamIdentity": {"Arn": call.caller, "PrincipalId": call.caller.rsplit("/", 1)[-1]}}
