"""S3 as SageMaker uses it: with the execution role's credentials, so that bucket policies and notifications apply."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from sandbox.cloud import identity
from sandbox.cloud.ports import Cloud, Scope


class Storage:
    """S3 clients of execution roles; one a role, as boto3 clients are thread-safe and slow to make."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._clients: dict[tuple[str, Scope], Any] = {}
        self._guard = threading.Lock()
        # One for all clients: it holds the parsed model of the service.
        self._session = boto3.session.Session()

    def download(self, url: str, target: Path, role_arn: str, scope: Scope) -> None:
        bucket, key = split(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._client(role_arn, scope).download_file(bucket, key, str(target))

    def upload(self, source: Path, url: str, role_arn: str, scope: Scope) -> None:
        bucket, key = split(url)
        self._client(role_arn, scope).upload_file(str(source), bucket, key)

    def write(self, body: bytes, url: str, role_arn: str, scope: Scope, **members: str) -> None:
        """PutObject; `members` are further members of the request (SSEKMSKeyId, …)."""
        bucket, key = split(url)
        self._client(role_arn, scope).put_object(Bucket=bucket, Key=key, Body=body, **members)

    def keys(self, url: str, role_arn: str, scope: Scope) -> list[str]:
        """The keys under an S3 prefix."""
        bucket, prefix = split(url)
        pages = self._client(role_arn, scope).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def _client(self, role_arn: str, scope: Scope) -> Any:
        with self._guard:
            client = self._clients.get((role_arn, scope))
            if client is None:
                keys = identity.role_environment(role_arn, "SageMaker", scope.region)
                client = self._session.client(
                    "s3",
                    region_name=scope.region,
                    endpoint_url=self._cloud.base_url,
                    aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
                    aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
                    aws_session_token=keys["AWS_SESSION_TOKEN"],
                    config=Config(s3={"addressing_style": "path"}),
                )
                self._clients[role_arn, scope] = client
            return client


def split(url: str) -> tuple[str, str]:
    """Bucket and key of an `s3://` URL."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key
