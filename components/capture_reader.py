"""Captured traffic for shadow in another account: what production publishes there, and grants, by itself (DESIGN 12).

S3 announces objects on its owner's default bus only, so a rule forwards the events to a bus there; whether that bus
exists is not production's concern. Metrics and alarms cannot be granted to another account, so people and pipelines
there assume a role.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import policies
from components.capture_store import CAPTURE_PREFIX, GROUND_TRUTH_PREFIX
from components.naming import Scope, bucket_arn, logical
from components.traffic_replay import object_created, replay_roles
from components.vending import OwnAccountError
from settings import Reader

FORWARDING = "capture-forward"
"""Logical name of the role with which events are forwarded; the bus there takes them from roles of this name only."""


@dataclass(frozen=True)
class CaptureReaderArgs:
    """`bucket`: the capture bucket's name."""

    scope: Scope
    reader: Reader
    bucket: pulumi.Input[str]

    def __post_init__(self) -> None:
        """Raises OwnAccountError: within an account shadow's rule hears of captures, and IAM lets it read them."""
        if self.reader.account == self.scope.account:
            raise OwnAccountError(
                f"understudy:reader.account is {self.scope.account}, the account that this stack is in; "
                "leave understudy:reader out: within an account no grant is needed"
            )


def bucket_grants(scope: Scope, reader: Reader | None, services: Iterable[str]) -> list[policies.Statement]:
    """For the capture bucket: the services' replay functions there read captured requests."""
    bucket, roles = bucket_arn(scope, scope.capture_bucket), [replay_roles(service) for service in services]
    if reader is None or not roles:
        return []
    listed = {"StringLike": {"s3:prefix": f"{CAPTURE_PREFIX}/*"}}
    read = policies.grant_roles(scope, [reader.account], roles, ["s3:GetObject"])
    see = policies.grant_roles(scope, [reader.account], roles, ["s3:ListBucket"], listed)
    return [
        {**read, "Sid": "Read", "Resource": f"{bucket}/{CAPTURE_PREFIX}/*"},
        {**see, "Sid": "List", "Resource": bucket},
    ]


def reader_trust(scope: Scope, reader: Reader) -> str:
    """Assume-role policy: only roles of these names there."""
    return policies.document([policies.grant_roles(scope, [reader.account], reader.roles, ["sts:AssumeRole"])])


def reader_statements(scope: Scope, bucket: str) -> list[policies.Statement]:
    """What evidence takes of production: captured requests, labels, latencies, and the state of its alarms."""
    return [
        *policies.read_objects(scope, bucket, f"{CAPTURE_PREFIX}/", f"{GROUND_TRUTH_PREFIX}/"),
        # Knows neither resources nor namespaces.
        policies.allow(["cloudwatch:GetMetricStatistics"], ["*"]),
        policies.allow(["cloudwatch:DescribeAlarms"], [scope.arn("cloudwatch", "alarm:*")]),
    ]


class CaptureReader(pulumi.ComponentResource):
    """Forwards capture events to the reader's bus; `role_arn` is what people and pipelines there assume."""

    role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: CaptureReaderArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("understudy:capture_reader:CaptureReader", name, None, opts)
        self._name, self._args = name, args
        self._create_reader_role()
        self._create_forwarding()
        self.register_outputs({"role_arn": self.role_arn})

    def _child(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self)

    def _create_reader_role(self) -> None:
        args, name = self._args, logical("role", self._name)
        role = aws.iam.Role(name, assume_role_policy=reader_trust(args.scope, args.reader), opts=self._child())
        policy = pulumi.Output.from_input(args.bucket).apply(
            lambda bucket: policies.document(reader_statements(args.scope, bucket))
        )
        aws.iam.RolePolicy(name, role=role.name, policy=policy, opts=self._child())
        self.role_arn = role.arn

    def _create_forwarding(self) -> None:
        args = self._args
        there = args.scope.elsewhere(args.reader.account, args.scope.region)
        bus = there.arn("events", f"event-bus/{args.scope.capture_bus(args.reader.environment)}")
        rule = aws.cloudwatch.EventRule(
            logical("rule", self._name),
            description=f"Captured requests, for {args.reader.environment} in {args.reader.account}",
            event_pattern=pulumi.Output.from_input(args.bucket).apply(
                lambda bucket: object_created(bucket, f"{CAPTURE_PREFIX}/")
            ),
            opts=self._child(),
        )
        role = aws.iam.Role(
            FORWARDING,
            assume_role_policy=rule.arn.apply(lambda arn: policies.trust(args.scope, "events.amazonaws.com", arn)),
            opts=self._child(),
        )
        policy = aws.iam.RolePolicy(
            FORWARDING,
            role=role.name,
            policy=policies.document([policies.allow(["events:PutEvents"], [bus])]),
            opts=self._child(),
        )
        aws.cloudwatch.EventTarget(
            self._name,
            rule=rule.name,
            arn=bus,
            role_arn=role.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
