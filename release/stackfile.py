"""`Pulumi.<stack>.yaml` as the release rules see it: read as data, put back byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from release.arns import service_name
from release.errors import UsageError
from settings.models import ServiceSettings

NAMESPACE = "understudy"


def parse_config(content: bytes, name: str) -> Mapping[str, Any]:
    """The `config:` mapping of a stack file's bytes. Raises `UsageError` when they are no YAML mapping."""
    try:
        document = yaml.safe_load(content) or {}
    except yaml.YAMLError as error:
        raise UsageError(f"{name} is not YAML: {error}", where=name) from error
    config = (document.get("config") or {}) if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise UsageError("`config` is not a mapping.", where=name, do="Write `config:` with keys below it.")
    return config


@dataclass(frozen=True)
class StackFile:
    """One environment's file. Values are written through the engine, never by hand."""

    path: Path

    def content(self) -> bytes:
        """The bytes, to restore later."""
        return self.path.read_bytes()

    def restore(self, content: bytes) -> None:
        """Put back what `content()` gave."""
        self.path.write_bytes(content)

    def config(self) -> Mapping[str, Any]:
        """The `config:` mapping; secrets stay encrypted."""
        return parse_config(self.content(), self.path.name)

    def own(self, key: str) -> Any:
        """A value of this project's namespace, or None."""
        return self.config().get(f"{NAMESPACE}:{key}")

    def services(self) -> Mapping[str, Mapping[str, Any]]:
        """Settings by service, whichever form the file has."""
        return {name: form.settings for name, form in self._forms().items()}

    def service(self, service: str) -> ServiceForm:
        """Where a service's settings stand in the file. Raises `UsageError` that lists the services there are."""
        forms = self._forms()
        if service in forms:
            return forms[service]
        raise UsageError(
            f"{self.path.name} has no service {service!r}.",
            where=f"{self.path.name}/{NAMESPACE}:services",
            do=f"Add it below `{NAMESPACE}:services`; there are: {', '.join(sorted(forms)) or 'none'}.",
        )

    def _forms(self) -> dict[str, ServiceForm]:
        services = self.own("services") or {}
        if services:
            return {
                name: ServiceForm(name, f"{NAMESPACE}:services.{name}.", settings or {})
                for name, settings in services.items()
            }
        plain = {
            key.removeprefix(f"{NAMESPACE}:"): value
            for key, value in self.config().items()
            if key.startswith(f"{NAMESPACE}:")
        }
        name = _single_name(plain)
        return {name: ServiceForm(name, f"{NAMESPACE}:", plain)} if name else {}


@dataclass(frozen=True)
class ServiceForm:
    """A service's settings and the path before their keys: `understudy:services.<name>.` or plain `understudy:`."""

    name: str
    prefix: str
    settings: Mapping[str, Any]

    @property
    def instance_type(self) -> str:
        """What its instances are."""
        return instance_type(self.settings)

    def key(self, name: str) -> str:
        """The config path of one of its settings, for `set_config(…, path=True)`."""
        return f"{self.prefix}{name}"


def instance_type(settings: Mapping[str, Any]) -> str:
    """The instance type that a service's settings name, or the one without them."""
    return str(settings.get("instanceType", ServiceSettings.model_fields["instance_type"].default))


def _single_name(plain: Mapping[str, Any]) -> str | None:
    """The single form names its service by the use case, or by the group of its ARN."""
    if plain.get("useCase"):
        return service_name(str(plain["useCase"]))
    if plain.get("modelPackageArn"):
        return str(plain["modelPackageArn"]).rpartition(":model-package/")[2].partition("/")[0] or None
    return None
