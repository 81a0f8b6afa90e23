"""The shape of evidence: one JSON document a candidate, frozen, with its own digest."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from functions.common.quality import Quality
from release.estimates import Interval, Percentiles

Outcome = Literal["pass", "fail", "inconclusive"]
RuleName = Literal["data", "errors", "quality", "agreement", "latency"]


class Document(BaseModel):
    """A frozen part of the document; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class QualityRule(Document):
    """`package.yaml`'s quality: what is right, and the least share of it."""

    task: Literal["classification", "regression"]
    label: str
    threshold: float = Field(gt=0, le=1)
    tolerance: float = Field(default=0.0, ge=0, description="In the label's unit; regression only.")
    columns: tuple[str, ...] = Field(default=(), description="Names of a CSV answer's columns.")

    @property
    def quality(self) -> Quality:
        """The judge of single answers."""
        return Quality(self.task, self.label, self.tolerance, self.columns)


class EvidenceRules(Document):
    """What evidence is judged by; the use case's `package.yaml` decides, the defaults are FACTS 10's."""

    minimum_pairs: int = Field(default=500, ge=1, description="Pairs; fewer are inconclusive.")
    minimum_distinct_requests: int = Field(default=50, ge=1, description="Distinct requests; fewer are inconclusive.")
    minimum_labels: int = Field(default=50, ge=1, description="Distinct labelled rows before quality decides anything.")
    minimum_agreement: float = Field(default=0.9, ge=0, le=1)
    maximum_error_rate: float = Field(default=0.01, ge=0, le=1)
    maximum_latency_ratio: float = Field(default=1.10, gt=0)
    maximum_latency_p99_ms: float | None = Field(default=None, gt=0, description="Absolute; without a baseline only.")
    non_inferiority_margin: float = Field(default=0.05, gt=0, lt=1, description="How much worse is still not worse.")
    confidence: float = Field(default=0.95, gt=0, lt=1, description="Of every interval.")
    significance: float = Field(default=0.01, gt=0, lt=1, description="One-sided p that blocks, with an effect.")
    quality: QualityRule


class Estimate(Document):
    """A figure with its interval; a bound that the data leave open is null."""

    estimate: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, interval: Interval) -> Self:
        low, high = (bound if math.isfinite(bound) else None for bound in (interval.low, interval.high))
        return cls(estimate=interval.estimate, low=low, high=high)


class Counts(Document):
    """`pairs` are requests that went to both (each event id once); `labelled` are distinct rows."""

    records: int
    pairs: int
    distinct_requests: int
    matches: int = 0
    mismatches: int = 0
    shadow_errors: int = 0
    not_comparable: int = 0
    labelled: int = 0
    unusable_labels: int = 0


class LatencyPercentiles(Document):
    """Milliseconds."""

    p50_ms: float
    p99_ms: float
    samples: int

    @classmethod
    def of(cls, percentiles: Percentiles) -> Self:
        return cls(p50_ms=percentiles.p50_ms, p99_ms=percentiles.p99_ms, samples=percentiles.samples)


class LatencyEvidence(Document):
    """Candidate over production.

    `basis`: `paired` (Hodges-Lehmann ratio of the same requests), `unpaired` (ratio of the medians of two separate
    samples: weaker, other requests and another hour), `absolute` (no production to compare with), `none` (no data).
    """

    basis: Literal["paired", "unpaired", "absolute", "none"]
    ratio: Estimate | None = None
    p_value: float | None = None
    pairs: int = 0
    production: LatencyPercentiles | None = None
    candidate: LatencyPercentiles | None = None


class QualityEvidence(Document):
    """Shares of right predictions over distinct labelled rows; the difference is candidate minus production."""

    rows: int
    candidate: Estimate
    production: Estimate | None = None
    difference: Estimate | None = None
    only_production_right: int = 0
    only_candidate_right: int = 0
    p_value_worse: float | None = None


class Drift(Document):
    """How far the answers moved, 0 (equal) to 1; and the mean of numeric predictions on either side."""

    mean_distance: float
    p95_distance: float
    maximum_distance: float
    production_mean: float | None = None
    candidate_mean: float | None = None


class NoiseFloor(Document):
    """Production against itself on the same requests: no rule may ask more of a candidate.

    It counts from `minimum_pairs` on: a handful of pairs must not loosen a rule.
    """

    pairs: int
    agreement: Estimate
    latency_ratio: Estimate | None = None


class Finding(Document):
    """What one rule says, with its numbers."""

    rule: RuleName
    outcome: Outcome
    reason: str


class Evidence(Document):
    """The whole document. `reasons` are the findings that decided, in the order of their weight."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    service: str
    candidate_digest: str
    baseline: Literal["production", "none"]
    judged_at: datetime
    counts: Counts
    agreement: Estimate | None
    error_rate: Estimate | None
    latency: LatencyEvidence
    quality: QualityEvidence | None
    drift: Drift | None
    noise_floor: NoiseFloor | None
    rules: EvidenceRules
    findings: tuple[Finding, ...]
    verdict: Outcome
    reasons: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the document as canonical JSON, without the digest."""
        return digest_of(self.content())

    def content(self) -> dict[str, Any]:
        """The document without its digest, as JSON values."""
        return self.model_dump(mode="json", by_alias=True)

    def document(self) -> dict[str, Any]:
        """The document as it is stored: with `digest`."""
        return {**self.content(), "digest": self.digest}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Reverse of `document`. Raises ValueError when the digest is not the document's."""
        content = {key: value for key, value in document.items() if key != "digest"}
        if document.get("digest") != digest_of(content):
            raise ValueError(
                f"evidence of {document.get('service')} does not have its digest: it was changed after it was judged"
            )
        return cls.model_validate(content)


def digest_of(content: dict[str, Any]) -> str:
    """SHA-256 (hex) of JSON values: keys sorted, no spaces, UTF-8."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def verdict_of(findings: tuple[Finding, ...]) -> tuple[Outcome, tuple[str, ...]]:
    """One failure fails, else one open question is inconclusive; no findings are inconclusive too."""
    order: tuple[Outcome, ...] = ("fail", "inconclusive")
    for outcome in order:
        deciding = tuple(finding.reason for finding in findings if finding.outcome == outcome)
        if deciding:
            return outcome, deciding
    if not findings:
        return "inconclusive", ("nothing was judged",)
    return "pass", tuple(finding.reason for finding in findings)
