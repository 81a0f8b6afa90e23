"""The version under trial: its artifact, uploaded under its digest, and its registration as a model package."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from components.errors import MistakeError
from components.image_build import ImageBuild, ImageBuildArgs
from components.model_endpoint import Container
from components.naming import Scope
from components.storage import ContentStore
from model_package import artifacts, metadata, packaging, processors
from model_package.image import BuildContext, build_context
from model_package.lock import ModelLock, load_lock
from model_package.manifest import Manifest, load_manifest
from providers.container_image import ContainerImage, ContainerImageArgs
from providers.model_package import ModelPackage, ModelPackageArgs
from providers.model_signature import ModelSignature, ModelSignatureArgs


class ProcessorError(MistakeError):
    """An image is for another kind of processor than the instances that are to run it."""


@dataclass(frozen=True)
class Build:
    """A use case, packaged: what it says of itself, where its model came from, the artifact, its own image."""

    use_case: Path
    manifest: Manifest
    lock: ModelLock
    artifact: packaging.Artifact
    context: BuildContext | None = None


def build(use_case: Path, root: Path) -> Build | None:
    """Package a use case; None as long as it has no lock file (nothing is trained yet).

    Raises model_package's errors: ManifestInvalid, LockInvalid, ArtifactMissing, DigestMismatch.
    """
    manifest, lock = load_manifest(use_case), load_lock(use_case)
    if lock is None:
        return None
    cache = root / artifacts.CACHE
    artifact = packaging.build(use_case, manifest, lock, cache)
    for pickle in artifact.pickles:
        pulumi.log.warn(f"{use_case.name}: {pickle}")
    return Build(use_case, manifest, lock, artifact, build_context(use_case, manifest, cache))


def artifact_key(service: str, digest: str) -> str:
    return f"{service}/{digest}/model.tar.gz"


def container_of(build: Build, scope: Scope, service: str, image: str | None) -> Container:
    """The container spec of a candidate that was registered from here in `scope` (a shadow variant's)."""
    return Container(
        image=image or build.lock.image,
        model_data_url=f"s3://{scope.artifact_bucket}/{artifact_key(service, build.artifact.digest)}",
        environment=packaging.environment(build.manifest),
    )


def check_processor(build: Build, image: str | None, instance_type: str) -> None:
    """Raises ProcessorError unless the image that the use case runs is for the processors of its instances."""
    if image is None and build.context is not None:
        return
    reason = processors.mismatch(processors.of_image(image or build.lock.image), instance_type)
    if reason is None:
        return
    if image is not None:
        mend = "name the image for them in `image`, or another instanceType"
    else:
        mend = (
            f"name another instanceType, or have the lock file name the image for these: `understudy train "
            f"{build.use_case.name} --job {build.lock.training_job}` trains nothing anew"
        )
    raise ProcessorError(
        f"{build.use_case.name}: instanceType {instance_type}: {reason} ({image or build.lock.image}); {mend}"
    )


def git_commit(use_case: Path) -> str | None:
    """The last commit that touched the use case; None outside of git. Other commits do not change the candidate."""
    command = ["git", "log", "-1", "--format=%H", "--", os.fspath(use_case.resolve())]
    result = subprocess.run(command, cwd=use_case, capture_output=True, text=True, check=False, timeout=30)
    return result.stdout.strip() or None


@dataclass(frozen=True)
class CandidateArgs:
    """`image`: one to run instead of the use case's own; `public_key`: PEM, None where versions are not signed."""

    build: Build
    image: str | None
    artifacts: ContentStore
    model_package_group_name: pulumi.Input[str]
    repository_url: pulumi.Input[str]
    scope: Scope
    public_key: str | None = None


class Candidate(pulumi.ComponentResource):
    """`container` is the registered version's container spec: an unapproved version cannot be deployed by ARN."""

    container: Container
    model_package_arn: pulumi.Output[str]
    artifact_digest: str

    def __init__(self, name: str, args: CandidateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("understudy:candidate:Candidate", name, None, opts)
        self._name, self._args = name, args
        self.artifact_digest = args.build.artifact.digest
        self._image = self._find_image()
        artifact = self._upload()
        package = self._register(artifact, self._sign())
        self.model_package_arn = package.model_package_arn
        self.container = Container(
            image=package.image, model_data_url=package.model_data_url, environment=package.environment
        )
        self.register_outputs({"model_package_arn": self.model_package_arn, "artifact_digest": self.artifact_digest})

    def _find_image(self) -> ContainerImage:
        """By digest: the use case's own, built if it has to be, or the one that the lock file or the stack names."""
        args, child = self._args, pulumi.ResourceOptions(parent=self)
        if args.build.context is not None and args.image is None:
            build = ImageBuildArgs(
                scope=args.scope,
                context=args.build.context,
                repository_url=args.repository_url,
                artifacts=args.artifacts,
            )
            return ImageBuild(self._name, build, child).image
        image = args.image or args.build.lock.image
        return ContainerImage(self._name, ContainerImageArgs(image=image, region=args.scope.region), child)

    def _upload(self) -> aws.s3.BucketObjectv2:
        key = artifact_key(self._name, self.artifact_digest)
        return self._args.artifacts.upload(self._name, key, self._args.build.artifact.path, self)

    def _sign(self) -> list[pulumi.Resource]:
        """Before the version is registered: one without its signature is none that production would run."""
        args, artifact = self._args, self._args.build.artifact
        if args.public_key is None:
            return []
        signature = ModelSignatureArgs(
            bucket=args.artifacts.bucket,
            service=self._name,
            artifact_digest=artifact.digest,
            object_sha256=artifact.object_sha256,
            image_digest=self._image.image_digest,
            environment_digest=metadata.digest_of_environment(packaging.environment(args.build.manifest)),
            public_key=args.public_key,
            kms_key_id=args.artifacts.key_arn,
            region=args.scope.region,
        )
        return [ModelSignature(self._name, signature, pulumi.ResourceOptions(parent=self))]

    def _register(self, artifact: aws.s3.BucketObjectv2, after: list[pulumi.Resource]) -> ModelPackage:
        args, build = self._args, self._args.build
        framework = build.manifest.framework
        return ModelPackage(
            self._name,
            ModelPackageArgs(
                model_package_group_name=args.model_package_group_name,
                image=self._image.image_uri,
                model_data_url=pulumi.Output.format("s3://{0}/{1}", artifact.bucket, artifact.key),
                artifact_digest=self.artifact_digest,
                environment=packaging.environment(build.manifest),
                content_types=list(build.manifest.content_types),
                framework=framework.name.upper() if framework else None,
                framework_version=framework.version if framework else None,
                model_package_description=build.manifest.description or None,
                source_uri=build.lock.uri,
                customer_metadata_properties=self._metadata(artifact),
                region=args.scope.region,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=after),
        )

    def _metadata(self, uploaded: aws.s3.BucketObjectv2) -> dict[str, pulumi.Input[str]]:
        """Known in a preview but for what is found or made by then: the object's version, the image's digest."""
        artifact, context = self._args.build.artifact, self._args.build.context
        commit = git_commit(self._args.build.use_case) or ""
        values = metadata.of_registration(self._args.build.lock, artifact.digest, artifact.object_sha256, commit)
        own = {metadata.IMAGE_CONTEXT: context.digest} if context and self._args.image is None else {}
        named = self._args.image or ("" if context else self._args.build.lock.image)
        if processor := processors.of_image(named):
            own[metadata.IMAGE_PROCESSOR] = processor
        return {
            **values,
            **own,
            metadata.IMAGE_DIGEST: self._image.image_digest,
            metadata.OBJECT_VERSION_ID: uploaded.version_id.apply(lambda version: version or "null"),
        }
