"""What the current deployment asked for: the SSM parameter that `up` writes and the functions read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

RollbackMode = Literal["automatic", "manual", "off"]


class WrongDeploymentParameterError(ValueError):
    """The deployment parameter does not hold what `up` writes."""


@dataclass(frozen=True)
class Deployment:
    """`changed_at` is the parameter's last change, with its zone."""

    model_package_arn: str
    strategy: str
    rollback: RollbackMode
    changed_at: datetime

    @classmethod
    def read(cls, ssm: Any, name: str) -> Deployment:
        """Raises WrongDeploymentParameterError, or botocore's ClientError (ParameterNotFound, AccessDenied)."""
        parameter = ssm.get_parameter(Name=name)["Parameter"]
        try:
            value = json.loads(parameter["Value"])
            mode, arn, strategy = value["rollback"], value["modelPackageArn"], value["strategy"]
        except (ValueError, KeyError, TypeError) as error:
            raise WrongDeploymentParameterError(
                f"parameter {name} is unreadable ({error!r}): run `pulumi up`"
            ) from error
        if mode not in get_args(RollbackMode):
            raise WrongDeploymentParameterError(
                f"parameter {name}: rollback is {mode!r}, must be one of {', '.join(get_args(RollbackMode))}"
            )
        return cls(str(arn), str(strategy), mode, parameter["LastModifiedDate"])
