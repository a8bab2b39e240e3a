"""Additions to the text of documents: exact layouts in a table, and what holds of any."""

import json
from random import Random
from typing import Any, NamedTuple

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.manifests.nodes import Source, compose, plain
from app.manifests.splice import NoPlaceError, splice
from app.model import Operation, add, pointer

X = {"name": "x"}
MANY = {"name": "x", "args": ["a", "1.0"]}


class Layout(NamedTuple):
    """A text, operations on it, and the exact text that becomes of it."""

    before: str
    operations: list[Operation]
    after: str


BLOCKS = {
    "a member goes below the last": Layout("a: 1\n", [add("/b", "two")], "a: 1\nb: two\n"),
    "a file without a last newline stays one": Layout("a: 1", [add("/b", 2)], "a: 1\nb: 2"),
    "lines of Windows stay such": Layout(
        "a: 1\r\nl:\r\n- 1\r\n\r\n# end\r\n",
        [add("/l/-", 2), add("/b", {"c": 2}), add("/l/0", 0)],
        "a: 1\r\nl:\r\n- 0\r\n- 1\r\n- 2\r\nb:\r\n  c: 2\r\n\r\n# end\r\n",
    ),
    "comments and blank lines below the content stay below": Layout(
        "m:\n  a: 1 # one\n\n  # inner\n# outer\nz: 1\n",
        [add("/m/b", 2)],
        "m:\n  a: 1 # one\n  b: 2\n\n  # inner\n# outer\nz: 1\n",
    ),
    "what ends on one line: inner before outer": Layout(
        "l:\n- name: a\n  env:\n  - name: b # last\nz: 1\n",
        [add("/l/0/env/-", X), add("/l/0/mounts", [X]), add("/l/-", {"name": "c"}), add("/w", 2)],
        "l:\n- name: a\n  env:\n  - name: b # last\n  - name: x\n  mounts:\n  - name: x\n- name: c\nz: 1\nw: 2\n",
    ),
    "dashes are indented where the document's are": Layout(
        "l:\n  - a\n",
        [add("/m", [MANY])],
        "l:\n  - a\nm:\n  - name: x\n    args:\n      - a\n      - '1.0'\n",
    ),
    "an item takes the column of its list, however deep": Layout(
        "l:\n     -   name: a\n         b: 1\n",
        [add("/l/-", X), add("/l/0/c", 2)],
        "l:\n     -   name: a\n         b: 1\n         c: 2\n     - name: x\n",
    ),
    "in front: above the comments of the first item": Layout(
        "l: # of the list\n# also of the list\n\n# of the item\n- a\n",
        [add("/l/0", X), add("/l/1", "y")],
        "l: # of the list\n# also of the list\n\n- name: x\n- 'y'\n# of the item\n- a\n",
    ),
    "in front and behind": Layout(
        "l:\n- a\n",
        [add("/l/-", "c"), add("/l/0", "b"), add("/l/3", "d")],
        "l:\n- b\n- a\n- c\n- d\n",
    ),
    "a place behind an item added in front": Layout(
        "l:\n- name: a\n",
        [add("/l/0", X), add("/l/1/b", 1)],
        "l:\n- name: x\n- name: a\n  b: 1\n",
    ),
    "a list in a list": Layout(
        "l:\n- - a\n  - b\n",
        [add("/l/0/-", "c"), add("/l/0/0", MANY)],
        "l:\n- - name: x\n    args:\n    - a\n    - '1.0'\n  - a\n  - b\n  - c\n",
    ),
    "items below their dashes": Layout(
        "l:\n-\n  # first\n  name: a\n-\n",
        [add("/l/0/b", 1), add("/l/-", 2)],
        "l:\n-\n  # first\n  name: a\n  b: 1\n-\n- 2\n",
    ),
    "keys with a question mark": Layout("? a\n: 1\n", [add("/b", 2)], "? a\n: 1\nb: 2\n"),
    "anchors and tags that nothing refers to": Layout(
        "m: &m\n  a: 1\nl: !!seq\n- &i 1\n",
        [add("/m/b", 2), add("/l/0", 0)],
        "m: &m\n  a: 1\n  b: 2\nl: !!seq\n- 0\n- &i 1\n",
    ),
    "below an alias": Layout(
        "a: &a {b: 1}\nm:\n  c: *a # again\n\nz: 1\n",
        [add("/m/d", 2)],
        "a: &a {b: 1}\nm:\n  c: *a # again\n  d: 2\n\nz: 1\n",
    ),
    "over a member that is merged": Layout(
        "a: &a {b: 1}\nm:\n  <<: *a\n",
        [add("/m/c", 2)],
        "a: &a {b: 1}\nm:\n  <<: *a\n  c: 2\n",
    ),
    "a column counts characters": Layout(
        "ä: {ö: 1}\n日本:\n- 語: 字 # 😀\n",
        [add("/日本/0/x", "ü"), add("/ä/y", "😀")],
        'ä: {ö: 1, "y": "😀"}\n日本:\n- 語: 字 # 😀\n  x: ü\n',
    ),
    "text that YAML reads otherwise is quoted": Layout(
        "a: 1\n",
        [add("/b", ["on", "0777", "12:30", "2001-01-01", "null", "", "#", "a: b", "two\nlines", "1e3"])],
        "a: 1\nb:\n- 'on'\n- '0777'\n- '12:30'\n- '2001-01-01'\n- 'null'\n- ''\n- '#'\n- 'a: b'\n"
        "- \"two\\nlines\"\n- '1e3'\n",
    ),
    "long lines are not wrapped": Layout("a: 1\n", [add("/b", "word " * 99 + "end")], f"a: 1\nb: {'word ' * 99}end\n"),
}

SCALARS = {
    "below a literal": Layout(
        "m:\n  a: |\n    text\n\n    # text\n\n\n# comment\nb: 1\n",
        [add("/m/c", 2)],
        "m:\n  a: |\n    text\n\n    # text\n  c: 2\n\n\n# comment\nb: 1\n",
    ),
    "below a literal whose last line is white": Layout(
        "m:\n  a: |\n    text\n      \nb: 1\n",
        [add("/m/c", 2)],
        "m:\n  a: |\n    text\n      \n  c: 2\nb: 1\n",
    ),
    "below a literal that keeps its blank lines": Layout(
        "m:\n  a: |+ # kept\n    text\n\n # comment\nb: 1\n",
        [add("/m/c", 2)],
        "m:\n  a: |+ # kept\n    text\n\n  c: 2\n # comment\nb: 1\n",
    ),
    "below a literal without a newline": Layout(
        "m:\n  a: >2\n    text",
        [add("/m/c", 2), add("/b", 1)],
        "m:\n  a: >2-\n    text\n  c: 2\nb: 1",
    ),
    "elsewhere, a literal without a newline stays": Layout(
        "m:\n  a: 1\nb: |\n  text",
        [add("/m/c", 2)],
        "m:\n  a: 1\n  c: 2\nb: |\n  text",
    ),
    "below folded text, tabs inside": Layout(
        "m:\n  a: >-\n    one\n    \ttwo\n\nn: 1\n",
        [add("/m/c", 2)],
        "m:\n  a: >-\n    one\n    \ttwo\n  c: 2\n\nn: 1\n",
    ),
    "below quoted text over several lines": Layout(
        'm:\n  b: "one\n\n    two" # end\nn: 1\n',
        [add("/m/c", 2)],
        'm:\n  b: "one\n\n    two" # end\n  c: 2\nn: 1\n',
    ),
    "below plain text over several lines": Layout(
        "m:\n  b: one\n    two # end\nn: 1\n",
        [add("/m/c", 2)],
        "m:\n  b: one\n    two # end\n  c: 2\nn: 1\n",
    ),
}

NULLS = {
    "a list over nothing": Layout(
        "env:   # none\nb: 1\n", [add("/env", [MANY])], "env:   # none\n- name: x\n  args:\n  - a\n  - '1.0'\nb: 1\n"
    ),
    "a list over null": Layout("env: null # none\nb: 1\n", [add("/env", [X])], "env: # none\n- name: x\nb: 1\n"),
    "a list over a tilde, dashes indented": Layout(
        "c:\n  - env: ~\n", [add("/c/0/env", [X])], "c:\n  - env:\n      - name: x\n"
    ),
    "an object over nothing": Layout("m:\n\n# end\n", [add("/m", {"a": ["b"]})], "m:\n  a:\n  - b\n\n# end\n"),
    "a text over null": Layout("m:\n  a: null # none\n", [add("/m/a", "y")], "m:\n  a: 'y' # none\n"),
    "an empty list over nothing": Layout("a:\n", [add("/a", [])], "a: []\n"),
    "over null on a line of its own": Layout("a:\n  null # no\nb:\n", [add("/a", [X])], "a: # no\n- name: x\nb:\n"),
    "over nothing, then a member beside it": Layout(
        "l:\n- env:", [add("/l/0/env", [X]), add("/l/0/b", 1)], "l:\n- env:\n  - name: x\n  b: 1"
    ),
    "a list over null in brackets": Layout(
        "m: {env: null, b: }\n", [add("/m/env", [X]), add("/m/b", 1)], 'm: {env: [{"name": "x"}], b: 1 }\n'
    ),
    "over an empty list and an empty object": Layout(
        "c:\n  - env: [] # none\n    m: { }\n    x: 1\n",
        [add("/c/0/env/-", MANY), add("/c/0/env/0", "a"), add("/c/0/m/b", [1]), add("/c/0/y", 2)],
        "c:\n  - env: # none\n      - a\n      - name: x\n        args:\n          - a\n          - '1.0'\n"
        "    m:\n      b:\n        - 1\n    x: 1\n    'y': 2\n",
    ),
}

BRACKETS = {
    "empty ones in a list": Layout(
        "l:\n- {}\n- [ ]\n",
        [add("/l/0/a", "1"), add("/l/1/-", X), add("/l/1/-", 2)],
        'l:\n- {"a": "1"}\n- [{"name": "x"}, 2]\n',
    ),
    "empty ones in brackets": Layout(
        "m: {a: {}, b: []}\n", [add("/m/a/c", 1), add("/m/b/0", 2)], 'm: {a: {"c": 1}, b: [2]}\n'
    ),
    "on one line": Layout(
        "m: { a: 1 } # m\nl: [a,]\n",
        [add("/m/b", [1]), add("/l/-", "b"), add("/l/0", "c")],
        'm: { a: 1, "b": [1] } # m\nl: ["c", a, "b",]\n',
    ),
    "on several lines": Layout(
        "l: [\n  a, # first\n  b # last\n]\n",
        [add("/l/-", "c"), add("/l/-", "d"), add("/l/0", "e")],
        'l: [\n  "e",\n  a, # first\n  b, # last\n  "c",\n  "d"\n]\n',
    ),
    "on several lines with a comma at the end": Layout(
        "l: [\n  {name: a}, # last\n  # end\n]\n",
        [add("/l/-", MANY)],
        'l: [\n  {name: a}, # last\n  {"name": "x", "args": ["a", "1.0"]},\n  # end\n]\n',
    ),
    "closed on the last line": Layout(
        "m: {a: 1,\n    b: 2} # end\n", [add("/m/c", 3)], 'm: {a: 1,\n    b: 2,\n    "c": 3} # end\n'
    ),
    "opened around an item": Layout(
        "l: [{\n  name: a\n}]\n", [add("/l/-", X)], 'l: [{\n  name: a\n}, {\n  "name": "x"\n}]\n'
    ),
    "empty on several lines": Layout("l: [ # none\n]\n", [add("/l/-", 1)], "l: [ # none\n  1\n]\n"),
    "JSON as kubectl prints it": Layout(
        '{\n    "l": [\n        {\n            "a": 1\n        }\n    ],\n    "e": {},\n    "n": null\n}\n',
        [add("/l/-", X), add("/l/0/b", []), add("/e/c", {"d": 1}), add("/n", [1]), add("/z", X), add("/l/0", 0)],
        '{\n    "l": [\n        0,\n        {\n            "a": 1,\n            "b": []\n        },\n'
        '        {\n            "name": "x"\n        }\n    ],\n    "e": {\n        "c": {\n            "d": 1\n'
        '        }\n    },\n    "n": [\n        1\n    ],\n    "z": {\n        "name": "x"\n    }\n}\n',
    ),
    "JSON with tabs": Layout(
        '{\n\t"l": [\n\t\t1\n\t]\n}', [add("/l/-", X)], '{\n\t"l": [\n\t\t1,\n\t\t{\n\t\t\t"name": "x"\n\t\t}\n\t]\n}'
    ),
    "JSON on one line": Layout(
        '{"l":[1],"n":null}\n',
        [add("/l/-", X), add("/b", {"c": 1}), add("/n", 1)],
        '{"l":[1,{"name":"x"}],"n":1,"b":{"c":1}}\n',
    ),
    "what cannot be printed": Layout("{a: 1}", [add("/b", "\x7f😀")], '{a: 1, "b": "\\u007f\\ud83d\\ude00"}'),
}

LAYOUTS = {**BLOCKS, **SCALARS, **NULLS, **BRACKETS}

NO_PLACES = {
    "an alias": ("a: &a {b: 1}\nc: *a\n", "/c/d"),
    "what an alias stands for": ("a: &a {b: 1}\nc: *a\n", "/a/d"),
    "something merged": ("a: &a {b: {}}\nc:\n  <<: *a\n", "/c/b/d"),
    "a value": ("a: 1\n", "/a"),
    "the middle of a list": ("l: [1, 2]\n", "/l/1"),
    "a scalar": ("a: 1\n", "/a/b"),
    "no item": ("l:\n- 1\n", "/l/x/a"),
    "a key in brackets without a colon": ("{a, b}", "/a"),
}


def spliced(text: str, operations: list[Operation]) -> str:
    (document,) = compose(Source("text", text))
    return splice(text, document, operations)


def parsed(text: str) -> Any:
    source = Source("text", text)
    (document,) = compose(source)
    return plain(source, document.root)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_additions_take_on_the_layout_of_the_text(layout: Layout) -> None:
    assert spliced(layout.before, layout.operations) == layout.after


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_the_result_is_what_the_operations_make_of_the_data(layout: Layout) -> None:
    assert parsed(layout.after) == jsonpatch.apply_patch(parsed(layout.before), layout.operations)


@pytest.mark.parametrize(("text", "path"), NO_PLACES.values(), ids=NO_PLACES.keys())
def test_what_is_not_one_place_is_refused(text: str, path: str) -> None:
    with pytest.raises(NoPlaceError):
        spliced(text, [add(path, 1)])


def test_of_several_documents_one_is_returned() -> None:
    text = "a: 1\n---\nb: 1\n---\nc: 1\n"
    assert splice(text, compose(Source("text", text))[1], [add("/d", 2)]) == "---\nb: 1\nd: 2\n"


# Any layout: random data, written in a random style, with the comments and blank lines people leave.

_WORDS = st.text("abyno019:#-'\"{[&*!é~ ", min_size=1, max_size=6)
_SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | _WORDS | st.just("two\n\n lines\n")
_DATA = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(_WORDS, inner, min_size=1, max_size=3),
    max_leaves=12,
)
_DOCUMENTS = st.dictionaries(_WORDS, _DATA, min_size=1, max_size=4)


class _Writer:
    """Writes data as YAML, at random wherever people differ."""

    def __init__(self, random: Random, flow: bool) -> None:
        self._choose = random.choice
        self._flow = flow
        self._dash = self._choose([0, 2, 3])
        self._deeper = self._choose([1, 2, 4])

    def block(self, value: Any, column: int) -> list[str]:
        lines: list[str] = []
        if isinstance(value, dict):
            for key, member in value.items():
                lines += self._notes(column)
                lines += self._member(json.dumps(key), member, column)
        else:
            for item in value:
                lines += self._notes(column)
                lines += self._item(item, column)
        return lines

    def _notes(self, column: int) -> list[str]:
        notes = ["", " " * column + "# note", "# note"]
        return [self._choose(notes) for _ in range(self._choose([0, 0, 1, 2]))]

    def _member(self, key: str, value: Any, column: int) -> list[str]:
        margin, note = " " * column, self._choose(["", "  # a: note"])
        if not isinstance(value, dict | list) or (self._flow and self._choose([True, False])):
            scalar = self._scalar(value, margin)
            return [f"{margin}{key}:{scalar}" + ("" if "\n" in scalar else note)]
        deeper = self._dash if isinstance(value, list) else self._deeper
        return [f"{margin}{key}:{note}", *self.block(value, column + deeper)]

    def _item(self, value: Any, column: int) -> list[str]:
        margin = " " * column
        if not isinstance(value, dict | list) or (self._flow and self._choose([True, False])):
            return [f"{margin}-{self._scalar(value, margin)}"]
        inner = self.block(value, column + 2)
        if isinstance(value, list) and not self._flow:
            return [f"{margin}-", *inner]
        while not inner[0].strip() or inner[0].lstrip().startswith("#"):
            inner.pop(0)
        return [f"{margin}- {inner[0].lstrip()}", *inner[1:]]

    def _scalar(self, value: Any, margin: str) -> str:
        if isinstance(value, dict | list):
            indent = self._choose([None, 2])
            return " " + json.dumps(value, indent=indent).replace("\n", f"\n{margin}  ")
        if value is None:
            return self._choose(["", " null", " ~"] if self._flow else [""])
        if isinstance(value, str) and value.endswith("\n"):
            return " |" + "".join(f"\n{margin}  {line}" if line else "\n" for line in value.splitlines())
        return " " + json.dumps(value)


@st.composite
def _texts(draw: st.DrawFn, flow: bool) -> str:
    lines = _Writer(draw(st.randoms(use_true_random=True)), flow).block(draw(_DOCUMENTS), 0)
    text = "\n".join([*lines, *draw(st.lists(st.sampled_from(["", "# end"]), max_size=2))])
    text += draw(st.sampled_from(["", "\n"]))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


@st.composite
def _operations(draw: st.DrawFn, data: Any) -> list[Operation]:
    """Return additions in places that exist, what moves items last."""
    places = list(_places(data, ()))
    behind = [add(*operation) for operation in draw(st.lists(st.sampled_from(places), max_size=6, unique_by=str))]
    lists = [place for place, value in places if place.endswith("/-")]
    front = draw(st.lists(st.sampled_from(lists), max_size=1)) if lists else []
    return behind + [add(place.removesuffix("-") + "0", MANY) for place in front]


def _places(node: Any, place: tuple[str | int, ...]) -> Any:
    if isinstance(node, list):
        yield pointer(*place, "-"), MANY
    elif isinstance(node, dict):
        yield pointer(*place, "new"), [X]
        yield pointer(*place, "other"), {"a": "y"}
    elif node is None and place and isinstance(place[-1], str):
        yield pointer(*place), [MANY]
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in members:
        yield from _places(value, (*place, key))


@given(st.data(), st.booleans())
def test_any_layout_holds_what_the_operations_make_of_its_data(data: st.DataObject, flow: bool) -> None:
    text = data.draw(_texts(flow))
    before = parsed(text)
    operations = data.draw(_operations(before))
    assert parsed(spliced(text, operations)) == jsonpatch.apply_patch(before, operations), text


@given(st.data())
def test_in_block_style_lines_are_only_added(data: st.DataObject) -> None:
    # Without a last newline, a literal at the end is told to do without one.
    text = data.draw(_texts(flow=False)) + "\n"
    lines = iter(spliced(text, data.draw(_operations(parsed(text)))).splitlines())
    lost = [line for line in text.splitlines() if not any(line == kept for kept in lines)]
    assert lost == []
