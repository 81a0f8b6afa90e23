"""What the interpreter does when AWS refuses, rolls back or lets it wait; AWS is a script of answers here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws_provider import waits
from sandbox.aws_provider.configuration import Configuration, parse
from sandbox.aws_provider.errors import AwsError, PartialError, ProviderError, WaitError
from sandbox.aws_provider.hooks import HOOKS
from sandbox.aws_provider.resource import Resource
from sandbox.aws_provider.table import Wait, resource_type

ENDPOINT = "aws:sagemaker/endpoint:Endpoint"
ARN = "arn:aws:sagemaker:eu-west-1:1:endpoint/live"


def refusal(operation: str, code: str, message: str) -> AwsError:
    return AwsError(operation, ClientError({"Error": {"Code": code, "Message": message}}, operation))


class Script:
    """A session whose answers are written down: by operation, the last one again and again."""

    region = "eu-west-1"
    account = "1"

    def __init__(self, **answers: list[Any]) -> None:
        self.configuration = Configuration()
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def call(self, service: str, operation: str, arguments: Mapping[str, Any], *_: Any) -> dict[str, Any]:
        self.calls.append((operation, dict(arguments)))
        answers = self.answers[operation]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def partition(self, region: str | None = None) -> str:
        return "aws"

    def dns_suffix(self, region: str | None = None) -> str:
        return "amazonaws.com"

    @property
    def operations(self) -> list[str]:
        return [operation for operation, _ in self.calls]


def resource(token: str, script: Script, alive: bool = True) -> Resource:
    spec = resource_type(token)
    kind = HOOKS[spec.hook] if spec.hook else Resource
    return kind(spec, script, alive=lambda: alive)  # type: ignore[arg-type]


def endpoint(status: str, configuration: str = "one", **more: Any) -> dict[str, Any]:
    return {
        "EndpointName": "live",
        "EndpointArn": ARN,
        "EndpointConfigName": configuration,
        "EndpointStatus": status,
        **more,
    }


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "_FIRST_SECONDS", 0.001)


OLD: dict[str, Any] = {"name": "live", "endpointConfigName": "one", "tagsAll": {}}
NEW = {**OLD, "endpointConfigName": "two"}
STATE = {**OLD, "arn": ARN}


def test_create_waits_until_in_service() -> None:
    script = Script(
        CreateEndpoint=[{"EndpointArn": ARN}], DescribeEndpoint=[endpoint("Creating"), endpoint("InService")]
    )
    identifier, state = resource(ENDPOINT, script).create(OLD)
    assert identifier == "live"
    assert state["arn"] == ARN
    assert script.calls[0] == ("CreateEndpoint", {"EndpointName": "live", "EndpointConfigName": "one"})


def test_create_refused_leaves_nothing() -> None:
    script = Script(CreateEndpoint=[refusal("CreateEndpoint", "ValidationException", "Could not find it.")])
    with pytest.raises(ProviderError, match=r"CreateEndpoint: ValidationException: Could not find it\.") as caught:
        resource(ENDPOINT, script).create(OLD)
    assert not isinstance(caught.value, PartialError)


def test_create_that_fails_afterwards_is_saved_with_the_reason() -> None:
    script = Script(
        CreateEndpoint=[{"EndpointArn": ARN}],
        DescribeEndpoint=[endpoint("Creating"), endpoint("Failed", FailureReason="no ping")],
    )
    with pytest.raises(PartialError) as caught:
        resource(ENDPOINT, script).create(OLD)
    assert caught.value.id == "live"
    assert caught.value.reason == "unexpected state 'Failed', wanted target 'InService'. last error: no ping"
    assert caught.value.properties["endpointConfigName"] == "one"
    assert caught.value.inputs == OLD


def test_update_does_not_notice_a_rollback() -> None:
    """The real plugin's weakness: InService is enough, whatever configuration the endpoint runs."""
    script = Script(UpdateEndpoint=[{}], DescribeEndpoint=[endpoint("Updating"), endpoint("InService", "one")])
    state = resource(ENDPOINT, script).update("live", OLD, NEW, STATE)
    assert state["endpointConfigName"] == "two"


def test_update_seen_rolling_back_fails_and_keeps_the_planned_state() -> None:
    script = Script(UpdateEndpoint=[{}], DescribeEndpoint=[endpoint("Updating"), endpoint("RollingBack")])
    with pytest.raises(PartialError, match="unexpected state 'RollingBack'") as caught:
        resource(ENDPOINT, script).update("live", OLD, NEW, STATE)
    assert caught.value.properties["endpointConfigName"] == "two"


def test_update_retried_without_a_difference_calls_nothing() -> None:
    script = Script(DescribeEndpoint=[endpoint("InService", "one")])
    resource(ENDPOINT, script).update("live", NEW, NEW, {**STATE, **NEW})
    assert set(script.operations) == {"DescribeEndpoint"}


def test_a_change_of_tags_calls_the_tag_calls_only() -> None:
    script = Script(AddTags=[{}], DeleteTags=[{}], DescribeEndpoint=[endpoint("InService")])
    old = {**OLD, "tagsAll": {"a": "1", "b": "1"}}
    resource(ENDPOINT, script).update("live", old, {**OLD, "tagsAll": {"b": "2"}}, {**STATE, **old})
    assert script.calls[:2] == [
        ("DeleteTags", {"ResourceArn": ARN, "TagKeys": ["a"]}),
        ("AddTags", {"ResourceArn": ARN, "Tags": [{"Key": "b", "Value": "2"}]}),
    ]
    assert "UpdateEndpoint" not in script.operations


def test_delete_takes_only_not_found_for_success() -> None:
    gone = refusal("DeleteEndpoint", "ValidationException", 'Could not find endpoint "x".')
    resource(ENDPOINT, Script(DeleteEndpoint=[gone])).delete("live", OLD, STATE)
    busy = refusal("DeleteEndpoint", "ValidationException", 'Cannot update in-progress endpoint "x".')
    with pytest.raises(AwsError, match="Cannot update in-progress endpoint"):
        resource(ENDPOINT, Script(DeleteEndpoint=[busy])).delete("live", OLD, STATE)


def test_delete_waits_until_gone() -> None:
    gone = refusal("DescribeEndpoint", "ValidationException", 'Could not find endpoint "x".')
    script = Script(DeleteEndpoint=[{}], DescribeEndpoint=[endpoint("InService"), gone])
    resource(ENDPOINT, script).delete("live", OLD, STATE)
    assert script.operations == ["DeleteEndpoint", "DescribeEndpoint", "DescribeEndpoint"]


def test_read_of_a_deleting_endpoint_is_gone_and_of_a_refused_one_an_error() -> None:
    assert resource(ENDPOINT, Script(DescribeEndpoint=[endpoint("Deleting")])).read("live", OLD, STATE) is None
    denied = refusal("DescribeEndpoint", "AccessDeniedException", "no")
    with pytest.raises(AwsError, match="DescribeEndpoint: AccessDeniedException: no"):
        resource(ENDPOINT, Script(DescribeEndpoint=[denied])).read("live", OLD, STATE)


def test_refresh_sees_drift() -> None:
    script = Script(DescribeEndpoint=[endpoint("InService", "zero")], ListTags=[{"Tags": []}])
    found = resource(ENDPOINT, script).read("live", {**OLD, "region": "eu-west-1"}, STATE)
    assert found is not None
    _, state, inputs = found
    assert state["endpointConfigName"] == "zero"
    assert inputs == {"name": "live", "endpointConfigName": "zero", "region": "eu-west-1", "tagsAll": {}}


def test_import_needs_the_id_alone() -> None:
    answer = {"RoleName": "r", "PolicyName": "p", "PolicyDocument": {"Statement": []}}
    token = "aws:iam/rolePolicy:RolePolicy"
    script = Script(GetRolePolicy=[answer])
    found = resource(token, script).read("r:p", {}, {})
    assert found is not None
    assert found[0] == "r:p"
    assert found[2] == {"role": "r", "name": "p", "policy": '{"Statement":[]}'}
    assert script.calls == [("GetRolePolicy", {"RoleName": "r", "PolicyName": "p"})]
    with pytest.raises(ProviderError, match=r"'nonsense' is not an id of aws:iam/rolePolicy:RolePolicy"):
        resource(token, Script()).read("nonsense", {}, {})


def test_a_failed_batch_entry_is_an_error() -> None:
    failed = {"FailedEntryCount": 1, "FailedEntries": [{"ErrorCode": "LimitExceeded", "ErrorMessage": "five"}]}
    script = Script(PutTargets=[failed])
    inputs = {"rule": "r", "arn": "a", "targetId": "t"}
    with pytest.raises(ProviderError, match="PutTargets: LimitExceeded: five"):
        resource("aws:cloudwatch/eventTarget:EventTarget", script).create(inputs)


def test_a_kms_key_waiting_for_deletion_is_gone() -> None:
    metadata = {"KeyId": "k", "Arn": "a", "KeyState": "PendingDeletion"}
    answers: dict[str, list[Any]] = {
        "GetKeyPolicy": [{"Policy": "{}"}],
        "GetKeyRotationStatus": [{"KeyRotationEnabled": False}],
    }
    script = Script(DescribeKey=[{"KeyMetadata": metadata}], **answers)
    assert resource("aws:kms/key:Key", script).read("k", {"region": "eu-west-1"}, {}) is None


def test_a_wait_ends_at_its_limit_and_with_the_engine() -> None:
    wait = Wait(path="s", target=("Done",), pending=("Busy",), seconds=0)
    with pytest.raises(WaitError, match=r"the status is still not Done after 0 s"):
        waits.until_status(wait, lambda: {"s": "Busy"}, lambda: True)
    with pytest.raises(WaitError, match="canceled while waiting"):
        waits.until_status(Wait("s", ("Done",), ("Busy",)), lambda: {"s": "Busy"}, lambda: False)


def test_configuration_reads_nested_json() -> None:
    parsed = parse(
        {
            "region": "eu-west-1",
            "defaultTags": '{"tags": {"b": "2", "a": "1"}}',
            "assumeRoles": '[{"roleArn": "arn:x", "sessionName": "s"}]',
            "version": "7.51.1",
        }
    )
    assert parsed.default_tags == (("a", "1"), ("b", "2"))
    assert [(role.arn, role.session) for role in parsed.assume_roles] == [("arn:x", "s")]
    with pytest.raises(ProviderError, match="aws:ignoreTags is not served by the sandbox's provider"):
        parse({"ignoreTags": "{}"})
