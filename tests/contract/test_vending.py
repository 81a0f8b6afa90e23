"""Two accounts: what a registry grants is what production's deploy takes, and each grant that is missing refuses it.

The grants are the program's own (`components.vending`); the registry is in the sandbox's account, production in
another one, reached by an assumed role.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components import encryption, policies, storage, vending
from components.naming import Scope

REGION = "us-west-2"
OWNER, CONSUMER = "123456789012", "222222222222"
DEPLOYER = "understudy-ci"
TRUST = policies.sagemaker_trust(Scope("understudy", "prod", CONSUMER, REGION))
Clients = Callable[..., Any]


@pytest.fixture(scope="module")
def consumer(acting: Callable[..., Any]) -> Clients:
    """`consumer(service, role)`: clients of a role of the consumer's account."""
    return lambda service, role=DEPLOYER: acting(role, service, CONSUMER)


@dataclass(frozen=True)
class Registry:
    """A registry with one approved version, its image and its encrypted artifact; nothing is granted yet."""

    boto: Clients
    consumers: vending.Consumers
    service: str
    key: str
    bucket: str
    repository: str
    package: str
    role: str
    """The consumer's execution role."""

    @property
    def group(self) -> str:
        return self.package.replace(":model-package/", ":model-package-group/").rpartition("/")[0]

    def grant(self, kind: str, consumers: vending.Consumers | None) -> None:
        """Put the program's grant of that kind into the resource's policy, or (None) take it out."""
        scope, service = self.consumers.scope, self.service
        if kind == "key":
            grants = vending.key_statements(consumers, [service]) if consumers else ()
            policy = encryption.key_policy(scope, [], grants)
            self.boto("kms").put_key_policy(KeyId=self.key, PolicyName="default", Policy=policy)
        elif kind == "bucket":
            grants = vending.artifact_statements(consumers, [service]) if consumers else ()
            policy = storage.bucket_policy(f"arn:aws:s3:::{self.bucket}", grants)
            self.boto("s3").put_bucket_policy(Bucket=self.bucket, Policy=policy)
        elif kind == "group" and consumers:
            policy = policies.document(vending.group_statements(consumers, service))
            self.boto("sagemaker").put_model_package_group_policy(ModelPackageGroupName=service, ResourcePolicy=policy)
        elif kind == "group":
            self.boto("sagemaker").delete_model_package_group_policy(ModelPackageGroupName=service)
        elif consumers:
            policy = policies.document(vending.image_statements(consumers, service))
            self.boto("ecr").set_repository_policy(repositoryName=self.repository, policyText=policy)
        else:
            self.boto("ecr").delete_repository_policy(repositoryName=self.repository)

    @contextmanager
    def without(self, kind: str) -> Iterator[None]:
        self.grant(kind, None)
        try:
            yield
        finally:
            self.grant(kind, self.consumers)


KINDS = ("key", "bucket", "group", "repository")


@pytest.fixture(scope="module")
def registry(lab: Any, boto: Clients, consumer: Clients) -> Registry:
    service = f"triage-{uuid.uuid4().hex[:6]}"
    scope = Scope(f"u{uuid.uuid4().hex[:6]}", "shadow", OWNER, REGION)
    key = boto("kms").create_key(Policy=encryption.key_policy(scope, []))["KeyMetadata"]["Arn"]
    s3, bucket = boto("s3"), scope.artifact_bucket
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    container = lab.container("v1")
    source = dict(zip(("Bucket", "Key"), container["ModelDataUrl"].removeprefix("s3://").split("/", 1), strict=True))
    s3.put_object(
        Bucket=bucket,
        Key=f"{service}/digest/model.tar.gz",
        Body=s3.get_object(**source)["Body"].read(),
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId=key,
    )
    ecr, repository = boto("ecr"), scope.repository(service)
    uri = ecr.create_repository(repositoryName=repository)["repository"]["repositoryUri"]
    assert uri.startswith(f"{OWNER}.dkr.ecr.{REGION}.")
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"})
    ecr.put_image(repositoryName=repository, imageManifest=manifest, imageTag="1")
    lab.sagemaker.create_model_package_group(ModelPackageGroupName=service)
    container |= {"Image": f"{OWNER}.dkr.ecr.{REGION}.amazonaws.com/{repository}:1"}
    container["ModelDataUrl"] = f"s3://{bucket}/{service}/digest/model.tar.gz"
    package = lab.sagemaker.create_model_package(
        ModelPackageGroupName=service,
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    role = consumer("iam").create_role(RoleName=f"{service}-execution-0a1b2c3", AssumeRolePolicyDocument=TRUST)
    consumers = vending.Consumers(scope, [CONSUMER], [DEPLOYER])
    made = Registry(boto, consumers, service, key, bucket, repository, package, role["Role"]["Arn"])
    for kind in KINDS:
        made.grant(kind, consumers)
    return made


def create_model(registry: Registry, consumer: Clients) -> str:
    name = f"{registry.service}-{uuid.uuid4().hex[:6]}"
    consumer("sagemaker").create_model(
        ModelName=name,
        ExecutionRoleArn=registry.role,
        PrimaryContainer={"ModelPackageName": registry.package},
    )
    return name


def create_endpoint(consumer: Clients, model: str) -> dict[str, Any]:
    """The endpoint that runs the model, once it is created or failed."""
    sagemaker = consumer("sagemaker")
    variant = {"VariantName": "Main", "ModelName": model, "InitialInstanceCount": 2, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=model, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=model, EndpointConfigName=model)
    described: dict[str, Any] = {"EndpointStatus": "Creating"}
    while described["EndpointStatus"] == "Creating":
        described = sagemaker.describe_endpoint(EndpointName=model)
    return described


def said(call: Callable[[], Any]) -> tuple[str, str]:
    """Code and message of the refusal."""
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


# -- with the grants --------------------------------------------------------------------------------------------------


def test_production_deploys_what_another_account_registered(registry: Registry, consumer: Clients) -> None:
    sagemaker = consumer("sagemaker")
    listed = sagemaker.list_model_packages(ModelPackageGroupName=registry.group)["ModelPackageSummaryList"]
    assert [package["ModelPackageArn"] for package in listed] == [registry.package]
    assert sagemaker.describe_model_package_group(ModelPackageGroupName=registry.group)["ModelPackageGroupArn"]
    container = sagemaker.describe_model_package(ModelPackageName=registry.package)["InferenceSpecification"]
    bucket, _, key = container["Containers"][0]["ModelDataUrl"].removeprefix("s3://").partition("/")
    assert consumer("s3").get_object(Bucket=bucket, Key=key)["Body"].read()[:2] == b"\x1f\x8b"
    endpoint = create_endpoint(consumer, create_model(registry, consumer))
    assert endpoint["EndpointStatus"] == "InService"
    answer = consumer("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint["EndpointName"], Body=b"1", ContentType="text/csv"
    )
    assert answer["Body"].read() == b"v1:1"
    sagemaker.delete_endpoint(EndpointName=endpoint["EndpointName"])


def test_production_quarantines_and_never_approves(registry: Registry, lab: Any, consumer: Clients) -> None:
    sagemaker = consumer("sagemaker", f"{registry.service}-rollback-build-0a1b2c3")
    denied = "because no resource-based policy allows the sagemaker:UpdateModelPackage action"
    try:
        sagemaker.update_model_package(ModelPackageArn=registry.package, ModelApprovalStatus="Rejected")
        code, message = said(
            lambda: sagemaker.update_model_package(ModelPackageArn=registry.package, ModelApprovalStatus="Approved")
        )
        assert code == "AccessDeniedException" and message.endswith(denied)
        code, message = said(
            lambda: sagemaker.update_model_package(
                ModelPackageArn=registry.package, CustomerMetadataProperties={"understudy.author": "me"}
            )
        )
        assert code == "AccessDeniedException" and message.endswith(denied)
        known = lab.sagemaker.describe_model_package(ModelPackageName=registry.package)
        assert known["ModelApprovalStatus"] == "Rejected" and "CustomerMetadataProperties" not in known
    finally:
        lab.sagemaker.update_model_package(ModelPackageArn=registry.package, ModelApprovalStatus="Approved")


@pytest.mark.parametrize(
    "call",
    [
        lambda r, c: c("sagemaker").delete_model_package(ModelPackageName=r.package),
        lambda r, c: c("sagemaker").delete_model_package_group(ModelPackageGroupName=r.group),
        lambda r, c: c("sagemaker").create_model_package(ModelPackageGroupName=r.group),
        lambda r, c: c("sagemaker").list_tags(ResourceArn=r.group),
        lambda r, c: c("sagemaker", "somebody").describe_model_package(ModelPackageName=r.package),
        lambda r, c: c("sagemaker").describe_model_package(ModelPackageName=f"{r.package.rpartition('/')[0]}x/1"),
    ],
    ids=["delete", "delete group", "register", "tags", "another role", "another group"],
)
def test_nothing_else_is_granted(call: Callable[..., Any], registry: Registry, consumer: Clients) -> None:
    code, message = said(lambda: call(registry, consumer))
    assert code == "AccessDeniedException"
    assert message.startswith(f"User: arn:aws:sts::{CONSUMER}:assumed-role/")
    assert "because no resource-based policy allows the sagemaker:" in message


@pytest.mark.parametrize(
    "call",
    [
        lambda r, c: c("s3").list_objects_v2(Bucket=r.bucket),
        lambda r, c: c("s3").put_object(Bucket=r.bucket, Key=f"{r.service}/x", Body=b""),
        lambda r, c: c("s3").delete_object(Bucket=r.bucket, Key=f"{r.service}/digest/model.tar.gz"),
        lambda r, c: c("s3").delete_objects(Bucket=r.bucket, Delete={"Objects": [{"Key": f"{r.service}/x"}]}),
        lambda r, c: c("s3").get_object(Bucket=r.bucket, Key="another-service/digest/model.tar.gz"),
        lambda r, c: c("s3").put_bucket_policy(Bucket=r.bucket, Policy='{"Statement": []}'),
        lambda r, c: c("s3", "somebody").get_object(Bucket=r.bucket, Key=f"{r.service}/digest/model.tar.gz"),
    ],
    ids=["list", "put", "delete", "delete many", "another service", "policy", "another role"],
)
def test_of_the_bucket_artifacts_are_read_and_nothing_else(
    call: Callable[..., Any], registry: Registry, consumer: Clients
) -> None:
    assert said(lambda: call(registry, consumer)) == ("AccessDenied", "Access Denied")


def test_an_object_is_not_copied_out_by_who_may_not_read_it(registry: Registry, consumer: Clients) -> None:
    mine = f"mine-{uuid.uuid4().hex[:8]}"
    s3 = consumer("s3", "somebody")
    s3.create_bucket(Bucket=mine, CreateBucketConfiguration={"LocationConstraint": REGION})
    source = {"Bucket": registry.bucket, "Key": f"{registry.service}/digest/model.tar.gz"}
    assert said(lambda: s3.copy_object(Bucket=mine, Key="stolen", CopySource=source))[0] == "AccessDenied"


# -- without one of them ----------------------------------------------------------------------------------------------


def test_without_the_group_policy(registry: Registry, consumer: Clients) -> None:
    user = f"User: arn:aws:sts::{CONSUMER}:assumed-role/{DEPLOYER}/ada is not authorized to perform: sagemaker:"
    with registry.without("group"):
        for action, call in (
            (
                "DescribeModelPackage",
                lambda: consumer("sagemaker").describe_model_package(ModelPackageName=registry.package),
            ),
            ("CreateModel", lambda: create_model(registry, consumer)),
        ):
            assert said(call) == (
                "AccessDeniedException",
                f"{user}{action} on resource: {registry.package} because no resource-based policy allows the "
                f"sagemaker:{action} action",
            )


@pytest.mark.parametrize("kind", ["bucket", "key"])
def test_without_the_bucket_s_or_the_key_s_policy(kind: str, registry: Registry, consumer: Clients) -> None:
    url = f"s3://{registry.bucket}/{registry.service}/digest/model.tar.gz"
    with registry.without(kind):
        assert said(lambda: create_model(registry, consumer)) == (
            "ValidationException",
            f'Could not access model data at {url}. Please ensure that the role "{registry.role}" exists and that its '
            'trust relationship policy allows the action "sts:AssumeRole" for the service principal '
            '"sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject" permissions and that the object '
            f"is located in {REGION}.",
        )


def test_without_the_key_s_policy_s3_gives_nothing_out(registry: Registry, consumer: Clients) -> None:
    key = f"{registry.service}/digest/model.tar.gz"
    with registry.without("key"):
        code, message = said(lambda: consumer("s3").get_object(Bucket=registry.bucket, Key=key))
    assert code == "AccessDenied"
    assert message.startswith(f"User: arn:aws:sts::{CONSUMER}:assumed-role/{DEPLOYER}/ada is not authorized to perform")
    assert "kms:Decrypt on the resource associated with this ciphertext" in message


def test_without_the_repository_s_policy(registry: Registry, consumer: Clients) -> None:
    with registry.without("repository"):
        assert said(lambda: create_model(registry, consumer)) == (
            "ValidationException",
            f"The repository of your image {OWNER}.dkr.ecr.{REGION}.amazonaws.com/{registry.repository}:1 does not "
            "grant ecr:GetDownloadUrlForLayer, ecr:BatchGetImage, ecr:BatchCheckLayerAvailability permission to "
            "sagemaker.amazonaws.com service principal.",
        )


def test_a_grant_withdrawn_later_stops_the_next_start(registry: Registry, consumer: Clients) -> None:
    model = create_model(registry, consumer)
    with registry.without("repository"):
        endpoint = create_endpoint(consumer, model)
    assert endpoint["EndpointStatus"] == "Failed"
    image = f"{OWNER}.dkr.ecr.{REGION}.amazonaws.com/{registry.repository}:1"
    assert endpoint["FailureReason"] == (
        f"The role '{registry.role}' does not have BatchGetImage permission for the image: '{image}'."
    )


def test_a_policy_that_nobody_here_understands_answers_nobody(registry: Registry, consumer: Clients) -> None:
    statement = {**vending.group_statements(registry.consumers, registry.service)[1]}
    statement["Condition"] = {"DateLessThan": {"aws:CurrentTime": "2999-01-01T00:00:00Z"}}
    registry.boto("sagemaker").put_model_package_group_policy(
        ModelPackageGroupName=registry.service, ResourcePolicy=policies.document([statement])
    )
    try:
        code, message = said(lambda: consumer("sagemaker").describe_model_package(ModelPackageName=registry.package))
    finally:
        registry.grant("group", registry.consumers)
    assert code == "NotImplemented" and "condition operator DateLessThan" in message
