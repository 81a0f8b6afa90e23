"""`ModelPackage`: a version in SageMaker's model registry, as a Pulumi resource.

What a change of an input means: `providers.model_package_content`. What is refused: `providers.model_package_check`.
How a version is registered once: `providers.registration`.

Limits that are Pulumi's, not this resource's: the host of Python's dynamic providers passes on which properties
replace and no detailed diff, so a preview shows the changes of inputs under their names here; and it has no `import`
option (https://github.com/pulumi/pulumi/issues/16175), for which `import_arn` stands. A program whose state lost a
version is also given it again by the ClientToken, which is its content, for as long as SageMaker remembers that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

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

from providers import aws, model_package_check, properties
from providers import model_package_content as content
from providers.aws import ProviderError
from providers.properties import ClientArgs
from providers.registration import Registration


@dataclass(frozen=True)
class ModelPackageArgs(ClientArgs):
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
    import_arn: Input[str] | None = None
    """A version to take over instead of registering one: it has to be the same one by its content. Read when the
    resource is created, and no change afterwards: leave it out then."""


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
        outputs = ("model_package_arn", "version", "model_package_status", "model_approval_status")
        super().__init__(ModelPackageProvider(), name, properties.registered(args, *outputs), opts)


class ModelPackageProvider(ResourceProvider):
    """Create, read, update and diff of a registered version; stateless, importable, released under this name."""

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Normalise, fill in defaults and refuse, before anything exists, what SageMaker would refuse."""
        inputs = content.normalised(news)
        failures = [CheckFailure(name, reason) for name, reason in model_package_check.mistakes(inputs)]
        return CheckResult(inputs, failures)

    def diff(self, id_: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Old outputs against new inputs."""
        changes = content.changes(id_, olds, news)
        return DiffResult(changes=bool(changes), replaces=changes.replaces, delete_before_replace=False)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Register the version and wait until it is Completed.

        The request holds the version's content only, so that attempts of different commits and authors ask for the
        same version; what may differ is written afterwards.
        """
        registry = _registry(props)
        if arn := props.get("import_arn"):
            description = _taken_over(arn, registry.describe(arn), props)
        else:
            arn, description = registry.register(content.registration(props))
        return CreateResult(arn, content.outputs(props, registry.complete(arn, description, content.metadata(props))))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """What the registry says now: a refresh takes over an approval made elsewhere; an import starts here."""
        description = _registry({"region": content.region_of(id_), **props}).describe(id_)
        if description is None:
            return ReadResult("", {})
        outputs = content.outputs(props, description)
        return ReadResult(id_, outputs, content.inputs_of(outputs, (field.name for field in fields(ModelPackageArgs))))

    def update(self, id_: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Change source URI and metadata; never the approval status."""
        return UpdateResult(content.outputs(news, _registry(news).update(id_, content.update(olds, news))))

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        """Keep the version: registry history is what a rollback returns to. Only `understudy prune` deletes."""
        aws.say(f"{id_} stays in the registry: its history is kept")


def _taken_over(arn: str, description: Mapping[str, Any] | None, props: Mapping[str, Any]) -> Mapping[str, Any]:
    """The description of a version that is there. Raises ProviderError unless it is what `props` would register."""
    if description is None or description["ModelPackageStatus"] != "Completed":
        found = "not in the registry" if description is None else description["ModelPackageStatus"]
        raise ProviderError(f"import_arn: {arn} is {found}: name a Completed version, or leave import_arn out")
    found_in_it = content.outputs({}, description)
    if differing := content.changes(arn, found_in_it, props).replaces:
        shown = "; ".join(f"{name} is {found_in_it.get(name)!r}, not {props.get(name)!r}" for name in differing)
        raise ProviderError(f"import_arn: {arn} is another version: {shown}: name the one of this content, or none")
    return description


def _registry(props: Mapping[str, Any]) -> Registration:
    return Registration(aws.client("sagemaker", props))
