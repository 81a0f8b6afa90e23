"""Changing a stack: preview, confirm, up. The one way for every command."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pulumi.automation import ConfigValue

from release.console import Output
from release.errors import FailedError
from release.workspace import Environment, engine_errors


@dataclass(frozen=True)
class Deployment:
    """How a stack is brought to what its config and the program say."""

    environment: Environment
    output: Output
    assume_yes: bool

    def run(self, message: str, *, recheck: Callable[[], None] = lambda: None) -> None:
        """Preview, ask, up. Raises `DeclinedError`, `StackLockedError`, or `FailedError` with the engine's reason.

        `recheck` runs last before the `up`, and raises when what the change was decided on no longer holds.

        Both read what really is there first after an update that did not succeed: then the state may hold what was
        planned (pulumi_aws writes it before it waits), and the change would be skipped.
        """
        stack, name = self.environment.stack, self.environment.name
        self.output.say(f"Preview of stack {name}:")
        with engine_errors(name):
            last = stack.history(page_size=1, show_secrets=False)
            unsettled = bool(last) and last[0].result != "succeeded"
            preview = stack.preview(
                diff=True, refresh=unsettled, color=self.output.color, on_output=self.output.engine, message=message
            )
        changes = {str(kind): count for kind, count in preview.change_summary.items() if kind != "same" and count}
        self.output.confirm(f"Update stack {name} ({_summary(changes)})?", assume_yes=self.assume_yes)
        recheck()
        self.output.say(f"Updating stack {name} ({_summary(changes)}):")
        with engine_errors(name):
            stack.up(
                refresh=unsettled,
                color=self.output.color,
                on_output=self.output.engine,
                # Where the embedded engine's host of dynamic providers tells how far a rollout or a build is.
                on_error=self.output.engine,
                message=message,
                show_secrets=False,
                suppress_outputs=True,
            )
        self.environment.forget()


@contextlib.contextmanager
def edited(environment: Environment, changes: Mapping[str, str | None]) -> Iterator[None]:
    """The stack's config with `changes` (path → value, None removes) while the block runs, and after it succeeded.

    When the block raises, the file is put back byte for byte. Values are plain text and stand on a command line: no
    secrets here.
    """
    before = environment.file.content()
    try:
        for path, value in changes.items():
            with engine_errors(environment.name):
                if value is None:
                    environment.stack.remove_config(path, path=True)
                else:
                    environment.stack.set_config(path, ConfigValue(value), path=True)
        yield
    except BaseException as error:
        environment.file.restore(before)
        if isinstance(error, FailedError):
            error.do = f"{environment.file.path.name} is as it was before. {error.do}".strip()
        raise


def _summary(changes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} to {kind}" for kind, count in sorted(changes.items())) or "no changes"
