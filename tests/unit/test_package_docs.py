"""docs/package.md says what package.yaml is, field by field, as the code has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from model_package.documents import Document, model_in
from model_package.manifest import Manifest
from tools import package_docs

ROOT = Path(__file__).parents[2]


def documents(kind: type[Document]) -> Iterator[type[Document]]:
    yield kind
    for field in kind.model_fields.values():
        if (inner := model_in(field.annotation)) is not None:
            yield from documents(inner)


@pytest.mark.parametrize("kind", list(documents(Manifest)), ids=lambda kind: kind.__name__)
def test_every_field_is_described(kind: type[Document]) -> None:
    text = package_docs.text()
    for name, field in kind.model_fields.items():
        assert field.description
        assert len(field.description) > 15, name
        assert f"| `{field.alias or name}` |" in text
        assert field.description.replace("|", "\\|") in text


def test_the_page_is_current() -> None:
    """If not: `python -m tools.package_docs`."""
    assert (ROOT / "docs" / "package.md").read_text(encoding="utf-8") == package_docs.text()


def test_ranges_and_defaults_are_told() -> None:
    text = package_docs.text()
    assert "| `threshold` | number | more than 0, at most 1 | **required** |" in text
    assert "| `maximumLatencyRatio` | number | more than 0 | `1.1` |" in text
    assert "| `name` | `xgboost` or `sklearn` or `pytorch` |" in text
