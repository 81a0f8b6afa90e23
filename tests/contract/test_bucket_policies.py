"""Bucket policies: TLS-only buckets work, and a plain deny still denies."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def deny(bucket: str, **condition: Any) -> str:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement | condition]})


@pytest.fixture
def bucket(boto: Callable[..., Any]) -> str:
    name = f"policy-{uuid.uuid4().hex[:12]}"
    boto("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    return name


def test_a_tls_only_bucket_takes_what_comes_through_the_endpoint(boto: Callable[..., Any], bucket: str) -> None:
    s3 = boto("s3")
    s3.put_bucket_policy(Bucket=bucket, Policy=deny(bucket, Condition={"Bool": {"aws:SecureTransport": "false"}}))
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"


def test_a_deny_without_condition_denies(boto: Callable[..., Any], bucket: str) -> None:
    s3 = boto("s3")
    s3.put_bucket_policy(Bucket=bucket, Policy=deny(bucket))
    with pytest.raises(ClientError) as refusal:
        s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def allow(bucket: str, principal: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def test_a_role_that_does_not_exist_is_no_principal(boto: Callable[..., Any], bucket: str) -> None:
    missing = allow(bucket, {"AWS": ["arn:aws:iam::222222222222:role/nobody-execution-0a1b2c3"]})
    with pytest.raises(ClientError) as refusal:
        boto("s3").put_bucket_policy(Bucket=bucket, Policy=missing)
    assert refusal.value.response["Error"]["Code"] == "MalformedPolicy"
    assert refusal.value.response["Error"]["Message"] == "Invalid principal in policy"
    for principal in ({"AWS": "arn:aws:iam::222222222222:root"}, {"AWS": "222222222222"}, "*"):
        boto("s3").put_bucket_policy(Bucket=bucket, Policy=allow(bucket, principal))
