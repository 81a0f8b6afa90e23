"""The acts, and which of them overlap: what two people would do at once, two people do at once."""

from __future__ import annotations

from release.rehearsal.acts import (
    bad_version,
    crashing_version,
    curtain,
    first_version,
    installation,
    second_version,
    shadow_variant,
    single_service,
)
from release.rehearsal.play import Play


def perform(play: Play) -> None:
    """Play all acts. Raises what ended the play; its step has recorded it."""
    installation.play(play)
    first_version.train(play)
    first_version.deploy(play)
    with play.meanwhile(lambda: first_version.judge(play, play.diabetes)):
        first_version.judge(play, play.tumor)
        first_version.promote(play, play.tumor)
    first_version.configure_replay(play)
    second_version.tune(play)
    with play.meanwhile(lambda: first_version.promote(play, play.diabetes), lambda: second_version.train(play)):
        first_version.switch_replay_on(play)

    second_version.deploy(play)
    with play.meanwhile(lambda: second_version.judge(play, play.diabetes)):
        second_version.judge(play, play.tumor)
    with play.meanwhile(lambda: bad_version.prepare(play)):
        second_version.promote(play, play.tumor)
    with play.meanwhile(lambda: second_version.promote(play, play.diabetes)):
        bad_version.judge(play)

    bad_version.promote(play)
    single_service.configure(play)
    with play.meanwhile(lambda: bad_version.come_back(play), lambda: single_service.play(play)):
        crashing_version.prepare(play)
        shadow_variant.train(play)
    bad_version.change_nothing(play)

    with play.meanwhile(lambda: shadow_variant.deploy(play)):
        crashing_version.stop(play)
    shadow_variant.play(play)
    curtain.play(play)
