"""The forms of quantities that CEL reads: the core reads them too, and no rounding changes them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dind_webhook.injection import PREFIX
from dind_webhook.injection.option_table import OPTIONS_BY_KEY
from dind_webhook.model import parse_quantity
from dind_webhook.mutating_policy.quantities import list_quantities
from dind_webhook.settings import InjectionSettings, make_policy

QUANTITIES = {quantity.option.name: quantity for quantity in list_quantities(make_policy(InjectionSettings()))}


def pattern(name: str) -> str:
    (found,) = re.findall(r'matches\("(.*?)"\)', QUANTITIES[name].is_unreadable)
    return str(found)


@pytest.mark.parametrize("name", ["cpu-request", "memory-limit"])
@given(data=st.data())
def test_the_core_reads_what_cel_reads(name: str, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(pattern(name), fullmatch=True))
    assert OPTIONS_BY_KEY[PREFIX + name].read(text) == text
    # Milli-units are the smallest that the API server keeps of a CPU.
    smallest = 1000 if name == "cpu-request" else 1
    assert (parse_quantity(text) * smallest) % 1 == 0


@pytest.mark.parametrize("name", ["cpu-request", "memory-limit"])
@pytest.mark.parametrize("text", ["", "0", "-1", "+1", "none", "1e3", "1n", "0.0", "1Xi", "1 ", "01"])
def test_other_texts_are_left_to_the_webhook(name: str, text: str) -> None:
    assert not re.fullmatch(pattern(name), text)


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("cpu-request", ["250m", "2", "0.5", "1.25"]),
        ("memory-limit", ["512Mi", "4Gi", "0.5Gi", "1.5Gi", "1.5G", "8589934592", "2Ti", "100k"]),
    ],
)
def test_common_forms_are_read(name: str, texts: list[str]) -> None:
    assert all(re.fullmatch(pattern(name), text) for text in texts)


def test_an_unset_default_has_no_variable() -> None:
    policy = make_policy(InjectionSettings(defaults={"memory-limit": "none"}))
    assert "memory-limit" not in {quantity.option.name for quantity in list_quantities(policy)}


def test_an_option_that_pods_may_not_set_has_its_default() -> None:
    (only,) = (
        quantity
        for quantity in list_quantities(make_policy(InjectionSettings(allowed_options=frozenset())))
        if quantity.option.name == "memory-limit"
    )
    assert only.definition == ("memoryLimit", '"4Gi"')
