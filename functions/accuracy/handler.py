"""EventBridge → accuracy: a ground-truth file is there; its labels become `Understudy/PredictionAccuracy`."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.accuracy.joiner import Joiner, Settled
from functions.accuracy.joins import Join, S3Joins, file_identity
from functions.accuracy.predictions import CapturedPredictions
from functions.accuracy.settings import AccuracySettings
from functions.common import groundtruth
from functions.common.deployment import Deployment
from functions.common.groundtruth import Label
from functions.common.jsonlines import MalformedLine
from functions.common.s3_event import ObjectCreated

NAMESPACE = "Understudy"

logger = Logger(service="accuracy")


class WrongGroundTruthError(ValueError):
    """The event names a file that is no ground truth of this service."""


@dataclass(frozen=True)
class Accuracy:
    """What lives as long as the execution environment: clients, and the captures that were read."""

    settings: AccuracySettings
    s3: Any
    ssm: Any
    cloudwatch: Any
    predictions: CapturedPredictions

    def on_event(self, event: dict[str, Any], now: datetime) -> Settled:
        """Joins the file that the event names, and every file with labels that are still open.

        A schedule's event (EventBridge `Scheduled Event`) only looks at the open ones.
        """
        joins = S3Joins(self.s3, self.settings.capture_bucket, self.settings.service)
        work: list[Join] = []
        unusable = 0
        if event.get("detail-type") != "Scheduled Event":
            join, unusable = self._new_join(ObjectCreated.parse(event), joins, now)
            work.append(join)
        for identity in joins.open_identities():
            open_join = None if work and identity == work[0].identity else joins.load(identity)
            if open_join is not None:
                work.append(open_join)
        deployment = Deployment.read(self.ssm, self.settings.deployment_parameter)
        joiner = Joiner(
            quality=self.settings.quality,
            predictions=self.predictions,
            joins=joins,
            publish=lambda settled: self.publish(settled, now),
            deployed_at=deployment.changed_at,
            now=now,
        )
        return joiner.join(work, unusable)

    def _new_join(self, created: ObjectCreated, joins: S3Joins, now: datetime) -> tuple[Join, int]:
        prefix = f"ground-truth/{self.settings.service}/"
        if not created.key.startswith(prefix):
            raise WrongGroundTruthError(f"{created.key!r} is not under {prefix!r}: check the rule of this function")
        answer = self.s3.get_object(Bucket=created.bucket, Key=created.key)
        identity = file_identity(created.bucket, created.key, answer["ETag"])
        with closing(answer["Body"]) as body:
            known = joins.load(identity)
            if known is not None:
                return known, 0
            lines = list(groundtruth.read(body.iter_lines()))
        malformed = [line for line in lines if isinstance(line, MalformedLine)]
        for line in malformed:
            logger.warning("label line cannot be read", extra={"key": created.key, **line.to_json()})
        return Join(identity, now, tuple(line for line in lines if isinstance(line, Label))), len(malformed)

    def publish(self, settled: Settled, now: datetime) -> None:
        """One value a label row: 1 right, 0 wrong; beside it how many labels had no prediction or could not be used."""
        answers = {value: count for value, count in ((1.0, settled.right), (0.0, settled.wrong)) if count}
        data = [
            self._metric("PredictionAccuracy", answers, "None", now),
            self._metric("UnmatchedLabels", {float(settled.unmatched): 1}, "Count", now),
            self._metric("UnusableLabels", {float(settled.unusable): 1}, "Count", now),
        ]
        self.cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=[metric for metric in data if metric["Values"]])

    def _metric(self, name: str, counts: dict[float, int], unit: str, now: datetime) -> dict[str, Any]:
        return {
            "MetricName": name,
            "Dimensions": [
                {"Name": "EndpointName", "Value": self.settings.endpoint_name},
                {"Name": "VariantName", "Value": self.settings.variant_name},
            ],
            "Timestamp": now,
            "Values": list(counts),
            "Counts": [float(count) for count in counts.values()],
            "Unit": unit,
        }


@lru_cache(maxsize=1)
def accuracy() -> Accuracy:
    """Made at the first event, so that a wrong environment fails with a sentence, not the import."""
    settings = AccuracySettings.from_environment(os.environ)
    s3 = boto3.client("s3")
    predictions = CapturedPredictions(s3, settings.capture_bucket, settings.capture_prefix)
    return Accuracy(settings, s3, boto3.client("ssm"), boto3.client("cloudwatch"), predictions)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Lambda's entry point. Answers how many labels were settled, by what became of them."""
    settled = accuracy().on_event(event, datetime.now(UTC))
    logger.info("labels joined", extra=asdict(settled))
    return asdict(settled)
