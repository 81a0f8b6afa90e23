"""What a registered version is, and what a change of it means. Pure: properties and AWS's descriptions in, plans out.

- group, image, model data, artifact digest, environment, content types, framework, region: another version.
- source URI and customer metadata: updated in place. What counts is what the program asked for last, kept as
  `requested_metadata`: metadata that people change in the console is theirs, shown and never undone.
- metadata of `WRITTEN_ONCE`: nothing. It says how the version came to be; that changes without the version changing.
- description: nothing. SageMaker has no call that changes it; a new one comes with the next version.
- approval status and life cycle are no inputs: they belong to people and to releases, and are only ever read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pulumi.output import Unknown

from model_package.metadata import (
    ARTIFACT_DIGEST,
    AUTHOR,
    ENVIRONMENT_DIGEST,
    GIT_COMMIT,
    IMAGE_DIGEST,
    OBJECT_VERSION_ID,
    RELEASE_KEYS,
    digest_of_environment,
    digest_of_image,
)
from providers import properties

WRITTEN_ONCE = frozenset({GIT_COMMIT, AUTHOR, OBJECT_VERSION_ID})
"""Metadata of the attempt that registered the version. Another commit, author or upload of the same bytes is no
change, and a diff on each would hide the real ones."""

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

UNORDERED = ("content_types", "response_types")
TEXTS = ("environment", "customer_metadata_properties")
"""Maps of texts: a number or a boolean in them is written as YAML has it, however it arrives."""

REQUESTED = "requested_metadata"
"""Output: the metadata that the program asked for last, less what is written once."""


@dataclass(frozen=True)
class Changes:
    """Names of the properties that changed: `replaces` make another version, `updates` are written on this one."""

    replaces: list[str]
    updates: list[str]

    def __bool__(self) -> bool:
        return bool(self.replaces or self.updates)


def normalised(news: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs with their defaults, without what is None, and with numbers in maps of texts as texts."""
    inputs = properties.given(news)
    for name in TEXTS:
        if isinstance(inputs.get(name), Mapping):
            inputs[name] = {key: _text(value) for key, value in inputs[name].items() if value is not None}
    if "content_types" in inputs:
        inputs.setdefault("response_types", inputs["content_types"])
    return inputs


def changes(arn: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Changes:
    """Old outputs of the version `arn` against new inputs. An unknown value may be a change, so it is one."""
    old, new = _identity(arn, olds), _identity(arn, news)
    replaces = [name for name in IDENTITY if _differs(old[name], new[name])]
    if news.get("region") not in (None, region_of(arn)):
        replaces.append("region")
    updates = [name for name in ("source_uri", "assume_role_arn") if _differs(olds.get(name), news.get(name))]
    if _differs(_requested(olds), asked(news)):
        updates.append("customer_metadata_properties")
    return Changes(replaces, updates)


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
        "Containers": [present(container)],
        "SupportedContentTypes": props.get("content_types"),
        "SupportedResponseMIMETypes": props.get("response_types"),
    }
    request = {
        "ModelPackageGroupName": props.get("model_package_group_name"),
        "ModelPackageDescription": props.get("model_package_description"),
        "InferenceSpecification": present(specification),
        "ModelApprovalStatus": "PendingManualApproval",
        "CustomerMetadataProperties": asked(props),
        "SourceUri": props.get("source_uri"),
    }
    return present(request)


def update(olds: Mapping[str, Any], news: Mapping[str, Any]) -> dict[str, Any]:
    """UpdateModelPackage's request, without the ARN, and never with an approval status; empty where there is none."""
    request: dict[str, Any] = {}
    if _differs(olds.get("source_uri"), news.get("source_uri")):
        request["SourceUri"] = news.get("source_uri", "")
    before, after = _requested(olds), asked(news)
    if changed := {key: value for key, value in after.items() if before.get(key) != value}:
        request["CustomerMetadataProperties"] = changed
    if removed := sorted(before.keys() - after.keys()):
        request["CustomerMetadataPropertiesToRemove"] = removed
    return request


def metadata(props: Mapping[str, Any]) -> dict[str, Any]:
    """The customer metadata of a version, the digests of artifact, image and environment always among it."""
    values = dict(props.get("customer_metadata_properties") or {})
    if digest := props.get("artifact_digest"):
        values[ARTIFACT_DIGEST] = digest
    image = props.get("image")
    if isinstance(image, str) and (digest := digest_of_image(image)):
        values[IMAGE_DIGEST] = digest
    environment = props.get("environment") or {}
    if not has_unknown(environment):
        values[ENVIRONMENT_DIGEST] = digest_of_environment(environment)
    return values


def asked(props: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata that is registered with the version and compared afterwards: all but what is written once."""
    return {key: value for key, value in metadata(props).items() if key not in WRITTEN_ONCE}


def outputs(props: Mapping[str, Any], description: Mapping[str, Any]) -> dict[str, Any]:
    """The resource's full state: what SageMaker describes, on top of the inputs it does not echo.

    Metadata is all that the registry holds. The artifact's digest is what was registered, whatever was written over
    it later; on an import, which has no inputs, it is the metadata's.
    """
    specification = description.get("InferenceSpecification", {})
    container = (specification.get("Containers") or [{}])[0]
    live = dict(description.get("CustomerMetadataProperties", {}))
    if REQUESTED in props or "customer_metadata_properties" in props:
        requested = _requested(props)
    else:  # an import, or a program that gives none
        requested = {key: value for key, value in live.items() if key not in RELEASE_KEYS | WRITTEN_ONCE}
    return present(
        {
            **properties.own(props),
            "model_package_arn": description["ModelPackageArn"],
            "model_package_group_name": (
                props.get("model_package_group_name") or description.get("ModelPackageGroupName")
            ),
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
            "artifact_digest": props.get("artifact_digest") or live.get(ARTIFACT_DIGEST),
            "source_uri": description.get("SourceUri"),
            "customer_metadata_properties": live,
            REQUESTED: requested,
        }
    )


def inputs_of(state: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The inputs that `state` came from: of metadata, what a program asks for and what was written once."""
    found = {name: state[name] for name in names if state.get(name) is not None}
    kept = state[REQUESTED].keys() | WRITTEN_ONCE
    found["customer_metadata_properties"] = {
        key: value for key, value in state.get("customer_metadata_properties", {}).items() if key in kept
    }
    return found


def region_of(arn: str) -> str:
    """The region of an ARN."""
    return arn.split(":")[3]


def has_unknown(value: Any) -> bool:
    """Whether a preview does not know all of `value` yet."""
    if isinstance(value, Mapping):
        return any(has_unknown(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(has_unknown(part) for part in value)
    return isinstance(value, Unknown)


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` without None and ""."""
    return {name: value for name, value in values.items() if value is not None and value != ""}


def _requested(state: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for last; states of earlier releases have it in the metadata itself."""
    return dict(state[REQUESTED]) if REQUESTED in state else asked(state)


def _identity(arn: str, props: Mapping[str, Any]) -> dict[str, Any]:
    """The properties that are the version, in a form that has one value for what means the same."""
    identity: dict[str, Any] = {name: props.get(name) for name in IDENTITY}
    for name in UNORDERED:
        types = identity[name]
        if types and not has_unknown(types):
            identity[name] = sorted(types)
    group = identity["model_package_group_name"]
    own = arn.replace(":model-package/", ":model-package-group/").rpartition("/")[0]
    if group == own:
        identity["model_package_group_name"] = own.rpartition("/")[2]
    return identity


def _differs(old: Any, new: Any) -> bool:
    """True if `new` asks for something else; an unknown value may. A dropped None, "", {} and [] are the same."""
    return has_unknown(new) or bool((old or new) and old != new)


def _text(value: Any) -> Any:
    """Pulumi hands integers over as floats, and SageMaker takes texts only."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else value
