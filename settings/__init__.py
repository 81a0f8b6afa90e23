"""Stack configuration: the only reader of `pulumi.Config`, parsed once into frozen models.

`load(raw, stack)` is pure and serves the `understudy` command too; `from_pulumi()` is what the program calls.
Nothing is looked up: validation is offline.

Errors: SettingsError, one for everything that is wrong with a stack, each line naming key, value and what is allowed.
"""

from __future__ import annotations

from settings.arn import ModelPackageArn
from settings.loading import load
from settings.models import (
    SHADOW_VARIANT_NAME,
    Alarms,
    Delivery,
    PredictionAccuracy,
    Reader,
    Registry,
    Replay,
    Rollout,
    ServiceSettings,
    Settings,
    Signing,
)
from settings.problems import SettingsError
from settings.rules import ENDPOINT_NAME_LIMIT

__all__ = [
    "ENDPOINT_NAME_LIMIT",
    "SHADOW_VARIANT_NAME",
    "Alarms",
    "Delivery",
    "ModelPackageArn",
    "PredictionAccuracy",
    "Reader",
    "Registry",
    "Replay",
    "Rollout",
    "ServiceSettings",
    "Settings",
    "SettingsError",
    "Signing",
    "from_pulumi",
    "load",
]


def from_pulumi() -> Settings:
    """The settings of the stack that is being run. Raises SettingsError."""
    import pulumi
    from pulumi.runtime import config as runtime_config

    # pulumi.Config looks up one key at a time; a misspelt key can only be refused by whoever sees them all.
    return load({**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}, pulumi.get_stack())
