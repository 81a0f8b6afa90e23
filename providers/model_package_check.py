"""What SageMaker would refuse of a version, found before anything exists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pulumi.output import Unknown

from providers.model_package_content import has_unknown, registration

REQUIRED = ("model_package_group_name", "image", "model_data_url", "artifact_digest", "content_types")

VERSION_ARN = re.compile(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:model-package/[a-zA-Z0-9-]+/\d+")

METADATA_VALUE = re.compile(r"[\w .:/=+@-]*")
"""The characters SageMaker allows in customer metadata, keys and values alike."""

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


def mistakes(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (property, what is wrong and what is allowed) for what is known already.

    Lengths, patterns and enums are read from the service model that botocore ships.
    """
    from providers import service_model  # brings botocore's models, which only the host of the providers needs

    known = {name: _known(value) for name, value in inputs.items() if not isinstance(value, Unknown)}
    known = {name: value for name, value in known.items() if not has_unknown(value)}
    for name in REQUIRED:
        if not inputs.get(name):
            yield name, f"{name} is required"
    digest = known.get("artifact_digest")
    if digest and not re.fullmatch(r"[0-9a-f]{64}", digest):
        yield "artifact_digest", f"artifact_digest must be 64 lower-case hex digits, found {digest!r}"
    imported = known.get("import_arn")
    if imported and not VERSION_ARN.fullmatch(imported):
        yield "import_arn", f"import_arn must be a version's ARN, …:model-package/<group>/<version>, found {imported!r}"
    for key, value in (known.get("customer_metadata_properties") or {}).items():
        if not (METADATA_VALUE.fullmatch(key) and METADATA_VALUE.fullmatch(value)):
            yield (
                "customer_metadata_properties",
                f"customer metadata takes letters, digits, spaces and _.:/=+-@ only, found {key!r}: {value!r}",
            )
    region, image = known.get("region"), known.get("image", "")
    if region and ".dkr.ecr." in image and f".dkr.ecr.{region}." not in image:
        yield "image", f"image {image} must be in the registry's region, {region}: use that region's image"
    for path, reason in service_model.mistakes("CreateModelPackage", registration(known)):
        yield _property(path), f"{path} {reason}"


def _known(value: Any) -> Any:
    """Of a map, the entries that are known already."""
    if isinstance(value, Mapping):
        return {key: part for key, part in value.items() if not has_unknown(part)}
    return value


def _property(path: str) -> str:
    """The input that a member of CreateModelPackage's request comes from."""
    return next((name for member, name in PROPERTIES.items() if member in path), "model_package_group_name")
