"""`dind-webhook explain`: the inputs, each rule with its mark, the result and the remedy."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dind_webhook.injection import RULES, Reason

Run = Callable[..., Any]
Write = Callable[..., Path]
Annotated = Callable[..., Path]

# Annotations with which a pod stops at a reason. Other reasons need more than an annotation.
ANNOTATIONS = {
    Reason.MIRROR_POD: {"kubernetes.io/config.mirror": "x"},
    Reason.UNKNOWN_VALUE: {"dind.io/inject": "sidcar"},
    Reason.OPTED_OUT: {"dind.io/inject": "disabled"},
    Reason.NOT_REQUESTED: {"dind.io/inject": None},
    Reason.UNKNOWN_ANNOTATION: {"dind.io/colour": "blue"},
    Reason.OPTION_NOT_ALLOWED: {"dind.io/env": "'{}'"},
    Reason.INVALID_OPTION: {"dind.io/mtu": "'12'"},
    Reason.UNKNOWN_CONTAINER: {"dind.io/containers": "nobody"},
    Reason.STALE_STATUS: {"dind.io/status": "x"},
}
SPECS = {
    Reason.MALFORMED_POD: "volumes: none",
    Reason.WINDOWS_POD: "os: {name: windows}",
    Reason.HOST_NETWORK: "hostNetwork: true",
    Reason.ISOLATION: "hostUsers: false\n  volumes: [{name: v, nfs: {server: s, path: /}}]",
    Reason.NODE_DOCKER_SOCKET: "volumes: [{name: docker, hostPath: {path: /var/run/docker.sock}}]",
    Reason.NAME_TAKEN: "volumes: [{name: dind-run, secret: {secretName: x}}]",
    Reason.POD_RESOURCES: "resources: {limits: {cpu: 100m}}",
}


@pytest.fixture
def annotated(text: str, write: Write) -> Annotated:
    """Return the function that writes the pod with changed annotations (None removes one) and one more line of spec."""

    def annotated_(annotations: dict[str, str | None], spec: str = "") -> Path:
        values = {"dind.io/inject": "sidecar", **annotations}
        lines = "".join(f"    {key}: {value}\n" for key, value in values.items() if value is not None)
        changed = text.replace("    dind.io/inject: sidecar\n", lines)
        changed = changed if lines else changed.replace("  annotations:\n", "")
        return write(changed + (f"  {spec}\n" if spec else ""))

    return annotated_


def marks(stdout: str) -> dict[str, str]:
    """Return the mark of each rule that is shown."""
    return {rule: mark for mark, rule in re.findall(r"^  ([✓✗?-]) ([^:\n]*)(?:: .*)?$", stdout, re.MULTILINE)}


def marks_at(reason: Reason) -> dict[str, str]:
    """Return the marks that must be shown if a pod stops at a reason."""
    stops = [index for index, rule in enumerate(RULES) if reason in rule.reasons]
    # In this case the spec is malformed.
    stop = stops[-1 if reason is Reason.MALFORMED_POD else 0] if stops else len(RULES)
    passed = {rule.statement: "?" if Reason.NOT_SELECTED in rule.reasons else "✓" for rule in RULES[:stop]}
    return passed | {rule.statement: "-" if index else "✗" for index, rule in enumerate(RULES[stop:])}


def test_a_pod_that_is_injected_passes_every_rule(run: Run, pod: Path) -> None:
    ran = run("explain", "-f", pod)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert marks(ran.stdout) == marks_at(Reason.INJECTED)
    assert "\n  ? The webhook configuration selects the pod: not checked here\n" in ran.stdout
    assert ran.stdout.endswith("  => injected (sidecar)\n")


@pytest.mark.parametrize("reason", [*ANNOTATIONS, *SPECS], ids=lambda reason: reason.slug)
def test_a_pod_passes_the_rules_up_to_the_one_that_stops_it(run: Run, annotated: Annotated, reason: Reason) -> None:
    ran = run("explain", "-f", annotated(ANNOTATIONS.get(reason, {}), SPECS.get(reason, "")))
    assert f"  => {reason.outcome} ({reason.slug}): " in ran.stdout
    assert marks(ran.stdout) == marks_at(reason)
    assert ran.exit_code == (1 if reason.outcome == "denied" else 0)


def test_a_namespace_that_did_not_opt_in_stops_at_the_first_rule(run: Run, pod: Path) -> None:
    ran = run("explain", "-f", pod, "--namespace-label", "")
    assert marks(ran.stdout) == marks_at(Reason.NAMESPACE_NOT_OPTED_IN)
    assert ran.stdout.endswith("     to change that: kubectl label namespace NAME dind.io/inject=enabled --overwrite\n")


def test_a_windows_pod_of_a_namespace_with_a_default_is_left_alone(run: Run, annotated: Annotated) -> None:
    manifest = annotated({"dind.io/inject": None}, "os: {name: windows}")
    ran = run("explain", "-f", manifest, "--namespace-label=sidecar")
    assert marks(ran.stdout) == marks_at(Reason.WINDOWS_POD)
    assert ran.exit_code == 0


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("{modes: [daemonset]}", Reason.MODE_OFF),
        ("{}", Reason.OPTION_NOT_ALLOWED),
        ("{allowed_options: [image]}", Reason.IMAGE_NOT_ALLOWED),
        ("{allowed_options: [image], allowed_images: ['docker:*-dind']}", Reason.INJECTED),
    ],
    ids=["mode-off", "option-not-allowed", "image-not-allowed", "allowed"],
)
def test_the_operators_settings_count(
    run: Run, annotated: Annotated, write: Write, settings: str, reason: Reason
) -> None:
    config = write(f"injection: {settings}\n", "settings.yaml")
    ran = run("explain", "-f", annotated({"dind.io/image": "docker:29-dind"}), "--config", config)
    assert marks(ran.stdout) == marks_at(reason)


def test_a_rule_before_the_one_that_stops_a_pod_holds(run: Run, annotated: Annotated) -> None:
    # The pod has two faults: either may be shown, but no rule may show a faulty member as valid.
    manifest = annotated({"dind.io/containers": "nobody"}, "hostNetwork: true")
    shown = marks(run("explain", "-f", manifest).stdout)
    assert shown["The named containers exist, and at least one container can have Docker"] == "-"


def test_the_inputs_of_the_decision_are_shown(run: Run, write: Write, text: str) -> None:
    labelled = text.replace("  annotations:\n", "  labels:\n    dind.io/inject: daemonset\n  annotations:\n")
    ran = run("explain", "-f", write(labelled), "--namespace-label=enabled")
    shown = [line.split() for line in ran.stdout.splitlines()[:4]]
    assert shown == [
        ["pod/ci"],
        ["namespace", "label", "dind.io/inject", "enabled"],
        ["pod", "annotation", "dind.io/inject", "sidecar"],
        ["pod", "label", "dind.io/inject", "daemonset"],
    ]


def test_inputs_that_are_absent_are_said_to_be(run: Run, annotated: Annotated) -> None:
    ran = run("explain", "-f", annotated({"dind.io/inject": None}), "--namespace-label=")
    assert [line.split()[-1] for line in ran.stdout.splitlines()[1:4]] == ["absent"] * 3


@pytest.mark.parametrize(
    ("annotation", "hint"),
    [
        (None, "to change that: add the annotation dind.io/inject: sidecar (or daemonset) to the pod"),
        ("disabled", "to change that: remove dind.io/inject: disabled"),
    ],
)
def test_a_pod_that_is_left_alone_gets_a_hint(
    run: Run, annotated: Annotated, annotation: str | None, hint: str
) -> None:
    ran = run("explain", "-f", annotated({"dind.io/inject": annotation}))
    assert hint in ran.stdout.splitlines()[-1]


def test_warnings_are_shown(run: Run, annotated: Annotated) -> None:
    ran = run("explain", "-f", annotated({"dind.io/wait": "'false'"}))
    assert "     warning: without effect in sidecar mode: dind.io/wait\n" in ran.stdout


def test_each_pod_is_explained_and_one_that_is_denied_makes_the_exit_code(
    run: Run, pod: Path, denied_pod: Path
) -> None:
    ran = run("explain", "-f", denied_pod, "-f", pod)
    assert ran.exit_code == 1
    assert [line for line in ran.stdout.splitlines() if line.startswith("pod/")] == ["pod/ci"] * 2
    assert len(re.findall(r"^  => ", ran.stdout, re.MULTILINE)) == 2


def test_a_file_without_a_workload_is_said_to_have_none(run: Run, write: Write) -> None:
    ran = run("explain", "-f", write("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n"))
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert "no pod or workload" in ran.stderr


def test_colours_tell_the_rules_apart(run: Run, denied_pod: Path) -> None:
    ran = run("explain", "-f", denied_pod, "--color=always")
    assert "\x1b[32m  ✓ The namespace has opted in\x1b[0m\n" in ran.stdout
    assert "\x1b[31m  ✗ dind.io/inject has an accepted value\x1b[0m\n" in ran.stdout
    assert "\n  - The pod runs on Linux\n" in ran.stdout


def test_a_pipe_gets_no_colours(run: Run, denied_pod: Path) -> None:
    assert "\x1b" not in run("explain", "-f", denied_pod).stdout
