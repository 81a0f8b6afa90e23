"""A Lambda function with its log group and its least-privilege role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from components import policies
from components.function_code import function_archive, layer_archive
from components.naming import logical

RUNTIME = "python3.12"
LOG_DAYS = 90
DEAD_LETTER_SECONDS = 14 * 24 * 3600


@dataclass(frozen=True)
class FunctionLayerArgs:
    root: Path


class FunctionLayer(pulumi.ComponentResource):
    """The functions' third-party code, one layer a stack."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: FunctionLayerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("understudy:function:FunctionLayer", name, None, opts)
        layer = aws.lambda_.LayerVersion(
            name,
            layer_name=logical("layer", f"{pulumi.get_project()}-{pulumi.get_stack()}", "functions"),
            code=layer_archive(args.root),
            compatible_runtimes=[RUNTIME],
            # A function version that is being replaced may still run with the old layer.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        self.arn = layer.arn
        self.register_outputs({"arn": self.arn})


@dataclass(frozen=True)
class FunctionArgs:
    """`function`: the folder in functions/; `statements`: what its role may do besides writing its own log."""

    function: str
    root: Path
    layer_arn: pulumi.Input[str]
    environment: Mapping[str, pulumi.Input[str]]
    statements: pulumi.Input[Sequence[policies.Statement]]
    timeout_seconds: int
    memory_megabytes: int = 256
    use_case: Path | None = None
    """Folder whose replay.py goes into the zip as use_case_replay.py."""
    asynchronous: bool = False
    """Invoked by events that nobody waits for: what fails for good goes to a dead-letter queue."""
    after: Sequence[pulumi.Resource] = ()
    """What must have been deployed before the function runs with this code and environment."""


def function_statements(
    own: Sequence[policies.Statement], log_group_arn: str, dead_letter_arn: str | None
) -> list[policies.Statement]:
    """A function's role: what it does, its own log, and its dead letters where it has any."""
    statements = [*own, policies.write_logs(log_group_arn)]
    return [*statements, policies.allow(["sqs:SendMessage"], [dead_letter_arn])] if dead_letter_arn else statements


class Function(pulumi.ComponentResource):
    """`arn` and `name` are the function's; the role's policy is in place before the function can run."""

    arn: pulumi.Output[str]
    function_name: pulumi.Output[str]

    def __init__(self, name: str, args: FunctionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("understudy:function:Function", name, None, opts)
        self._name, self._args = name, args
        self._create_log_group()
        self._dead_letter_arn = self._create_dead_letters() if args.asynchronous else None
        policy = self._create_role()
        self._create_function(policy)
        self.arn, self.function_name = self._function.arn, self._function.name
        self.register_outputs({"arn": self.arn, "function_name": self.function_name})

    def _create_log_group(self) -> None:
        self._log_group = aws.cloudwatch.LogGroup(
            self._name, retention_in_days=LOG_DAYS, opts=pulumi.ResourceOptions(parent=self)
        )

    def _create_dead_letters(self) -> pulumi.Output[str]:
        queue = aws.sqs.Queue(
            logical("queue", self._name, "dead-letter"),
            message_retention_seconds=DEAD_LETTER_SECONDS,
            sqs_managed_sse_enabled=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return queue.arn

    def _create_role(self) -> aws.iam.RolePolicy:
        self._role = aws.iam.Role(
            logical("role", self._name),
            assume_role_policy=policies.function_trust(),
            opts=pulumi.ResourceOptions(parent=self),
        )
        document = pulumi.Output.all(self._args.statements, self._log_group.arn, self._dead_letter_arn).apply(
            lambda known: policies.document(function_statements(*known))
        )
        return aws.iam.RolePolicy(
            logical("role", self._name), role=self._role.name, policy=document, opts=pulumi.ResourceOptions(parent=self)
        )

    def _create_function(self, policy: aws.iam.RolePolicy) -> None:
        args = self._args
        optional: dict[str, Any] = {}
        if self._dead_letter_arn is not None:
            optional["dead_letter_config"] = {"target_arn": self._dead_letter_arn}
        self._function = aws.lambda_.Function(
            logical("function", self._name),
            code=function_archive(args.function, args.root, args.use_case),
            runtime=RUNTIME,
            handler=f"functions.{args.function}.handler.handler",
            role=self._role.arn,
            layers=[args.layer_arn],
            timeout=args.timeout_seconds,
            memory_size=args.memory_megabytes,
            environment={"variables": dict(args.environment)},
            logging_config={"log_format": "JSON", "log_group": self._log_group.name},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy, *args.after]),
            **optional,
        )
