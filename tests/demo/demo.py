"""`make demo`: send pods to a webhook on loopback, as an API server does, and print a table of the decisions.

`--verbose` (`make demo V=1`) also prints each pod's message, warnings and diff, and the log of the webhook. The exit
code is 0 if every decision was as expected, otherwise 1.
"""

import argparse
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

from dind_webhook.certs import issue_throwaway_cert
from dind_webhook.injection import INJECT, Reason

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
START_SECONDS = 15
COLORS = {"injected": "green", "untouched": "yellow", "denied": "red"}

console = Console(highlight=False, soft_wrap=True)
yaml = YAML()
yaml.width = 4096


class Case(NamedTuple):
    """A pod, the path that the API server calls for its namespace, and the expected decision."""

    pod_is: str
    pod: dict[str, Any]
    outcome: str
    reason: str
    mode: str = ""
    path: str = "/mutate"


class Webhook(NamedTuple):
    """A running webhook."""

    port: int
    context: ssl.SSLContext
    log: Path


class Result(NamedTuple):
    """The response to a case, the pod after the patch, the duration in milliseconds, and the problem, if any."""

    case: Case
    response: dict[str, Any]
    pod: dict[str, Any]
    took: float
    problem: str

    @property
    def outcome(self) -> str:
        """Return the outcome as the webhook's metrics name it."""
        if not self.response["allowed"]:
            return "denied"
        return "injected" if "patch" in self.response else "untouched"

    @property
    def why(self) -> str:
        """Return the mode and where it comes from, the meaning of the reason, or the message without its advice."""
        audit = self.response["auditAnnotations"]
        match self.outcome:
            case "injected":
                place = (
                    "annotation" if INJECT in self.case.pod["metadata"].get("annotations", {}) else "namespace label"
                )
                return f"{audit['mode']} mode, from the {place}"
            case "denied":
                return str(self.response["status"]["message"]).partition(";")[0]
        meaning = next(reason.meaning for reason in Reason if reason.slug == audit["reason"])
        return meaning.replace("`", "").rstrip(".")


def cases() -> Iterator[Case]:
    """Yield the pods of the demo."""
    plain = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "plain"},
        "spec": {"containers": [{"name": "build", "image": "docker:29-cli"}]},
    }
    still_mounted = annotated(plain, "sidecar")
    still_mounted["spec"]["volumes"] = [{"name": "docker", "hostPath": {"path": "/var/run/docker.sock"}}]
    still_mounted["spec"]["containers"][0]["volumeMounts"] = [{"name": "docker", "mountPath": "/var/run/docker.sock"}]
    job_pod = from_template(example("job.yaml"), "Job")
    default = "/mutate/sidecar"
    yield Case("annotated sidecar", example("clean-ci.yaml"), "injected", "injected", "sidecar")
    yield Case("annotated daemonset", example("business-pod.yaml"), "injected", "injected", "daemonset")
    yield Case("created by a Job", job_pod, "injected", "injected", "sidecar")
    yield Case("no annotation, namespace sidecar", plain, "injected", "injected", "sidecar", default)
    yield Case(
        "opted out, namespace sidecar", annotated(plain, "disabled"), "untouched", "opted-out", "sidecar", default
    )
    yield Case("typo: sidcar", annotated(plain, "sidcar"), "denied", "unknown-value")
    yield Case("mounts the node's docker.sock", still_mounted, "denied", "node-docker-socket", "sidecar")


def example(name: str) -> dict[str, Any]:
    """Return the first document of an example manifest."""
    return next(iter(YAML(typ="safe").load_all(EXAMPLES / name)))


def annotated(pod: dict[str, Any], value: str) -> dict[str, Any]:
    """Return the pod with the annotation dind.io/inject set to `value`."""
    changed = copy.deepcopy(pod)
    changed["metadata"]["annotations"] = {"dind.io/inject": value}
    return changed


def from_template(workload: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the pod that a controller creates from a workload: with generateName and without a namespace."""
    name = workload["metadata"]["name"]
    template = workload["spec"]["template"]
    owner = {"apiVersion": workload["apiVersion"], "kind": kind, "name": name, "uid": str(uuid.uuid4())}
    metadata = {"generateName": f"{name}-", **template.get("metadata", {}), "ownerReferences": [owner]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Run `dind-webhook serve` on free loopback ports, with a certificate of its own."""
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
    """Wait until the webhook logs that it listens; return its port."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        for line in log.read_text().splitlines():
            if line.startswith("{") and json.loads(line)["event"] == "listening":
                return int(json.loads(line)["port"])
        if process.poll() is not None:
            break
        time.sleep(0.02)
    sys.exit(f"the webhook did not start:\n{log.read_text()}")


def send_review(
    connection: http.client.HTTPSConnection, path: str, pod: dict[str, Any]
) -> tuple[dict[str, Any], float]:
    """Send a pod as an API server does; return the response and its duration in milliseconds."""
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


def review(connection: http.client.HTTPSConnection, case: Case) -> Result:
    """Send the pod of a case; if it is injected, send the result again, which must not change."""
    response, took = send_review(connection, case.path, case.pod)
    pod = patched(case.pod, response)
    result = Result(case, response, pod, took, "")
    expected = f"{case.outcome} ({case.reason})"
    found = f"{result.outcome} ({response['auditAnnotations']['reason']})"
    if found != expected:
        return result._replace(problem=f"expected {expected}, found {found}")
    if case.outcome == "injected":
        if (found_mode := response["auditAnnotations"]["mode"]) != case.mode:
            return result._replace(problem=f"expected mode {case.mode}, found {found_mode}")
        second, _ = send_review(connection, case.path, pod)
        if second["auditAnnotations"]["reason"] != "unchanged":
            return result._replace(problem="a second review changed the pod")
    return result


def show_table(results: list[Result]) -> None:
    """Print one line for each pod, cut to the width of a terminal."""
    first, second = max(len(r.case.pod_is) for r in results), max(len(r.outcome) for r in results)
    console.print(Text(f"  {'POD':{first}}  {'OUTCOME':{second}}  WHY", style="bold"))
    for result in results:
        row = Text.assemble(
            f"  {result.case.pod_is:{first}}  ",
            (f"{result.outcome:{second}}", COLORS[result.outcome]),
            f"  {result.why}",
        )
        if console.is_terminal:
            row.truncate(console.width, overflow="ellipsis")
        console.print(row)


def show_details(result: Result) -> None:
    """Print the message, the warnings and what changes in the pod."""
    response = result.response
    console.print(f"\n[bold]{result.case.pod_is}[/]")
    reason = f"  {result.outcome}: {response['auditAnnotations']['reason']}   ({result.took:.1f} ms)"
    console.print(Text(reason, style=COLORS[result.outcome]))
    if "status" in response:
        console.print(Text(f"  {response['status']['code']} {response['status']['message']}"))
    for warning in response.get("warnings", ()):
        console.print(Text(f"  Warning: {warning}", style="yellow"))
    diff = difflib.unified_diff(lines(result.case.pod), lines(result.pod), lineterm="", n=1)
    for line in itertools.islice(diff, 2, None):
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "dim")
        console.print(Text(f"    {line}", style=style))


def lines(pod: dict[str, Any]) -> list[str]:
    """Return a pod as lines of YAML."""
    out = StringIO()
    yaml.dump(json.loads(json.dumps(pod)), out)
    return out.getvalue().splitlines()


def main(arguments: list[str] | None = None) -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(description="Send pods to a webhook and print its decisions.")
    parser.add_argument("--verbose", action="store_true", help="print messages, diffs and the webhook's log as well")
    verbose = parser.parse_args(arguments).verbose
    with webhook() as server:
        connection = http.client.HTTPSConnection("localhost", server.port, context=server.context, timeout=5)
        results = [review(connection, case) for case in cases()]
        connection.close()
        log = server.log.read_text().splitlines()
    console.print(f"{len(results)} pods, sent to dind-webhook on this machine as a Kubernetes API server sends them:")
    show_table(results)
    if verbose:
        for result in results:
            show_details(result)
        console.print("\n[bold]Log of the webhook[/]")
        for line in log:
            console.print(Text(f"  {line}", style="dim"))
        console.print()
    wrong = [result for result in results if result.problem]
    for result in wrong:
        console.print(Text(f"{result.case.pod_is}: {result.problem}", style="bold red"))
    if wrong:
        console.print(f"[bold red]{len(wrong)} of {len(results)} decisions were not as expected.[/]")
        return 1
    more = "" if verbose else " `make demo V=1` shows what changed in each pod."
    console.print(f"[bold green]All {len(results)} decisions were as expected.[/]{more}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
