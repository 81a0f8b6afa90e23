"""`ModelPackage`: a version in SageMaker's model registry, as a Pulumi resource.

What a change of an input means:

- group, image, model data, artifact digest, environment, content types, framework, region: another version. It is
  registered beside the old one, which stays in the registry.
- source URI and customer metadata: updated in place.
- metadata `understudy.git_commit` and `understudy.author`: nothing. They say who registered the version and from which
  commit; both change without the version changing, and a diff on every commit would hide the real ones.
- description: nothing. SageMaker has no call that changes it; a new one comes with the next version.
- approval status and life cycle are no inputs: they belong to people and to releases, and are only ever read.

API: CreateModelPackage, DescribeModelPackage, UpdateModelPackage.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)
from pulumi.output import Unknown

from model_package.metadata import ARTIFACT_DIGEST, AUTHOR, GIT_COMMIT
from providers import aws
from providers.aws import ProviderError

PROVENANCE = frozenset({GIT_COMMIT, AUTHOR})
"""Metadata written once, when the version is registered."""

IDENTITY = (
    "model_package_group_name",
    "image",
    "model_data_url",
    "artifact_digest",
    "environment",
    "content_types",
    "response_types",
    "framework",
    "framework_version",
)
"""Everything that is the version: another value is another version."""

IN_PLACE = ("source_uri", "customer_metadata_properties", "assume_role_arn")

METADATA_VALUE = re.compile(r"[\w .:/=+@-]*")
"""The characters SageMaker allows in customer metadata, keys and values alike."""

REQUIRED = ("model_package_group_name", "image", "model_data_url", "artifact_digest", "content_types")

PROPERTIES = {
    "SupportedContentTypes": "content_types",
    "SupportedResponseMIMETypes": "response_types",
    "ModelPackageDescription": "model_package_description",
    "CustomerMetadataProperties": "customer_metadata_properties",
    "SourceUri": "source_uri",
    "Environment": "environment",
    "ModelDataUrl": "model_data_url",
    "FrameworkVersion": "framework_version",
    "Framework": "framework",
    "Image": "image",
}
"""Members of CreateModelPackage's request and the inputs they come from."""

EARLIER_ATTEMPT = timedelta(seconds=60)
"""A failed version older than this was registered by an earlier `up`, clocks being what they are."""

REGISTRATION_SECONDS = 900
"""How long a version may take to become Completed; without validation jobs AWS takes seconds."""


@dataclass(frozen=True)
class ModelPackageArgs:
    """The inputs, with AWS's names. ARNs and URIs are plain; digests are 64 lower-case hex digits."""

    model_package_group_name: Input[str]
    """Name or ARN of the group, which is the service."""
    image: Input[str]
    """Image URI, `repository@sha256:…` or `repository:tag`, in the same region."""
    model_data_url: Input[str]
    """`s3://…/model.tar.gz`, in the same region."""
    artifact_digest: Input[str]
    """SHA-256 of the artifact's uncompressed tar stream; also metadata `understudy.artifact_digest`."""
    environment: Input[Mapping[str, Input[str]]]
    """The container's environment (`SAGEMAKER_PROGRAM`, …), at most 100 entries."""
    content_types: Input[Sequence[Input[str]]]
    """MIME types it takes."""
    response_types: Input[Sequence[Input[str]]] | None = None
    """MIME types it answers; the same as it takes, if not given."""
    framework: Input[str] | None = None
    """`XGBOOST`, `SKLEARN`, `PYTORCH`; None for a custom image."""
    framework_version: Input[str] | None = None
    """As in `package.yaml`, 3-10 characters."""
    model_package_description: Input[str] | None = None
    """At most 1,024 characters."""
    source_uri: Input[str] | None = None
    """Where the model comes from (its training job, or the lock file's URI)."""
    customer_metadata_properties: Input[Mapping[str, Input[str]]] | None = None
    """`understudy.*` keys of `model_package.metadata`; at most 50, values 1-256 characters."""
    region: Input[str] | None = None
    """Region; boto3's default, if not given."""
    assume_role_arn: Input[str] | None = None
    """Role to act as; boto3's default identity, if not given."""


class ModelPackage(Resource, module="understudy", name="ModelPackage"):
    """A version of a model. Its id is its ARN."""

    model_package_arn: Output[str]
    version: Output[int]
    model_package_status: Output[str]
    model_approval_status: Output[str]
    """PendingManualApproval when registered; afterwards what people and releases made of it."""
    model_package_group_name: Output[str]
    image: Output[str]
    model_data_url: Output[str]
    environment: Output[dict[str, str]]
    artifact_digest: Output[str]
    customer_metadata_properties: Output[dict[str, str]]

    def __init__(self, name: str, args: ModelPackageArgs, opts: ResourceOptions | None = None) -> None:
        props: dict[str, Any] = {field.name: getattr(args, field.name) for field in fields(args)}
        outputs = ("model_package_arn", "version", "model_package_status", "model_approval_status")
        super().__init__(ModelPackageProvider(), name, {**props, **dict.fromkeys(outputs)}, opts)


class ModelPackageProvider(ResourceProvider):
    """Create, read, update and diff of a registered version; stateless, importable, released under this name."""

    serialize_as_secret_always = False

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Fill in defaults and refuse, before anything exists, what SageMaker would refuse."""
        inputs = {name: value for name, value in news.items() if value is not None}
        inputs.setdefault("response_types", inputs.get("content_types"))
        failures = [CheckFailure(name, reason) for name, reason in _mistakes(inputs)]
        return CheckResult(inputs, failures)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Old outputs against new inputs; see the table at the top."""
        replaces = [name for name in IDENTITY if _differs(olds.get(name), news.get(name))]
        if news.get("region") not in (None, _region(str(olds["model_package_arn"]))):
            replaces.append("region")
        updates = [name for name in IN_PLACE if _differs(_comparable(name, olds), _comparable(name, news))]
        return DiffResult(changes=bool(replaces or updates), replaces=replaces, delete_before_replace=False)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Register the version and wait until it is Completed.

        The request holds the version's content only, and its ClientToken is the request's digest: where an `up` was
        killed after AWS had registered, the next one is given the same version. What may differ between attempts
        (commit, author) is written afterwards, and only where nothing is written yet.
        """
        sagemaker = aws.client("sagemaker", props)
        arn, description = _register(sagemaker, registration(props))
        written = description.get("CustomerMetadataProperties", {})
        missing = {key: value for key, value in _metadata(props).items() if key not in written}
        if missing:
            sagemaker.update_model_package(ModelPackageArn=arn, CustomerMetadataProperties=missing)
            description["CustomerMetadataProperties"] = {**written, **missing}
        return CreateResult(arn, _outputs(props, description))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """What the registry says now: a refresh takes over an approval made elsewhere; an import starts here."""
        sagemaker = aws.client("sagemaker", {"region": _region(id_), **props})
        try:
            description = sagemaker.describe_model_package(ModelPackageName=id_)
        except ClientError as error:
            if aws.is_not_found(error):
                return ReadResult("", {})
            raise
        outputs = _outputs(props, description)
        names = (field.name for field in fields(ModelPackageArgs))
        return ReadResult(id_, outputs, {name: outputs[name] for name in names if outputs.get(name) is not None})

    def update(self, id_: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Change source URI and metadata; never the approval status."""
        sagemaker = aws.client("sagemaker", news)
        changes: dict[str, Any] = {}
        if _differs(olds.get("source_uri"), news.get("source_uri")):
            changes["SourceUri"] = news.get("source_uri", "")
        before = _comparable("customer_metadata_properties", olds)
        after = _comparable("customer_metadata_properties", news)
        if changed := {key: value for key, value in after.items() if before.get(key) != value}:
            changes["CustomerMetadataProperties"] = changed
        if removed := sorted(before.keys() - after.keys()):
            changes["CustomerMetadataPropertiesToRemove"] = removed
        if changes:
            sagemaker.update_model_package(ModelPackageArn=id_, **changes)
        return UpdateResult(_outputs(news, sagemaker.describe_model_package(ModelPackageName=id_)))

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        """Keep the version: registry history is what a rollback returns to. Only `understudy prune` deletes."""
        aws.say(f"{id_} stays in the registry: its history is kept")


def registration(props: Mapping[str, Any]) -> dict[str, Any]:
    """CreateModelPackage's request for the version that `props` describe, without its ClientToken."""
    container = {
        "Image": props.get("image"),
        "ModelDataUrl": props.get("model_data_url"),
        "Environment": props.get("environment"),
        "Framework": props.get("framework"),
        "FrameworkVersion": props.get("framework_version"),
    }
    specification = {
        "Containers": [_present(container)],
        "SupportedContentTypes": props.get("content_types"),
        "SupportedResponseMIMETypes": props.get("response_types"),
    }
    request = {
        "ModelPackageGroupName": props.get("model_package_group_name"),
        "ModelPackageDescription": props.get("model_package_description"),
        "InferenceSpecification": _present(specification),
        "ModelApprovalStatus": "PendingManualApproval",
        "CustomerMetadataProperties": _comparable("customer_metadata_properties", props),
        "SourceUri": props.get("source_uri"),
    }
    return _present(request)


def client_token(request: Mapping[str, Any], after: str = "") -> str:
    """36 hex digits that are the same for the same request (`after`: the ARN of the attempt that failed before)."""
    text = json.dumps([request, after], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:36]


def _register(sagemaker: Any, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The version's ARN and description once it is Completed.

    A version that failed in an earlier attempt answers to its token for as long as SageMaker remembers it, so it is
    passed over by a token derived from its ARN.
    """
    failed_before = ""
    while True:
        started = datetime.now(UTC)
        token = client_token(request, failed_before)
        arn = sagemaker.create_model_package(**request, ClientToken=token)["ModelPackageArn"]
        description = _settled(sagemaker, arn)
        if description["ModelPackageStatus"] == "Completed":
            return arn, description
        if description["CreationTime"] > started - EARLIER_ATTEMPT:
            reasons = "; ".join(_reasons(description)) or "SageMaker gives no reason"
            raise ProviderError(f"{arn} is {description['ModelPackageStatus']}: {reasons}")
        failed_before = arn


def _settled(sagemaker: Any, arn: str) -> dict[str, Any]:
    """The description once SageMaker has made up its mind (Completed, Failed or Deleting)."""
    for _ in aws.polls(REGISTRATION_SECONDS):
        description = aws.patiently(lambda: dict(sagemaker.describe_model_package(ModelPackageName=arn)))
        if description and description["ModelPackageStatus"] not in ("Pending", "InProgress"):
            return description
    raise ProviderError(
        f"{arn} is not Completed after {REGISTRATION_SECONDS} s: see it in SageMaker, then run `up` again"
    )


def _reasons(description: Mapping[str, Any]) -> list[str]:
    details = description.get("ModelPackageStatusDetails", {})
    items = [*details.get("ValidationStatuses", []), *details.get("ImageScanStatuses", [])]
    return [f"{item['Name']}: {item['FailureReason']}" for item in items if item.get("FailureReason")]


def _outputs(props: Mapping[str, Any], description: Mapping[str, Any]) -> dict[str, Any]:
    """The resource's full state: what SageMaker describes, on top of the inputs it does not echo.

    Customer metadata is limited to the keys that the program gave (all, on an import): what approvals, evidence and
    quarantine wrote beside them is theirs.
    """
    specification = description.get("InferenceSpecification", {})
    container = (specification.get("Containers") or [{}])[0]
    metadata = description.get("CustomerMetadataProperties", {})
    given = props.get("customer_metadata_properties")
    arn = description["ModelPackageArn"]
    group = props.get("model_package_group_name") or description.get("ModelPackageGroupName")
    return _present(
        {
            **{name: value for name, value in props.items() if not name.startswith("__")},
            "model_package_arn": arn,
            "model_package_group_name": group,
            "version": description.get("ModelPackageVersion"),
            "model_package_status": description.get("ModelPackageStatus"),
            "model_approval_status": description.get("ModelApprovalStatus"),
            "model_package_description": description.get("ModelPackageDescription"),
            "image": container.get("Image"),
            "model_data_url": container.get("ModelDataUrl"),
            "environment": container.get("Environment", {}),
            "framework": container.get("Framework"),
            "framework_version": container.get("FrameworkVersion"),
            "content_types": specification.get("SupportedContentTypes"),
            "response_types": specification.get("SupportedResponseMIMETypes"),
            "artifact_digest": metadata.get(ARTIFACT_DIGEST) or props.get("artifact_digest"),
            "source_uri": description.get("SourceUri"),
            "customer_metadata_properties": {k: v for k, v in metadata.items() if given is None or k in given},
        }
    )


def _metadata(props: Mapping[str, Any]) -> dict[str, Any]:
    """The customer metadata that is written, the artifact's digest always among it."""
    metadata = dict(props.get("customer_metadata_properties") or {})
    if digest := props.get("artifact_digest"):
        metadata[ARTIFACT_DIGEST] = digest
    return metadata


def _comparable(name: str, props: Mapping[str, Any]) -> Any:
    """A property as a diff sees it: of metadata, all but what is written once."""
    if name != "customer_metadata_properties":
        return props.get(name)
    return {key: value for key, value in _metadata(props).items() if key not in PROVENANCE}


def _differs(old: Any, new: Any) -> bool:
    """True if `new` asks for something else; an unknown value may. A dropped None, "", {} and [] are the same."""
    if _has_unknown(new):
        return True
    return bool((old or new) and old != new)


def _region(arn: str) -> str:
    return arn.split(":")[3]


def _has_unknown(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_unknown(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(_has_unknown(part) for part in value)
    return isinstance(value, Unknown)


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != ""}


def _mistakes(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (property, what is wrong and what is allowed) for what is known already."""
    from providers import service_model  # brings botocore's models, which only the host of the providers needs

    known = {name: value for name, value in inputs.items() if not _has_unknown(value)}
    for name in REQUIRED:
        if not inputs.get(name):
            yield name, f"{name} is required"
    digest = known.get("artifact_digest")
    if digest and not re.fullmatch(r"[0-9a-f]{64}", digest):
        yield "artifact_digest", f"artifact_digest must be 64 lower-case hex digits, found {digest!r}"
    for key, value in (known.get("customer_metadata_properties") or {}).items():
        if not (METADATA_VALUE.fullmatch(key) and METADATA_VALUE.fullmatch(value)):
            yield (
                "customer_metadata_properties",
                f"customer metadata takes letters, digits, spaces and _.:/=+-@ only, found {key!r}: {value!r}",
            )
    region, image = known.get("region"), known.get("image", "")
    if region and ".dkr.ecr." in image and f".dkr.ecr.{region}." not in image:
        yield "image", f"image {image} must be in the endpoint's region, {region}"
    for path, reason in service_model.mistakes("CreateModelPackage", registration(known)):
        yield _property(path), f"{path} {reason}"


def _property(path: str) -> str:
    """The input that a member of CreateModelPackage's request comes from."""
    return next((name for member, name in PROPERTIES.items() if member in path), "model_package_group_name")
