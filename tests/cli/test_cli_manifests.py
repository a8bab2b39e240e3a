"""Manifests as people write them: what is theirs comes out as it went in, and what is no manifest is refused."""

import pytest
import yaml
from samples import POD, written

DAEMONSET = POD.replace("sidecar", 'daemonset\n    dind.io/wait: "false"')


def lines_in_order(lines, text):
    """Return the lines that are missing in a text, or do not stand in this order."""
    rest = iter(text.splitlines())
    return [line for line in lines if line not in rest]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(POD, id="items-indented"),
        pytest.param(POD.replace("    - name", "  - name").replace("      image", "    image"), id="items-in-the-keys-column"),
        pytest.param("# about the file\n\n" + POD + "\n# at its end\n", id="comments-around"),
        pytest.param(POD.replace("name: build", "name: build   # the only one"), id="comment-at-the-end-of-a-line"),
        pytest.param(POD.replace("  containers:", "  # who builds\n  containers:"), id="comment-above-a-key"),
        pytest.param(POD.replace("image: ", 'args: ["-c", \'x\']\n      image: '), id="quotes"),
        pytest.param(POD + "      args:\n        - |\n          a\n            b\n\n          c\n", id="block-scalar"),
        pytest.param(POD + "      args: [" + ", ".join(["a-rather-long-argument"] * 20) + "]\n", id="long-line"),
        pytest.param("---\n" + POD, id="explicit-start"),
    ],
)
def test_every_line_of_the_author_is_there_and_in_order(run, tmp_path, text):
    ran = run("inject", "-f", written(tmp_path / "pod.yaml", text))
    assert "injected" in ran.stderr
    assert lines_in_order(text.splitlines(), ran.stdout) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(POD, id="plain"),
        pytest.param("# licence\n---\n" + POD, id="comment-before-the-first-document"),
        pytest.param("--- # first\n" + POD, id="comment-beside-the-marker"),
        pytest.param(POD + "---\n# nothing here\n", id="document-of-comments"),
        pytest.param(POD.replace("  ", "    "), id="four-spaces"),
        pytest.param(POD + "      args: [sh,   -c]\n      env: ~\n      resources: { }\n", id="forms-of-flow-and-null"),
    ],
)
def test_a_file_in_which_nothing_is_done_comes_out_as_it_went_in(run, tmp_path, text):
    text = text.replace("sidecar", "disabled")
    assert run("inject", "-f", written(tmp_path / "pod.yaml", text)).stdout == text


def test_a_comment_before_the_first_document_survives_an_injection(run, tmp_path):
    ran = run("inject", "-f", written(tmp_path / "pod.yaml", "# licence\n---\n" + POD))
    assert ran.stdout.startswith("# licence\n---\napiVersion: v1\n")


def test_a_comment_stays_above_the_line_it_is_about(run, tmp_path):
    text = POD + "  # where the source is\n  volumes:\n    - name: source\n      emptyDir: {}\n"
    ran = run("inject", "-f", written(tmp_path / "pod.yaml", text))
    assert "  # where the source is\n  volumes:\n    - name: source\n" in ran.stdout


def test_what_is_added_is_indented_as_the_rest(run, tmp_path):
    in_column = DAEMONSET.replace("    - name", "  - name").replace("      image", "    image")
    indented = run("inject", "-f", written(tmp_path / "a.yaml", DAEMONSET)).stdout
    assert "\n      env:\n        - name: DOCKER_HOST\n          value: " in indented
    assert "\n  volumes:\n    - name: dind-run\n      hostPath:\n" in indented
    flat = run("inject", "-f", written(tmp_path / "b.yaml", in_column)).stdout
    assert "\n    env:\n    - name: DOCKER_HOST\n      value: " in flat
    assert "\n  volumes:\n  - name: dind-run\n    hostPath:\n" in flat
    assert yaml.safe_load(flat) == yaml.safe_load(indented)


def test_an_alias_is_injected_once_in_each_of_its_places(run, tmp_path):
    text = (
        POD
        + "      env: &env\n        - {name: STAGE, value: ci}\n"
        + "    - name: test\n      image: registry.example/ci/test:7\n      env: *env\n"
    )
    containers = yaml.safe_load(run("inject", "-f", written(tmp_path / "pod.yaml", text)).stdout)["spec"]["containers"]
    assert [[variable["name"] for variable in each["env"]] for each in containers] == [["STAGE", "DOCKER_HOST"]] * 2


def test_a_merge_key_is_injected_once_in_each_of_its_places(run, tmp_path):
    text = POD.replace("- name: build", "- &build\n      name: build") + "    - <<: *build\n      name: test\n"
    spec = yaml.safe_load(run("inject", "-f", written(tmp_path / "pod.yaml", text)).stdout)["spec"]
    assert [each["name"] for each in spec["containers"]] == ["build", "test"]
    assert [len(each["env"]) for each in spec["containers"]] == [1, 1]
    assert [len(each["volumeMounts"]) for each in spec["containers"]] == [2, 2]


def test_nothing_that_is_added_refers_to_something_else(run, pod):
    printed = run("inject", "-f", pod).stdout
    assert not any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(printed))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"a: b: c\n", "is not YAML", id="not-yaml"),
        pytest.param(b"kind: Pod\nkind: Job\n", "duplicate key", id="the-same-key-twice"),
        pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00", "is not UTF-8", id="binary"),
        pytest.param(b"\x00\x01\x02", "is not YAML", id="control-characters"),
        pytest.param(b"", "holds no Kubernetes object", id="empty"),
        pytest.param(b"# nothing\n---\n", "holds no Kubernetes object", id="only-comments"),
        pytest.param(b"- a\n- b\n", "holds no Kubernetes object", id="a-list"),
        pytest.param(b"just text\n", "holds no Kubernetes object", id="text"),
        pytest.param(b"a: " + b"[" * 3000 + b"]" * 3000, "is nested too deeply", id="too-deep"),
    ],
)
@pytest.mark.parametrize("command", ["inject", "explain"])
def test_what_is_no_manifest_is_named_and_ends_with_2(run, tmp_path, command, content, says):
    (tmp_path / "x.yaml").write_bytes(content)
    ran = run(command, "-f", tmp_path / "x.yaml")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"error: {tmp_path / 'x.yaml'}: {says}" if says != "duplicate key" else "error: ")
    assert says in ran.stderr


def test_a_mistake_in_standard_input_is_named_as_such(run):
    ran = run("inject", "-f", "-", stdin=b"\xff\xfe")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: standard input: is not UTF-8")


def test_a_missing_file_is_named(run, pod, tmp_path):
    ran = run("inject", "-f", pod, "-f", tmp_path / "nowhere.yaml")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == f"error: {tmp_path / 'nowhere.yaml'}: cannot be read: No such file or directory\n"


def test_a_directory_is_no_manifest(run, tmp_path):
    ran = run("inject", "-f", tmp_path)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == f"error: {tmp_path}: cannot be read: Is a directory\n"


def test_what_is_wrong_with_yaml_is_said_with_the_line(run, tmp_path):
    ran = run("inject", "-f", written(tmp_path / "pod.yaml", POD + "      args: [\n"))
    assert "line 12" in ran.stderr
    assert "Traceback" not in ran.stderr
