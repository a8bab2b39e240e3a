"""Every manifest in the pages has the result that the page states."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pages import DOCS, ROOT, Fence, fences, prose

from dind_webhook.cli.inject import run_inject
from dind_webhook.cli.output import InjectOutput
from dind_webhook.injection import INJECT, OPTIONS, Outcome, Reason

CHART = ROOT / "charts/dind-webhook"
# Of a language that is not read, the annotations are found, and nothing else.
_UNREAD = ("hcl", "python")
BLOCKS = list(fences("yaml", "toml"))
SENTENCES = {fence.place: fence.leads["denied"] for fence in BLOCKS if "denied" in fence.leads}
WITH_DOCKER = [fence for fence in (*BLOCKS, *fences(*_UNREAD)) if INJECT in fence.text and fence.place not in SENTENCES]
SETTINGS_OF_THE_CHART = [fence for fence in BLOCKS if "chart values" in fence.leads]


def _place(fence: Fence) -> str:
    return fence.place


def _maps(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _maps(child)


def _annotations(value: dict[str, Any]) -> dict[str, str]:
    """Return the annotations that a map sets, directly or as variables of GitLab."""
    assigned = [
        str(text).partition("=") for key, text in value.items() if str(key).startswith("KUBERNETES_POD_ANNOTATIONS_")
    ]
    return {key: text for key, text in value.items() if str(key).startswith("dind.io/")} | {
        key: text for key, _, text in assigned
    }


def _spec(value: dict[str, Any]) -> dict[str, Any] | None:
    """Return the spec of the pod that a map describes, with the names that a CI system gives to containers, or None."""
    match value:
        case {"spec": {"containers": [*containers]} as spec}:
            # Prow names the only container of a job.
            return {**spec, "containers": [{"name": "test", **container} for container in containers]}
        case {"container": {"image": _} as container}:
            return {"containers": [{"name": "main", **container}], "volumes": value.get("volumes", [])}
        case {"spec": {"taskSpec": {"steps": [*steps]}}}:
            return {"containers": [{"name": f"step-{step['name']}", "image": step["image"]} for step in steps]}
        case {"steps": [*steps], "metadata": _}:
            return {"containers": [{"name": step["name"], "image": step["image"]} for step in steps]}
    return None


def _described_pods(document: Any) -> Iterator[dict[str, Any]]:
    """Yield the pods that a document describes. If it has annotations only, the containers are those that they name."""
    described = []
    for value in _maps(document):
        annotations = value.get("metadata", value).get("annotations", {})
        if INJECT in annotations and (spec := _spec(value)):
            described.append(annotations)
            yield {"metadata": {"name": "made", "annotations": annotations}, "spec": spec}
    for value in _maps(document):
        if INJECT in (annotations := _annotations(value)) and value not in described:
            yield _pod_of_annotations(annotations)


def _pod_of_annotations(annotations: dict[str, str]) -> dict[str, Any]:
    containers = [{"name": name} for name in annotations.get("dind.io/containers", "build").split(",")]
    return {"metadata": {"name": "made", "annotations": annotations}, "spec": {"containers": containers}}


def _pods(fence: Fence) -> Iterator[str]:
    """Yield the manifests in a block; where a CI system makes the pod, one with the same annotations and containers."""
    if fence.language in _UNREAD:
        pairs = re.findall(r'"(dind\.io/[a-z-]+)"\s*[:=]\s*"([^"]*)"', fence.text)
        yield yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", **_pod_of_annotations(dict(pairs))})
        return
    for document in fence.documents():
        if document.get("kind") in {"Pod", "Job", "CronJob", "Deployment"}:
            yield yaml.safe_dump(document)
        elif document.get("kind") != "Namespace":
            for pod in _described_pods(document):
                yield yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", **pod})


def _inject(fence: Fence, folder: Path) -> int:
    config = None
    if settings := fence.leads.get("settings"):
        config = folder / "settings.yaml"
        config.write_text(settings, "utf-8")
    files = []
    for number, text in enumerate(_pods(fence)):
        files.append(folder / f"{number}.yaml")
        files[-1].write_text(text, "utf-8")
    assert files or re.search("^kind: (Namespace|NetworkPolicy)$", fence.text, re.MULTILINE), "no pod is made of this"
    names = [str(file) for file in files]
    if not files:
        return 0
    return run_inject(
        names,
        recursive=False,
        namespace="",
        namespace_label="enabled",
        output=InjectOutput.MANIFEST,
        strict=False,
        color="never",
        config=config,
    )


@pytest.mark.parametrize("fence", BLOCKS, ids=_place)
def test_a_block_can_be_read(fence: Fence) -> None:
    assert fence.documents()


@pytest.mark.parametrize("fence", WITH_DOCKER, ids=_place)
def test_a_manifest_that_asks_for_docker_gets_it_without_a_warning(
    fence: Fence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = _inject(fence, tmp_path)
    errors = capsys.readouterr().err
    assert code == 0, errors
    assert all(": injected (" in line for line in errors.splitlines()), errors


@pytest.mark.parametrize(
    ("section", "containers"),
    {
        "Tekton": ["step-build"],
        "Argo Workflows": ["main"],
        "Jenkins": ["docker"],
        "GitHub actions-runner-controller": ["runner"],
        "Gitea and Forgejo": ["runner"],
        "Prow": ["test"],
        "Drone": ["build"],
        "Azure Pipelines with KEDA": ["agent"],
        "Renovate": ["renovate"],
    }.items(),
)
def test_a_pod_template_of_a_ci_system_is_injected_as_it_is(section: str, containers: list[str]) -> None:
    (text, *_) = [pod for fence in WITH_DOCKER if fence.section == section for pod in _pods(fence)]
    templates = [value for value in _maps(yaml.safe_load(text)) if "containers" in value]
    assert [[container["name"] for container in template["containers"]] for template in templates] == [containers]
    assert all("image" in container for template in templates for container in template["containers"])


def test_variables_that_a_trigger_of_keda_names_are_those_of_the_container() -> None:
    (scaled_job,) = [document for fence in BLOCKS if "ScaledJob" in fence.text for document in fence.documents()]
    (container,) = scaled_job["spec"]["jobTargetRef"]["template"]["spec"]["containers"]
    (trigger,) = scaled_job["spec"]["triggers"]
    named = {text for key, text in trigger["metadata"].items() if key.endswith("FromEnv")}
    assert named == {"AZP_URL", "AZP_TOKEN"}
    assert named <= {variable["name"] for variable in container["env"]}


@pytest.mark.parametrize("fence", [fence for fence in BLOCKS if fence.place in SENTENCES], ids=_place)
def test_a_manifest_that_is_denied_is_denied_in_the_words_of_the_page(
    fence: Fence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _inject(fence, tmp_path) == 1
    assert capsys.readouterr().err.strip().endswith(f"): {SENTENCES[fence.place]}")


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.outcome is Outcome.DENIED])
def test_every_refusal_is_shown_under_its_reason(
    reason: Reason, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (DOCS / "troubleshooting.md").read_text("utf-8")
    section = page.partition(f"\n### {reason.slug}\n")[2].partition("\n### ")[0]
    first = page[: page.index(section)].count("\n") if section else -1
    last = first + section.count("\n")
    shown = [
        fence
        for fence in BLOCKS
        if fence.place.startswith("docs/troubleshooting.md:") and first <= int(fence.place.rpartition(":")[2]) <= last
    ]
    assert shown, "the page has no section with an example"
    for fence in shown:
        _inject(fence, tmp_path)
        assert f"denied ({reason.slug})" in capsys.readouterr().err


def test_what_is_said_of_a_value_is_what_pods_are_told() -> None:
    parsers = {option.key: option.parse for option in OPTIONS}
    rows = re.findall(
        r"^\| `(dind\.io/[a-z-]+)` \| `([^|]+)` \| `([^|]+)` \|$", prose(DOCS / "troubleshooting.md"), re.MULTILINE
    )
    assert len(rows) > 20
    for key, text, message in rows:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            parsers[key](text)


@pytest.mark.parametrize("fence", SETTINGS_OF_THE_CHART, ids=_place)
def test_values_are_values_of_the_chart(fence: Fence) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))

    def merge(into: dict[str, Any], given: dict[str, Any]) -> None:
        for key, value in given.items():
            if isinstance(value, dict) and isinstance(into.get(key), dict):
                merge(into[key], value)
            else:
                into[key] = value

    for document in fence.documents():
        merge(values, document)
    jsonschema.validate(values, schema)
