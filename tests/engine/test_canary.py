"""A secret goes through config, inputs, outputs, a dynamic provider, failures and refreshes, and is found nowhere."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.engine.stage import Stage, wait_for

CANARY = "canary-5f0c9e-tweet"
PROGRAM = """
from dyn import Keeper

config = pulumi.Config()
password = config.require_secret("password")
a = Thing("a", password, map=password.apply(lambda p: {"deep": [{"x": p}]}))
b = Thing("b", "open", secretish=password, replace_key=config.get("key"))
c = PlainThing("c", secretish=password, list=[password])  # what it echoes under another name no engine can know
d = Keeper("d", password)
e = Thing("e", pulumi.Output.concat("in a text: ", password, "!"), opts=Opts(additional_secret_outputs=["echo"]))
f = Thing("f", d.kept, fail=config.get("fail"))
p = Provider("p", token=password)
g = Thing("g", a.echo, opts=Opts(provider=p, ignore_changes=["value"], protect=True))
pulumi.log.info(f"a plain word about {pulumi.get_stack()}")
pulumi.export("password", password)
pulumi.export("echo", a.echo)
pulumi.export("nested", {"list": [password], "kept": d.kept})
pulumi.export("json", pulumi.Output.json_dumps({"p": password}))
"""
DYNAMIC = """
import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider, UpdateResult


class Provider(ResourceProvider):
    def create(self, props):
        return CreateResult("kept", {**props, "kept": props["secret"]})

    def update(self, id, olds, news):
        return UpdateResult({**news, "kept": news["secret"]})


class Keeper(Resource):
    kept: pulumi.Output[str]

    def __init__(self, name, secret, opts=None):
        opts = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(additional_secret_outputs=["kept"]), opts)
        super().__init__(Provider(), name, {"secret": secret, "kept": None}, opts)
"""
FORMS = {
    CANARY.encode(),
    base64.b64encode(CANARY.encode()).rstrip(b"="),
    CANARY.encode().hex().encode(),
    json.dumps(CANARY).encode()[1:-1].replace(b"-", b"\\u002d"),
}
pytestmark = [pytest.mark.timeout(180), pytest.mark.filterwarnings("ignore::ResourceWarning")]


def test_a_secret_is_found_nowhere(stage: Stage) -> None:
    (stage.project / "dyn.py").write_text(DYNAMIC)
    stage.program(PROGRAM)
    said: list[str] = []

    def run(*argv: str, code: int = 0) -> None:
        log = stage.folder / f"events-{len(said)}.json"
        logged = ("--event-log", str(log)) if argv[0] in ("up", "preview", "refresh", "destroy") else ()
        done = stage.run(*argv, "--stack", "dev", *logged, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        assert not logged or log.stat().st_size
        said.append(done.stdout + done.stderr)
        lines = said[-1].splitlines()
        assert [line for line in lines for form in FORMS if form in line.encode()] == [], argv

    # The value itself goes in by a file, as no command line should hold it.
    value = stage.folder.parent / f"{stage.folder.name}-value"
    value.write_text(CANARY)
    with value.open() as stdin:
        subprocess.run(
            [*stage.command, "config", "set", "--secret", "password", "--stack", "dev"],
            cwd=stage.project, env=stage.environment(), stdin=stdin, check=True, capture_output=True,
        )  # fmt: skip
    value.unlink()
    go = ("--yes", "--skip-preview")
    run("preview")
    run("preview", "--json")
    run("up", *go)
    run("config", "set", "key", "2")
    run("preview", "--diff")
    run("config", "set", "fail", "update")
    run("up", *go, code=1)  # f fails
    run("config", "rm", "fail")
    run("up", *go, "--refresh")
    run("refresh", *go)
    run("stack", "export")
    run("stack", "output")
    run("stack", "output", "--json")
    run("stack", "history", "--json")
    run("config")
    run("config", "--json")
    run("destroy", *go, code=1)  # g is protected
    assert leaks(stage.folder) == []
    # ... and yet it is there: a canary that never sang would be found nowhere either.
    shown = stage.run("config", "get", "password", "--stack", "dev")
    assert shown.stdout.strip() == CANARY
    assert CANARY in json.dumps(stage.objects())


def leaks(folder: Path) -> list[str]:
    """Files that hold the secret. The cloud is where it belongs: the provider's folder is left out."""
    out = []
    for path in folder.rglob("*"):
        if path.is_file() and (folder / "cloud") not in path.parents:
            content = path.read_bytes()
            out += [str(path.relative_to(folder)) for form in FORMS if form in content]
    return out


def test_no_process_has_a_secret_among_its_arguments_or_the_passphrase_in_its_files(stage: Stage) -> None:
    """While a create runs, the engine and its program are looked at from outside."""
    stage.program(
        'password = pulumi.Config().require_secret("password")\n'
        'a = Thing("a", password, slow=0.5)\nb = Thing("b", a.echo)\n'
    )
    stage.run("config", "set", "--secret", "password", CANARY, "--stack", "dev")
    process = stage.start(
        "up", "--yes", "--skip-preview", "--stack", "dev", PULUMI_CONFIG_PASSPHRASE="", PULUMI_CONFIG_PASSPHRASE_FILE=""
    )
    process.communicate()
    assert process.returncode == 1  # another passphrase than the stack's
    process = stage.start("up", "--yes", "--skip-preview", "--stack", "dev")
    wait_for((stage.cloud / "slow.started").exists, "the create")
    group = [p for p in Path("/proc").glob("[0-9]*") if _in_group(p, process.pid)]
    arguments = [(p / "cmdline").read_bytes() for p in group]
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(arguments) >= 2  # the engine and its program
    assert [a for a in arguments for form in FORMS if form in a] == []
    assert leaks(stage.folder) == []


def _in_group(process: Path, group: int) -> bool:
    try:
        return os.getpgid(int(process.name)) == group
    except ProcessLookupError:
        return False
