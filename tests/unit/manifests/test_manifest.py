"""Manifest files: the data that is read, the text that is written, and the limits of both."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dind_webhook.errors import ManifestError
from dind_webhook.manifests import Manifest, join, read_manifest
from dind_webhook.manifests import rewrite as module
from dind_webhook.model import add

POD = "kind: Pod\nmetadata:\n  name: ci\nspec:\n  containers:\n  - name: build\n"
LABEL = [add("/metadata/labels", {"a": "b"})]
LABELLED = POD.replace("  name: ci\n", "  name: ci\n  labels:\n    a: b\n")


def injected(text: str) -> Manifest:
    """Return the manifest with a label for each pod and an environment for each first container."""
    manifest = Manifest(text, "ci.yaml")
    for template in manifest.templates():
        manifest.inject(template, [*LABEL, add("/spec/containers/0/env", [{"name": "E", "value": "on"}])])
    return manifest


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(POD, id="bare"),
        pytest.param(f"\ufeff{POD}", id="byte-order-mark"),
        pytest.param(f"# first\n---\n{POD}---\n---\n# nothing\n", id="markers-and-comments"),
        pytest.param(f"%YAML 1.1\n---\n{POD}...\n# between\n%YAML 1.1\n--- # b\na: 1\n...\n", id="directives"),
        pytest.param(POD.replace("\n", "\r\n"), id="lines-of-windows"),
        pytest.param(POD.removesuffix("\n"), id="no-last-newline"),
    ],
)
def test_what_nothing_is_added_to_is_what_was_read(text: str) -> None:
    assert Manifest(text, "ci.yaml").text == text


def test_additions_of_several_documents_leave_all_around_them() -> None:
    text = f"\ufeff# first\n---\n{POD}\n# second\n---\na: 1\n...\n%YAML 1.1\n--- # third\n{POD}...\n# end\n"
    manifest = Manifest(text, "ci.yaml")
    for template in manifest.templates():
        manifest.inject(template, LABEL)
    assert manifest.text == text.replace(POD, LABELLED)


def test_each_pod_of_a_list_is_injected_in_its_place() -> None:
    items = POD.replace("\n", "\n  ").rstrip(" ")
    manifest = Manifest(f"kind: List\nitems:\n- {items}- kind: Service\n- {items}", "ci.yaml")
    for template in manifest.templates():
        manifest.inject(template, LABEL)
    assert yaml.safe_load(manifest.text)["items"] == [
        yaml.safe_load(LABELLED),
        {"kind": "Service"},
        yaml.safe_load(LABELLED),
    ]
    assert [change.names for change in manifest.changes()] == [("pod/ci", "pod/ci")]


def test_a_change_is_of_the_document_as_it_was_written() -> None:
    manifest = Manifest(f"a: 1\n---\n{POD}# end\n", "ci.yaml")
    (template,) = manifest.templates()
    manifest.inject(template, LABEL)
    (change,) = manifest.changes()
    assert change == (("pod/ci",), f"---\n{POD}# end\n", f"---\n{LABELLED}# end\n", ())


def test_json_stays_json() -> None:
    text = json.dumps(yaml.safe_load(POD), indent=4) + "\n"
    after = injected(text).text
    assert json.loads(after) == yaml.safe_load(injected(POD).text)
    assert after == json.dumps(json.loads(after), indent=4) + "\n"


def test_what_aliases_share_is_written_twice_with_its_comments() -> None:
    text = (
        f"# head\n--- # marker\n# pod\n{POD}    image: a:1 # image\n    env: &env\n    - name: A\n      value: 'x'\n"
        "  - name: test\n    env: *env\n  - <<: {name: merged}\n    image: b\n...\n# tail\n"
    )
    manifest = Manifest(text, "ci.yaml")
    (template,) = manifest.templates()
    manifest.inject(template, [add("/spec/containers/1/env/-", {"name": "B", "value": "1"})])
    assert manifest.text.startswith("# head\n--- # marker\n# pod\nkind: Pod\n")
    assert "image: a:1 # image\n" in manifest.text
    assert manifest.text.endswith("...\n# tail\n")
    containers = yaml.safe_load(manifest.text)["spec"]["containers"]
    assert [len(container.get("env", ())) for container in containers] == [1, 2, 0]
    assert containers[2] == {"name": "merged", "image": "b"}


def test_a_text_that_does_not_hold_the_additions_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_settle_comments", lambda *_: POD)
    text = f"a: 1\n---\n{POD}...\n---\nb: 1\n".replace("\n", "\r\n")
    after = injected(text).text
    monkeypatch.undo()
    assert "\n" not in after.replace("\r\n", "")
    first, pod, last = yaml.safe_load_all(after)
    assert (first, last) == ({"a": 1}, {"b": 1})
    assert pod == yaml.safe_load(injected(POD).text)


def test_the_text_before_is_written_as_the_text_after_but_for_the_additions() -> None:
    text = POD.replace("kind: Pod", "kind:   Pod   # a pod") + "---\na:   1\n"
    manifest = Manifest(text, "ci.yaml")
    assert manifest.text_before == text
    (template,) = manifest.templates()
    manifest.inject(template, LABEL)
    written = POD.replace("kind: Pod", "kind: Pod     # a pod")
    assert manifest.text_before == f"{written}---\na:   1\n"
    assert manifest.text == manifest.text_before.replace("  name: ci\n", "  name: ci\n  labels:\n    a: b\n")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("a: yes\nb: Off\nc: y\nd: 'no'\n", {"a": True, "b": False, "c": True, "d": "no"}, id="booleans"),
        pytest.param(
            "a: 0644\nb: 0o17\nc: 0x1F\nd: 1_000\ne: -0b11\n",
            {"a": 420, "b": 15, "c": 31, "d": 1000, "e": -3},
            id="integers",
        ),
        pytest.param("a: 08\nb: 1e3\nc: .5\nd: 1.\n", {"a": 8.0, "b": 1000.0, "c": 0.5, "d": 1.0}, id="floats"),
        pytest.param(
            "a: 2001-01-01\nb: 12:30\nc: 1.2.3\nd: .\ne: 1E400\n",
            {"a": "2001-01-01", "b": "12:30", "c": "1.2.3", "d": ".", "e": "1E400"},
            id="text",
        ),
        pytest.param(
            "a:\nb: ~\nc: !!str\nd: !!int '1'\n", {"a": None, "b": None, "c": "", "d": 1}, id="nulls-and-tags"
        ),
        pytest.param(
            "1: a\ntrue: b\n1.5: c\n&k d: 1\ne: 2\n", {"1": "a", "true": "b", "1.5": "c", "d": 1, "e": 2}, id="keys"
        ),
        pytest.param(
            "a: &a {t: 1, u: 1}\nb: &b {t: 2, v: 2}\nc:\n  s: 0\n  <<: [*a, *b]\n  v: 3\n",
            {"a": {"t": 1, "u": 1}, "b": {"t": 2, "v": 2}, "c": {"s": 0, "t": 1, "u": 1, "v": 3}},
            id="merge-keys",
        ),
        pytest.param('{"a": "\\ud83d\\ude00\\/"}', {"a": "😀/"}, id="escapes-of-json"),
    ],
)
def test_data_is_what_kubectl_would_send(text: str, value: Any) -> None:
    (template,) = Manifest(
        f'{{"kind": "Pod", "spec": {text}}}' if text[0] == "{" else _spec(text), "ci.yaml"
    ).templates()
    assert json.dumps(template.pod["spec"], sort_keys=True) == json.dumps(value, sort_keys=True)


def _spec(text: str) -> str:
    return "kind: Pod\nspec:\n" + "".join(f"  {line}\n" for line in text.splitlines())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("a: 1\nb: c: d\n", "line 2, column 5: not YAML: mapping values are not allowed here", id="colons"),
        pytest.param(
            "a: [1\n", "line 2, column 1: not YAML: expected ',' or ']', but got '<stream end>'", id="bracket"
        ),
        pytest.param("a: 1\nb: \x01\n", "line 2, column 4: not YAML: special characters are not allowed", id="control"),
        pytest.param(
            "a:\n\tb: 1\n", "line 2, column 1: not YAML: found character '\\t' that cannot start any token", id="tab"
        ),
        pytest.param("%YAML 1.3\n---\na: 1\n", "not YAML: ", id="directive"),
        pytest.param("a: *b\n", "line 1, column 4: not YAML: found undefined alias 'b'", id="alias"),
        pytest.param("m:\n  a: 1\n  a: 2\n", 'line 3, column 3: duplicate key "a"', id="duplicate"),
        pytest.param("? [a]\n: 1\n", "line 1, column 3: a key must be text", id="key"),
        pytest.param("<<: 1\n", "line 1, column 5: the merge key << needs a mapping, or a list of them", id="merge"),
        pytest.param("[" * 200 + "]" * 200, "line 1, column 101: nested more than 100 levels deep", id="deep"),
        pytest.param("a: &a\n  b: *a\n", "its aliases multiply beyond what fits a Kubernetes object", id="endless"),
        pytest.param("a\n", "contains no Kubernetes object", id="text"),
        pytest.param("", "contains no Kubernetes object", id="nothing"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line_with_its_place(content: str, message: str) -> None:
    with pytest.raises(ManifestError) as raised:
        Manifest(content, "ci.yaml")
    assert str(raised.value).startswith("ci.yaml: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_not_utf_8_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "ci.yaml"
    path.write_bytes("a: ä\nb: ä".encode() + b"\xff")
    with pytest.raises(ManifestError, match=r"ci.yaml: line 2, column 5: not UTF-8: invalid start byte$"):
        read_manifest(str(path))


def test_aliases_that_multiply_are_refused_before_they_take_memory() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    with pytest.raises(ManifestError, match=r"line 1, column .*: its aliases multiply beyond what fits"):
        Manifest(bomb, "ci.yaml")


def test_merge_keys_that_multiply_are_refused_before_they_take_memory() -> None:
    bomb = "a0: &a0 {x: 1, y: 2}\n"
    bomb += "".join(f"a{n}: &a{n} {{l: *a{n - 1}, m: {{<<: *a{n - 1}}}, n: *a{n - 1}}}\n" for n in range(1, 40))
    with pytest.raises(ManifestError, match="its aliases multiply"):
        Manifest(bomb, "ci.yaml")


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "? " * 100_000, '{"a":' * 100_000])
def test_nesting_is_refused_at_its_bound_however_deep_it_goes(text: str) -> None:
    with pytest.raises(ManifestError, match="nested more than 100 levels deep"):
        Manifest(text, "ci.yaml")


def test_a_text_that_would_take_minutes_to_read_is_refused_by_its_size() -> None:
    with pytest.raises(ManifestError, match=r"^ci.yaml: larger than 32 MiB; split it into several files$"):
        Manifest("a: 1\n" * 7_000_000, "ci.yaml")


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        pytest.param(["a: 1\n", "b: 1\n"], "a: 1\n---\nb: 1\n", id="bare"),
        pytest.param(["a: 1", "b: 1"], "a: 1\n---\nb: 1", id="no-last-newline"),
        pytest.param(["a: 1\n", "# b\n---\nb: 1\n"], "a: 1\n# b\n---\nb: 1\n", id="marker"),
        pytest.param(["a: 1\n", "%YAML 1.1\n---\nb: 1\n"], "a: 1\n...\n%YAML 1.1\n---\nb: 1\n", id="directive"),
        pytest.param(["\ufeffa: 1\n", "\ufeffb: 1\n"], "\ufeffa: 1\n---\nb: 1\n", id="byte-order-marks"),
    ],
)
def test_files_are_joined_to_one_text(texts: list[str], joined: str) -> None:
    assert join([Manifest(text, "ci.yaml") for text in texts]) == joined
