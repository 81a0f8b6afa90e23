"""Models: an execution role and the containers that serve it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.ecr.models import ecr_backends
from moto.s3.models import s3_backends

from sandbox.cloud import bucket_policies, identity
from sandbox.cloud.actions import Call, Handler
from sandbox.cloud.ports import Scope
from sandbox.cloud.resource_policies import Principal
from sandbox.cloud.sagemaker import sharing, wording
from sandbox.cloud.sagemaker.listing import page
from sandbox.cloud.sagemaker.store import Description, Store, arn, now, refuse
from sandbox.cloud.trust import trusts_service

SERVICE = "sagemaker.amazonaws.com"
_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/"
    r"(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::(?P<tag>[\w.-]{1,128})|@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_S3 = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<key>.+)")


@dataclass(frozen=True)
class Container:
    """What a model runs, whether it named an image or a model package."""

    image: str
    model_data_url: str | None
    environment: Mapping[str, str]


class PullError(Exception):
    """An instance's role may not pull its image; the message is AWS's."""


class Models:
    """CreateModel, DescribeModel, ListModels, DeleteModel."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # As they were when the model was made: a package that is rejected later does not touch the model.
        self._containers: dict[str, Container] = {}

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateModel": self.create,
            "DescribeModel": self.describe,
            "ListModels": self.list,
            "DeleteModel": self.delete,
        }

    def create(self, call: Call) -> Description:
        shelf, name = self._store.shelf(call.scope), call["ModelName"]
        model_arn = arn(call.scope, "model", name)
        if name in shelf.models:
            raise refuse(f'Cannot create already existing model "{model_arn}".')
        primary, several = call.get("PrimaryContainer"), call.get("Containers")
        if bool(primary) == bool(several):
            raise refuse(wording.CONTAINERS)
        role_arn = call.get("ExecutionRoleArn")
        if role_arn:
            check_role(role_arn, model_arn)
        containers = [
            self._container(call, definition, index)
            for index, definition in enumerate([primary] if primary else several, start=1)
        ]
        for container in containers:
            check_image(container.image, call.scope, role_arn)
            if container.model_data_url:
                check_model_data(call, container.model_data_url, role_arn)
        members = ("PrimaryContainer", "Containers", "InferenceExecutionConfig", "ExecutionRoleArn", "VpcConfig")
        model = {member: call[member] for member in members if call.get(member) is not None}
        if primary:
            model["PrimaryContainer"] = {"Mode": "SingleModel", **primary}
        model |= {
            "ModelName": name,
            "ModelArn": model_arn,
            "CreationTime": now(),
            "EnableNetworkIsolation": bool(call.get("EnableNetworkIsolation", False)),
        }
        shelf.models[name] = model
        self._containers[model_arn] = containers[0]
        shelf.tag(model_arn, call.get("Tags"))
        return {"ModelArn": model_arn}

    def describe(self, call: Call) -> Description:
        return self.find(call.scope, call["ModelName"])

    def list(self, call: Call) -> Description:
        return page(call, "Models", self._store.shelf(call.scope).models.values(), name="ModelName")

    def delete(self, call: Call) -> None:
        """Accepted for a model in use, too: what runs it fails later, as on AWS."""
        model = self.find(call.scope, call["ModelName"])
        shelf = self._store.shelf(call.scope)
        del shelf.models[model["ModelName"]]
        del self._containers[model["ModelArn"]]
        shelf.tags.pop(model["ModelArn"], None)

    def find(self, scope: Scope, name: str) -> Description:
        model = self._store.shelf(scope).models.get(name)
        if model is None:
            raise refuse(f'Could not find model "{arn(scope, "model", name)}".')
        return model

    def container(self, model: Description) -> Container:
        """The first container of a model, with what its package contributes."""
        return self._containers[model["ModelArn"]]

    def _container(self, call: Call, definition: Description, index: int) -> Container:
        package_arn, image = definition.get("ModelPackageName"), definition.get("Image")
        if bool(package_arn) == bool(image):
            raise refuse(wording.CONTAINER_SOURCES.format(index=index))
        environment = definition.get("Environment", {})
        if package_arn is None:
            return Container(str(image), model_data(definition), environment)
        sharing.require(self._store, call, "CreateModel", package_arn)
        package = self._store.shelf_of(package_arn).packages.get(package_arn) if _is_arn(package_arn) else None
        if package is None:
            raise refuse(wording.MISSING_PACKAGE.format(arn=package_arn))
        status = package.get("ModelApprovalStatus", "Approved")
        if status != "Approved":
            raise refuse(wording.UNAPPROVED_PACKAGE.format(arn=package_arn, status=status))
        if package["ModelPackageStatus"] != "Completed" or not package.get("InferenceSpecification"):
            raise refuse(wording.INCOMPLETE_PACKAGE.format(arn=package_arn, status=package["ModelPackageStatus"]))
        packaged = package["InferenceSpecification"]["Containers"][0]
        return Container(packaged["Image"], model_data(packaged), {**packaged.get("Environment", {}), **environment})


def check_role(role_arn: str, model_arn: str) -> None:
    """AWS's refusal of an execution role that is not there or does not trust SageMaker."""
    if not trusts_service(role_arn, SERVICE, model_arn):
        raise refuse(
            f'The execution role ARN "{role_arn}" is invalid. Please ensure that the role exists and that its trust '
            f'relationship policy allows the action "sts:AssumeRole" for the service principal "{SERVICE}".'
        )


def check_image(image: str, scope: Scope, role_arn: str | None = None) -> None:
    """Refuse an image that no registry can have, that is not there, or that its repository does not grant the role."""
    match = _IMAGE.fullmatch(image)
    if match is None:
        raise refuse(wording.BAD_IMAGE.format(image=image))
    repository = ecr_backends[match["account"]][match["region"]].repositories.get(match["repository"])
    if match["account"] != scope.account:
        if repository is None:
            return  # AWS's own registries are not here, and cannot be looked into.
        if role_arn and not sharing.pullable(repository, role_arn):
            raise refuse(
                f"The repository of your image {image} does not grant {', '.join(sharing.PULL)} permission to "
                f"{SERVICE} service principal."
            )
    tag = match["tag"] or "latest"
    known = [
        found
        for found in (repository.images if repository else [])
        if (found.get_image_digest() == match["digest"] if match["digest"] else tag in found.image_tags)
    ]
    if not known:
        raise refuse(wording.MISSING_IMAGE.format(image=image))
    media_type = str(known[0].image_manifest_media_type)
    if media_type.startswith("application/vnd.oci."):
        raise refuse(f"Unsupported manifest media type {media_type} for image {image}.")


def check_pull(image: str, role_arn: str, scope: Scope) -> None:
    """What an instance that starts finds out: raises PullError, whose text is the endpoint's FailureReason."""
    match = _IMAGE.fullmatch(image)
    if match is None or match["account"] == scope.account:
        return
    repository = ecr_backends[match["account"]][match["region"]].repositories.get(match["repository"])
    if repository is not None and not sharing.pullable(repository, role_arn):
        raise PullError(f"The role '{role_arn}' does not have BatchGetImage permission for the image: '{image}'.")


def check_model_data(call: Call, url: str, role_arn: str | None = None) -> None:
    """AWS's refusal, at CreateModel already, of model data that is not there, not in this region or not the role's.

    Where no execution role is named (a registration names none) it is the caller who has to be able to read.
    """
    scope = call.scope
    if role_arn is None:
        if not _readable(url, identity.principal(call.caller), scope):
            raise refuse(wording.INACCESSIBLE_DATA.format(url=url, region=scope.region))
    elif not _readable(url, identity.role_principal(role_arn, "SageMaker"), scope):
        raise refuse(
            f'Could not access model data at {url}. Please ensure that the role "{role_arn}" exists and that its trust '
            f'relationship policy allows the action "sts:AssumeRole" for the service principal "{SERVICE}". Also '
            'ensure that the role has "s3:GetObject" permissions and that the object is located in '
            f"{scope.region}."
        )


def _readable(url: str, principal: Principal, scope: Scope) -> bool:
    match = _S3.fullmatch(url)
    if match is None or match["bucket"] not in s3_backends.bucket_accounts:
        return False
    partition, account = s3_backends.bucket_accounts[match["bucket"]]
    bucket, key = s3_backends[account][partition].buckets[match["bucket"]], match["key"]
    if bucket.region_name != scope.region:
        return False
    if not bucket_policies.object_permitted(principal, bucket, key):
        return False
    if not bucket_policies.decryptable(principal, bucket, key):
        return False
    if key.endswith("/"):
        return any(known.startswith(key) for known in bucket.keys)
    return key in bucket.keys


def model_data(definition: Mapping[str, Any]) -> str | None:
    """Where a container's model data is, whichever member says so."""
    url: str | None = definition.get("ModelDataUrl")
    source: dict[str, Any] = definition.get("ModelDataSource", {}).get("S3DataSource", {})
    return url or source.get("S3Uri")


def _is_arn(text: str) -> bool:
    return text.startswith("arn:") and text.count(":") >= 5


def check_image_name(image: str) -> re.Match[str]:
    """The parts of an image's name; refuses one that no registry can have."""
    match = _IMAGE.fullmatch(image)
    if match is None:
        raise refuse(wording.BAD_IMAGE.format(image=image))
    return match


def image_digest(image: str) -> str | None:
    """The digest of a well-formed image in a registry of the sandbox; None if it is not there."""
    match = check_image_name(image)
    repository = ecr_backends[match["account"]][match["region"]].repositories.get(match["repository"])
    tag = match["tag"] or "latest"
    for found in repository.images if repository is not None else ():
        if found.image_digest == match["digest"] if match["digest"] else tag in found.image_tags:
            return str(found.image_digest)
    return None


def check_model_data_found(call: Call, url: str) -> None:
    """AWS's words for an object that is not there, in a bucket that is and that the caller may read."""
    match, scope = _S3.fullmatch(url), call.scope
    if match is None or match["bucket"] not in s3_backends.bucket_accounts:
        return
    partition, account = s3_backends.bucket_accounts[match["bucket"]]
    bucket = s3_backends[account][partition].buckets[match["bucket"]]
    permitted = bucket_policies.object_permitted(identity.principal(call.caller), bucket, match["key"])
    here = bucket.region_name == scope.region
    if permitted and here and not any(key.startswith(match["key"]) for key in bucket.keys):
        raise refuse(f"Could not find model data at {url}.")
