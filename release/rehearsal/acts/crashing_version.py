"""Act 6: a version whose code crashes on some rows is stopped by the guardrail during its canary."""

from __future__ import annotations

from release.errors import ExitCode
from release.rehearsal.play import Play, short
from release.rehearsal.service import as_text
from release.rehearsal.traffic import CRASH

CRASH_ON_SOME_ROWS = """

_sound_predict = predict_fn


def predict_fn(data, model):
    if (data[:, 0] > 15).any():
        raise ValueError("implausible radius")
    return _sound_predict(data, model)
"""


def prepare(play: Play) -> None:
    """Train it and deploy it to shadow; its folder is put in order afterwards."""
    tumor = play.tumor
    code = tumor.folder / "inference.py"
    sound = code.read_text()
    with play.steps.step("6 Train v4, whose code crashes on some rows", "a training job like any other") as step:
        code.write_text(sound + CRASH_ON_SOME_ROWS)
        play.stage.commit("Refuse implausible radii")
        lock = tumor.train("v4")
        given = tumor.versions["v4"].answers
        crashing = sum(answer == CRASH for answer in given)
        step.see(
            0 < crashing < len(given), f"{crashing} of {len(given)} held-out rows crash; {as_text(lock['metrics'])}"
        )
    play.deploy("v4", "6 Package, register, deploy to shadow", tumor)
    code.write_text(sound)
    play.stage.commit("Accept all radii again")


def stop(play: Play) -> None:
    tumor = play.tumor
    good = tumor.versions["v2"].package
    file = play.stage.work / "Pulumi.prod.yaml"
    with play.steps.step(
        "6 The guardrail stops v4", "the up fails saying why; production never left v2; configuration goes back"
    ) as step:
        version = tumor.versions["v4"].package.rsplit("/", 1)[1]
        play.approve(tumor, version, "--override", "Rehearsal: the guardrail must stop this one")
        before = file.read_text()
        tumor.live("v2", "v4")
        failed = play.promote(tumor, "v4", check=False)
        tumor.live("v2")
        said = (failed.stdout + failed.stderr).splitlines()
        why = next((line.strip() for line in said if "rolled the deployment back" in line), "")
        step.see(failed.code == ExitCode.FAILED and bool(why), f"exit {failed.code}: {why or failed.tail}")
        step.see(tumor.running_package("prod") == good, f"production runs {short(good)}")
        same = file.read_text() == before
        step.see(same, "configuration as before" if same else "configuration differs")
        crashed = tumor.clients.tally.canary_failures
        step.see(crashed > 0, f"{crashed} requests crashed in the canary")
