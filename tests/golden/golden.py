"""Golden cases: folders under `cases/`, each with a manifest and its expected results.

| file | content |
|---|---|
| `pod.yaml` or `manifest.yaml` | the manifest |
| `example.yaml` | instead: the files of deploy/examples that are its `manifest` and its `settings` |
| `settings.yaml` | the operator's settings, if not the built-in ones |
| `namespace-label` | the namespace's label, as the flag of the command line, if not `enabled`; empty for no label |
| `not-in-schema` | JSON pointers, one a line, of members that no Kubernetes version has yet |
| `report.txt` | expected: the report of the command line; the webhook's answers use the same words |
| `expected.yaml` | expected: the manifest after injection; absent if nothing is injected |
"""

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import jsonpatch
import yaml
from jsonschema import Draft202012Validator
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource
from typer.testing import CliRunner

from dind_webhook import __version__
from dind_webhook.cli.main import cli
from dind_webhook.cli.output import describe
from dind_webhook.http import FairQueue, Metrics, webhook_application
from dind_webhook.injection import NAMESPACE_VALUES, Decision, Isolation, Mode, Outcome, Policy, Reason
from dind_webhook.model import JsonObject, pod_templates
from dind_webhook.settings import load_settings, make_policy

CASES = Path(__file__).parent / "cases"
EXAMPLES = Path(__file__).resolve().parents[2] / "deploy" / "examples"
MANIFESTS = ("pod.yaml", "manifest.yaml", "example.yaml")
EXPECTED_FILES = ("expected.yaml", "report.txt")
CASE_FILES = frozenset({*MANIFESTS, *EXPECTED_FILES, "settings.yaml", "namespace-label", "not-in-schema"})

KUBERNETES = "1.37"
_SCHEMAS = f"kubernetes-json-schema/v{KUBERNETES}.0-local-strict"
_NO_POD_MESSAGE = "no pod or workload in this file, nothing to do\n"
# Files have * for the version: a release must not change a hundred of them.
_THIS_VERSION, _ANY_VERSION = f'"version":"{__version__}"', '"version":"*"'
_UID = "b2dff4d8-73ab-4cd5-a3b3-5b4d9b4c6c51"


@dataclass(frozen=True)
class Case:
    """The content of one folder."""

    name: str
    manifest: Path
    settings: Path | None
    namespace_label: str
    not_in_schema: tuple[str, ...]

    @property
    def policy(self) -> Policy:
        return make_policy(load_settings(self.settings, {}, {}).settings.injection)


class PodResult(NamedTuple):
    """The result for one pod: the lines about it in the report, and the pod after injection."""

    report: str
    pod: JsonObject


class CommandOutput(NamedTuple):
    """The exit code and the output of a run of the command line."""

    exit_code: int
    stdout: str
    stderr: str


def all_cases() -> list[Case]:
    """Return the case in each folder, in the order of their names."""
    return [read_case(folder) for folder in sorted(CASES.iterdir())]


def read_case(folder: Path) -> Case:
    """Return the case in a folder. Raise ValueError if the folder is not a case."""
    found = [name for name in MANIFESTS if (folder / name).exists()]
    if len(found) != 1:
        raise ValueError(f"{folder}: needs one of {', '.join(MANIFESTS)}, has {', '.join(found) or 'none'}")
    if unknown := sorted(path.name for path in folder.iterdir() if path.name not in CASE_FILES):
        raise ValueError(f"{folder}: nothing uses {', '.join(unknown)}")
    manifest, settings = folder / found[0], folder / "settings.yaml"
    if manifest.name == "example.yaml":
        named = yaml.safe_load(manifest.read_text("utf-8"))
        manifest = EXAMPLES / named["manifest"]
        settings = EXAMPLES / named["settings"] if "settings" in named else settings
    label, not_in_schema = folder / "namespace-label", folder / "not-in-schema"
    return Case(
        folder.name,
        manifest,
        settings if settings.exists() else None,
        label.read_text("utf-8").strip() if label.exists() else "enabled",
        tuple(not_in_schema.read_text("utf-8").split()) if not_in_schema.exists() else (),
    )


def read_expected(case: Case) -> str:
    """Return the manifest that a case expects, with this version."""
    text = (CASES / case.name / "expected.yaml").read_text("utf-8")
    return text.replace(_ANY_VERSION, _THIS_VERSION)


def compare_or_update(expected: Path, text: str, update: bool) -> None:
    """Compare a result with its file, or write the file if `update`. An empty result has no file."""
    text = text.replace(_THIS_VERSION, _ANY_VERSION)
    if update and text:
        expected.write_text(text, "utf-8")
    elif update:
        expected.unlink(missing_ok=True)
    expected_text = expected.read_text("utf-8") if expected.exists() else ""
    assert text == expected_text, f"{expected}: differs from the result; if the result is right, run `make golden`"


def run_command_line(case: Case) -> CommandOutput:
    """Return the output of `dind-webhook inject` for a case."""
    arguments = ["inject", "--color=never", "-f", str(case.manifest), "--namespace-label", case.namespace_label]
    if case.settings:
        arguments += ["--config", str(case.settings)]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    return CommandOutput(result.exit_code, result.stdout, result.stderr)


def run_webhook(case: Case) -> list[PodResult]:
    """Return the webhook's result for each pod of a case, with the patch applied."""
    application = webhook_application(case.policy, Metrics(), 2**20, FairQueue())
    return [
        send_review(application, name, pod, case.namespace_label)
        for name, pod in created_pods(parse_documents(case.manifest.read_text("utf-8")))
    ]


def send_review(application: Any, name: str, pod: JsonObject, namespace_label: str) -> PodResult:
    """Send an AdmissionReview through the application, as the API server would."""
    label, _, socket_label = namespace_label.partition(",")
    if namespace_label.startswith("dind.io/node-socket="):
        label, socket_label = "", namespace_label
    replaces_socket = socket_label == "dind.io/node-socket=replace" and "docker.sock" in json.dumps(pod)
    if label not in NAMESPACE_VALUES and not replaces_socket:
        # The selectors of the webhook configuration keep the API server from calling the webhook.
        return _describe_result(name, pod, Decision(Reason.NAMESPACE_NOT_OPTED_IN))
    # Restated, not taken from the code under test: the chart writes these paths into the webhook configuration.
    replaces = socket_label == "dind.io/node-socket=replace"
    path = "/mutate/node-socket" if replaces else "/mutate"
    if label in ("sidecar", "daemonset"):
        return _send_to(f"{path}/{label}", application, name, pod)
    if not replaces_socket:
        return _send_to("/mutate", application, name, pod)
    result = _send_to(path, application, name, pod)
    if label == "enabled" and "dind.io/inject" in (pod.get("metadata") or {}).get("annotations", {}):
        # The API server then calls the webhook's other entry too.
        return _send_to("/mutate", application, name, result.pod, result.report)
    return result


def _send_to(path: str, application: Any, name: str, pod: JsonObject, report: str = "") -> PodResult:
    """Send an AdmissionReview to a path. `report` is that of a call before, which counts."""
    body = json.dumps(_build_review(pod)).encode()
    response = asyncio.run(_post_review(application, path, body))
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    result = _read_response(name, pod, answer["response"])
    return result._replace(report=report or result.report)


def _read_response(name: str, pod: JsonObject, response: JsonObject) -> PodResult:
    assert response["uid"] == _UID
    assert response.get("patchType") == ("JSONPatch" if "patch" in response else None)
    audit, warnings = response["auditAnnotations"], response.get("warnings", [])
    assert all(len(warning) <= 120 for warning in warnings), warnings
    reason = next(reason for reason in Reason if reason.slug == audit["reason"])
    mode, message = Mode(audit["mode"]) if "mode" in audit else None, ""
    if not response["allowed"]:
        assert response["status"]["code"] == reason.code
        message = response["status"]["message"]
    elif "patch" in response:
        pod = jsonpatch.apply_patch(pod, json.loads(base64.b64decode(response["patch"], validate=True)))
    is_left_alone = response["allowed"] and reason.outcome is Outcome.DENIED
    isolation = Isolation(audit["isolation"]) if "isolation" in audit else None
    decision = Decision(
        reason, mode, message, warnings=tuple(warnings), isolation=isolation, is_left_alone=is_left_alone
    )
    return _describe_result(name, pod, decision)


def _describe_result(name: str, pod: JsonObject, decision: Decision) -> PodResult:
    lines = [f"{name}: {describe(decision)}", *(f"  warning: {warning}" for warning in decision.warnings)]
    return PodResult("".join(f"{line}\n" for line in lines), pod)


async def _post_review(application: Any, path: str, body: bytes) -> httpx.Response:
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="https://dind-webhook.dind.svc") as client:
        return await client.post(f"{path}?timeout=5s", content=body, headers={"Content-Type": "application/json"})


def _build_review(pod: JsonObject) -> JsonObject:
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    resource = {"group": "", "version": "v1", "resource": "pods"}
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": _UID,
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "namespace": "ci",
            "operation": "CREATE",
            "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
            "object": pod,
            "oldObject": None,
            "dryRun": False,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
        },
    }


def join_reports(results: list[PodResult]) -> str:
    """Return the report about a whole file."""
    return "".join(answer.report for answer in results) or _NO_POD_MESSAGE


def parse_documents(text: str) -> list[Any]:
    """Return the documents of a file as kubectl reads them, by YAML 1.1: `on` and `yes` are booleans."""
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document is not None]


def created_pods(documents: list[Any]) -> Iterator[tuple[str, JsonObject]]:
    """Yield the pods that a cluster would create from these documents, each with the name of its workload."""
    for document in documents:
        for owner, _, template in pod_templates(document):
            named = owner.get("metadata") or {}
            name = f"{owner['kind'].lower()}/{named.get('name') or named.get('generateName')}"
            yield name, _copy_as_json(template) if owner is template else _create_from_template(owner, template)


def _create_from_template(owner: JsonObject, template: JsonObject) -> JsonObject:
    kind, name = owner["kind"], owner["metadata"]["name"]
    reference = {"apiVersion": owner["apiVersion"], "kind": kind, "name": name, "uid": _UID, "controller": True}
    metadata = {**(template.get("metadata") or {}), "generateName": f"{name}-", "ownerReferences": [reference]}
    spec = dict(template["spec"])
    if claims := owner.get("spec", {}).get("volumeClaimTemplates"):
        spec["volumes"] = [*map(_claim_volume, claims), *spec.get("volumes", [])]
    return _copy_as_json({"apiVersion": "v1", "kind": "Pod", **template, "metadata": metadata, "spec": spec})


def _claim_volume(claim: JsonObject) -> JsonObject:
    """Return the volume that the StatefulSet controller puts before the others for a claim template."""
    name = claim["metadata"]["name"]
    return {"name": name, "persistentVolumeClaim": {"claimName": f"{name}-0"}}


def _copy_as_json(pod: JsonObject) -> JsonObject:
    """Return a copy by way of JSON, in which YAML aliases are separate objects."""
    return json.loads(json.dumps(pod))


def validate(document: Any, not_in_schema: tuple[str, ...]) -> None:
    """Check a document, or each item of a List, against the strict schema of the current Kubernetes."""
    if document["kind"] == "List":
        for item in document["items"]:
            validate(item, not_in_schema)
        return
    known = jsonpatch.apply_patch(document, [{"op": "remove", "path": path} for path in not_in_schema])
    errors = [
        f"{error.json_path}: {error.message}"
        for error in _validator(known["kind"], known["apiVersion"]).iter_errors(known)
    ]
    assert errors == []


@cache
def _validator(kind: str, api_version: str) -> Draft202012Validator:
    group, _, version = api_version.rpartition("/")
    name = "-".join(filter(None, [kind.lower(), group.split(".")[0], version]))
    schema: Mapping[str, Any] = schema_contents(f"{_SCHEMAS}/{name}.json", KUBERNETES)
    return Draft202012Validator(schema, registry=_definitions())


@cache
def _definitions() -> Registry:
    definitions = Resource.from_contents(schema_contents(f"{_SCHEMAS}/_definitions.json", KUBERNETES))
    return Registry().with_resource("_definitions.json", definitions).crawl()
