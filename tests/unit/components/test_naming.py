"""AWS's length and character rules."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.naming import AUTO_NAME_SUFFIX, LIMITS, Scope, logical, physical

WORDS = st.from_regex(r"[a-z][a-z0-9]{0,12}(-[a-z0-9]{1,12}){0,6}", fullmatch=True)
SCOPE = Scope("understudy", "prod", "111111111111", "us-west-2")


@given(
    kind=st.sampled_from(sorted(LIMITS)), base=WORDS, suffix=st.sampled_from(["", "execution", "replay-dead-letter"])
)
def test_a_logical_name_leaves_room_for_pulumi_s_suffix(kind: str, base: str, suffix: str) -> None:
    name = logical(kind, base, suffix)  # type: ignore[arg-type]
    assert len(name) + AUTO_NAME_SUFFIX <= LIMITS[kind]  # type: ignore[index]
    assert re.fullmatch(r"[a-z0-9](-?[a-z0-9])*", name)
    assert name.endswith(suffix)
    assert name == logical(kind, base, suffix)  # type: ignore[arg-type]


@given(st.lists(WORDS, min_size=2, max_size=2, unique=True))
def test_two_long_bases_stay_two_names(bases: list[str]) -> None:
    one, other = (logical("role", f"{'x' * 60}-{base}", "execution") for base in bases)
    assert one != other


def test_a_short_name_is_left_as_it_is() -> None:
    assert logical("role", "tumor-triage", "execution") == "tumor-triage-execution"


def test_an_explicit_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match=r"endpoint name 'a{60}-prod' has 65 characters; AWS allows 63"):
        physical("endpoint", "a" * 60, "prod")


@pytest.mark.parametrize("name", ["Tumor", "tumor_triage", "tumor--triage", "-tumor", "tumor-", ""])
def test_characters_that_aws_refuses_somewhere_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must be lower-case letters and digits with single hyphens"):
        physical("role", name)


def test_the_names_that_others_rely_on() -> None:
    assert SCOPE.endpoint_name("tumor-triage") == "tumor-triage-prod"
    assert SCOPE.capture_bucket == "understudy-capture-prod-111111111111-us-west-2"
    assert SCOPE.artifact_bucket == "understudy-artifacts-111111111111-us-west-2"
    assert SCOPE.artifact_key_alias == "alias/understudy-artifacts"
    assert SCOPE.deployment_parameter("tumor-triage") == "/understudy/prod/tumor-triage/deployment"
    assert SCOPE.elsewhere("222222222222", "eu-west-1").artifact_bucket == "understudy-artifacts-222222222222-eu-west-1"


def test_the_longest_bucket_names_fit_every_region() -> None:
    scope = Scope("understudy", "e" * 16, "1" * 12, "ap-southeast-1")
    assert len(scope.capture_bucket) <= 63
    assert len(scope.artifact_bucket) <= 63
