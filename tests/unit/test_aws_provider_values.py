"""Values, archives and policy documents."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sandbox.aws_provider import assets
from sandbox.aws_provider.errors import ProviderError
from sandbox.aws_provider.policy_document import document
from sandbox.aws_provider.values import (
    ARCHIVE,
    ASSET,
    OUTPUT,
    REFERENCE,
    SECRET,
    SIGNATURE,
    UNKNOWN,
    from_struct,
    has_unknown,
    secret,
    to_struct,
    without_defaults,
)

URN = "urn:pulumi:shadow::understudy::aws:sqs/queue:Queue::replay"


def test_values_arrive_plain() -> None:
    sent = {
        "secret": {SIGNATURE: SECRET, "value": [1, 2.5]},
        "output": {SIGNATURE: OUTPUT, "value": "x", "dependencies": []},
        "later": {SIGNATURE: OUTPUT, "dependencies": []},
        "reference": {SIGNATURE: REFERENCE, "urn": URN, "id": "i"},
        "new": {SIGNATURE: REFERENCE, "urn": URN, "id": ""},
        "flag": True,
    }
    received = from_struct(to_struct(sent))
    assert received == {
        "secret": [1, 2.5],
        "output": "x",
        "later": UNKNOWN,
        "reference": "i",
        "new": UNKNOWN,
        "flag": True,
    }
    assert isinstance(received["secret"][0], int)


def test_whatever_is_not_known_yet_has_one_marker() -> None:
    """The engine has a marker for each kind of value; a number's and a list's, say, and it may be inside a secret."""
    number, many = "3eeb2bf0-c639-47a8-9e75-3b44932eb421", "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2"
    sent = {"number": number, "list": [many], "secret": {SIGNATURE: SECRET, "value": number}}
    assert from_struct(to_struct(sent)) == {"number": UNKNOWN, "list": [UNKNOWN], "secret": UNKNOWN}


def test_nulls_are_left_out() -> None:
    struct = to_struct({"a": 1, "b": None, "c": [None, 2]})
    struct.fields["n"].null_value = 0
    assert from_struct(struct) == {"a": 1, "c": [2]}


def test_unknowns_and_notes_at_every_depth() -> None:
    assert has_unknown({"a": [{"b": UNKNOWN}]})
    assert not has_unknown({"a": [{"b": "known"}]})
    assert without_defaults({"a": [{"__defaults": [], "b": 1}], "__defaults": ["a"]}) == {"a": [{"b": 1}]}
    assert from_struct(to_struct({"p": secret("x")})) == {"p": "x"}


def names(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def test_an_archive_is_a_reproducible_zip(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "a.py").write_text("a")
    archive = {
        SIGNATURE: ARCHIVE,
        "assets": {
            "main.py": {SIGNATURE: ASSET, "text": "main"},
            "lib": {SIGNATURE: ARCHIVE, "path": "package"},
        },
    }
    data = assets.content(archive, str(tmp_path))
    assert names(data) == {"main.py": b"main", "lib/a.py": b"a"}
    assert assets.content(archive, str(tmp_path)) == data


def test_a_zip_file_goes_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "code.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("x", "y")
    assert assets.content({SIGNATURE: ARCHIVE, "path": str(path)}, None) == path.read_bytes()


def test_a_missing_file_is_named_with_the_place_looked_in(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match=f"asset no.txt is not there: relative paths start in {tmp_path}"):
        assets.content({SIGNATURE: ASSET, "path": "no.txt"}, str(tmp_path))


def test_a_policy_document_in_the_real_form() -> None:
    result = document(
        {
            "statements": [
                {
                    "sid": "Read",
                    "actions": ["s3:GetObject", "s3:ListBucket", "s3:GetObject"],
                    "resources": ["arn:aws:s3:::b/&{aws:username}"],
                    "principals": [{"type": "AWS", "identifiers": ["1"]}, {"type": "AWS", "identifiers": ["2"]}],
                    "conditions": [
                        {"test": "Bool", "variable": "aws:SecureTransport", "values": ["true"]},
                        {"test": "StringLike", "variable": "a", "values": ["x", "y"]},
                    ],
                },
                {"effect": "Deny", "actions": ["*"], "principals": [{"type": "*", "identifiers": ["*"]}]},
            ]
        }
    )
    assert json.loads(result["json"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Read",
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:GetObject"],
                "Resource": "arn:aws:s3:::b/${aws:username}",
                "Principal": {"AWS": ["2", "1"]},
                "Condition": {"Bool": {"aws:SecureTransport": "true"}, "StringLike": {"a": ["x", "y"]}},
            },
            {"Effect": "Deny", "Action": "*", "Principal": "*"},
        ],
    }
    assert json.loads(result["minifiedJson"]) == json.loads(result["json"])
    assert result["json"].splitlines()[1] == '  "Version": "2012-10-17",'


def test_documents_are_merged_by_sid() -> None:
    source = json.dumps({"Statement": [{"Sid": "A", "Effect": "Allow", "Action": "old"}]})
    override = json.dumps({"Statement": {"Sid": "B", "Effect": "Deny", "Action": "new"}})
    own: list[dict[str, Any]] = [{"sid": "B", "actions": ["mine"]}]
    merged = document({"sourcePolicyDocuments": [source], "statements": own, "overridePolicyDocuments": [override]})
    assert [entry["Action"] for entry in json.loads(merged["json"])["Statement"]] == ["old", "new"]
    with pytest.raises(ProviderError, match=r"duplicate Sid \(B\) in statements"):
        document({"statements": own * 2})
    with pytest.raises(ProviderError, match="policy variables need version 2012-10-17"):
        document({"version": "2008-10-17", "statements": [{"resources": ["&{x}"]}]})
