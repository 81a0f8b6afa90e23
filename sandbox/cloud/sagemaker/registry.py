"""The model registry: numbered versions and their approval.

A version keeps everything that was registered with it and every change names what it changes: an update leaves alone
what it does not mention. What a request names is found by `PackageGroups.find` and `_package`, and nowhere else.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping

from sandbox.cloud.actions import AwsError, Call, Handler
from sandbox.cloud.ports import Cloud
from sandbox.cloud.sagemaker import wording
from sandbox.cloud.sagemaker.listing import page
from sandbox.cloud.sagemaker.package_groups import PackageGroups, user_context
from sandbox.cloud.sagemaker.registration import Registrations, check_containers, containers, resolve_image
from sandbox.cloud.sagemaker.store import Description, Store, arn, now, refuse, scope_of

MAXIMUM_METADATA = 50
MAXIMUM_ADDITIONAL_SPECIFICATIONS = 15
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
    "ManagedStorageType",
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
# What a version that is registered from another one (SourceUri is its ARN) takes over.
_CLONED = ("InferenceSpecification", "AdditionalInferenceSpecifications")


class Registry:
    """Create, describe, update, list and delete model packages."""

    def __init__(self, cloud: Cloud, store: Store, groups: PackageGroups) -> None:
        self._store = store
        self._groups = groups
        self._registrations = Registrations(cloud, store)

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateModelPackage": self.create,
            "DescribeModelPackage": self.describe,
            "BatchDescribeModelPackage": self.batch_describe,
            "UpdateModelPackage": self.update,
            "ListModelPackages": self.list_packages,
            "DeleteModelPackage": self.delete,
        }

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
        known = self._registered_before(call, group_name or name)
        if known is not None:
            return {"ModelPackageArn": known}
        package = self._versioned(call, group_name) if group_name else self._unversioned(call, name)
        package |= copy.deepcopy({member: call[member] for member in _REGISTERED if call.get(member) is not None})
        package |= {member: value for member, value in self._cloned(call).items() if member not in package}
        check_containers(package, call, versioned=bool(group_name))
        package_arn = package["ModelPackageArn"]
        shelf = self._store.shelf_of(package_arn)
        if group_name:
            shelf.last_versions[package["ModelPackageGroupName"].lower()] = package["ModelPackageVersion"]
        shelf.packages[package_arn] = package
        shelf.tag(package_arn, call.get("Tags"))
        if call.get("ClientToken"):
            tokens = self._store.shelf(call.scope).client_tokens
            tokens[group_name or name, call["ClientToken"]] = package_arn, dict(call.parameters)
        self._registrations.begin(package)
        return {"ModelPackageArn": package_arn}

    def describe(self, call: Call) -> Description:
        package = self._package(call, call["ModelPackageName"])
        if call.get("IncludedData") == "MetadataOnly" and "ModelCard" in package:
            return {**package, "ModelCard": _sanitized(package["ModelCard"])}
        return package

    def batch_describe(self, call: Call) -> Description:
        answer: Description = {"ModelPackageSummaries": {}, "BatchDescribeModelPackageErrorMap": {}}
        for package_arn in call["ModelPackageArnList"]:
            try:
                package = self._own_package(call, package_arn)
            except AwsError as error:
                problem = {"ErrorCode": error.code, "ErrorResponse": error.message}
                answer["BatchDescribeModelPackageErrorMap"][package_arn] = problem
            else:
                answer["ModelPackageSummaries"][package_arn] = package
        return {member: found for member, found in answer.items() if found}

    def update(self, call: Call) -> Description:
        package = self._package(call, call["ModelPackageArn"])
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
        if more := call.get("AdditionalInferenceSpecificationsToAdd"):
            together = [*package.get("AdditionalInferenceSpecifications", []), *more]
            if len(together) > MAXIMUM_ADDITIONAL_SPECIFICATIONS:
                raise refuse(wording.ADDITIONAL_SPECIFICATIONS.format(maximum=MAXIMUM_ADDITIONAL_SPECIFICATIONS))
            changed["AdditionalInferenceSpecifications"] = together
        check_containers(changed, call, versioned="ModelPackageVersion" in package)
        changed = copy.deepcopy(changed)
        for container in containers(changed):
            resolve_image(container, call.scope)
        package.update(changed)
        package |= {"LastModifiedTime": now(), "LastModifiedBy": user_context(call)}
        self._registrations.announce(package, sorted(changed))
        return {"ModelPackageArn": package["ModelPackageArn"]}

    def list_packages(self, call: Call) -> Description:
        group_name, status = call.get("ModelPackageGroupName"), call.get("ModelApprovalStatus")
        kind = call.get("ModelPackageType") or ("Versioned" if group_name else "Unversioned")
        shelf = self._store.shelf(call.scope)
        if group_name:
            shelf, group = self._groups.find(call)
            group_name = group["ModelPackageGroupName"]
        kept = [
            package
            for package in shelf.packages.values()
            if (group_name is None or package.get("ModelPackageGroupName") == group_name)
            and (status is None or package.get("ModelApprovalStatus") == status)
            and (kind == "Both" or ("ModelPackageVersion" in package) == (kind == "Versioned"))
        ]
        name = "ModelPackageGroupName" if kind == "Versioned" else "ModelPackageName"
        return page(call, "ModelPackageSummaryList", kept, name=name, order="Ascending")

    def delete(self, call: Call) -> None:
        package = self._package(call, call["ModelPackageName"])
        package_arn = package["ModelPackageArn"]
        shelf = self._store.shelf_of(package_arn)
        del shelf.packages[package_arn]
        shelf.tags.pop(package_arn, None)

    # -- parts

    def _package(self, call: Call, name: str) -> Description:
        """The package that a request names, by name or ARN (another account's too)."""
        package_arn = name if name.startswith("arn:") else arn(call.scope, "model-package", name)
        if scope_of(package_arn).region != call.scope.region:
            raise refuse(f"ARN should be scoped to correct region: {call.scope.region}")
        package = self._store.shelf_of(package_arn).packages.get(package_arn)
        if package is None:
            raise refuse(wording.MISSING_PACKAGE.format(arn=package_arn))
        return package

    def _own_package(self, call: Call, package_arn: str) -> Description:
        """A package that a request names in passing; another account's, whatever it grants, is not served this way."""
        if scope_of(package_arn).account != call.scope.account:
            action = "sagemaker:DescribeModelPackage"
            raise AwsError(
                "AccessDeniedException",
                f"User: {call.caller} is not authorized to perform: {action} on resource: {package_arn} because no "
                f"resource-based policy allows the {action} action",
            )
        return self._package(call, package_arn)

    def _versioned(self, call: Call, group_name: str) -> Description:
        shelf, group = self._groups.find(call)
        name = group["ModelPackageGroupName"]
        version = shelf.last_versions.get(name.lower(), 0) + 1
        package_arn = f"{group['ModelPackageGroupArn'].replace(':model-package-group/', ':model-package/')}/{version}"
        return {
            **self._basis(call, package_arn),
            "ModelPackageGroupName": name,
            "ModelPackageVersion": version,
            "ModelApprovalStatus": call.get("ModelApprovalStatus") or "PendingManualApproval",
        }

    def _unversioned(self, call: Call, name: str) -> Description:
        package_arn = arn(call.scope, "model-package", name)
        if package_arn in self._store.shelf(call.scope).packages:
            raise refuse(f"Model Package already exists: {package_arn}")
        return {"ModelPackageName": name, **self._basis(call, package_arn)}

    def _basis(self, call: Call, package_arn: str) -> Description:
        return {
            "ModelPackageArn": package_arn,
            "CreationTime": now(),
            "CreatedBy": user_context(call),
            "ModelPackageStatus": "Pending",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "CertifyForMarketplace": False,
        }

    def _cloned(self, call: Call) -> Description:
        source = call.get("SourceUri") or ""
        if call.get("InferenceSpecification") or ":model-package/" not in source:
            return {}
        package = self._own_package(call, source)
        return copy.deepcopy({member: package[member] for member in _CLONED if member in package})

    def _registered_before(self, call: Call, name: str) -> str | None:
        """The ARN that the same request was given under its client token, as long as that package exists.

        Raises ConflictException for a token that stands for another request.
        """
        token = call.get("ClientToken")
        package_arn, request = self._store.shelf(call.scope).client_tokens.get((name, token), ("", {}))
        if not package_arn or package_arn not in self._store.shelf_of(package_arn).packages:
            return None
        if request != call.parameters:
            raise AwsError("ConflictException", wording.ANOTHER_REQUEST.format(token=token, arn=package_arn))
        return package_arn


def _sanitized(card: Mapping[str, str]) -> Description:
    """A model card without what may be encrypted, as `IncludedData: MetadataOnly` shows it."""
    try:
        rating = json.loads(card["ModelCardContent"])["intended_uses"]["risk_rating"]
    except (KeyError, TypeError, ValueError):
        return {**card, "ModelCardContent": "{}"}
    return {**card, "ModelCardContent": json.dumps({"intended_uses": {"risk_rating": rating}})}
