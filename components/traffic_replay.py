"""Production's captured requests, replayed to shadow: EventBridge → queue → function → shadow endpoint.

Shadow subscribes to what production publishes (DESIGN 12): rule, queue and role are shadow's own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from components import policies
from components.capture_store import CAPTURE_PREFIX
from components.errors import MistakeError
from components.function import Function, FunctionArgs
from components.naming import Scope, logical
from model_package.manifest import Comparison
from settings import Replay

TIMEOUT_SECONDS = 300
VISIBILITY_TIMEOUTS = 6
"""Visibility in function time-outs: AWS's rule, so that throttling does not fill the dead-letter queue."""
MAXIMUM_RECEIVES = 5
BATCH_SIZE = 1
"""Files a call: a file holds many requests, and a worker's rate is what limits."""
RETENTION_SECONDS = 14 * 24 * 3600
MEMORY_MEGABYTES = 512


@dataclass(frozen=True)
class TrafficReplayArgs:
    scope: Scope
    replay: Replay
    comparison: Comparison
    endpoint_name: pulumi.Input[str]
    artifact_digest: pulumi.Input[str]
    records_bucket: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    layer_arn: pulumi.Input[str]
    root: Path
    use_case: Path
    bus: pulumi.Input[str] | None
    """The event bus that announces captures of another account; None for the own account's default bus."""
    after: Sequence[pulumi.Resource]
    """The rollout of `artifact_digest`: what answers must be the candidate whose digest the records carry."""


def source_prefix(replay: Replay) -> str:
    """Keys of production's capture files for this service."""
    return f"{CAPTURE_PREFIX}/{replay.source_endpoint}/{replay.source_variant}/"


def replay_roles(service: str) -> str:
    """Pattern of the names of the roles that a service's replay functions run with; production grants by it."""
    return f"{logical('role', f'{service}-replay')}-*"


def object_created(bucket: str, prefix: str) -> str:
    """Pattern of S3's events for new objects under a prefix."""
    detail = {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": prefix}]}}
    return json.dumps({"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail})


class TransformMissingError(MistakeError):
    """The configuration asks for a transformation that the use case does not have."""


def transform_of(replay: Replay, use_case: Path) -> Path | None:
    """The use case whose replay.py changes the requests, None for none. Raises TransformMissingError."""
    exists = (use_case / "replay.py").is_file()
    if replay.transform and not exists:
        raise TransformMissingError(
            f"replay.transform is true, but {use_case / 'replay.py'} does not exist; "
            "write it, or set replay.transform to false"
        )
    return use_case if exists and replay.transform is not False else None


def queue_policy(scope: Scope, queue_arn: str, rule_arn: str) -> str:
    accept = policies.accept_from(scope, "events.amazonaws.com", ["sqs:SendMessage"], queue_arn, rule_arn)
    return policies.document([accept, policies.deny_plain_http("sqs", [queue_arn])])


def replay_statements(
    scope: Scope, replay: Replay, service: str, endpoint_name: str, queue_arn: str, records_bucket: str, key_arn: str
) -> list[policies.Statement]:
    """What the function does: take messages, read captures, ask shadow, keep comparison records."""
    records = (f"comparisons/{service}/", f"dead-letter/{service}/")
    return [
        policies.allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], [queue_arn]),
        *policies.read_objects(scope, replay.source, source_prefix(replay)),
        policies.allow(["sagemaker:InvokeEndpoint"], [scope.arn("sagemaker", f"endpoint/{endpoint_name}")]),
        policies.get_objects(scope, records_bucket, records[0]),
        policies.list_objects(scope, records_bucket),
        policies.write_objects(scope, records_bucket, *records),
        policies.use_key(key_arn, encrypt=True),
    ]


def replay_environment(args: TrafficReplayArgs, service: str) -> dict[str, pulumi.Input[str]]:
    """The function's environment (docs/seams.md)."""
    replay = args.replay
    return {
        "SERVICE": service,
        "ENDPOINT_NAME": args.endpoint_name,
        "ARTIFACT_DIGEST": args.artifact_digest,
        "RECORDS_BUCKET": args.records_bucket,
        "TRAFFIC_PERCENT": f"{replay.traffic_percent:g}",
        "MAX_REQUESTS_PER_SECOND": f"{replay.max_requests_per_second:g}",
        "SPEED": f"{replay.speed:g}",
        "MAX_CONCURRENCY": str(replay.max_concurrency),
        "COMPARISON_RULES": args.comparison.model_dump_json(by_alias=True),
        "SOURCE_PREFIX": source_prefix(replay),
    }


class TrafficReplay(pulumi.ComponentResource):
    queue_url: pulumi.Output[str]

    def __init__(self, name: str, args: TrafficReplayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("understudy:traffic_replay:TrafficReplay", name, None, opts)
        self._service, self._name, self._args = name, f"{name}-replay", args
        self._create_queues()
        self._create_function()
        self._create_event_source_mapping()
        self._create_rule()
        self.queue_url = self._queue.url
        self.register_outputs({"queue_url": self.queue_url})

    def _child(self, **options: Any) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, **options)

    def _create_queues(self) -> None:
        dead_letters = aws.sqs.Queue(
            logical("queue", self._name, "dead-letter"),
            message_retention_seconds=RETENTION_SECONDS,
            sqs_managed_sse_enabled=True,
            opts=self._child(),
        )
        self._queue = aws.sqs.Queue(
            logical("queue", self._name),
            visibility_timeout_seconds=VISIBILITY_TIMEOUTS * TIMEOUT_SECONDS,
            message_retention_seconds=RETENTION_SECONDS,
            sqs_managed_sse_enabled=True,
            redrive_policy=dead_letters.arn.apply(
                lambda arn: json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAXIMUM_RECEIVES})
            ),
            opts=self._child(),
        )

    def _create_function(self) -> None:
        args = self._args
        statements = pulumi.Output.all(args.endpoint_name, self._queue.arn, args.records_bucket, args.key_arn).apply(
            lambda known: replay_statements(args.scope, args.replay, self._service, *known)
        )
        function = FunctionArgs(
            function="replay",
            root=args.root,
            layer_arn=args.layer_arn,
            environment=replay_environment(args, self._service),
            statements=statements,
            timeout_seconds=TIMEOUT_SECONDS,
            memory_megabytes=MEMORY_MEGABYTES,
            use_case=transform_of(args.replay, args.use_case),
            after=args.after,
        )
        self._function = Function(self._name, function, self._child())

    def _create_event_source_mapping(self) -> None:
        aws.lambda_.EventSourceMapping(
            self._name,
            event_source_arn=self._queue.arn,
            function_name=self._function.function_name,
            batch_size=BATCH_SIZE,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config={"maximum_concurrency": self._args.replay.max_concurrency},
            # Lambda checks the role's SQS permissions when the mapping is made.
            opts=self._child(depends_on=[self._function]),
        )

    def _create_rule(self) -> None:
        args = self._args
        bus: dict[str, Any] = {} if args.bus is None else {"event_bus_name": args.bus}
        rule = aws.cloudwatch.EventRule(
            logical("rule", self._name),
            description=f"Captured requests of {args.replay.source_endpoint}",
            event_pattern=object_created(args.replay.source, source_prefix(args.replay)),
            opts=self._child(),
            **bus,
        )
        policy = aws.sqs.QueuePolicy(
            self._name,
            queue_url=self._queue.url,
            policy=pulumi.Output.all(self._queue.arn, rule.arn).apply(
                lambda known: queue_policy(args.scope, known[0], known[1])
            ),
            opts=self._child(),
        )
        aws.cloudwatch.EventTarget(
            self._name, rule=rule.name, arn=self._queue.arn, opts=self._child(depends_on=[policy]), **bus
        )
