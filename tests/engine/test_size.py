"""The engine stays small enough to read (ADR 0011)."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

ENGINE = Path(__file__).parents[2] / "sandbox" / "engine"
MOST_LINES = 3150
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
LAYOUT = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENDMARKER}


def lines_of_code(text: str) -> int:
    """Lines with code on them: blank ones, comments and docstrings are for the reader."""
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in LAYOUT:
            code.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node):
            code.difference_update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(code)


def test_lines_are_counted() -> None:
    assert lines_of_code('"""About."""\n\n# why\nx = """a\nb"""\n\n\ndef f() -> None:\n    """What."""\n    x()\n') == 4


def test_the_engine_is_read_in_an_hour() -> None:
    assert sum(lines_of_code(path.read_text("utf-8")) for path in ENGINE.rglob("*.py")) <= MOST_LINES
