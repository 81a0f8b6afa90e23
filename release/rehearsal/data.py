"""The rehearsal's data: two sets that scikit-learn carries, split once, as CSV with the label first."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from release.rehearsal.traffic import Row

SEED = 20
HOLDOUT_SHARE = 0.35


@dataclass(frozen=True)
class DataSet:
    """Rows of (label, features); `train` and `holdout` are disjoint."""

    train: tuple[tuple[float, ...], ...]
    holdout: tuple[tuple[float, ...], ...]

    def rows(self) -> list[Row]:
        """The held-out rows as requests."""
        return [Row(body=_line(row[1:]), label=row[0]) for row in self.holdout]


def load(use_case: str) -> DataSet:
    """The data set of that use case, split by a fixed seed."""
    # Imported here: scikit-learn takes a second, and only the rehearsal needs it.
    from sklearn.datasets import load_breast_cancer, load_diabetes

    loader = {"tumor_triage": load_breast_cancer, "diabetes_progression": load_diabetes}[use_case]
    features, labels = loader(return_X_y=True)
    table = [(float(label), *(float(value) for value in row)) for label, row in zip(labels, features, strict=True)]
    random.Random(SEED).shuffle(table)  # noqa: S311 (a reproducible split, not cryptography)
    cut = int(len(table) * HOLDOUT_SHARE)
    return DataSet(train=tuple(table[cut:]), holdout=tuple(table[:cut]))


def shuffled_labels(rows: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """The same rows with their labels dealt out at random: what a broken join in a feature pipeline does."""
    labels = [row[0] for row in rows]
    random.Random(SEED).shuffle(labels)  # noqa: S311
    return [(label, *row[1:]) for label, row in zip(labels, rows, strict=True)]


def csv(rows: Sequence[tuple[float, ...]]) -> str:
    return "".join(_line(row) + "\n" for row in rows)


def _line(values: Sequence[float]) -> str:
    return ",".join(f"{value:.10g}" for value in values)
