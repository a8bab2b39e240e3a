"""`make demo`: a webhook on loopback is asked about pods, as an API server would ask it.

Ends with 0 when everything was as expected, with 1 when something was not.
"""

import base64
import copy
import difflib
import http.client
import itertools
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import jsonpatch
from rich.console import Console
from rich.text import Text
from ruamel.yaml import YAML

from app.certs import issue_throwaway_cert

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
START_SECONDS = 15
COLORS = {"injected": "green", "untouched": "yellow", "denied": "red"}

console = Console(highlight=False, soft_wrap=True)
yaml = YAML()
yaml.width = 4096


class Case(NamedTuple):
    """A pod, the path that the API server would call for its namespace, and what has to come back."""

    title: str
    pod: dict[str, Any]
    outcome: str
    reason: str
    path: str = "/mutate"


class Webhook(NamedTuple):
    """A running webhook."""

    port: int
    context: ssl.SSLContext
    log: Path


def cases() -> Iterator[Case]:
    """Yield the pods of the demo."""
    yield Case("A CI pod asks for a daemon of its own", example("clean-ci.yaml"), "injected", "injected")
    yield Case("A business pod asks for the node's daemon", example("business-pod.yaml"), "injected", "injected")
    yield Case(
        "A Job's pod, as its controller sends it: generateName, no namespace",
        from_template(example("job.yaml"), "Job"),
        "injected",
        "injected",
    )
    plain = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "plain"},
        "spec": {"containers": [{"name": "build", "image": "docker:29-cli"}]},
    }
    yield Case(
        "A pod that says nothing, in a namespace labelled dind.io/inject=sidecar",
        plain,
        "injected",
        "injected",
        "/mutate/sidecar",
    )
    yield Case(
        "A pod that opts out of its namespace's default",
        annotated(plain, "disabled"),
        "untouched",
        "opted-out",
        "/mutate/sidecar",
    )
    yield Case("A typo", annotated(plain, "sidcar"), "denied", "unknown-value")
    still_mounted = annotated(plain, "sidecar")
    still_mounted["spec"]["volumes"] = [{"name": "docker", "hostPath": {"path": "/var/run/docker.sock"}}]
    still_mounted["spec"]["containers"][0]["volumeMounts"] = [{"name": "docker", "mountPath": "/var/run/docker.sock"}]
    yield Case("A pod that still mounts the node's docker.sock", still_mounted, "denied", "node-docker-socket")


def example(name: str) -> dict[str, Any]:
    """Return the first document of an example manifest."""
    return next(iter(YAML(typ="safe").load_all(EXAMPLES / name)))


def annotated(pod: dict[str, Any], value: str) -> dict[str, Any]:
    """Return a pod that says `value` in dind.io/inject."""
    changed = copy.deepcopy(pod)
    changed["metadata"]["annotations"] = {"dind.io/inject": value}
    return changed


def from_template(workload: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the pod that a controller makes of a workload."""
    name = workload["metadata"]["name"]
    template = workload["spec"]["template"]
    owner = {"apiVersion": workload["apiVersion"], "kind": kind, "name": name, "uid": str(uuid.uuid4())}
    metadata = {"generateName": f"{name}-", **template.get("metadata", {}), "ownerReferences": [owner]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Run `dind-webhook serve` on free ports of loopback, with a certificate made for it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pair = issue_throwaway_cert(["localhost"], datetime.now(UTC), timedelta(hours=1))
        cert, key, log = folder / "tls.crt", folder / "tls.key", folder / "log"
        cert.write_bytes(pair.cert)
        key.write_bytes(pair.key)
        program = Path(sys.executable).with_name("dind-webhook")
        flags = ["--host", "127.0.0.1", "--port", "0", "--health-port", "0"]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("DIND_WEBHOOK_")}
        with log.open("wb") as out:
            process = subprocess.Popen(  # our own program, fixed arguments
                [program, "serve", "--tls-cert-file", cert, "--tls-key-file", key, *flags], stderr=out, env=environ
            )
        try:
            port = listening(process, log)
            yield Webhook(port, ssl.create_default_context(cafile=cert), log)
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def listening(process: subprocess.Popen[bytes], log: Path) -> int:
    """Wait until the webhook says that it listens; return its port."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        for line in log.read_text().splitlines():
            if line.startswith("{") and json.loads(line)["event"] == "listening":
                return int(json.loads(line)["port"])
        if process.poll() is not None:
            break
        time.sleep(0.02)
    sys.exit(f"the webhook did not start:\n{log.read_text()}")


def ask(connection: http.client.HTTPSConnection, path: str, pod: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """Send a pod as an API server does; return the response and the milliseconds it took."""
    pods = {"group": "", "version": "v1", "resource": "pods"}
    request = {
        "uid": str(uuid.uuid4()),
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": pods,
        "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
        "requestResource": pods,
        "namespace": "ci",
        "operation": "CREATE",
        "userInfo": {"username": "system:serviceaccount:kube-system:job-controller"},
        "object": pod,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    review = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    body = json.dumps(review).encode()
    started = time.perf_counter()
    connection.request("POST", f"{path}?timeout=5s", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    took = (time.perf_counter() - started) * 1000
    if answer.status != http.client.OK:
        sys.exit(f"HTTP {answer.status}: {content.decode()}")
    response = json.loads(content)["response"]
    if response["uid"] != request["uid"]:
        sys.exit("the answer is for another request")
    return response, took


def patched(pod: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    """Apply a response's patch with an independent implementation of RFC 6902."""
    patch = json.loads(base64.b64decode(response["patch"])) if "patch" in response else []
    return jsonpatch.apply_patch(pod, patch)


def outcome_of(response: dict[str, Any]) -> str:
    """Return what became of the pod."""
    if not response["allowed"]:
        return "denied"
    return "injected" if "patch" in response else "untouched"


def show(case: Case, response: dict[str, Any], result: dict[str, Any], took: float) -> None:
    """Print the decision, its reason and what changes in the pod."""
    outcome, audit = outcome_of(response), response["auditAnnotations"]
    console.print(f"\n[bold]{case.title}[/]")
    mode = f", mode {audit['mode']}" if outcome == "injected" else ""
    console.print(Text(f"  {outcome}: {audit['reason']}{mode}   ({took:.1f} ms)", style=COLORS[outcome]))
    if "status" in response:
        console.print(Text(f"  {response['status']['code']} {response['status']['message']}"))
    for warning in response.get("warnings", ()):
        console.print(Text(f"  Warning: {warning}", style="yellow"))
    for line in itertools.islice(difflib.unified_diff(lines(case.pod), lines(result), lineterm="", n=1), 2, None):
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "dim")
        console.print(Text(f"    {line}", style=style))


def lines(pod: dict[str, Any]) -> list[str]:
    """Return a pod as lines of YAML."""
    out = StringIO()
    yaml.dump(json.loads(json.dumps(pod)), out)
    return out.getvalue().splitlines()


def main() -> int:
    """Run the demo."""
    wrong = []
    with webhook() as server:
        console.print(f"dind-webhook serves on https://localhost:{server.port}")
        connection = http.client.HTTPSConnection("localhost", server.port, context=server.context, timeout=5)
        for case in cases():
            response, took = ask(connection, case.path, case.pod)
            result = patched(case.pod, response)
            show(case, response, result, took)
            found = (outcome_of(response), response["auditAnnotations"]["reason"])
            if found != (case.outcome, case.reason):
                wrong.append(f"{case.title}: expected {case.outcome} ({case.reason}), found {found[0]} ({found[1]})")
            elif case.outcome == "injected":
                again, _ = ask(connection, case.path, result)
                if again["auditAnnotations"]["reason"] != "unchanged":
                    wrong.append(f"{case.title}: a second pass changed the pod")
        connection.close()
        console.print("\n[bold]What the webhook logged[/]")
        for line in server.log.read_text().splitlines():
            console.print(Text(f"  {line}", style="dim"))
    console.print()
    for problem in wrong:
        console.print(Text(problem, style="bold red"))
    if not wrong:
        console.print("[bold green]Everything was as expected.[/]")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
