"""The registry's contract, which holds on AWS as it does in the sandbox.

By default the tests run against the sandbox. With UNDERSTUDY_TEST_AWS=1 they run as the caller, in the account and
region that boto3's default chain finds (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL, …):

    UNDERSTUDY_TEST_AWS=1 AWS_PROFILE=… AWS_REGION=… .venv/bin/python -m pytest -m aws -n 0

They make a bucket, groups and versions named `understudy-test-…`, start nothing that costs by the hour, and delete what
they made. UNDERSTUDY_TEST_IMAGE names the image to register; without it, it is AWS's XGBoost image of the region.

What is inferred, and nobody has seen AWS do, is marked `inferred`: there a failure is reported, with its reason, and
does not fail the run.
"""

from __future__ import annotations

import io
import os
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ON_AWS = os.environ.get("UNDERSTUDY_TEST_AWS") == "1"
SANDBOX_IMAGE = "683313688378.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:3.0-5"
SETTLE_SECONDS = 300 if ON_AWS else 20


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        item.add_marker("aws")
        inferred = item.get_closest_marker("inferred")
        if ON_AWS and inferred:
            item.add_marker(pytest.mark.xfail(reason=f"inferred: {inferred.args[0]}", strict=False))


class Target:
    """A registry to test, and what its versions are made of."""

    def __init__(self, client: Callable[[str], Any], image: str) -> None:
        self.sagemaker, self._s3 = client("sagemaker"), client("s3")
        caller = client("sts").get_caller_identity()
        self.account: str = caller["Account"]
        self.caller: str = caller["Arn"]
        self.region: str = self.sagemaker.meta.region_name
        self.image = image
        self._bucket = ""
        self._groups: list[str] = []

    @property
    def model_data(self) -> str:
        """A model archive in a bucket of the target, made when it is first asked for."""
        key = "model.tar.gz"
        if not self._bucket:
            self._bucket = f"understudy-test-{uuid.uuid4().hex[:12]}"
            elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
            self._s3.create_bucket(Bucket=self._bucket, **(elsewhere if self.region != "us-east-1" else {}))
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w:gz") as stream:
                stream.addfile(tarfile.TarInfo("model.ubj"))
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=buffer.getvalue())
        return f"s3://{self._bucket}/{key}"

    def arn(self, kind: str, name: str) -> str:
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name}"

    def group(self, suffix: str = "", **members: Any) -> str:
        name = f"understudy-test-{uuid.uuid4().hex[:12]}{suffix}"
        self.sagemaker.create_model_package_group(ModelPackageGroupName=name, **members)
        self._groups.append(name)
        return name

    def specification(self, **container: Any) -> dict[str, Any]:
        return {
            "Containers": [{"Image": self.image, "ModelDataUrl": self.model_data, **container}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        }

    def register(self, group: str, **members: Any) -> str:
        """The ARN of a version that may still be Pending."""
        request = {"InferenceSpecification": self.specification(), **members}
        return str(self.sagemaker.create_model_package(ModelPackageGroupName=group, **request)["ModelPackageArn"])

    def registered(self, group: str, **members: Any) -> str:
        """The ARN of a version that is Completed."""
        arn = self.register(group, **members)
        assert self.settled(arn)["ModelPackageStatus"] == "Completed"
        return arn

    def describe(self, arn: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.sagemaker.describe_model_package(ModelPackageName=arn)
        answer.pop("ResponseMetadata")
        return answer

    def settled(self, arn: str) -> dict[str, Any]:
        """The description once it is neither Pending nor InProgress."""
        start = time.monotonic()
        while (description := self.describe(arn))["ModelPackageStatus"] in ("Pending", "InProgress"):
            waited = time.monotonic() - start
            assert waited < SETTLE_SECONDS, f"{arn} is {description['ModelPackageStatus']}"
            time.sleep(max(0.02, waited / 10))
        return description

    def versions(self, group: str, **members: Any) -> list[str]:
        pages = self.sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group, **members)
        return [one["ModelPackageArn"] for page in pages for one in page["ModelPackageSummaryList"]]

    def remove_groups(self) -> None:
        """Delete the groups that a test left, with their versions."""
        kept, self._groups = self._groups, []
        for group in kept:
            try:
                found = self.versions(group)
            except self.sagemaker.exceptions.ClientError as error:
                if "does not exist" in str(error):
                    continue  # the test deleted it
                raise
            for arn in found:
                self.settled(arn)
                self.sagemaker.delete_model_package(ModelPackageName=arn)
            self.sagemaker.delete_model_package_group(ModelPackageGroupName=group)

    def remove_bucket(self) -> None:
        if self._bucket:
            self._s3.delete_object(Bucket=self._bucket, Key="model.tar.gz")
            self._s3.delete_bucket(Bucket=self._bucket)


def _aws_image(region: str) -> str:
    # Importing the SDK takes seconds.
    from sagemaker.core import image_uris

    return str(image_uris.retrieve("xgboost", region, version="3.0-5"))


@pytest.fixture(scope="session")
def shared_target(request: pytest.FixtureRequest) -> Iterator[Target]:
    if ON_AWS:
        import boto3

        session = boto3.session.Session()
        image = os.environ.get("UNDERSTUDY_TEST_IMAGE") or _aws_image(session.region_name)
        target = Target(session.client, image)
    else:
        target = Target(request.getfixturevalue("boto"), SANDBOX_IMAGE)
    try:
        yield target
    finally:
        target.remove_bucket()


@pytest.fixture
def target(shared_target: Target) -> Iterator[Target]:
    try:
        yield shared_target
    finally:
        shared_target.remove_groups()


@pytest.fixture
def group(target: Target) -> str:
    return target.group(ModelPackageGroupDescription="made by Understudy's tests")
