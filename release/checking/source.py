"""What can be told of a use case by reading its folder: nothing of it is imported or run."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from model_package import packaging
from model_package.errors import PackagingFailed
from model_package.manifest import Manifest
from model_package.server import lean
from model_package.server.script import PARTS
from release.checking.findings import Finding

REQUIREMENTS = "requirements.txt"
BROUGHT = {
    "xgboost": {"numpy", "scipy", "xgboost"},
    "sklearn": {"numpy", "scipy", "joblib"},
    "pytorch": {"numpy", "scipy", "torch", "torchvision", "torchaudio"},
}
"""What a script may import in AWS's image without naming it. (Also there, and to be named, is what the model server
leaves out of its process otherwise: `model_package.server.lean`.)"""


@dataclass(frozen=True)
class _Import:
    name: str
    line: int


def findings(folder: Path, manifest: Manifest) -> Iterator[Finding]:
    """Yield what is wrong with the files that a package would hold, and with the training script."""
    try:
        files = packaging.code_files(folder, manifest)
    except PackagingFailed as error:
        yield Finding("error", "package", str(error))
        return
    sources = {path.relative_to(folder).as_posix(): path for path in files.values() if path.suffix == ".py"}
    trees: dict[str, ast.Module] = {}
    for name, path in sources.items():
        parsed = _parsed(name, path)
        if isinstance(parsed, Finding):
            yield parsed
        else:
            trees[name] = parsed
    if manifest.entry_point in trees:
        yield from _functions(manifest.entry_point, trees[manifest.entry_point])
    own = {Path(name).parts[0].removesuffix(".py") for name in sources}
    yield from _requirements(folder, manifest, {name: list(_imports(tree)) for name, tree in trees.items()}, own)
    yield from _training(folder, manifest, own)


def _parsed(name: str, path: Path) -> ast.Module | Finding:
    try:
        return ast.parse(path.read_bytes(), name)
    except SyntaxError as error:
        return Finding("error", f"{name}:{error.lineno or 1}", f"not Python: {error.msg}", (error.text or "").strip())
    except (ValueError, OSError) as error:
        return Finding("error", name, f"cannot be read: {error}")


def _functions(name: str, tree: ast.Module) -> Iterator[Finding]:
    """The functions of script mode, as far as the entry point defines or imports them by name."""
    defined = _defined(tree.body)
    if "*" in defined:
        return
    if "model_fn" not in defined:
        yield Finding("error", name, "no model_fn(model_dir)", "define it: it loads the model and returns it")
    parts = [part for part in PARTS if part in defined]
    if "transform_fn" in defined and parts:
        where = f"{name}:{defined['transform_fn']}"
        yield Finding("error", where, f"transform_fn beside {', '.join(parts)}", "transform_fn stands for all of them")


def _defined(body: Iterable[ast.stmt]) -> dict[str, int]:
    """Name -> line of what a module's top level binds, in branches too."""
    names: dict[str, int] = {}
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names[name] = node.lineno
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name: node.lineno for alias in aliases}
            case ast.Assign(targets=targets):
                names |= {target.id: node.lineno for target in targets if isinstance(target, ast.Name)}
            case ast.If(body=inner, orelse=other) | ast.Try(body=inner, orelse=other):
                names |= _defined([*inner, *other])
    return names


def _imports(tree: ast.Module) -> Iterator[_Import]:
    """Yield the packages a file cannot do without: not those it catches the absence of."""
    optional: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and node.handlers:
            optional |= {inner for statement in node.body for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        if node in optional:
            continue
        if isinstance(node, ast.Import):
            yield from (_Import(alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield _Import(node.module.partition(".")[0], node.lineno)


def _requirements(
    folder: Path, manifest: Manifest, imports: Mapping[str, list[_Import]], own: set[str]
) -> Iterator[Finding]:
    path = folder / REQUIREMENTS
    named = lean.named(path) if path.is_file() else set()
    brought = BROUGHT[manifest.framework.name] if manifest.framework else set()
    told: set[str] = set()
    for name, imported in imports.items():
        for one in imported:
            if one.name in told or one.name in own or one.name in sys.stdlib_module_names:
                continue
            told.add(one.name)
            where = f"{name}:{one.line}"
            projects = {one.name.replace("_", "-").lower(), *_projects(one.name)}
            if one.name not in brought and not named & projects:
                known = sorted(_projects(one.name)) or [one.name]
                yield Finding(
                    # Of what is not installed here, the project's name is a guess.
                    "error" if _projects(one.name) else "warning",
                    where,
                    f"imports {one.name}, which {REQUIREMENTS} does not name",
                    f"add {known[0]}",
                )
            if not installed(one.name):
                yield _absent(where, one.name)


def _training(folder: Path, manifest: Manifest, own: set[str]) -> Iterator[Finding]:
    name = manifest.training.entry_point
    if not (folder / name).is_file():
        yield Finding("error", "package.yaml", f"training.entryPoint names {name}, which does not exist")
        return
    parsed = _parsed(name, folder / name)
    if isinstance(parsed, Finding):
        yield parsed
        return
    for one in {one.name: one for one in _imports(parsed)}.values():
        if one.name not in own and not installed(one.name):
            yield _absent(f"{name}:{one.line}", one.name)


def _absent(where: str, name: str) -> Finding:
    return Finding(
        "inconclusive",
        where,
        f"imports {name}, which is not installed on this machine: the package was not run",
        f"install {name} here, or check it where it is",
    )


def installed(name: str) -> bool:
    """Whether this machine has a top-level package; it is not imported for that."""
    return name in sys.stdlib_module_names or importlib.util.find_spec(name) is not None


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def _projects(name: str) -> set[str]:
    """Names on the package index of what is imported as `name` here: `scikit-learn` for `sklearn`."""
    found = {project.replace("_", "-").lower() for project in _distributions().get(name, ())}
    # `xgboost-cpu` and `xgboost` are one package to whoever imports it.
    return found | ({name} if any(project.startswith(name) for project in found) else set())
