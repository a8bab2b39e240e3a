"""The replacement for orjson in the playground's page must behave like orjson."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import DOCS
from scripts import load

STAND_IN = load(DOCS / "pyodide/orjson.py")
TEXTS = st.text(st.characters(codec="utf-8"))
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda children: st.lists(children) | st.dictionaries(TEXTS, children),
    max_leaves=8,
)


@given(VALUES)
def test_it_writes_what_orjson_writes(value: Any) -> None:
    assert STAND_IN.dumps(value) == orjson.dumps(value)


@given(VALUES.map(json.dumps) | st.text(alphabet='[]{}":,-.eE0123 tfnulrsa\\') | TEXTS)
def test_it_reads_what_orjson_reads(text: str) -> None:
    try:
        expected = orjson.loads(text)
    except orjson.JSONDecodeError:
        with pytest.raises(STAND_IN.JSONDecodeError):
            STAND_IN.loads(text)
    else:
        assert STAND_IN.loads(text) == expected


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "[" * 100_000])
def test_it_refuses_what_only_python_takes_for_json(text: str) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(text)
    with pytest.raises(STAND_IN.JSONDecodeError):
        STAND_IN.loads(text)
