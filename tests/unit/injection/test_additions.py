"""Warnings, cut to what the API server passes on."""

import pytest

from app.injection.additions import naming, shorten


@pytest.mark.parametrize("length", [0, 1, 119, 120])
def test_a_warning_of_up_to_120_characters_is_left_as_it_is(length: int) -> None:
    assert shorten("x" * length) == "x" * length


@pytest.mark.parametrize("length", [121, 10_000])
def test_a_longer_warning_is_cut_to_120_characters_and_says_so(length: int) -> None:
    assert shorten("x" * length) == "x" * 119 + "…"


def test_a_list_of_names_is_cut_as_well() -> None:
    assert naming("left out", ["a", "b"]) == "left out: a, b"
    assert len(naming("left out", ["name"] * 100)) == 120
