"""The types that need code: each is a `Resource` whose marked methods are overridden."""

from __future__ import annotations

from sandbox.aws_provider.hooks import iam, lambdas, messaging, others, s3
from sandbox.aws_provider.resource import Resource

HOOKS: dict[str, type[Resource]] = {
    "bucket": s3.Bucket,
    "endpoint_configuration": others.EndpointConfiguration,
    "function": lambdas.Function,
    "layer": lambdas.Layer,
    "lifecycle": s3.Lifecycle,
    "log_group": others.LogGroup,
    "notification": s3.Notification,
    "object": s3.Object,
    "parameter": others.Parameter,
    "policy": iam.Policy,
    "project": others.Project,
    "queue": messaging.Queue,
    "role": iam.Role,
    "subscription": messaging.Subscription,
    "topic": messaging.Topic,
    "topic_policy": messaging.TopicPolicy,
}
