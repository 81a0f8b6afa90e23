"""Git in a checkout that others work in too."""

from __future__ import annotations

import threading

from release.git import Repository
from tests.unit.release.conftest import World


def test_a_commit_waits_for_whoever_holds_the_index(world: World) -> None:
    lock = world.project.root / ".git" / "index.lock"
    lock.touch()
    world.file.write_text(world.file.read_text() + "# more\n")
    freeing = threading.Timer(0.3, lock.unlink)
    freeing.start()
    try:
        commit = Repository.around(world.project.root).commit(world.file, "More")
    finally:
        freeing.join()
    assert commit == world.git("rev-parse", "HEAD")
    assert world.git("log", "-1", "--format=%s") == "More"
