"""One writer at a time: the lock, what it says, who may clear it, and that an interrupt gives it back."""

from __future__ import annotations

import getpass
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.engine.integrity import pending, problems
from tests.engine.puppet import Node, Puppet
from tests.engine.stage import Stage, wait_for

ROUNDS, PROCESSES = 10, 4
NODES = (Node("a", "a"), Node("b", "b", on=("a",)), Node("c", "c", on=("b",)), Node("d", "d"))
HOLDER = re.compile(r"created by (\S+)@(\S+) \(pid (\d+)\) at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*)")
LOCKED = (
    "the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock file"
)
pytestmark = [pytest.mark.timeout(180), pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture
def puppet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Puppet]:
    with Puppet(tmp_path_factory.mktemp("writers") / "project") as puppet:
        code, said = puppet.deploy("up", nodes=NODES)
        assert code == 0, said
        yield puppet


def test_four_processes_never_write_at_once(puppet: Puppet) -> None:
    """Refreshes, as they read every object while they hold the lock: two writers' reads would mix."""
    puppet.cloud.read_seconds = 0.02
    written = 1  # the first `up`
    for number in range(ROUNDS):
        puppet.cloud.readers.clear()
        processes = [puppet.start("refresh", "--yes", "--skip-preview", "--stack", "dev") for _ in range(PROCESSES)]
        ended = [(p.communicate(timeout=60)[0], p.returncode) for p in processes]
        for said, code in ended:
            assert code == 0 or "the stack is currently locked by" in said, said
            if code and (holder := HOLDER.search(said)):
                assert int(holder[3]) in {p.pid for p in processes}
        winners = sum(code == 0 for _, code in ended)
        turns = [peer for peer, _ in itertools.groupby(puppet.cloud.readers)]
        assert len(turns) == len(set(turns)) == winners, f"round {number}: reads of several processes are mixed"
        written += winners
        assert problems(puppet.deployment()) == []
        assert {r["id"] for r in puppet.deployment()["resources"] if r["type"] == "testing:index:Thing"} == set(
            puppet.cloud.document["objects"]
        )
        assert puppet.locks == []
    history = list((puppet.folder / "state/.pulumi/history/conf/dev").glob("*.history.json"))
    assert len(history) == written
    assert written > 1, "nobody ever got the lock"


def test_who_is_refused_is_told_who_holds_the_lock_and_since_when(puppet: Puppet) -> None:
    puppet.cloud.read_seconds = 2
    holder = puppet.start("refresh", "--yes", "--skip-preview", "--stack", "dev")
    wait_for(lambda: bool(puppet.cloud.readers), "the first read")
    before = puppet.checkpoint.read_bytes()
    code, said = puppet.deploy("up", nodes=NODES[:1])
    assert code == 1
    assert LOCKED in said
    assert (found := HOLDER.search(said)), said
    assert (found[1], found[2], int(found[3])) == (getpass.getuser(), socket.gethostname(), holder.pid)
    assert "gone" not in said
    assert puppet.checkpoint.read_bytes() == before
    for command in ("destroy", "refresh"):
        assert LOCKED in puppet.deploy(command)[1]
    assert puppet.deploy("preview", nodes=NODES)[0] == 0  # as Pulumi: a preview takes no lock
    assert holder.communicate(timeout=60) is not None
    assert holder.returncode == 0


def test_a_stale_lock_is_explained_and_only_cancel_clears_it(puppet: Puppet) -> None:
    puppet.cloud.read_seconds = 1
    holder = puppet.start("refresh", "--yes", "--skip-preview", "--stack", "dev")
    wait_for(lambda: bool(puppet.cloud.readers), "the first read")
    os.killpg(holder.pid, signal.SIGKILL)
    holder.communicate()
    puppet.cloud.read_seconds = 0
    for _ in range(2):
        code, said = puppet.deploy("up", nodes=NODES)
        assert code == 1
        assert f"(pid {holder.pid})" in said
        assert "that process is gone" in said
        assert "pulumi cancel" in said
        assert len(puppet.locks) == 1
    assert puppet.run("cancel", "--yes", "--stack", "dev")[0] == 0
    assert puppet.locks == []
    assert puppet.deploy("up", nodes=NODES)[0] == 0


def test_another_hosts_lock_is_not_called_stale(puppet: Puppet) -> None:
    folder = puppet.folder / "state/.pulumi/locks/organization/conf/dev"
    folder.mkdir(parents=True, exist_ok=True)
    content = {"pid": 999_999, "username": "ann", "hostname": "elsewhere", "timestamp": "2026-01-02T03:04:05Z"}
    (folder / "other.json").write_text(json.dumps(content))
    code, said = puppet.deploy("up", nodes=NODES)
    assert code == 1
    assert "created by ann@elsewhere (pid 999999) at 2026-01-02T03:04:05Z" in said
    assert "gone" not in said
    assert puppet.run("stack", "export", "--stack", "dev")[0] == 0  # reading is free


# -- interrupts ------------------------------------------------------------------------------------------------------
def test_an_interrupt_lets_the_call_in_flight_end_and_gives_the_lock_back(stage: Stage) -> None:
    stage.program('a = Thing("a", "a", slow=1.5)\nb = Thing("b", a.echo)\n')
    process = stage.start("up", "--yes", "--skip-preview", "--stack", "dev", "--color", "never")
    wait_for((stage.cloud / "slow.started").exists, "the create")
    seconds, said = _interrupt(process)
    assert seconds < 5
    assert process.returncode == 1, said
    assert "update canceled" in said
    assert stage.locks == []
    assert stage.ids() == {"a": "a-1"}
    assert pending(stage.deployment()) == []
    stage.program('a = Thing("a", "a")\nb = Thing("b", a.echo)\n')
    stage.up()
    assert stage.ids() == {"a": "a-1", "b": "b-1"}


@pytest.mark.parametrize("command", ["up", "preview"])
def test_an_interrupt_ends_a_program_that_hangs(stage: Stage, command: str) -> None:
    mark = stage.folder / "hanging"
    stage.program(
        f'import pathlib, signal, time\na = Thing("a", "a")\n'
        f'a.urn.apply(lambda _: pathlib.Path("{mark}").touch())\n'
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "import asyncio\nasync def hang():\n    await asyncio.sleep(600)\n    return 1\n"
        'Thing("b", pulumi.Output.from_input(hang()))\n'
    )
    go = ("--yes", "--skip-preview") if command == "up" else ()
    process = stage.start(command, *go, "--stack", "dev", "--color", "never")
    wait_for(mark.exists, "the program")
    seconds, said = _interrupt(process)
    assert seconds < 5
    assert process.returncode == 1, said
    assert f"{'update' if command == 'up' else command} canceled" in said
    assert stage.locks == []
    assert problems(stage.deployment()) == []
    assert stage.ids() == ({"a": "a-1"} if command == "up" else {})


def _interrupt(process: subprocess.Popen[str]) -> tuple[float, str]:
    """SIGINT to the engine alone, as `kill -INT` sends it; seconds until it has ended, and all it said."""
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    return time.monotonic() - started, out + err
