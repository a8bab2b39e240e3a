"""The playground's response to the page: the webhook's decision and the parts that the page shows."""

import json
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
import yaml

from dind_webhook.injection import OPTIONS, RULES, Mode
from dind_webhook.playground import Evaluation, Refusal, answer_question, build_form

POD = """\
kind: Pod
metadata:
  name: ci
  annotations:
    dind.io/inject: sidecar # please
spec:
  initContainers:
    - name: clone
      image: git
  containers:
    - name: build
      image: docker
      volumeMounts:
        - name: work
          mountPath: /work
  volumes:
    - name: work
      emptyDir: {}
"""
EXAMPLES = Path(__file__).parents[3] / "dind_webhook" / "playground" / "static" / "examples"


def evaluate(manifest: str = POD, environ: dict[str, str] | None = None, **question: Any) -> Evaluation:
    found = answer_question(json.dumps({"manifest": manifest, **question}), environ or {})
    assert isinstance(found, Evaluation), found
    return found


def refused(manifest: str = POD, **question: Any) -> list[tuple[str, str]]:
    found = answer_question(json.dumps({"manifest": manifest, **question}), {})
    assert isinstance(found, Refusal)
    return [(problem.part, problem.text) for problem in found.problems]


def test_a_pod_is_injected_with_its_comments_kept() -> None:
    found = evaluate()
    (pod,) = found.pods
    assert (pod.name, pod.outcome, pod.mode, pod.reason) == ("pod/ci", "injected", "sidecar", "injected")
    assert found.annotated == POD
    assert "dind.io/inject: sidecar # please" in found.injected
    assert yaml.safe_load(found.injected) == jsonpatch.apply_patch(yaml.safe_load(POD), pod.patch)


def test_the_rows_are_both_texts_side_by_side() -> None:
    found = evaluate()
    before = [row.before for row in found.rows if row.before]
    after = [row.after for row in found.rows if row.after]
    assert [line.text for line in before] == found.annotated.splitlines()
    assert [line.text for line in after] == found.injected.splitlines()
    assert [line.number for line in after] == list(range(1, len(after) + 1))
    assert all(row.same is (row.before is not None and row.after is not None) for row in found.rows)


def test_the_diagram_says_who_mounts_what_and_what_of_it_is_new() -> None:
    (pod,) = evaluate().pods
    assert pod.pod_diagram is not None
    seen = [(container.name, container.role, container.added) for container in pod.pod_diagram.containers]
    assert seen == [
        ("dind", "native sidecar", True),
        ("clone", "init container", False),
        ("build", "container", False),
    ]
    dind, _, build = pod.pod_diagram.containers
    assert (dind.privileged, build.privileged) == (True, False)
    assert [(mount.volume, mount.path, mount.added) for mount in build.mounts] == [
        ("work", "/work", False),
        ("dind-run", "/run/dind", True),
        ("dind-run", "/var/run/docker.sock", True),
    ]
    assert [variable.name for variable in build.variables] == ["DOCKER_HOST"]
    assert [(volume.name, volume.kind, volume.details, volume.added) for volume in pod.pod_diagram.volumes] == [
        ("work", "emptyDir", "", False),
        ("dind-run", "emptyDir", "", True),
        ("dind-storage", "emptyDir", "20Gi", True),
    ]


def test_a_pod_that_cannot_be_read_has_no_diagram() -> None:
    (pod,) = evaluate(POD.replace("image: docker", "env: no list")).pods
    assert (pod.reason, pod.pod_diagram) == ("malformed-pod", None)
    assert "spec.containers[0].env" in pod.message


def test_a_pod_stops_at_one_rule_and_reaches_none_behind_it() -> None:
    (pod,) = evaluate(POD.replace("sidecar", "sidcar")).pods
    assert (pod.outcome, pod.reason) == ("denied", "unknown-value")
    # The page cannot know whether the configuration of a cluster selects the namespace.
    before = ["passed", "not checked here", "passed", "passed", "passed"]
    assert [rule.state for rule in pod.rules] == [*before, "stopped", *["not reached"] * (len(RULES) - 6)]
    assert pod.patch == []


@pytest.mark.parametrize(
    ("namespace", "reason"),
    [("", "namespace-not-opted-in"), ("prod", "namespace-not-opted-in"), ("enabled", "injected")],
)
def test_the_label_of_the_namespace_counts(namespace: str, reason: str) -> None:
    assert [pod.reason for pod in evaluate(namespace=namespace).pods] == [reason]


def test_annotations_are_written_into_the_manifest_before_it_is_judged() -> None:
    found = evaluate(annotations={"dind.io/cpu-limit": "3"})
    assert yaml.safe_load(found.annotated)["metadata"]["annotations"] == {
        "dind.io/inject": "sidecar",
        "dind.io/cpu-limit": "3",
    }
    assert yaml.safe_load(found.injected)["spec"]["initContainers"][0]["resources"]["limits"]["cpu"] == "3"


def test_an_annotation_that_is_there_gets_the_new_value() -> None:
    found = evaluate(annotations={"dind.io/inject": "daemonset"})
    assert yaml.safe_load(found.annotated)["metadata"]["annotations"] == {"dind.io/inject": "daemonset"}
    assert [pod.mode for pod in found.pods] == ["daemonset"]


def test_an_annotation_that_is_there_with_that_value_changes_nothing() -> None:
    assert evaluate(annotations={"dind.io/inject": "sidecar"}).annotated == POD


@pytest.mark.parametrize(
    "metadata",
    ["", "metadata:\n", "metadata: {}\n", "metadata:\n  annotations:\n", "metadata:\n  annotations: {a: b}\n"],
)
def test_annotations_find_their_place_whatever_metadata_there_is(metadata: str) -> None:
    pod = f"kind: Pod\n{metadata}spec:\n  containers:\n  - name: a\n"
    found = evaluate(pod, annotations={"dind.io/inject": "sidecar"})
    assert [pod.outcome for pod in found.pods] == ["injected"]


@pytest.mark.parametrize("metadata", ["metadata: []\n", "metadata:\n  annotations: none\n"])
def test_metadata_that_is_none_is_left_to_the_decision(metadata: str) -> None:
    found = evaluate(f"kind: Pod\n{metadata}spec: {{}}\n", annotations={"dind.io/inject": "sidecar"})
    assert [pod.reason for pod in found.pods] == ["malformed-pod"]


def test_each_pod_of_a_file_gets_its_own_answer() -> None:
    other = POD.replace("name: ci", "name: cd").replace("sidecar", "sidcar")
    found = evaluate(f"{POD}---\n{other}---\nkind: Service\n")
    assert [(pod.name, pod.outcome) for pod in found.pods] == [("pod/ci", "injected"), ("pod/cd", "denied")]
    assert found.injected.endswith(f"---\n{other}---\nkind: Service\n")


def test_a_file_without_pods_has_an_answer_with_none() -> None:
    found = evaluate("kind: Service\n")
    assert (found.pods, found.injected) == ([], "kind: Service\n")


def test_the_patch_of_a_workload_leads_to_its_template() -> None:
    (pod,) = evaluate((EXAMPLES / "cronjob.json").read_text()).pods
    assert {operation["path"].startswith("/spec/jobTemplate/spec/template/") for operation in pod.patch} == {True}


@pytest.mark.parametrize(
    ("name", "outcome", "mode"),
    [
        ("pod.yaml", "injected", Mode.SIDECAR),
        ("job.yaml", "injected", Mode.SIDECAR),
        ("deployment.yaml", "injected", Mode.DAEMONSET),
        ("cronjob.json", "injected", Mode.SIDECAR),
        ("denied.yaml", "denied", Mode.SIDECAR),
    ],
)
def test_the_examples_are_what_they_say(name: str, outcome: str, mode: Mode) -> None:
    found = evaluate((EXAMPLES / name).read_text())
    assert [(pod.outcome, pod.mode, pod.warnings) for pod in found.pods] == [(outcome, mode, ())]


def test_every_example_is_tested() -> None:
    assert len(list(EXAMPLES.iterdir())) == 5


def test_a_manifest_that_is_no_yaml_is_refused_with_the_line() -> None:
    assert refused("kind: Pod\nspec: [\n") == [
        ("manifest", "manifest: line 3, column 1: not YAML: expected the node content, but found '<stream end>'")
    ]


@pytest.mark.parametrize(
    "texts", [{"manifest": "kind: Pod\nspec: [\n"}, {"manifest": POD, "settings": "injection:\n  modes: {\n"}]
)
def test_text_that_is_no_yaml_has_the_line_for_the_page(texts: dict[str, str]) -> None:
    found = answer_question(json.dumps(texts), {})
    assert isinstance(found, Refusal)
    assert [problem.line for problem in found.problems] == [3]


def test_a_problem_without_a_place_has_no_line() -> None:
    found = answer_question(json.dumps({"manifest": ""}), {})
    assert isinstance(found, Refusal)
    assert [problem.line for problem in found.problems] == [None]


def test_every_mistake_in_the_settings_is_told_with_its_place() -> None:
    assert refused(settings="injection:\n  modes: [swarm]\n  storage: perhaps\n") == [
        ("settings", "injection.modes.0: must be one of 'sidecar' or 'daemonset' (operator settings)"),
        ("settings", "injection.storage: must be true or false (operator settings)"),
    ]


def test_settings_that_are_no_yaml_are_refused_with_the_line() -> None:
    ((part, text),) = refused(settings="injection:\n  modes: [\n")
    assert part == "settings"
    assert text.startswith("operator settings: is not YAML: line 3, column 1: ")


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("[]", "question: Input should be an object"),
        ("{", "question: Invalid JSON: EOF while parsing an object at line 1 column 1"),
        ("{}", "manifest: Field required"),
        ('{"manifest": 1}', "manifest: Input should be a valid string"),
        ('{"manifest": "", "colour": "red"}', "colour: Extra inputs are not permitted"),
        (
            '{"manifest": "", "annotations": {"a": "b"}}',
            "annotations: Value error, a does not begin with dind.io/",
        ),
    ],
)
def test_a_question_that_is_none_is_refused(question: str, text: str) -> None:
    found = answer_question(question, {})
    assert isinstance(found, Refusal)
    assert [(problem.part, problem.text) for problem in found.problems] == [("question", text)]


def test_settings_decide() -> None:
    found = evaluate(settings="injection: {modes: [daemonset], allowed_options: [mtu], defaults: {mtu: 1400}}")
    assert [pod.reason for pod in found.pods] == ["mode-off"]
    assert [option.key for option in found.options if option.allowed] == ["dind.io/mtu"]
    assert [option.default for option in found.options if option.key == "dind.io/mtu"] == ["1400"]


def test_variables_decide_too() -> None:
    assert [pod.reason for pod in evaluate(environ={"DIND_WEBHOOK_INJECTION__MODES": '["daemonset"]'}).pods] == [
        "mode-off"
    ]


def test_the_form_has_a_row_for_every_option() -> None:
    facts = build_form("", {})
    assert [(option.key, option.default, option.allowed) for option in facts.options] == [
        (option.key, option.default, option.allowed_by_default) for option in OPTIONS
    ]
    assert (facts.namespace_values, facts.pod_values) == (
        ("enabled", "sidecar", "daemonset"),
        ("sidecar", "daemonset", "disabled"),
    )


def test_texts_too_long_to_compare_have_no_rows() -> None:
    comments = "# more\n" * 10_000
    found = evaluate(comments + POD)
    assert found.rows == []
    assert [pod.outcome for pod in found.pods] == ["injected"]


def test_a_volume_without_a_source_is_an_empty_directory() -> None:
    (pod,) = evaluate(POD.replace("      emptyDir: {}\n", "")).pods
    assert pod.pod_diagram is not None
    assert pod.pod_diagram.volumes[0].kind == "emptyDir"


def test_the_settings_of_the_namespace_in_the_manifest_decide() -> None:
    settings = (
        "injection: {namespaces: [{names: [team-*], modes: [daemonset], allowed_options: [], defaults: {mtu: 1450}}]}"
    )
    named = POD.replace("  name: ci\n", "  name: ci\n  namespace: team-a\n")
    for manifest, reason, mtu in ((POD, "injected", ("", True)), (named, "mode-off", ("1450", False))):
        found = evaluate(manifest, settings=settings)
        assert found.pods[0].reason == reason
        assert [(field.default, field.allowed) for field in found.options if field.key == "dind.io/mtu"] == [mtu]
