"""Objects in S3, and an approval from stored evidence to the registry."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.response import StreamingBody

from model_package.metadata import OBJECT_SHA256, OBJECT_VERSION_ID
from release import registry
from release.approval import Request, approve
from release.console import Output
from release.errors import ExitCode, InconclusiveError, MissingError, RefusedError, UsageError
from release.promotion import check_deployable
from release.records import EvidenceStore, ObjectStore, split_uri
from release.stackfile import ServiceForm
from tests.unit.release.conftest import RECORDS as BUCKET
from tests.unit.release.conftest import World, arn, package, store_evidence

CANDIDATE = "4" * 64
REQUEST = Request("tumor-triage", None, "prod", None, "", assume_yes=True)


def put(verdict: str) -> str:
    return store_evidence(CANDIDATE, verdict)


@pytest.fixture
def approved(world: World, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Approvals that reached the registry; version 4 is under trial."""
    made: list[dict[str, str]] = []
    world.engine.outputs = {"recordsBucket": BUCKET, "services": {"tumor-triage": {"modelPackageArn": arn(4)}}}
    monkeypatch.setattr(registry, "approve", lambda package, **marks: made.append({"arn": package.arn, **marks}))
    monkeypatch.setattr("release.approval.caller_arn", lambda: "arn:aws:sts::111111111111:assumed-role/approver/grace")
    return made


def test_objects_are_listed_read_and_digested(s3: Any) -> None:
    for number in range(40):
        s3.put_object(Bucket=BUCKET, Key=f"a/{number:02}", Body=f"{number}\n".encode())
    store = ObjectStore()
    keys = store.keys(BUCKET, "a/")
    assert len(keys) == 40
    assert list(store.lines(BUCKET, keys))[:3] == [b"0", b"1", b"2"]
    assert store.keys(BUCKET, "a/", datetime(2999, 1, 1, tzinfo=UTC)) == []
    assert store.sha256(f"s3://{BUCKET}/a/07") == hashlib.sha256(b"7\n").hexdigest()
    with pytest.raises(MissingError, match="The artifact is not at s3://records/gone"):
        store.sha256(f"s3://{BUCKET}/gone")


def test_a_version_of_an_object_that_is_known_is_not_read_again(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    store, read = ObjectStore(), Counter[str]()
    chunks: Callable[[StreamingBody, int], Iterator[bytes]] = StreamingBody.iter_chunks

    def counted(body: StreamingBody, size: int) -> Iterator[bytes]:
        read["bodies"] += 1
        return chunks(body, size)

    monkeypatch.setattr(StreamingBody, "iter_chunks", counted)
    first = s3.put_object(Bucket=BUCKET, Key="artifact", Body=b"one")["VersionId"]
    known = {first: "what was found before"}
    assert (store.sha256(f"s3://{BUCKET}/artifact", known), read["bodies"]) == ("what was found before", 0)
    # The same bytes, uploaded by somebody: S3 says nothing of that, so they are read.
    s3.put_object(Bucket=BUCKET, Key="artifact", Body=b"one")
    assert (store.sha256(f"s3://{BUCKET}/artifact", known), read["bodies"]) == (hashlib.sha256(b"one").hexdigest(), 1)


def test_an_artifact_is_read_unless_it_is_the_version_that_was_uploaded(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    asked: list[dict[str, str]] = []
    digest = ObjectStore.sha256

    def sha256(store: ObjectStore, uri: str, known: dict[str, str]) -> str:
        asked.append(known)
        return digest(store, uri, known)

    monkeypatch.setattr(ObjectStore, "sha256", sha256)
    form = ServiceForm("tumor-triage", "understudy:", {})
    url = f"s3://{BUCKET}/artifact"
    version = s3.put_object(Bucket=BUCKET, Key="artifact", Body=b"registered")["VersionId"]
    registered = hashlib.sha256(b"registered").hexdigest()
    for uploaded, known in ((version, {version: registered}), ("null", {}), (None, {})):
        metadata = {OBJECT_SHA256: registered, **({OBJECT_VERSION_ID: uploaded} if uploaded else {})}
        check_deployable(replace(package(2, **metadata), model_data_url=url), form)
        assert asked.pop() == known
    s3.put_object(Bucket=BUCKET, Key="artifact", Body=b"overwritten")
    with pytest.raises(RefusedError, match="The artifact is no longer the one that was approved"):
        check_deployable(replace(package(2, **{**metadata, OBJECT_VERSION_ID: version}), model_data_url=url), form)


def test_evidence_is_found_by_candidate_and_digest(s3: Any) -> None:
    first, second = put("fail"), put("pass")
    store = EvidenceStore(ObjectStore(), BUCKET)
    assert store.get("tumor-triage", CANDIDATE, first).verdict == "fail"
    latest = store.latest("tumor-triage", CANDIDATE)
    assert latest is not None
    assert latest.digest in (first, second)  # both within one second, S3's resolution
    assert latest.is_whole
    assert store.latest("tumor-triage", "5" * 64) is None
    assert store.latest("tumor-triage", "") is None
    with pytest.raises(MissingError, match="There is no object"):
        store.get("tumor-triage", CANDIDATE, "0" * 64)


def test_approval_quotes_the_evidence(s3: Any, world: World, approved: list[dict[str, str]]) -> None:
    digest = put("pass")
    told = approve(world.project, REQUEST, Output())
    assert told["arn"] == arn(4)
    assert approved == [
        {
            "arn": arn(4),
            "approver": "arn:aws:sts::111111111111:assumed-role/approver/grace",
            "evidence_digest": digest,
            "override_reason": "",
            "beside": 4,
        }
    ]


def test_failed_or_missing_evidence_approves_nothing(s3: Any, world: World, approved: list[dict[str, str]]) -> None:
    with pytest.raises(InconclusiveError, match="There is no evidence about"):
        approve(world.project, REQUEST, Output())
    put("fail")
    with pytest.raises(RefusedError, match="The evidence refuses it: it is a fail"):
        approve(world.project, REQUEST, Output())
    assert approved == []


def test_an_override_is_recorded_with_the_failing_evidence(
    s3: Any, world: World, approved: list[dict[str, str]]
) -> None:
    digest = put("fail")
    approve(world.project, replace(REQUEST, override_reason="labels arrive late"), Output())
    assert (approved[0]["evidence_digest"], approved[0]["override_reason"]) == (digest, "labels arrive late")


def test_the_content_of_a_quarantined_version_is_not_approved_under_another_number(
    s3: Any, world: World, approved: list[dict[str, str]]
) -> None:
    put("pass")
    twin = replace(package(4), arn=arn(3), approval="Rejected", description="Rejected by ci: alarm accuracy")
    world.packages[arn(3)] = twin
    with pytest.raises(RefusedError, match="has the content of version 3, which is quarantined: Rejected by ci"):
        approve(world.project, replace(REQUEST, override_reason="again"), Output())
    world.packages[arn(3)] = replace(twin, image="another image")
    assert approve(world.project, REQUEST, Output())["arn"] == arn(4)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"evidence_digest": "abc"}, "'abc' is no evidence digest."),
        ({"override_reason": "  "}, "An override needs its reason."),
    ],
)
def test_what_is_no_digest_and_no_reason(
    world: World, approved: list[dict[str, str]], wrong: dict[str, str], says: str
) -> None:
    with pytest.raises(UsageError) as refused:
        approve(world.project, replace(REQUEST, **wrong), Output())  # type: ignore[arg-type]
    assert (refused.value.what, refused.value.exit_code, approved) == (says, ExitCode.USAGE, [])


@pytest.mark.parametrize("uri", ["s3://bucket", "https://bucket/key", "s3:///key", ""])
def test_no_s3_uri(uri: str) -> None:
    with pytest.raises(ValueError, match="is no s3://bucket/key URI"):
        split_uri(uri)
