"""`package.yaml`: what a data scientist says about a use case.

Everything that packaging, registration, evidence and monitoring need to know about a model, field by field, with
units, ranges and defaults. Keys are camelCase in the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from model_package import documents
from model_package.documents import Document
from model_package.errors import ManifestInvalid

FILE_NAME = "package.yaml"

HyperparameterValue = bool | int | float | str


def _inside(path: str) -> str:
    """A file of the use case: relative, without `..`, so that no package reaches out of its folder."""
    parts = Path(path).parts
    if not parts or Path(path).is_absolute() or ".." in parts:
        raise ValueError("must be a file inside the use case's folder")
    return path


FileInUseCase = Annotated[str, AfterValidator(_inside)]


Column = Annotated[str, Field(pattern=r"^[^,\s]([^,]*[^,\s])?$")]
"""A column's name; the accuracy function gets them with commas between."""


class Framework(Document):
    """An AWS framework image, found by name and version in the region it will run in."""

    name: Literal["xgboost", "sklearn", "pytorch"] = Field(
        description="Framework of AWS's image: xgboost, sklearn or pytorch. A change makes a new version."
    )
    version: str = Field(
        pattern=r"^[0-9]\.[A-Za-z0-9.-]+$",
        min_length=3,
        max_length=10,
        description='Version as AWS names it, 3-10 characters, quoted, such as "3.0-5". A change makes a new version.',
    )


class Training(Document):
    """How a training job is run (SageMaker script mode)."""

    framework: Framework | None = Field(
        default=None, description="AWS's image that trains it, where a Dockerfile serves it; default: framework."
    )
    entry_point: FileInUseCase = Field(
        default="train.py", description="Script that a training job runs; in the folder. It is not packaged."
    )
    instance_type: str = Field(
        default="ml.m5.large",
        pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$",
        description="Instance type of training jobs, such as ml.m5.large.",
    )
    hyperparameters: dict[str, HyperparameterValue] = Field(
        default_factory=dict, description="Arguments of the script, as `--name value`; `train --set` overrides them."
    )


class Sample(Document):
    """One request that every version must answer: a smoke test, and the first version's absolute rules."""

    content_type: str = Field(default="text/csv", description="MIME type of the body, one of contentTypes.")
    body: str = Field(
        min_length=1,
        max_length=6_291_456,
        description="The request's body, quoted; InvokeEndpoint takes 6,291,456 bytes.",
    )


class Quality(Document):
    """What good means, on held-out data and on labels that arrive later."""

    task: Literal["classification", "regression"] = Field(
        description="classification: share of right labels; regression: share within the tolerance."
    )
    threshold: float = Field(gt=0, le=1, description="Least share of right answers, 0-1.")
    tolerance: float | None = Field(
        default=None, gt=0, description="Regression only: a prediction this close to the label, in its unit, is right."
    )
    label: str = Field(min_length=1, description="Path of the prediction in a JSON answer, such as `label` or `a.b`.")

    @model_validator(mode="after")
    def _tolerance_goes_with_regression(self) -> Self:
        if (self.task == "regression") != (self.tolerance is not None):
            raise ValueError(
                "tolerance is needed for task regression" if self.tolerance is None else "tolerance is for regression"
            )
        return self


class Resources(Document):
    """What the serving process may take; `understudy check` holds it to that."""

    memory_megabytes: int | None = Field(
        default=None,
        ge=16,
        le=1_000_000,
        description="Most memory the serving process may hold at its peak, in MB (10^6 bytes). Default: no limit.",
    )


class Comparison(Document):
    """The rules by which a candidate's answers are compared with production's."""

    ignored_fields: tuple[str, ...] = Field(
        default=(), description="Dotted paths of the answer that are not compared, such as probability."
    )
    absolute_tolerance: float = Field(
        default=0.0, ge=0, description="Numbers that differ by this much are the same, in their own unit."
    )
    relative_tolerance: float = Field(
        default=0.0, ge=0, le=1, description="The same as a share of production's number; either tolerance is enough."
    )
    columns: tuple[Column, ...] = Field(
        default=(), description="Names of a CSV answer's columns, in order; without them a column's name is its number."
    )
    minimum_pairs: int = Field(
        default=500, ge=1, description="Fewer paired answers than this are no evidence, whatever they say."
    )
    minimum_agreement: float = Field(default=0.9, ge=0, le=1, description="Least share of equal answers, 0-1.")
    maximum_error_rate: float = Field(
        default=0.01, ge=0, le=1, description="Largest share of requests that the candidate may fail, 0-1."
    )
    maximum_latency_ratio: float = Field(
        default=1.10, gt=0, description="Most that the candidate's latency may be, as a multiple of production's."
    )


class Manifest(Document):
    """A use case's `package.yaml`."""

    # The YAML key is `schema`, a name that pydantic's base class keeps for itself.
    schema_version: Literal[1] = Field(alias="schema", description="Version of this format: 1.")
    description: str = Field(
        default="", max_length=1024, description="Shown in the registry. A change updates the version in place."
    )
    framework: Framework | None = Field(
        default=None, description="AWS's image that trains and serves; this or dockerfile, exactly one."
    )
    dockerfile: FileInUseCase | None = Field(
        default=None, description="Dockerfile of an image of your own, in the folder; this or framework."
    )
    entry_point: FileInUseCase = Field(
        default="inference.py",
        description="Serving script in the folder, which defines model_fn. A change makes a new version.",
    )
    training: Training = Field(default_factory=Training, description="How a training job runs.")
    content_types: tuple[str, ...] = Field(
        min_length=1,
        description="MIME types that it takes and answers, such as text/csv. A change makes a new version.",
    )
    sample: Sample = Field(description="A request that every version must answer; `understudy check` sends it.")
    quality: Quality = Field(description="What a good answer is.")
    comparison: Comparison = Field(
        default_factory=Comparison, description="When two versions agree, and how much of it is evidence."
    )
    resources: Resources = Field(default_factory=Resources, description="What the serving process may take.")

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if (self.framework is None) == (self.dockerfile is None):
            raise ValueError("give exactly one of framework and dockerfile")
        if self.sample.content_type not in self.content_types:
            raise ValueError(
                f"sample.contentType is {self.sample.content_type!r}, not one of contentTypes: "
                f"{', '.join(self.content_types)}"
            )
        return self


def load_manifest(use_case: Path) -> Manifest:
    """The manifest of a use case's folder.

    Raises ManifestInvalid, one line a mistake: file, field, what is wrong, what is allowed.
    """
    if not use_case.is_dir():
        raise ManifestInvalid(f"{use_case}: there is no such use case; expected a folder with {FILE_NAME}")
    return documents.read(use_case / FILE_NAME, Manifest, ManifestInvalid)
