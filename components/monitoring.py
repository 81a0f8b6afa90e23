"""What is watched after a rollout: latency, errors and, by labels that arrive later, accuracy; and a dashboard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from components import alarms, policies
from components.capture_store import CAPTURE_PREFIX, GROUND_TRUTH_PREFIX, LABEL_JOINS_PREFIX
from components.function import Function, FunctionArgs
from components.naming import Scope, bucket_arn, logical
from components.traffic_replay import object_created
from model_package.manifest import Manifest
from settings import SHADOW_VARIANT_NAME, ServiceSettings

TIMEOUT_SECONDS = 120
MEMORY_MEGABYTES = 512
OPEN_LABELS_SCHEDULE = "rate(15 minutes)"
"""Captured answers are delivered minutes after the answer, so labels may come first."""


@dataclass(frozen=True)
class MonitoringArgs:
    """`manifest` and `layer_arn` are needed where accuracy is watched."""

    scope: Scope
    service: ServiceSettings
    endpoint_name: str
    deployment_parameter: str
    topic_arn: pulumi.Input[str]
    capture_bucket: pulumi.Input[str]
    root: Path
    manifest: Manifest | None = None
    layer_arn: pulumi.Input[str] | None = None


def accuracy_environment(service: str, args: MonitoringArgs, manifest: Manifest) -> dict[str, pulumi.Input[str]]:
    """The accuracy function's environment (docs/seams.md)."""
    variant, quality, columns = args.service.variant_name, manifest.quality, manifest.comparison.columns
    return {
        "SERVICE": service,
        "ENDPOINT_NAME": args.endpoint_name,
        "VARIANT_NAME": variant,
        "CAPTURE_BUCKET": args.capture_bucket,
        "CAPTURE_PREFIX": f"{CAPTURE_PREFIX}/{args.endpoint_name}/{variant}/",
        "TASK": quality.task,
        "TOLERANCE": f"{quality.tolerance or 0:g}",
        "LABEL": quality.label,
        "DEPLOYMENT_PARAMETER": args.deployment_parameter,
        **({"COLUMNS": ",".join(columns)} if columns else {}),
    }


def accuracy_statements(
    scope: Scope, service: str, endpoint_name: str, parameter: str, bucket: str
) -> list[policies.Statement]:
    """What the function does: read labels and captured answers, learn when the deployment changed, publish."""
    open_labels = f"{LABEL_JOINS_PREFIX}/{service}/"
    read = (f"{GROUND_TRUTH_PREFIX}/{service}/", f"{CAPTURE_PREFIX}/{endpoint_name}/", open_labels)
    return [
        policies.get_objects(scope, bucket, *read),
        policies.list_objects(scope, bucket),
        policies.allow(["s3:PutObject", "s3:DeleteObject"], [f"{bucket_arn(scope, bucket)}/{open_labels}*"]),
        policies.allow(["ssm:GetParameter"], [scope.arn("ssm", f"parameter{parameter}")]),
        policies.put_metrics(alarms.NAMESPACE),
    ]


def dashboard_body(
    region: str, endpoint_name: str, service: ServiceSettings, alarm_arns: Mapping[str, str]
) -> dict[str, Any]:
    """Rows of two: traffic and errors, latency and accuracy, each by variant; the alarms on top."""
    variants = [service.variant_name, *([SHADOW_VARIANT_NAME] if service.shadow_variant else [])]

    def series(namespace: str, metric: str, stat: str) -> list[list[Any]]:
        return [
            [namespace, metric, "EndpointName", endpoint_name, "VariantName", variant, {"stat": stat}]
            for variant in variants
        ]

    def graph(position: int, title: str, metrics: list[list[Any]]) -> dict[str, Any]:
        return {
            "type": "metric",
            "x": 12 * (position % 2),
            "y": 3 + 6 * (position // 2),
            "width": 12,
            "height": 6,
            "properties": {
                "title": title,
                "region": region,
                "view": "timeSeries",
                "period": service.alarms.period_seconds,
                "metrics": metrics,
            },
        }

    failures = ("InvocationModelErrors", "Invocation5XXErrors", "Invocation4XXErrors")
    graphs = [
        graph(0, "Requests", series(alarms.SAGEMAKER, "Invocations", "Sum")),
        graph(1, "Failures", [line for metric in failures for line in series(alarms.SAGEMAKER, metric, "Sum")]),
        graph(2, "Model latency, microseconds (p99)", series(alarms.SAGEMAKER, "ModelLatency", "p99")),
        graph(3, "Share of right predictions", series(alarms.NAMESPACE, alarms.ACCURACY_METRIC, "Average")),
    ]
    status = {
        "type": "alarm",
        "x": 0,
        "y": 0,
        "width": 24,
        "height": 3,
        "properties": {"title": endpoint_name, "alarms": sorted(alarm_arns.values())},
    }
    return {"widgets": [status, *graphs]}


class Monitoring(pulumi.ComponentResource):
    """Each alarm tells the topic by itself: behind a composite, a first alarm would hide the next one's beginning."""

    alarm_names: dict[str, pulumi.Output[str]]
    """Alarm name by `errors`, `composite`, and where watched `latency`, `predictionAccuracy`."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("understudy:monitoring:Monitoring", name, None, opts)
        self._service, self._args = name, args
        self._alarms = {kind: self._create_alarm(kind, spec) for kind, spec in self._specifications().items()}
        self.alarm_names = {kind: alarm.name for kind, alarm in self._alarms.items()}
        self.alarm_names["composite"] = self._create_composite_alarm()
        self._create_dashboard()
        if args.service.alarms.prediction_accuracy and args.manifest and args.layer_arn is not None:
            self._create_accuracy(args.manifest, args.layer_arn)
        self.register_outputs({"alarm_names": self.alarm_names})

    def _child(self, **options: Any) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, **options)

    def _specifications(self) -> dict[str, dict[str, Any]]:
        settings = self._args.service.alarms
        variant = {"EndpointName": self._args.endpoint_name, "VariantName": self._args.service.variant_name}
        specifications = {"errors": alarms.error_alarm(settings, variant, alarms.WATCH_PERIODS)}
        if settings.latency_p99_milliseconds is not None:
            specifications["latency"] = alarms.latency_alarm(settings, variant, alarms.WATCH_PERIODS)
        if settings.prediction_accuracy is not None:
            specifications["predictionAccuracy"] = alarms.accuracy_alarm(
                settings, settings.prediction_accuracy, variant
            )
        return specifications

    def _create_alarm(self, kind: str, specification: dict[str, Any]) -> aws.cloudwatch.MetricAlarm:
        suffix = "prediction-accuracy" if kind == "predictionAccuracy" else kind
        return aws.cloudwatch.MetricAlarm(
            logical("alarm", self._service, suffix),
            alarm_actions=[self._args.topic_arn],
            ok_actions=[self._args.topic_arn],
            opts=self._child(),
            **specification,
        )

    def _create_composite_alarm(self) -> pulumi.Output[str]:
        names = pulumi.Output.all(*(alarm.name for alarm in self._alarms.values()))
        composite = aws.cloudwatch.CompositeAlarm(
            self._service,
            alarm_name=self._args.scope.composite_alarm(self._service),
            alarm_description=f"Any alarm of {self._args.endpoint_name}",
            alarm_rule=names.apply(alarms.any_of),
            # Its name is explicit: a replacement created first would be deleted with the old one.
            opts=self._child(delete_before_replace=True),
        )
        return composite.alarm_name

    def _create_dashboard(self) -> None:
        args = self._args
        arns = pulumi.Output.all(**{kind: alarm.arn for kind, alarm in self._alarms.items()})
        aws.cloudwatch.Dashboard(
            self._service,
            dashboard_name=args.scope.dashboard(self._service),
            dashboard_body=arns.apply(
                lambda known: json.dumps(dashboard_body(args.scope.region, args.endpoint_name, args.service, known))
            ),
            opts=self._child(),
        )

    def _create_accuracy(self, manifest: Manifest, layer_arn: pulumi.Input[str]) -> None:
        args, name = self._args, f"{self._service}-accuracy"
        statements = pulumi.Output.from_input(args.capture_bucket).apply(
            lambda bucket: accuracy_statements(
                args.scope, self._service, args.endpoint_name, args.deployment_parameter, bucket
            )
        )
        function = Function(
            name,
            FunctionArgs(
                function="accuracy",
                root=args.root,
                layer_arn=layer_arn,
                environment=accuracy_environment(self._service, args, manifest),
                statements=statements,
                timeout_seconds=TIMEOUT_SECONDS,
                memory_megabytes=MEMORY_MEGABYTES,
                asynchronous=True,
            ),
            self._child(),
        )
        labels = pulumi.Output.from_input(args.capture_bucket).apply(
            lambda bucket: object_created(bucket, f"{GROUND_TRUTH_PREFIX}/{self._service}/")
        )
        self._create_rule(name, function, f"Ground truth of {self._service}", event_pattern=labels)
        self._create_rule(
            f"{name}-open",
            function,
            f"Labels of {self._service} that still wait for their captured answer",
            schedule_expression=OPEN_LABELS_SCHEDULE,
        )

    def _create_rule(self, name: str, function: Function, description: str, **when: Any) -> None:
        """A rule that invokes the function, and the permission for it."""
        rule = aws.cloudwatch.EventRule(logical("rule", name), description=description, opts=self._child(), **when)
        permission = aws.lambda_.Permission(
            name,
            action="lambda:InvokeFunction",
            function=function.function_name,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
            opts=self._child(),
        )
        aws.cloudwatch.EventTarget(name, rule=rule.name, arn=function.arn, opts=self._child(depends_on=[permission]))
