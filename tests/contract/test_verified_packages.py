"""Released bytes are approved bytes: ModelSignature and VerifiedPackage on a registry, a bucket and a repository.

Every way in which a version can be swapped after it was registered, and what is said about it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from model_package.metadata import digest_of_environment
from model_package.signing import SigningKey
from providers import aws
from providers.aws import ProviderError
from providers.model_signature import ModelSignatureProvider
from providers.verified_package import VerifiedPackageProvider
from tests.unit.test_signing import make_key

ACCOUNT, REGION = "123456789012", "us-west-2"
ARTIFACT, OTHER = b"the artifact's bytes", b"the artifact's bytez"
DIGEST, CONTEXT = "d" * 64, "c" * 64
ENVIRONMENT = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True)
class Version:
    """A registered version with an artifact and a custom image, and the key it is signed with."""

    boto: Callable[..., Any]
    group: str
    bucket: str
    image_digest: str
    key: SigningKey
    arn: str = ""

    @property
    def artifact(self) -> str:
        return f"{self.group}/{DIGEST}/model.tar.gz"

    def write(self, body: bytes) -> None:
        self.boto("s3").put_object(Bucket=self.bucket, Key=self.artifact, Body=body)

    def push(self, manifest: str) -> str:
        """Another image under the version's tag."""
        ecr, tag = self.boto("ecr"), [{"imageTag": CONTEXT}]
        ecr.batch_delete_image(repositoryName=self.group, imageIds=tag)
        made = ecr.put_image(
            repositoryName=self.group,
            imageTag=CONTEXT,
            imageManifest=json.dumps({"schemaVersion": 2, "mediaType": DOCKER, "name": manifest}),
            imageManifestMediaType=DOCKER,
        )
        return str(made["image"]["imageId"]["imageDigest"])

    def register(self) -> Version:
        metadata = {
            "understudy.artifact_digest": DIGEST,
            "understudy.object_sha256": hashlib.sha256(ARTIFACT).hexdigest(),
            "understudy.image_digest": self.image_digest,
            "understudy.image_context": CONTEXT,
            "understudy.environment_digest": digest_of_environment(ENVIRONMENT),
        }
        image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{self.group}@{self.image_digest}"
        container = {"Image": image, "ModelDataUrl": f"s3://{self.bucket}/{self.artifact}", "Environment": ENVIRONMENT}
        made = self.boto("sagemaker").create_model_package(
            ModelPackageGroupName=self.group,
            ModelApprovalStatus="Approved",
            InferenceSpecification={"Containers": [container], "SupportedContentTypes": ["text/csv"]},
            CustomerMetadataProperties=metadata,
        )
        return replace(self, arn=made["ModelPackageArn"])

    def change(self, **container: Any) -> None:
        """What UpdateModelPackage lets anybody do who may write to the registry; None takes a member out."""
        sagemaker = self.boto("sagemaker")
        specification = sagemaker.describe_model_package(ModelPackageName=self.arn)["InferenceSpecification"]
        changed = {**specification["Containers"][0], **container}
        specification["Containers"] = [{name: value for name, value in changed.items() if value is not None}]
        sagemaker.update_model_package(ModelPackageArn=self.arn, InferenceSpecification=specification)

    def annotate(self, **metadata: str) -> None:
        """Overwrite customer metadata `understudy.<name>`."""
        named = {f"understudy.{name}": value for name, value in metadata.items()}
        self.boto("sagemaker").update_model_package(ModelPackageArn=self.arn, CustomerMetadataProperties=named)

    def as_of_an_earlier_release(self) -> None:
        """Registered and signed before the environment was part of either."""
        self.boto("sagemaker").update_model_package(
            ModelPackageArn=self.arn, CustomerMetadataPropertiesToRemove=["understudy.environment_digest"]
        )
        self.sign(environment_digest="")

    def sign(self, **said: str) -> dict[str, Any]:
        props = {
            "bucket": self.bucket,
            "service": self.group,
            "artifact_digest": DIGEST,
            "object_sha256": hashlib.sha256(ARTIFACT).hexdigest(),
            "image_digest": self.image_digest,
            "environment_digest": digest_of_environment(ENVIRONMENT),
            "public_key": self.key.public_key(),
            **said,
        }
        return dict(ModelSignatureProvider().create(props).outs or {})

    @property
    def signature(self) -> str:
        image, environment = self.image_digest.removeprefix("sha256:"), digest_of_environment(ENVIRONMENT)
        return f"{self.group}/{DIGEST}/{image}-{environment}.sig"

    def props(self, *, signed: bool = True) -> dict[str, Any]:
        return (
            {"model_package_arn": self.arn, "public_key": self.key.public_key()}
            if signed
            else {"model_package_arn": self.arn}
        )

    def verify(self, *, signed: bool = True) -> dict[str, Any]:
        return dict(VerifiedPackageProvider().create(self.props(signed=signed)).outs or {})


@pytest.fixture
def version(
    boto: Callable[..., Any], unique: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Version:
    monkeypatch.setattr(aws, "client", lambda service, props: boto(service))
    key = make_key(tmp_path, "signing.key")
    monkeypatch.setenv("UNDERSTUDY_SIGNING_KEY", str(key.path))
    group = unique("triage")
    boto("s3").create_bucket(Bucket=group, CreateBucketConfiguration={"LocationConstraint": REGION})
    boto("s3").put_bucket_versioning(Bucket=group, VersioningConfiguration={"Status": "Enabled"})
    boto("ecr").create_repository(repositoryName=group)
    boto("sagemaker").create_model_package_group(ModelPackageGroupName=group)
    made = Version(boto, group, group, "", key)
    made.write(ARTIFACT)
    made = replace(made, image_digest=made.push("the image")).register()
    made.sign()
    return made


def test_a_version_that_is_what_was_registered(version: Version, capsys: pytest.CaptureFixture[str]) -> None:
    found = version.verify()
    assert found["signed"] is True
    assert (found["artifact_digest"], found["image_digest"]) == (DIGEST, version.image_digest)
    assert found["object_sha256"] == hashlib.sha256(ARTIFACT).hexdigest()
    assert version.verify(signed=False)["signed"] is False
    assert "verifying s3://" in capsys.readouterr().err
    assert VerifiedPackageProvider().create(version.props()).id == version.group


def test_an_artifact_with_one_other_byte_is_refused_with_both_digests(version: Version) -> None:
    version.write(OTHER)
    with pytest.raises(ProviderError) as caught:
        version.verify()
    found, registered = (hashlib.sha256(body).hexdigest() for body in (OTHER, ARTIFACT))
    assert f"has SHA-256 {found}, registered is {registered}. Find out who wrote that object" in str(caught.value)


def test_an_artifact_that_is_gone_is_refused(version: Version) -> None:
    version.boto("s3").delete_object(Bucket=version.bucket, Key=version.artifact)
    with pytest.raises(ProviderError, match=r"there is nothing at s3://.*model\.tar\.gz \(NoSuchKey\): restore that"):
        version.verify()


def test_a_moved_and_a_deleted_tag_are_refused_with_both_digests(version: Version) -> None:
    other = version.push("another image")
    with pytest.raises(ProviderError, match=rf"is {other}, registered is {version.image_digest}\. Find out who pushed"):
        version.verify()
    version.boto("ecr").batch_delete_image(repositoryName=version.group, imageIds=[{"imageTag": CONTEXT}])
    with pytest.raises(ProviderError, match=rf"is nothing under tag {CONTEXT}, registered is {version.image_digest}"):
        version.verify()


def test_an_image_swapped_in_the_registry_is_refused(version: Version) -> None:
    """UpdateModelPackage takes an InferenceSpecification."""
    other = version.push("another image")
    version.change(Image=f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{version.group}@{other}")
    with pytest.raises(ProviderError, match=rf"is {other}, registered is {version.image_digest}"):
        version.verify()


def test_metadata_rewritten_to_fit_another_artifact_is_refused_by_the_signature(version: Version) -> None:
    """Who may write both the object and the registry still has no key."""
    version.write(OTHER)
    metadata = {"understudy.object_sha256": hashlib.sha256(OTHER).hexdigest()}
    version.boto("sagemaker").update_model_package(ModelPackageArn=version.arn, CustomerMetadataProperties=metadata)
    assert version.verify(signed=False)["object_sha256"] == metadata["understudy.object_sha256"]
    with pytest.raises(ProviderError, match=r"the signature is refused: .*Signature mismatch"):
        version.verify()


ELSEWHERE = {**ENVIRONMENT, "SAGEMAKER_SUBMIT_DIRECTORY": "s3://elsewhere/sourcedir.tar.gz"}


@pytest.mark.parametrize(
    "environment", [ELSEWHERE, {**ENVIRONMENT, "LD_PRELOAD": "/opt/ml/model/x.so"}, {}], ids=["moved", "more", "none"]
)
@pytest.mark.parametrize("signed", [True, False])
def test_another_environment_is_refused_with_both_digests(
    version: Version, environment: dict[str, str], signed: bool
) -> None:
    version.change(Environment=environment or None)
    registered, found = digest_of_environment(ENVIRONMENT), digest_of_environment(environment)
    with pytest.raises(ProviderError, match=rf"digest {found}, registered is {registered}\. Find out who changed it"):
        version.verify(signed=signed)


def test_metadata_rewritten_to_fit_another_environment_or_image_has_no_signature(version: Version) -> None:
    version.change(Environment=ELSEWHERE)
    version.annotate(environment_digest=digest_of_environment(ELSEWHERE))
    assert version.verify(signed=False)["signed"] is False
    with pytest.raises(ProviderError, match=r"there is no signature at s3://"):
        version.verify()
    other = version.push("another image")
    version.change(Environment=ENVIRONMENT, Image=f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{version.group}@{other}")
    version.annotate(environment_digest=digest_of_environment(ENVIRONMENT), image_digest=other)
    with pytest.raises(ProviderError, match=r"there is no signature at s3://"):
        version.verify()


def test_a_signature_moved_to_another_environment_is_refused(version: Version) -> None:
    version.change(Environment=ELSEWHERE)
    version.annotate(environment_digest=digest_of_environment(ELSEWHERE))
    moved = version.signature.replace(digest_of_environment(ENVIRONMENT), digest_of_environment(ELSEWHERE))
    source = {"Bucket": version.bucket, "Key": version.signature}
    version.boto("s3").copy_object(Bucket=version.bucket, Key=moved, CopySource=source)
    with pytest.raises(ProviderError, match=r"the signature is refused: .*Signature mismatch"):
        version.verify()


def test_two_environments_of_one_artifact_have_a_signature_each(version: Version) -> None:
    other = replace(version, arn="").register()
    other.change(Environment={**ENVIRONMENT, "SAGEMAKER_PROGRAM": "other.py"})
    digest = digest_of_environment({**ENVIRONMENT, "SAGEMAKER_PROGRAM": "other.py"})
    other.annotate(environment_digest=digest)
    other.sign(environment_digest=digest)
    assert (version.verify()["signed"], other.verify()["signed"]) == (True, True)


def test_a_version_of_an_earlier_release_is_verified_by_its_own_signature(version: Version) -> None:
    version.as_of_an_earlier_release()
    assert version.verify()["signed"] is True
    assert version.verify(signed=False)["signed"] is False


def test_a_version_of_an_earlier_release_may_choose_a_script_and_nothing_else(version: Version) -> None:
    version.as_of_an_earlier_release()
    version.change(Environment=ELSEWHERE)
    with pytest.raises(ProviderError, match=r"its signature is of a release that did not sign the environment, and"):
        version.verify()


def test_a_version_of_this_release_does_not_pass_for_one_of_an_earlier_one(version: Version) -> None:
    version.boto("sagemaker").update_model_package(
        ModelPackageArn=version.arn, CustomerMetadataPropertiesToRemove=["understudy.environment_digest"]
    )
    with pytest.raises(ProviderError, match=r"there is no signature at s3://"):
        version.verify()


def test_a_version_for_another_kind_of_processor_is_refused(version: Version) -> None:
    version.annotate(image_processor="gpu")
    found = VerifiedPackageProvider().create({**version.props(), "instance_type": "ml.g5.xlarge"}).outs
    assert found is not None
    assert found["image_processor"] == "gpu"
    with pytest.raises(ProviderError, match=r"the image is for graphics cards, and ml\.m5\.large has processors"):
        VerifiedPackageProvider().create({**version.props(), "instance_type": "ml.m5.large"})
    assert version.verify()["image_processor"] == "gpu", "nobody said what runs it"


def test_what_understudy_does_not_register_is_refused(version: Version) -> None:
    source = {"S3Uri": f"s3://{version.bucket}/{version.artifact}", "S3DataType": "S3Object", "CompressionType": "Gzip"}
    version.change(ModelDataUrl=None, ModelDataSource={"S3DataSource": source})
    with pytest.raises(ProviderError, match=r"is not what Understudy registers, one container with a ModelDataUrl"):
        version.verify()
    version.change(ModelDataUrl=f"s3://{version.bucket}/{version.artifact}", ModelDataSource=None)
    version.verify()
    sagemaker = version.boto("sagemaker")
    specification = sagemaker.describe_model_package(ModelPackageName=version.arn)["InferenceSpecification"]
    specification["Containers"] *= 2
    sagemaker.update_model_package(ModelPackageArn=version.arn, InferenceSpecification=specification)
    with pytest.raises(ProviderError, match=r"is not what Understudy registers, one container with a ModelDataUrl"):
        version.verify()


def test_a_flipped_byte_of_the_signature_a_missing_one_and_another_key_are_refused(
    version: Version, tmp_path: Path
) -> None:
    s3 = version.boto("s3")
    signature = s3.get_object(Bucket=version.bucket, Key=version.signature)["Body"].read()
    broken = bytearray(signature)
    at = signature.index(b'"sig":"') + 20  # base64, which it stays
    broken[at] = ord("A") if broken[at] != ord("A") else ord("B")
    s3.put_object(Bucket=version.bucket, Key=version.signature, Body=bytes(broken))
    with pytest.raises(ProviderError, match=r"the signature is refused: .*not by the configured key"):
        version.verify()
    s3.delete_object(Bucket=version.bucket, Key=version.signature)
    with pytest.raises(ProviderError, match=r"there is no signature at s3://.*\.sig, and this stack runs signed"):
        version.verify()
    version.sign()
    version.verify()
    with pytest.raises(ProviderError, match=r"the signature is refused: .*The public key hash"):
        replace(version, key=make_key(tmp_path, "another.key")).verify()


def test_a_version_that_says_nothing_of_its_bytes_is_refused(version: Version) -> None:
    version.boto("sagemaker").update_model_package(
        ModelPackageArn=version.arn, CustomerMetadataPropertiesToRemove=["understudy.object_sha256"]
    )
    with pytest.raises(ProviderError, match=r"does not say which bytes were registered .*understudy\.object_sha256"):
        version.verify()


def test_going_back_downloads_nothing_unless_somebody_wrote(
    version: Version, capsys: pytest.CaptureFixture[str]
) -> None:
    olds = version.verify()
    (object_version,) = olds["verified_objects"]
    assert object_version.startswith(f"s3://{version.bucket}/{version.artifact}?versionId=")
    capsys.readouterr()
    update = VerifiedPackageProvider().update
    again = update(version.group, olds, version.props()).outs
    assert again == olds
    assert "verifying" not in capsys.readouterr().err
    version.write(OTHER)
    with pytest.raises(ProviderError, match=r"the artifact is no longer the one that was registered"):
        update(version.group, olds, version.props())
    assert "verifying" in capsys.readouterr().err


def test_without_versioning_nothing_is_remembered(version: Version, boto: Callable[..., Any]) -> None:
    boto("s3").put_bucket_versioning(Bucket=version.bucket, VersioningConfiguration={"Status": "Suspended"})
    version.write(ARTIFACT)
    assert version.verify()["verified_objects"] == {}
