"""CloudWatch: metrics, alarms, dashboards; and appending to CloudWatch Logs.

Metrics and alarms are ours (moto scans its points linearly and never evaluates an alarm); dashboards and reading of
logs are moto's. See `watch` for how alarm periods are divided by the sandbox's speed.
"""

from __future__ import annotations

from moto.cloudwatch.responses import CloudWatchResponse

from sandbox.cloud.actions import plug_in
from sandbox.cloud.monitoring import alarms_api, metrics_api
from sandbox.cloud.monitoring.logs import LogStore
from sandbox.cloud.monitoring.service import Monitoring
from sandbox.cloud.ports import Cloud, Stage


def install(cloud: Cloud) -> None:
    """Plugs CloudWatch into `cloud`: its ports `metrics` and `logs`, its API, its threads."""
    monitoring = Monitoring(cloud)
    cloud.metrics = monitoring
    logs = LogStore(cloud)
    cloud.logs = logs
    plug_in(CloudWatchResponse, metrics_api.handlers(monitoring) | alarms_api.handlers(monitoring))
    cloud.on_start(logs.start)
    cloud.on_start(monitoring.start)
    cloud.on_stop(Stage.CAUSES, monitoring.stop)
    cloud.on_stop(Stage.RECORDS, logs.stop)
