"""SageMaker's Python SDK v3 (`sagemaker.core.resources`) against the sandbox, unchanged.

One process plays all of it, as importing the SDK costs seconds. It prints what it saw as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

SCRIPT = """
import json, sys
from botocore.exceptions import ClientError, ParamValidationError
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, ModelPackage, ModelPackageGroup
from sagemaker.core.shapes import ContainerDefinition, ContainersItem, InferenceSpecification, ProductionVariant
name, role, image, url = sys.argv[1:]
variables = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
seen = {}

def gone(get):
    try:
        get()
    except ClientError as error:
        return error.response["Error"]["Message"]

group = ModelPackageGroup.create(model_package_group_name=name, model_package_group_description="by the SDK")
group.wait_for_status("Completed", poll=1)
seen["group"] = [group.refresh().model_package_group_description, group.created_by.iam_identity is not None]
statement = {"Effect": "Allow", "Principal": "*", "Action": "sagemaker:DescribeModelPackageGroup", "Resource": "*"}
group.put_policy(resource_policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
seen["policy"] = json.loads(group.get_policy())["Statement"] == [statement]
group.delete_policy()
seen["groups"] = [one.model_package_group_name for one in ModelPackageGroup.get_all(name_contains=name)]

specification = InferenceSpecification(containers=[ContainersItem(image=image, model_data_url=url)])
try:
    ModelPackage.create(model_package_group_name=name, inference_specification=specification)
except KeyError as error:
    seen["create_version"] = str(error)
(version,) = ModelPackage.get_all(model_package_group_name=name)
version.wait_for_status("Completed", poll=1)
version = ModelPackage.get(model_package_name=version.model_package_arn)
seen["version"] = [version.model_package_version, version.model_approval_status]
version.update(model_approval_status="Approved", customer_metadata_properties={"by": "sdk"})
seen["approved"] = [version.refresh().model_approval_status, version.customer_metadata_properties]
batch = version.batch_get(model_package_arn_list=[version.model_package_arn])
seen["batch"] = [one.model_package_version for one in batch.model_package_summaries.values()]

model = Model.create(
    model_name=name, execution_role_arn=role,
    primary_container=ContainerDefinition(model_package_name=version.model_package_arn, environment=variables),
)
seen["model"] = [model.refresh().primary_container.mode, model.enable_network_isolation]
seen["models"] = [one.model_name for one in Model.get_all(name_contains=name)]

def config(suffix, count):
    variant = ProductionVariant(
        variant_name="Main", model_name=name, initial_instance_count=count, instance_type="ml.m5.large"
    )
    return EndpointConfig.create(endpoint_config_name=name + suffix, production_variants=[variant])

first, second = config("-1", 1), config("-2", 2)
seen["configs"] = sorted(one.endpoint_config_name for one in EndpointConfig.get_all(name_contains=name))
seen["config"] = second.refresh().production_variants[0].initial_instance_count
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=first.endpoint_config_name)
endpoint.wait_for_status("InService", poll=1)
seen["invoked"] = endpoint.invoke(body="1,2", content_type="text/csv").body.read().decode()
endpoint.endpoint_config_name = second.endpoint_config_name
endpoint.update()
endpoint.wait_for_status("InService", poll=1)
seen["endpoint"] = [endpoint.endpoint_config_name, endpoint.production_variants[0].desired_instance_count]
seen["endpoints"] = [one.endpoint_status for one in Endpoint.get_all(name_contains=name)]

endpoint.delete()
endpoint.wait_for_delete(poll=1)
seen["no_endpoint"] = gone(lambda: Endpoint.get(endpoint_name=name))
for one in (first, second, model):
    one.delete()
seen["no_model"] = gone(lambda: Model.get(model_name=name))
try:
    version.delete()
except ParamValidationError as error:
    seen["delete_version"] = str(error)
version._get_client().delete_model_package(ModelPackageName=version.model_package_arn)
group.delete()
seen["no_group"] = gone(lambda: ModelPackageGroup.get(model_package_group_name=name))
print("\\n" + json.dumps(seen))  # the SDK leaves half a line of its own
"""


pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def seen(lab: Any, sandbox: Any) -> dict[str, Any]:
    container = lab.container("v1")
    arguments = ["sdk-plays", lab.role, container["Image"], container["ModelDataUrl"]]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(sandbox.directory), **sandbox.environment}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_groups(seen: dict[str, Any]) -> None:
    assert seen["group"] == ["by the SDK", True]
    assert seen["policy"] is True
    assert seen["groups"] == ["sdk-plays"]
    assert "does not exist." in seen["no_group"]


def test_versions(seen: dict[str, Any]) -> None:
    assert seen["version"] == [1, "PendingManualApproval"]
    assert seen["approved"] == ["Approved", {"by": "sdk"}]
    assert seen["batch"] == [1]


def test_the_sdks_own_trouble_with_versions_is_not_hidden(seen: dict[str, Any]) -> None:
    """sagemaker-core 2.27 looks for ModelPackageName where AWS gives a version's ARN only; the calls are made."""
    assert seen["create_version"] == "'ModelPackageName'"
    assert 'Missing required parameter in input: "ModelPackageName"' in seen["delete_version"]


def test_models_and_configurations(seen: dict[str, Any]) -> None:
    assert seen["model"] == ["SingleModel", False]
    assert seen["models"] == ["sdk-plays"]
    assert seen["configs"] == ["sdk-plays-1", "sdk-plays-2"]
    assert seen["config"] == 2
    assert seen["no_model"].startswith("Could not find model ")


def test_endpoints(seen: dict[str, Any]) -> None:
    assert seen["invoked"] == "v1:1,2"
    assert seen["endpoint"] == ["sdk-plays-2", 2]
    assert seen["endpoints"] == ["InService"]
    assert seen["no_endpoint"].startswith("Could not find endpoint ")
