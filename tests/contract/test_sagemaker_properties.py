"""The registry against a model of it: whatever is done in whatever order, the two agree."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

IMAGE = "683313688378.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:3.0-5"
APPROVALS = st.sampled_from(["Approved", "Rejected", "PendingManualApproval"])


class Registry(RuleBasedStateMachine):
    """One group: its versions by number with their approval, and the number that was given last."""

    sagemaker: Any
    versions: Bundle[int] = Bundle("versions")

    @initialize()
    def make_group(self) -> None:
        self.group = f"group-{uuid.uuid4().hex[:12]}"
        self.sagemaker.create_model_package_group(ModelPackageGroupName=self.group)
        self.known: dict[int, str] = {}
        self.tokens: dict[str, int] = {}
        self.last = 0

    def arn(self, version: int) -> str:
        return f"arn:aws:sagemaker:us-west-2:123456789012:model-package/{self.group}/{version}"

    @rule(target=versions, approval=APPROVALS, token=st.sampled_from("abc"))
    def register(self, approval: str, token: str) -> int:
        """A token that is known registers nothing: the same request has its version, another one is refused."""
        token = f"{token}-{approval}"
        request = {
            "ModelPackageGroupName": self.group,
            "ModelApprovalStatus": approval,
            "ClientToken": token,
            "InferenceSpecification": {"Containers": [{"Image": IMAGE}]},
        }
        arn = self.sagemaker.create_model_package(**request)["ModelPackageArn"]
        version = self.tokens.get(token, 0)
        if version not in self.known:
            self.last = version = self.tokens[token] = self.last + 1
            self.known[version] = approval
        assert arn == self.arn(version)
        with pytest.raises(ClientError, match="ConflictException"):
            self.sagemaker.create_model_package(**request, ModelPackageDescription="another request")
        return version

    @rule(version=versions, approval=APPROVALS)
    def approve(self, version: int, approval: str) -> None:
        request = {"ModelPackageArn": self.arn(version), "ModelApprovalStatus": approval}
        if version in self.known:
            self.sagemaker.update_model_package(**request)
            self.known[version] = approval
        else:
            with pytest.raises(ClientError, match="does not exist"):
                self.sagemaker.update_model_package(**request)

    @rule(version=consumes(versions))
    def delete(self, version: int) -> None:
        if self.known.pop(version, None):
            self.sagemaker.delete_model_package(ModelPackageName=self.arn(version))
        else:
            with pytest.raises(ClientError, match="does not exist"):
                self.sagemaker.delete_model_package(ModelPackageName=self.arn(version))

    @rule(size=st.integers(1, 3), order=st.sampled_from(["Ascending", "Descending"]), approval=st.none() | APPROVALS)
    def list_in_pages(self, size: int, order: str, approval: str | None) -> None:
        chosen = {"ModelApprovalStatus": approval} if approval else {}
        pages = self.sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=self.group, SortOrder=order, **chosen, PaginationConfig={"PageSize": size}
        )
        listed = [page["ModelPackageSummaryList"] for page in pages]
        assert all(len(page) == size for page in listed[:-1])
        found = [summary["ModelPackageVersion"] for page in listed for summary in page]
        wanted = [number for number, status in self.known.items() if approval in (None, status)]
        assert found == sorted(wanted, reverse=order == "Descending")

    @invariant()
    def each_version_is_as_it_was_left(self) -> None:
        answer = self.sagemaker.list_model_packages(ModelPackageGroupName=self.group, MaxResults=100)
        found = {
            summary["ModelPackageVersion"]: summary["ModelApprovalStatus"]
            for summary in answer["ModelPackageSummaryList"]
        }
        assert found == self.known

    def teardown(self) -> None:
        """The group goes when, and only when, it is empty."""
        for version in list(self.known):
            with pytest.raises(ClientError, match="ConflictException"):
                self.sagemaker.delete_model_package_group(ModelPackageGroupName=self.group)
            self.sagemaker.delete_model_package(ModelPackageName=self.arn(version))
        self.sagemaker.delete_model_package_group(ModelPackageGroupName=self.group)


def test_versions_agree_with_a_simple_model(lab: Any) -> None:
    run_state_machine_as_test(
        type("Bound", (Registry,), {"sagemaker": lab.sagemaker}),
        settings=settings(
            max_examples=10,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
