"""Manifests as people write them: their text is kept, and files that are no manifests are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Run = Callable[..., Any]
Write = Callable[..., Path]
Change = Callable[[str], str]


def in_the_keys_column(pod: str) -> str:
    return pod.replace("    - name", "  - name").replace("      image", "    image")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(str, id="items-indented"),
        pytest.param(in_the_keys_column, id="items-in-the-keys-column"),
        pytest.param(lambda pod: f"# about the file\n\n{pod}\n# at its end\n", id="comments-around"),
        pytest.param(
            lambda pod: pod.replace("name: build", "name: build   # the only one"), id="comment-beside-a-value"
        ),
        pytest.param(
            lambda pod: pod.replace("  containers:", "  # who builds\n  containers:"), id="comment-above-a-key"
        ),
        pytest.param(lambda pod: pod.replace("image: ", "args: [\"-c\", 'x']\n      image: "), id="quotes"),
        pytest.param(
            lambda pod: f"{pod}      args:\n        - |\n          a\n            b\n\n          c\n", id="block"
        ),
        pytest.param(lambda pod: f"{pod}      args: [{', '.join(['a-long-argument'] * 20)}]\n", id="long-line"),
        pytest.param(lambda pod: f"---\n{pod}", id="explicit-start"),
    ],
)
def test_every_line_of_the_author_is_there_and_in_order(run: Run, write: Write, text: str, change: Change) -> None:
    written = change(text)
    ran = run("inject", "-f", write(written))
    assert "injected" in ran.stderr
    rest = iter(ran.stdout.splitlines())
    assert [line for line in written.splitlines() if line not in rest] == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(str, id="plain"),
        pytest.param(lambda pod: f"# licence\n---\n{pod}", id="comment-before-the-first-document"),
        pytest.param(lambda pod: f"--- # first\n{pod}", id="comment-beside-the-marker"),
        pytest.param(lambda pod: f"{pod}---\n# nothing here\n", id="document-of-comments"),
        pytest.param(lambda pod: pod.replace("  ", "    ").replace("- name", "-   name"), id="four-spaces"),
        pytest.param(
            lambda pod: f"{pod}      args: [sh,   -c]\n      env: ~\n      resources: {{ }}\n", id="flow-and-null"
        ),
    ],
)
def test_a_file_in_which_nothing_is_done_comes_out_as_it_went_in(
    run: Run, write: Write, text: str, change: Change
) -> None:
    written = change(text.replace("sidecar", "disabled"))
    assert run("inject", "-f", write(written)).stdout == written


def test_a_comment_before_the_first_document_survives_an_injection(run: Run, write: Write, text: str) -> None:
    ran = run("inject", "-f", write(f"# licence\n---\n{text}"))
    assert ran.stdout.startswith("# licence\n---\napiVersion: v1\n")


def test_a_comment_stays_above_the_line_it_is_about(run: Run, write: Write, text: str) -> None:
    volumes = "  # where the source is\n  volumes:\n    - name: source\n"
    ran = run("inject", "-f", write(f"{text}{volumes}      emptyDir: {{}}\n"))
    assert volumes in ran.stdout


def test_what_is_added_is_indented_as_the_rest(run: Run, write: Write, text: str) -> None:
    text = text.replace("sidecar", "daemonset")
    indented = run("inject", "-f", write(text)).stdout
    assert "\n      env:\n        - name: DOCKER_HOST\n          value: " in indented
    assert "\n  volumes:\n    - name: dind-run\n      hostPath:\n" in indented
    flat = run("inject", "-f", write(in_the_keys_column(text))).stdout
    assert "\n    env:\n    - name: DOCKER_HOST\n      value: " in flat
    assert "\n  volumes:\n  - name: dind-run\n    hostPath:\n" in flat
    assert yaml.safe_load(flat) == yaml.safe_load(indented)


def test_a_list_inside_of_what_is_added_is_indented_as_the_rest(run: Run, write: Write, text: str) -> None:
    fetch = "  initContainers:\n    - name: fetch\n      image: registry.example/ci/fetch:7\n"
    indented = run("inject", "-f", write(text + fetch)).stdout
    assert "\n      args:\n        - dockerd\n" in indented
    flat = run("inject", "-f", write(in_the_keys_column(text) + fetch.replace("    ", "  "))).stdout
    assert "\n    args:\n    - dockerd\n" in flat


def test_a_list_that_was_empty_is_written_as_people_write_lists(run: Run, write: Write, text: str) -> None:
    printed = run("inject", "-f", write(text + "  initContainers: []\n  volumes: []\n")).stdout
    assert "\n  initContainers:\n    - name: dind\n" in printed
    assert "\n  volumes:\n    - name: dind-run\n      emptyDir: {}\n" in printed


def test_an_alias_is_injected_once_in_each_of_its_places(run: Run, write: Write, text: str) -> None:
    first = "      env: &env\n        - {name: STAGE, value: ci}\n"
    second = "    - name: test\n      image: registry.example/ci/test:7\n      env: *env\n"
    containers = yaml.safe_load(run("inject", "-f", write(text + first + second)).stdout)["spec"]["containers"]
    assert [[variable["name"] for variable in each["env"]] for each in containers] == [["STAGE", "DOCKER_HOST"]] * 2


def test_a_merge_key_is_injected_once_in_each_of_its_places(run: Run, write: Write, text: str) -> None:
    merged = text.replace("- name: build", "- &build\n      name: build") + "    - <<: *build\n      name: test\n"
    containers = yaml.safe_load(run("inject", "-f", write(merged)).stdout)["spec"]["containers"]
    assert [each["name"] for each in containers] == ["build", "test"]
    assert [len(each["env"]) for each in containers] == [1, 1]
    assert [len(each["volumeMounts"]) for each in containers] == [2, 2]


def test_nothing_that_is_added_refers_to_something_else(run: Run, pod: Path) -> None:
    printed = run("inject", "-f", pod).stdout
    assert not any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(printed))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"a: b: c\n", "not YAML", id="not-yaml"),
        pytest.param(b"kind: Pod\nkind: Job\n", '"kind"', id="the-same-key-twice"),
        pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8", id="binary"),
        pytest.param(b"\x00\x01\x02", "not YAML", id="control-characters"),
        pytest.param(b"", "no Kubernetes object", id="empty"),
        pytest.param(b"# nothing\n---\n", "no Kubernetes object", id="only-comments"),
        pytest.param(b"- a\n- b\n", "no Kubernetes object", id="a-list"),
        pytest.param(b"just text\n", "no Kubernetes object", id="text"),
        pytest.param(b"a: " + b"[" * 500 + b"]" * 500, "deep", id="too-deep"),
    ],
)
@pytest.mark.parametrize("command", ["inject", "explain"])
def test_what_is_no_manifest_is_named_and_ends_with_2(
    run: Run, tmp_path: Path, command: str, content: bytes, says: str
) -> None:
    (tmp_path / "x.yaml").write_bytes(content)
    ran = run(command, "-f", tmp_path / "x.yaml")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"error: {tmp_path / 'x.yaml'}: ")
    assert says in ran.stderr


def test_a_mistake_in_standard_input_is_named_as_such(run: Run) -> None:
    ran = run("inject", "-f", "-", stdin=b"\xff\xfe")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: standard input: ")
    assert "not UTF-8" in ran.stderr


def test_a_missing_file_is_named(run: Run, pod: Path, tmp_path: Path) -> None:
    ran = run("inject", "-f", pod, "-f", tmp_path / "nowhere.yaml")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == f"error: {tmp_path / 'nowhere.yaml'}: cannot be read: No such file or directory\n"


def test_what_is_wrong_with_yaml_is_said_with_the_line(run: Run, write: Write, text: str) -> None:
    ran = run("inject", "-f", write(f"{text}   args: x\n"))
    assert ran.exit_code == 2
    assert "line 11" in ran.stderr
    assert "ruamel" not in ran.stderr


def test_a_key_that_stands_twice_is_said_without_advice_for_programmers(run: Run, write: Write, text: str) -> None:
    ran = run("inject", "-f", write(f"{text}      image: docker:29-cli\n"))
    assert ran.exit_code == 2
    assert "line 11" in ran.stderr
    assert '"image"' in ran.stderr
    assert "https://" not in ran.stderr
