"""What the deployment tells the replay function (docs/seams.md, "Functions' environment")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from functions.common import environment as env
from functions.common.comparison import Rules


@dataclass(frozen=True)
class ReplaySettings:
    """`endpoint_name` is the shadow endpoint; `requests_per_second` is this worker's share of the service's rate."""

    service: str
    endpoint_name: str
    artifact_digest: str
    records_bucket: str
    source_prefix: str
    traffic_percent: float
    requests_per_second: float
    speed: float
    rules: Rules

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ReplaySettings:
        """Raises WrongEnvironmentError naming the variable."""
        rate = env.number(environment, "MAX_REQUESTS_PER_SECOND", above=0)
        workers = env.number(environment, "MAX_CONCURRENCY", above=0)
        try:
            rules = Rules.from_json(env.text(environment, "COMPARISON_RULES"))
        except env.WrongEnvironmentError:
            raise
        except ValueError as error:
            raise env.WrongEnvironmentError(f"environment variable COMPARISON_RULES: {error}") from error
        return cls(
            service=env.text(environment, "SERVICE"),
            endpoint_name=env.text(environment, "ENDPOINT_NAME"),
            artifact_digest=env.text(environment, "ARTIFACT_DIGEST"),
            records_bucket=env.text(environment, "RECORDS_BUCKET"),
            source_prefix=env.text(environment, "SOURCE_PREFIX"),
            traffic_percent=env.number(environment, "TRAFFIC_PERCENT", at_most=100),
            requests_per_second=rate / workers,
            speed=env.number(environment, "SPEED"),
            rules=rules,
        )
