"""A model package's ARN in its parts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class ModelPackageArn:
    """A versioned model package's ARN in its parts."""

    partition: str
    region: str
    account: str
    group: str
    version: int

    FORM = "arn:aws:sagemaker:<region>:<account>:model-package/<group>/<version>"
    _PATTERN = re.compile(
        r"arn:(aws[a-z-]*):sagemaker:([a-z]{2}(?:-[a-z]+)+-\d):(\d{12}):model-package/([a-zA-Z0-9](?:-*[a-zA-Z0-9])*)/([1-9]\d*)"
    )

    @classmethod
    def parse(cls, arn: str) -> Self:
        """Raises ValueError for anything but a versioned package's ARN."""
        match = cls._PATTERN.fullmatch(arn)
        if not match:
            raise ValueError(f"{arn!r} is not of the form {cls.FORM}")
        partition, region, account, group, version = match.groups()
        return cls(partition, region, account, group, int(version))

    def __str__(self) -> str:
        return f"arn:{self.partition}:sagemaker:{self.region}:{self.account}:model-package/{self.group}/{self.version}"
