"""Event patterns, target inputs and resource policies, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.cloud.eventing import inputs, patterns, permissions
from sandbox.cloud.eventing.functions import InvocationResult
from sandbox.cloud.eventing.poller import failures

EVENT: dict[str, Any] = {
    "source": "aws.s3",
    "detail-type": "Object Created",
    "account": "1",
    "resources": ["arn:aws:s3:::bucket"],
    "detail": {
        "bucket": {"name": "bucket"},
        "object": {"key": "capture/e/v/a.jsonl", "size": 12},
        "tags": [{"k": "v"}],
    },
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["aws.s3"]}, True),
        ({"source": ["aws.ec2", "aws.s3"]}, True),
        ({"source": ["aws.ec2"]}, False),
        ({"detail": {"object": {"key": [{"prefix": "capture/"}]}}}, True),
        ({"detail": {"object": {"key": [{"prefix": "other/"}, {"suffix": ".jsonl"}]}}}, True),
        ({"detail": {"object": {"key": [{"suffix": ".csv"}]}}}, False),
        ({"detail": {"object": {"key": [{"wildcard": "capture/*/v/*.jsonl"}]}}}, True),
        ({"detail": {"object": {"key": [{"anything-but": {"prefix": "capture/"}}]}}}, False),
        ({"detail": {"bucket": {"name": [{"anything-but": ["other"]}]}}}, True),
        ({"detail": {"bucket": {"name": [{"equals-ignore-case": "BUCKET"}]}}}, True),
        ({"detail": {"object": {"size": [{"numeric": [">", 0, "<=", 12]}]}}}, True),
        ({"detail": {"object": {"size": [{"numeric": [">", 12]}]}}}, False),
        ({"detail": {"object": {"size": [12.0]}}}, True),
        ({"detail": {"object": {"size": ["12"]}}}, False),
        ({"detail": {"reason": [{"exists": False}]}}, True),
        ({"detail": {"object": {"key": [{"exists": False}]}}}, False),
        ({"detail": {"nothing": {"at": {"all": ["x"]}}}}, False),
        ({"detail": {"tags": {"k": ["v"]}}}, True),
        ({"resources": [{"suffix": ":bucket"}]}, True),
        ({"$or": [{"source": ["aws.ec2"]}, {"account": ["1"]}]}, True),
    ],
)
def test_patterns(pattern: dict[str, Any], expected: bool) -> None:
    assert patterns.matches(pattern, EVENT) is expected


@pytest.mark.parametrize("pattern", [{"source": "aws.s3"}, {"source": [{"like": "aws"}]}, {"source": [{}]}])
def test_bad_patterns_are_refused(pattern: dict[str, Any]) -> None:
    with pytest.raises(patterns.PatternError, match="Event pattern"):
        patterns.matches(pattern, EVENT)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, inputs.compact(EVENT)),
        ({"Input": '{"a": 1}'}, '{"a": 1}'),
        ({"InputPath": "$.detail.bucket"}, '{"name":"bucket"}'),
        ({"InputPath": "$.resources[0]"}, '"arn:aws:s3:::bucket"'),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"key": "$.detail.object.key", "size": "$.detail.object.size", "no": "$.nope"},
                    "InputTemplate": '{"key": <key>, "text": "<key> of <size>", "no": <no>, '
                    '"rule": <aws.events.rule-name>}',
                }
            },
            '{"key": "capture/e/v/a.jsonl", "text": "capture/e/v/a.jsonl of 12", "no": null, "rule": "r"}',
        ),
    ],
)
def test_target_inputs(target: dict[str, Any], expected: str) -> None:
    assert inputs.target_input(target, EVENT, "arn:aws:events:us-west-2:1:rule/r") == expected


REQUEST = permissions.ServiceRequest(
    "events.amazonaws.com", "sqs:SendMessage", "arn:aws:sqs:us-west-2:1:q", "arn:aws:events:us-west-2:1:rule/r", "1"
)
ALLOW = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
         "Resource": "arn:aws:sqs:us-west-2:1:q"}  # fmt: skip


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([ALLOW], True),
        ([], False),
        ([{**ALLOW, "Principal": {"Service": ["sns.amazonaws.com"]}}], False),
        ([{**ALLOW, "Action": "sqs:*"}], True),
        ([{**ALLOW, "Resource": "arn:aws:sqs:us-west-2:1:other"}], False),
        ([{**ALLOW, "Condition": {"ArnEquals": {"aws:SourceArn": REQUEST.source_arn}}}], True),
        ([{**ALLOW, "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:events:*:1:rule/*"}}}], True),
        ([{**ALLOW, "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:events:us-west-2:1:rule/x"}}}], False),
        ([{**ALLOW, "Condition": {"StringEquals": {"aws:SourceAccount": "2"}}}], False),
        ([{**ALLOW, "Condition": {"StringEquals": {"aws:Unknown": "1"}}}], False),
        ([ALLOW, {**ALLOW, "Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}], True),
        ([ALLOW, {**ALLOW, "Effect": "Deny"}], False),
    ],
)
def test_resource_policies(statements: list[dict[str, Any]], expected: bool) -> None:
    assert permissions.allows(json.dumps({"Statement": statements}), REQUEST) is expected


def test_no_policy_allows_nothing() -> None:
    assert not permissions.allows(None, REQUEST)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("null", set()),
        ("{}", set()),
        ('{"batchItemFailures": []}', set()),
        ('{"batchItemFailures": [{"itemIdentifier": "a"}]}', {"a"}),
        ('{"batchItemFailures": [{"itemIdentifier": "z"}]}', {"a", "b"}),
        ('{"batchItemFailures": [{"itemIdentifier": ""}]}', {"a", "b"}),
        ('{"batchItemFailures": [{"wrong": "a"}]}', {"a", "b"}),
        ('"text"', {"a", "b"}),
    ],
)
def test_partial_batch_responses(payload: str, expected: set[str]) -> None:
    assert failures(InvocationResult(payload.encode()), {"a", "b"}) == expected
