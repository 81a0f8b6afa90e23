"""The pure parts of SageMaker's sandbox: deployment plans, hostile archives, capture lines, constraint texts."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from sandbox.cloud.actions import AwsError
from sandbox.cloud.constraints import violations
from sandbox.cloud.sagemaker.archives import BadArchiveError, extract
from sandbox.cloud.sagemaker.deployment_config import Plan, plan, retained


def blue_green(kind: str, size: int | None = None, by: str = "CAPACITY_PERCENT", **policy: int) -> dict[str, Any]:
    routing: dict[str, Any] = {"Type": kind, "WaitIntervalInSeconds": 60}
    if size is not None:
        member = "CanarySize" if kind == "CANARY" else "LinearStepSize"
        routing[member] = {"Type": by, "Value": size}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, **policy}}


def rolling(size: int) -> dict[str, Any]:
    batch = {"Type": "CAPACITY_PERCENT", "Value": size}
    return {"RollingUpdatePolicy": {"MaximumBatchSize": batch, "WaitIntervalInSeconds": 30}}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, Plan()),
        (blue_green("ALL_AT_ONCE", TerminationWaitInSeconds=120), Plan((1.0,), 60, 120)),
        (blue_green("CANARY", 10), Plan((0.1, 1.0), 60)),
        (blue_green("CANARY", 3, "INSTANCE_COUNT"), Plan((0.3, 1.0), 60)),
        (blue_green("LINEAR", 25), Plan((0.25, 0.5, 0.75, 1.0), 60)),
        (blue_green("LINEAR", 40), Plan((0.4, 0.8, 1.0), 60)),
        (rolling(50), Plan((0.5, 1.0), 30, 30)),
    ],
)
def test_a_deployment_config_becomes_steps(config: dict[str, Any] | None, expected: Plan) -> None:
    found = plan(config, {"Main": 10})
    assert found.shares == pytest.approx(expected.shares)
    assert (found.wait_seconds, found.bake_seconds) == (expected.wait_seconds, expected.bake_seconds)


@pytest.mark.parametrize(
    ("config", "counts", "message"),
    [
        (blue_green("CANARY", 6, "INSTANCE_COUNT"), {"Main": 10}, "at most 50% of the instances of variant Main"),
        (blue_green("CANARY", 10), {"Main": 10, "Small": 1}, "variant Small"),
        (blue_green("LINEAR", 9), {"Main": 10}, "10% to 50%"),
        (rolling(4), {"Main": 100}, "5% to 50%"),
        ({**rolling(10), **blue_green("ALL_AT_ONCE")}, {"Main": 2}, "Exactly one of BlueGreenUpdatePolicy"),
    ],
)
def test_what_guardrails_do_not_take_is_refused(config: dict[str, Any], counts: dict[str, int], message: str) -> None:
    with pytest.raises(AwsError) as caught:
        plan(config, counts)
    assert caught.value.code == "ValidationException"
    assert message in caught.value.message


def test_excluded_properties_are_not_retained() -> None:
    assert retained(None, retain_all=False) == frozenset()
    assert retained(None, retain_all=True) == {"DesiredInstanceCount", "DesiredWeight", "DataCaptureConfig"}
    excluded = [{"VariantPropertyType": "DesiredWeight"}]
    assert retained(excluded, retain_all=True) == {"DesiredInstanceCount", "DataCaptureConfig"}


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.size = 3 if kind == tarfile.REGTYPE else 0
    return info


@pytest.mark.parametrize(
    "hostile",
    [
        [member("../outside")],
        [member("/absolute")],
        [member("folder/../../outside")],
        [member("link", tarfile.SYMTYPE, "/etc")],
        [member("link", tarfile.SYMTYPE, "."), member("link/file")],
        [member("hard", tarfile.LNKTYPE, "/etc/passwd")],
        [member("device", tarfile.CHRTYPE)],
        [member("pipe", tarfile.FIFOTYPE)],
        [member("twice"), member("twice")],
    ],
)
def test_a_hostile_archive_writes_nothing_outside(tmp_path: Path, hostile: list[tarfile.TarInfo]) -> None:
    archive, target = tmp_path / "a" / "model.tar.gz", tmp_path / "a" / "target"
    target.mkdir(parents=True)
    with tarfile.open(archive, "w:gz") as stream:
        for info in hostile:
            stream.addfile(info, io.BytesIO(b"abc") if info.isreg() else None)
    with pytest.raises(BadArchiveError):
        extract(archive, target)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["model.tar.gz", "target"]
    assert not any(path.is_symlink() for path in target.rglob("*"))


def test_what_is_no_archive_is_said(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(b"this is no archive")
    with pytest.raises(BadArchiveError, match=r"model\.tar\.gz cannot be unpacked"):
        extract(archive, tmp_path / "target")


def test_constraints_are_worded_as_aws_words_them() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    assert violations(model, "DescribeEndpoint", {"EndpointName": "fine"}) == ""
    assert violations(model, "DescribeEndpoint", {}) == (
        "1 validation error detected: Value at 'endpointName' failed to satisfy constraint: Member must not be null"
    )
    text = violations(model, "ListEndpoints", {"MaxResults": 0, "SortBy": "Colour"})
    assert text == (
        "2 validation errors detected: Value 'Colour' at 'sortBy' failed to satisfy constraint: Member must satisfy "
        "enum value set: [Name, CreationTime, Status]; Value '0' at 'maxResults' failed to satisfy constraint: Member "
        "must have value greater than or equal to 1"
    )
    definition = {"ModelName": "fine", "PrimaryContainer": {"Environment": {"bad key": "x", "GOOD": "y"}}}
    assert violations(model, "CreateModel", definition) == (
        "1 validation error detected: Value '{bad key=x, GOOD=y}' at 'primaryContainer.environment' failed to satisfy "
        "constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024, "
        "Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: "
        "[a-zA-Z_][a-zA-Z0-9_]*]"
    )
