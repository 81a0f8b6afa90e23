"""ECR across registries: AWS's own images, and repositories of other accounts.

moto knows the caller's registry only. AWS's framework images are in registries that everybody may pull from; here each
tag of theirs has a digest that follows from its name, so a tag of AWS's never moves. Nothing is in these images: an
endpoint runs the model server whatever its image (see `sandbox.cloud.sagemaker.instance`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from moto.ecr.models import Image, ecr_backends
from moto.ecr.responses import ECRResponse

from sandbox.cloud.actions import AwsError, Call, FallbackSignal, plug_in
from sandbox.cloud.eventing.overrides import override
from sandbox.cloud.ports import Cloud, Scope

AWS_REPOSITORIES = ("sagemaker-xgboost", "sagemaker-scikit-learn", "pytorch-training", "pytorch-inference")
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def install(_cloud: Cloud) -> None:
    plug_in(ECRResponse, {"BatchGetImage": batch_get_image})
    override(Image, "_create_digest", lambda _: _digest)


def _digest(image: Image) -> None:
    """The SHA-256 of the manifest; moto draws one of a hundred for a manifest without layers."""
    image._image_digest = f"sha256:{hashlib.sha256(image.image_manifest.encode()).hexdigest()}"


def batch_get_image(call: Call) -> dict[str, Any]:
    """BatchGetImage of another registry than the caller's; moto answers for its own."""
    registry, name = call.get("registryId") or call.scope.account, call["repositoryName"]
    if registry == call.scope.account:
        raise FallbackSignal
    repository = ecr_backends[registry][call.scope.region].repositories.get(name)
    if repository is not None:
        if not _granted(repository.policy, call.scope.account):
            raise AwsError("AccessDeniedException", _denied(call, Scope(registry, call.scope.region), name))
        images = [
            _image(
                registry,
                name,
                image.get_image_digest(),
                image.image_manifest,
                str(image.image_manifest_media_type),
                asked,
            )
            for asked in call["imageIds"]
            for image in repository.images
            if asked.get("imageDigest") == image.get_image_digest() or asked.get("imageTag") in image.image_tags
        ]
        return _answer(call["imageIds"], images)
    if name not in AWS_REPOSITORIES:
        raise AwsError(
            "RepositoryNotFoundException",
            f"The repository with name '{name}' does not exist in the registry with id '{registry}'",
        )
    return _answer(call["imageIds"], [_of_aws(call.scope, registry, name, asked) for asked in call["imageIds"]])


def _of_aws(scope: Scope, registry: str, repository: str, asked: Mapping[str, str]) -> dict[str, Any]:
    named = f"{registry}/{scope.region}/{repository}:{asked.get('imageTag')}"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "annotations": {"sandbox": named}})
    digest = asked.get("imageDigest") or f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    return _image(registry, repository, digest, manifest, DOCKER_MANIFEST, asked)


def _image(
    registry: str, repository: str, digest: str, manifest: str, media_type: str, asked: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "registryId": registry,
        "repositoryName": repository,
        "imageId": {**asked, "imageDigest": digest},
        "imageManifest": manifest,
        "imageManifestMediaType": media_type,
    }


def _answer(asked: list[dict[str, str]], images: list[dict[str, Any]]) -> dict[str, Any]:
    found = [{key: image["imageId"].get(key) for key in ("imageTag", "imageDigest")} for image in images]
    missing = [
        {"imageId": one, "failureCode": "ImageNotFound", "failureReason": "Requested image not found"}
        for one in asked
        if not any(one.items() <= entry.items() for entry in found)
    ]
    return {"images": images, "failures": missing}


def _granted(policy: str | None, account: str) -> bool:
    """Whether a repository's policy lets the account pull; conditions are left out, as elsewhere here."""
    for statement in json.loads(policy)["Statement"] if policy else ():
        principal, actions = statement.get("Principal", {}), statement["Action"]
        named = principal if isinstance(principal, str) else principal.get("AWS", [])
        accounts = [named] if isinstance(named, str) else named
        allowed = [actions] if isinstance(actions, str) else actions
        if statement["Effect"] == "Allow" and any(one in ("*", account) or f"::{account}:" in one for one in accounts):
            return any(action in ("ecr:*", "*", "ecr:BatchGetImage") for action in allowed)
    return False


def _denied(call: Call, registry: Scope, name: str) -> str:
    resource = f"arn:aws:ecr:{registry.region}:{registry.account}:repository/{name}"
    return (
        f"User: {call.caller} is not authorized to perform: ecr:BatchGetImage on resource: {resource} because no "
        "resource-based policy allows the ecr:BatchGetImage action"
    )
