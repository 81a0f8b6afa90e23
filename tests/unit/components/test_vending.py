"""What a registry grants to consumer accounts, as data: nothing more than running a version takes."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from components import vending
from components.naming import Scope

SCOPE = Scope("understudy", "shadow", "111111111111", "us-west-2")
CONSUMERS = vending.Consumers(SCOPE, ["222222222222", "333333333333"], ["ci-deployer"])
ROOTS = ["arn:aws:iam::222222222222:root", "arn:aws:iam::333333333333:root"]
VERSIONS = "arn:aws:sagemaker:us-west-2:111111111111:model-package/tumor-triage/*"


def roles(statement: dict[str, Any]) -> set[str]:
    """Names of the roles that a statement is for; the same in every account."""
    arns = statement["Condition"]["ArnLike"]["aws:PrincipalArn"]
    by_account = [
        {arn.removeprefix(f"arn:aws:iam::{account}:role/") for arn in arns if f":{account}:" in arn}
        for account in CONSUMERS.accounts
    ]
    assert by_account[0] == by_account[1] and len(arns) == 2 * len(by_account[0])
    return by_account[0]


EXECUTION, ROLLBACK = "tumor-triage-execution-*", "tumor-triage-rollback-build-*"


def test_consumers_see_deploy_and_quarantine_versions() -> None:
    statements = vending.group_statements(CONSUMERS, "tumor-triage")
    assert [(statement["Action"], statement["Resource"]) for statement in statements] == [
        (
            ["sagemaker:DescribeModelPackageGroup"],
            "arn:aws:sagemaker:us-west-2:111111111111:model-package-group/tumor-triage",
        ),
        (["sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages", "sagemaker:CreateModel"], VERSIONS),
        (["sagemaker:UpdateModelPackage"], VERSIONS),
    ]
    assert all(statement["Principal"] == {"AWS": ROOTS} for statement in statements)
    assert all(roles(statement) == {"ci-deployer", ROLLBACK} for statement in statements)


def test_consumers_reject_but_never_approve() -> None:
    quarantine = vending.group_statements(CONSUMERS, "tumor-triage")[2]
    assert quarantine["Condition"]["StringEquals"] == {"sagemaker:ModelApprovalStatus": "Rejected"}


def test_artifacts_are_read_service_by_service_and_never_listed() -> None:
    [statement] = vending.artifact_statements(CONSUMERS, ["tumor-triage", "diabetes-progression"])
    bucket = "arn:aws:s3:::understudy-artifacts-111111111111-us-west-2"
    assert statement["Action"] == ["s3:GetObject", "s3:GetObjectVersion"]
    assert statement["Resource"] == [f"{bucket}/tumor-triage/*", f"{bucket}/diabetes-progression/*"]
    assert roles(statement) == {
        EXECUTION,
        ROLLBACK,
        "diabetes-progression-execution-*",
        "diabetes-progression-rollback-build-*",
        "ci-deployer",
    }


def test_the_key_decrypts_what_s3_gives_out() -> None:
    [statement] = vending.key_statements(CONSUMERS, ["tumor-triage"])
    assert (statement["Action"], statement["Resource"]) == (["kms:Decrypt"], "*")
    assert statement["Condition"]["StringEquals"] == {"kms:ViaService": "s3.us-west-2.amazonaws.com"}
    assert roles(statement) == {EXECUTION, ROLLBACK, "ci-deployer"}


def test_images_are_pulled_and_the_repository_is_the_resource() -> None:
    [statement] = vending.image_statements(CONSUMERS, "tumor-triage")
    assert sorted(statement["Action"]) == [
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
    ]
    assert "Resource" not in statement
    assert roles(statement) == {EXECUTION, ROLLBACK, "ci-deployer"}


def test_the_names_are_those_that_production_gives_its_roles(prod: Any) -> None:
    """Pulumi adds a hyphen and 7 hex digits to the logical name; a long one is cut the same way on both sides."""
    names = {registration.name for registration in prod.of_type("aws:iam/role:Role")}
    assert EXECUTION.removesuffix("-*") in names and ROLLBACK.removesuffix("-*") in names
    long = "a" * 50
    assert len(vending.execution_roles(long)) == len(vending.rollback_roles(long)) == 64 - 8 + 2


def test_policies_of_many_services_fit() -> None:
    """AWS takes 20 KB of a bucket's policy, 32 KB of a key's: 50 services in one consumer account."""
    services = [f"a-rather-long-service-name-{number}" for number in range(50)]
    one = vending.Consumers(SCOPE, ["222222222222"], ["ci-deployer"])
    assert len(json.dumps(vending.artifact_statements(one, services))) < 20_000
    assert len(json.dumps(vending.key_statements(one, services))) < 32_000


def test_the_registry_s_own_account_is_no_consumer() -> None:
    with pytest.raises(vending.OwnAccountError, match="consumerAccounts names 111111111111"):
        vending.Consumers(SCOPE, ["222222222222", "111111111111"], ["ci-deployer"])


def test_a_stack_that_names_its_own_account_says_so(run_program: Any, configs: Any) -> None:
    config = copy.deepcopy(configs["shadow"])
    config["understudy:registry"]["consumerAccounts"] = ["111111111111"]
    with pytest.raises(Exception, match="leave it out: within an account no grant is needed"):
        run_program("shadow", config)


def test_without_consumers_nothing_is_granted(run_program: Any, configs: Any) -> None:
    config = {key: value for key, value in configs["shadow"].items() if key != "understudy:registry"}
    recording = run_program("shadow", config)
    assert not recording.of_type("aws:sagemaker/modelPackageGroupPolicy:ModelPackageGroupPolicy")
    assert not recording.of_type("aws:ecr/repositoryPolicy:RepositoryPolicy")
    assert len(recording.policy("aws:s3/bucketPolicy:BucketPolicy", "artifacts")) == 1
    assert len(recording.policy("aws:kms/key:Key", "artifacts")) == 1


def test_the_grants_stand_in_the_policies_of_the_registry(shadow: Any) -> None:
    policy = "aws:sagemaker/modelPackageGroupPolicy:ModelPackageGroupPolicy"
    assert [s["Sid"] for s in shadow.policy(policy, "tumor-triage", "resourcePolicy")] == [
        "Group",
        "Versions",
        "Quarantine",
    ]
    assert [s["Sid"] for s in shadow.policy("aws:ecr/repositoryPolicy:RepositoryPolicy", "tumor-triage")] == ["Pull"]
    assert [s["Sid"] for s in shadow.policy("aws:s3/bucketPolicy:BucketPolicy", "artifacts")] == [
        "TlsOnly",
        "Artifacts",
    ]
    assert [s["Sid"] for s in shadow.policy("aws:kms/key:Key", "artifacts")] == ["Account", "Artifacts"]
    for private in ("training", "records"):
        assert len(shadow.policy("aws:s3/bucketPolicy:BucketPolicy", private)) == 1
