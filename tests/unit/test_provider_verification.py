"""VerifiedPackage and ModelSignature: what is a change, what is checked before anything exists, what stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pulumi.output import UNKNOWN

from providers.aws import ProviderError
from providers.model_signature import ModelSignatureProvider
from providers.verified_package import VerifiedPackageProvider
from tests.unit.test_signing import make_key

ARN = "arn:aws:sagemaker:us-west-2:111111111111:model-package/tumor-triage/7"
PROPS = {"model_package_arn": ARN, "public_key": "PEM", "region": "us-west-2"}
FOUND = {**PROPS, "signed": True, "object_sha256": "b" * 64, "verified_objects": {"s3://a/b?versionId=1": "b" * 64}}


def test_an_up_that_changes_nothing_verifies_nothing() -> None:
    diff = VerifiedPackageProvider().diff
    assert not diff("tumor-triage", FOUND, PROPS).changes
    for name, value in (("model_package_arn", ARN.replace("/7", "/8")), ("public_key", "other"), ("region", UNKNOWN)):
        found = diff("tumor-triage", FOUND, {**PROPS, name: value})
        assert (found.changes, found.replaces) == (True, None)
    assert diff("tumor-triage", FOUND, {"model_package_arn": ARN, "region": "us-west-2"}).changes, "no longer signed"


def test_instances_of_another_kind_are_refused_at_preview() -> None:
    olds = {**FOUND, "instance_type": "ml.m5.large", "image_processor": "cpu"}
    diff = VerifiedPackageProvider().diff
    assert not diff("tumor-triage", olds, {**PROPS, "instance_type": "ml.m5.large"}).changes
    assert diff("tumor-triage", olds, {**PROPS, "instance_type": "ml.c5.large"}).changes
    assert diff("tumor-triage", olds, {**PROPS, "instance_type": UNKNOWN}).changes
    with pytest.raises(
        ProviderError, match=r"/7: the image is for processors \(x86\), and ml\.g5\.xlarge has graphics"
    ):
        diff("tumor-triage", olds, {**PROPS, "instance_type": "ml.g5.xlarge"})
    # Of another version nobody has asked yet.
    other = {**PROPS, "model_package_arn": ARN.replace("/7", "/8"), "instance_type": "ml.g5.xlarge"}
    assert diff("tumor-triage", olds, other).changes
    # What an earlier release found says nothing of processors.
    assert diff("tumor-triage", FOUND, {**PROPS, "instance_type": "ml.g5.xlarge"}).changes


def test_a_refresh_and_a_delete_read_nothing() -> None:
    provider = VerifiedPackageProvider()
    assert provider.read("tumor-triage", {**FOUND, "__provider": "x"}).outs == FOUND
    provider.delete("tumor-triage", FOUND)


def test_a_version_is_required() -> None:
    (failure,) = VerifiedPackageProvider().check({}, {"model_package_arn": None}).failures
    assert (failure.property, failure.reason) == ("model_package_arn", "model_package_arn is required")


@pytest.fixture
def props(tmp_path: Path) -> dict[str, Any]:
    return {
        "bucket": "artifacts",
        "service": "tumor-triage",
        "artifact_digest": "a" * 64,
        "object_sha256": "b" * 64,
        "image_digest": f"sha256:{'c' * 64}",
        "environment_digest": "e" * 64,
        "public_key": make_key(tmp_path).public_key(),
    }


def refusals(olds: dict[str, Any], news: dict[str, Any]) -> list[str]:
    return [failure.reason for failure in ModelSignatureProvider().check(olds, news).failures]


def test_a_new_signature_needs_the_right_key_at_preview(
    props: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UNDERSTUDY_SIGNING_KEY", raising=False)
    unknown = {**props, "image_digest": UNKNOWN}
    for news in (props, unknown):
        (reason,) = refusals({}, news)
        assert "UNDERSTUDY_SIGNING_KEY is not set: set it to the path of the private key" in reason
    monkeypatch.setenv("UNDERSTUDY_SIGNING_KEY", str(make_key(tmp_path, "another.pem").path))
    (reason,) = refusals({}, unknown)
    assert "another.pem is not the other half of understudy:signing.publicKey" in reason
    monkeypatch.setenv("UNDERSTUDY_SIGNING_KEY", str(tmp_path / "key.pem"))
    assert refusals({}, unknown) == []
    assert refusals({}, {**props, "bucket": None}) == ["bucket is required"]


def test_what_is_signed_needs_no_key(props: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNDERSTUDY_SIGNING_KEY", raising=False)
    assert refusals({**props, "signature_uri": "s3://…"}, props) == []
    assert not ModelSignatureProvider().diff("", {**props, "signature_uri": "s3://…"}, props).changes


@pytest.mark.parametrize(
    "name", ["bucket", "service", "artifact_digest", "object_sha256", "image_digest", "environment_digest"]
)
def test_another_version_is_another_signature(name: str, props: dict[str, Any]) -> None:
    for value in ("other", UNKNOWN):
        found = ModelSignatureProvider().diff("", props, {**props, name: value})
        assert (found.changes, found.replaces, found.delete_before_replace) == (True, [name], False)


def test_another_key_signs_in_place_and_the_old_signature_stays(
    props: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    found = ModelSignatureProvider().diff("", props, {**props, "public_key": "other"})
    assert (found.changes, found.replaces) == (True, [])
    ModelSignatureProvider().delete("s3://a/b.sig", props)
    assert "s3://a/b.sig stays" in capsys.readouterr().err
