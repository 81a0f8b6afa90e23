"""AWS clients for one configuration, made once and shared by all threads and connections."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader
from botocore.model import OperationModel, ServiceModel

from sandbox.aws_provider.configuration import AssumedRole, Configuration
from sandbox.aws_provider.errors import AwsError, ProviderError

_OPTIONS = Config(
    connect_timeout=10, read_timeout=70, max_pool_connections=64, retries={"mode": "standard", "max_attempts": 5}
)


@cache
def _loader() -> Loader:
    return create_loader()


@cache
def service_model(service: str) -> ServiceModel:
    """botocore's model of a service; needs neither credentials nor a client."""
    return ServiceModel(_loader().load_service_model(service, "service-2"), service_name=service)


class Session:
    """The clients of one configuration. Making a client is slow (50-100 ms) and not thread-safe: once, locked."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self._lock = threading.RLock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._session = botocore.session.Session(profile=configuration.profile)
        self._session.register_component("data_loader", _loader())
        if configuration.access_key and configuration.secret_key:
            self._session.set_credentials(configuration.access_key, configuration.secret_key, configuration.token)
        region = configuration.region or self._session.get_config_variable("region")
        if not region:
            raise ProviderError("the aws provider has no region: set aws:region (pulumi config set aws:region …)")
        self.region: str = region
        for role in configuration.assume_roles:
            self._assume(role)

    def client(self, service: str, region: str | None = None) -> Any:
        """The client of a service in a region (default: the provider's)."""
        key = (service, region or self.region)
        client = self._clients.get(key)
        if client is None:
            with self._lock:
                client = self._clients.get(key)
                if client is None:
                    endpoint = dict(self.configuration.endpoints).get(service.replace("-", ""))
                    client = self._clients[key] = self._session.create_client(
                        service, region_name=key[1], endpoint_url=endpoint, config=_OPTIONS
                    )
        return client

    def call(
        self, service: str, operation: str, arguments: Mapping[str, Any], region: str | None = None, pages: bool = False
    ) -> dict[str, Any]:
        """One AWS call by its API name (`CreateModel`); with `pages` all pages. Raises AwsError."""
        client = self.client(service, region)
        method = _methods(service)[operation]
        try:
            if pages and client.can_paginate(method):
                answer: dict[str, Any] = client.get_paginator(method).paginate(**arguments).build_full_result()
            else:
                answer = getattr(client, method)(**arguments)
        except (ClientError, BotoCoreError) as error:
            raise AwsError(operation, error) from error
        answer.pop("ResponseMetadata", None)
        return answer

    @cached_property
    def identity(self) -> dict[str, str]:
        """Account, Arn and UserId of the caller, asked once."""
        return {name: str(value) for name, value in self.call("sts", "GetCallerIdentity", {}).items()}

    @property
    def account(self) -> str:
        return self.identity["Account"]

    def partition(self, region: str | None = None) -> str:
        """`aws`, `aws-cn`, … of a region."""
        return str(self._session.get_partition_for_region(region or self.region))

    def dns_suffix(self, region: str | None = None) -> str:
        return "amazonaws.com.cn" if self.partition(region) == "aws-cn" else "amazonaws.com"

    def _assume(self, role: AssumedRole) -> None:
        """Replaces the session's credentials by the role's, which renew themselves."""
        sts = self._session.create_client("sts", region_name=self.region, config=_OPTIONS)
        request = {"RoleArn": role.arn, "RoleSessionName": role.session}
        request |= {"ExternalId": role.external_id} if role.external_id else {}
        request |= {"Policy": role.policy} if role.policy else {}

        def renew() -> dict[str, str]:
            try:
                granted = sts.assume_role(**request)["Credentials"]
            except (ClientError, BotoCoreError) as error:
                raise AwsError("AssumeRole", error) from error
            return {
                "access_key": granted["AccessKeyId"],
                "secret_key": granted["SecretAccessKey"],
                "token": granted["SessionToken"],
                "expiry_time": granted["Expiration"].isoformat(),
            }

        # botocore offers no public way to hand a session credentials that renew themselves.
        self._session._credentials = RefreshableCredentials.create_from_metadata(renew(), renew, "sts-assume-role")


def operation_model(service: str, operation: str) -> OperationModel:
    """The model of an AWS operation by its API name."""
    return service_model(service).operation_model(operation)


@cache
def _methods(service: str) -> dict[str, str]:
    from botocore import xform_name

    return {name: xform_name(name) for name in service_model(service).operation_names}
