"""Additions to the text of documents, and removals: a table of exact layouts, and properties of all layouts."""

import contextlib
import json
from random import Random
from typing import Any, NamedTuple

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonpointer import JsonPointerException, resolve_pointer

from dind_webhook.manifests import rewrite as module
from dind_webhook.manifests.rewrite import Rewritten, rewrite
from dind_webhook.manifests.source import Source, parse_documents
from dind_webhook.manifests.to_json import to_json
from dind_webhook.model import Operation, add, pointer

X = {"name": "x"}
MANY = {"name": "x", "args": ["a", "1.0"]}


class Layout(NamedTuple):
    """A text, operations, and the exact text after the operations."""

    before: str
    operations: list[Operation]
    after: str


def remove(path: str) -> Operation:
    return {"op": "remove", "path": path}


LAYOUTS = {
    "a member goes below the last": Layout("a: 1\n", [add("/b", "two")], "a: 1\nb: two\n"),
    "comments and blank lines below the content stay below": Layout(
        "m:\n  a: 1 # one\n\n  # inner\n# outer\nz: 1\n",
        [add("/m/b", 2)],
        "m:\n  a: 1 # one\n  b: 2\n\n  # inner\n# outer\nz: 1\n",
    ),
    "the comment at the end stays there": Layout("a: 1\n\n# end", [add("/b", 2)], "a: 1\nb: 2\n\n# end\n"),
    "inner additions come before outer ones": Layout(
        "l:\n- name: a\n  env:\n  - name: b # last\nz: 1\n",
        [add("/l/0/env/-", X), add("/l/0/mounts", [X]), add("/l/-", {"name": "c"}), add("/w", 2)],
        "l:\n- name: a\n  env:\n  - name: b # last\n  - name: x\n  mounts:\n  - name: x\n- name: c\nz: 1\nw: 2\n",
    ),
    "an item in front goes above the comments of the first": Layout(
        "l: # of the list\n# of the item\n- a\n",
        [add("/l/0", X), add("/l/1", "y")],
        "l: # of the list\n- name: x\n- 'y'\n# of the item\n- a\n",
    ),
    "a place behind an item added in front": Layout(
        "l:\n- name: a\n",
        [add("/l/0", X), add("/l/1/b", 1)],
        "l:\n- name: x\n- name: a\n  b: 1\n",
    ),
    "below a literal that looks like comments": Layout(
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
        "m:\n  a: |+\n    text\n\nb: 1\n",
        [add("/m/c", 2)],
        "m:\n  a: |+\n    text\n\n  c: 2\nb: 1\n",
    ),
    "a literal at the end of the file keeps its value": Layout(
        "m:\n  a: 1\nb: |\n  text", [add("/m/c", 2)], "m:\n  a: 1\n  c: 2\nb: |-\n  text\n"
    ),
    "text that YAML 1.1 reads otherwise is quoted": Layout(
        "a: 1\n",
        [
            add(
                "/b",
                ["on", "0777", "12:30", "2001-01-01", "null", "", "#", "a: b", "two\nlines", "1e3", "=", "-", "a:"],
            )
        ],
        "a: 1\nb:\n- 'on'\n- '0777'\n- '12:30'\n- '2001-01-01'\n- 'null'\n- ''\n- '#'\n- 'a: b'\n"
        "- \"two\\nlines\"\n- '1e3'\n- '='\n- '-'\n- 'a:'\n",
    ),
    "values that are no text": Layout(
        "a: 1\n", [add("/b", [True, None, 1, 1.5, {}, []])], "a: 1\nb:\n- true\n- null\n- 1\n- 1.5\n- {}\n- []\n"
    ),
    "long lines are not wrapped": Layout("a: 1\n", [add("/b", "word " * 99 + "end")], f"a: 1\nb: {'word ' * 99}end\n"),
    "a list over null": Layout("env: ~\nb: 1\n", [add("/env", [X])], "env:\n- name: x\nb: 1\n"),
    "over an empty list and an empty object": Layout(
        "c:\n  - env: []\n    m: {}\n    x: 1\n",
        [add("/c/0/env/-", "a"), add("/c/0/m/b", [1])],
        "c:\n  - env:\n      - a\n    m:\n      b:\n        - 1\n    x: 1\n",
    ),
    "an alias that no addition reaches": Layout(
        "a: &a {b: 1}\nm:\n  c: *a\n", [add("/m/d", 2)], "a: &a {b: 1}\nm:\n  c: *a\n  d: 2\n"
    ),
    "an anchor that no alias uses": Layout("m: &m\n  a: 1\n", [add("/m/b", 2)], "m: &m\n  a: 1\n  b: 2\n"),
    "a value that is there is replaced": Layout("a: 1\nb: 2\n", [add("/a", "x")], "a: x\nb: 2\n"),
    "names of other scripts": Layout(
        "日本:\n- 語: 字 # 😀\n", [add("/日本/0/x", "ü")], "日本:\n- 語: 字 # 😀\n  x: ü\n"
    ),
    "a removed item goes with the comment above it": Layout(
        "l:\n# of a\n- name: a # end of a\n  b: 1\n# of b\n- name: b\nz: 1\n",
        [remove("/l/0")],
        "l:\n# of b\n- name: b\nz: 1\n",
    ),
    "a comment behind a blank line, and one of the next item, stay": Layout(
        "l:\n# of the list\n\n- a\n- b\n  # deeper\n# of c\n- c\n",
        [remove("/l/1"), remove("/l/0")],
        "l:\n# of the list\n\n# of c\n- c\n",
    ),
    "a removed member goes with its lines": Layout(
        "a: 1\n# of b\nb:\n  c: |\n    # text\n\n  d: 2\n\ne: 3\n",
        [remove("/b")],
        "a: 1\n\ne: 3\n",
    ),
    "no two blank lines are left where one was": Layout("a: 1\n\nb:\n- 2\n\nc: 3\n", [remove("/b")], "a: 1\n\nc: 3\n"),
    "the first member of an item leaves the dash to the next": Layout(
        "l:\n# of the item\n- env:\n  - a\n  name: x\n  # of tty\n  tty: true\n",
        [remove("/l/0/env"), remove("/l/0/name")],
        "l:\n# of the item\n# of tty\n- tty: true\n",
    ),
    "brackets that lose something become a block": Layout(
        "l: [{name: a, m: 1}, {name: b}]\nz: [1, 2]\n", [remove("/l/0")], "l:\n- {name: b}\nz: [1, 2]\n"
    ),
    "removals before additions": Layout(
        "m:\n  a: 1 # one\n  b: 2 # two\nl:\n- x\n- y # why\n",
        [remove("/l/0"), remove("/m/b"), add("/m/c", [3]), add("/l/-", "z")],
        "m:\n  a: 1 # one\n  c:\n  - 3\nl:\n- y # why\n- z\n",
    ),
    "a removed alias": Layout("a: &a\n  b: 1\nc: *a\nd: 1\n", [remove("/c")], "a: &a\n  b: 1\nd: 1\n"),
    "a removal in what an alias shares": Layout(
        "a: &a\n  b: 1\n  c: 2\nd: *a\n", [remove("/d/b")], "a:\n  b: 1\n  c: 2\nd:\n  c: 2\n"
    ),
    "JSON that loses something": Layout('{"l": [1, 2], "n": null}\n', [remove("/l/0"), remove("/n")], '{"l": [2]}\n'),
    "JSON as kubectl prints it": Layout(
        '{\n    "l": [\n        {\n            "a": 1\n        }\n    ],\n    "n": null\n}\n',
        [add("/l/-", X), add("/n", [1])],
        '{\n    "l": [\n        {\n            "a": 1\n        },\n        {\n            "name": "x"\n'
        '        }\n    ],\n    "n": [\n        1\n    ]\n}\n',
    ),
    "JSON with tabs": Layout('{\n\t"l": [\n\t\t1\n\t]\n}', [add("/l/-", 2)], '{\n\t"l": [\n\t\t1,\n\t\t2\n\t]\n}'),
    "JSON on one line": Layout('{"l": [1], "n": null}\n', [add("/l/-", "é")], '{"l": [1, "\\u00e9"], "n": null}\n'),
    "JSON without spaces": Layout('{"l":[1],"n":"é"}\n', [add("/l/-", "ü")], '{"l":[1,"ü"],"n":"é"}\n'),
}


def rewritten(text: str, operations: list[Operation]) -> Rewritten:
    (document,) = parse_documents(Source("text", text))
    return rewrite(text, document.root, parsed(text), operations)


def parsed(text: str) -> Any:
    source = Source("text", text)
    (document,) = parse_documents(source)
    return to_json(source, document.root)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_the_text_keeps_its_layout(layout: Layout) -> None:
    assert rewritten(layout.before, layout.operations).after == layout.after


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_the_result_is_what_the_operations_make_of_the_data(layout: Layout) -> None:
    assert parsed(layout.after) == jsonpatch.apply_patch(parsed(layout.before), layout.operations)


@pytest.mark.parametrize(
    ("text", "operations"),
    [
        ("a: &a\n  b: [1]\nc: *a\n", [add("/c/d", 2)]),
        ("a: &a\n  b: [1]\nc: *a\n", [add("/a/d", 2)]),
        ("a: &a {b: {e: 1}}\nc:\n  <<: *a\n", [add("/c/b/d", 2)]),
        ("a: &a {b: {e: 1}}\nc:\n  <<: *a\n  f: *a\n", [add("/c/f/b/d", 2), add("/a/b/d", 3)]),
        ("a: &a [x]\nb: *a\nc: *a\n", [add("/b/-", 1), add("/c/-", 2)]),
    ],
)
def test_an_addition_to_what_an_alias_shares_is_made_in_its_place_only(text: str, operations: list[Operation]) -> None:
    before, after, lost = rewritten(text, operations)
    assert parsed(after) == jsonpatch.apply_patch(parsed(text), operations)
    assert parsed(before) == parsed(text)
    assert lost == ()


def test_a_comment_that_goes_with_its_part_is_not_lost_but_one_in_other_brackets_is() -> None:
    result = rewritten("# of a\na: 1 # one\nb: 2\nc: [ # in\n  x]\n", [remove("/a")])
    assert (result.after, result.lost_comments) == ("b: 2\nc: [x]\n", ("# in",))


def test_a_document_that_the_writer_cannot_write_is_written_from_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_round_trip", lambda *_: Rewritten("", "other: 1\n"))
    assert rewritten("b: 1 # one\na: on\n", [add("/c", ["0644"])]) == (
        "b: 1\na: true\n",
        "b: 1\na: true\nc:\n- '0644'\n",
        ("# one",),
    )


# Property tests: random data, written in a random style, with random comments and blank lines.

_WORDS = st.text("abyno019:#-'\"{[&*!é~ ", min_size=1, max_size=6)
_SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | _WORDS | st.just("two\n\n lines\n")
# A list directly in a list, which no Kubernetes object has, may change its layout.
_DATA = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner.filter(lambda item: not isinstance(item, list)), min_size=1, max_size=3)
        | st.dictionaries(_WORDS, inner, min_size=1, max_size=3)
    ),
    max_leaves=12,
)
_DOCUMENTS = st.dictionaries(_WORDS, _DATA, min_size=1, max_size=4)


class _Writer:
    """Writes data as YAML in a random style."""

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
    return text + draw(st.sampled_from(["", "\n"]))


@st.composite
def _operations(draw: st.DrawFn, data: Any) -> list[Operation]:
    """Return additions at existing paths. Operations that move items of lists come last."""
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
    result = rewritten(text, operations)
    assert parsed(result.after) == jsonpatch.apply_patch(before, operations), text
    assert parsed(result.before) == before, text
    assert text.count("# note") == result.after.count("# note") + len(result.lost_comments), text


@given(st.data())
def test_in_block_style_lines_are_only_added_and_comments_stay_in_order(data: st.DataObject) -> None:
    text = data.draw(_texts(flow=False))
    operations = [one for one in data.draw(_operations(parsed(text))) if not _fills_null(parsed(text), one)]
    before, after, lost = rewritten(text, operations)
    rest = iter(after.splitlines())
    assert [line for line in before.splitlines() if not any(line == kept for kept in rest)] == []
    assert text.count("# note") == after.count("# note")
    assert lost == ()


def _fills_null(data: Any, operation: Operation) -> bool:
    with contextlib.suppress(JsonPointerException, TypeError):
        return resolve_pointer(data, operation["path"]) is None
    return False


@given(st.data(), st.booleans())
def test_any_layout_holds_what_removals_and_additions_make_of_its_data(data: st.DataObject, flow: bool) -> None:
    text = data.draw(_texts(flow))
    before = parsed(text)
    removals = data.draw(_removals(before))
    wanted = jsonpatch.apply_patch(before, removals)
    operations = [*removals, *data.draw(_operations(wanted))]
    result = rewritten(text, operations)
    assert parsed(result.after) == jsonpatch.apply_patch(before, operations), text
    assert parsed(result.before) == before, text


@given(st.data())
def test_in_block_style_removals_only_remove_lines(data: st.DataObject) -> None:
    text = data.draw(_texts(flow=False))
    removals = data.draw(_removals(parsed(text)))
    before, after, lost = rewritten(text, removals)
    # The member after the first of an item gets the dash.
    before_lines, after_lines = (
        [line.replace("- ", "").strip() for line in each.splitlines()] for each in (before, after)
    )
    rest = iter(before_lines)
    assert [line for line in after_lines if not any(line == each for each in rest)] == []
    assert lost == ()


@st.composite
def _removals(draw: st.DrawFn, data: Any) -> list[Operation]:
    """Return removals that leave no list and no object empty, from the last item of a list to the first."""
    remaining, operations = data, []
    for _ in range(draw(st.integers(1, 3))):
        places = [place for place, siblings in _members(remaining, ()) if siblings > 1]
        if places:
            operations.append(remove(draw(st.sampled_from(places))))
            remaining = jsonpatch.apply_patch(remaining, operations[-1:])
    return operations


def _members(node: Any, place: tuple[str | int, ...]) -> Any:
    members = list(node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ())
    for key, value in members:
        yield pointer(*place, key), len(members)
        yield from _members(value, (*place, key))
