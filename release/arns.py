"""Model package ARNs and service names as the commands take them."""

from __future__ import annotations

from dataclasses import replace

from release.errors import UsageError
from settings import ModelPackageArn


def parse(text: str, *, where: str = "") -> ModelPackageArn:
    """A versioned package's ARN in its parts. Raises `UsageError`."""
    try:
        return ModelPackageArn.parse(text)
    except ValueError as error:
        raise UsageError(
            f"Malformed model package ARN: {error}.",
            where=where,
            do="`understudy history <service>` lists the ones there are.",
        ) from error


def group_arn(arn: ModelPackageArn) -> str:
    """The group's ARN; SageMaker takes it where a name would mean the caller's own account."""
    return f"arn:{arn.partition}:sagemaker:{arn.region}:{arn.account}:model-package-group/{arn.group}"


def with_version(arn: ModelPackageArn, version: int) -> ModelPackageArn:
    """The same group's package of another version."""
    return replace(arn, version=version)


def version_number(text: str) -> int:
    """A version as a person writes it: `7` or `v7`. Raises `UsageError`."""
    number = text.removeprefix("v")
    if not number.isdecimal() or int(number) < 1:
        raise UsageError(f"{text!r} is no version.", do="Write a number such as 7, or the whole ARN.")
    return int(number)


def named(text: str, known: ModelPackageArn) -> ModelPackageArn:
    """What `[VERSION|ARN]` means, given any ARN of the service's group."""
    return (
        parse(text, where="argument VERSION") if text.startswith("arn:") else with_version(known, version_number(text))
    )


def service_name(use_case: str) -> str:
    """The service a use case's folder becomes: `tumor_triage` is `tumor-triage`."""
    return use_case.replace("_", "-")


def use_case_name(service: str) -> str:
    """The folder a service comes from: `tumor-triage` is `tumor_triage`."""
    return service.replace("-", "_")
