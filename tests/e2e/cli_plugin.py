"""Run the kubectl plugin: `kubectl dind check` and `kubectl dind explain`."""

import json
import os
import subprocess
from dataclasses import dataclass
from typing import Any

from cluster.release import NAME
from kube import Namespace, Pod
from webhook_process import PROGRAM

# kubectl searches for plugins on the PATH, which may not have the virtual environment.
_ENVIRONMENT = {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "COLUMNS": "200"}


@dataclass(frozen=True)
class CheckResult:
    """The result of a check."""

    status: str
    sentences: list[str]
    hints: list[str]

    @classmethod
    def of(cls, printed: dict[str, Any]) -> "CheckResult":
        findings = printed["findings"]
        return cls(printed["status"], [one["sentence"] for one in findings], [one["hint"] for one in findings])


def check(namespace: Namespace, webhook: str = NAME) -> dict[str, CheckResult]:
    """Run `kubectl dind check` for a namespace and an install, and return the results by the names of the checks."""
    done = run_plugin("check", "--output=json", f"--webhook={webhook}", f"--namespace={namespace.name}")
    assert done.returncode in {0, 1}, done.stderr
    return {one["name"]: CheckResult.of(one) for one in json.loads(done.stdout)["checks"]}


def explain(pod: Pod) -> str:
    """Return the output of `kubectl dind explain` for an existing pod."""
    done = run_plugin("explain", f"pod/{pod.name}", "--namespace", pod.namespace)
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout


def run_plugin(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the plugin with the kubeconfig of the cluster."""
    command = ["kubectl", "dind", *arguments]
    environment = {**_ENVIRONMENT, "KUBECONFIG": os.environ["E2E_KUBECONFIG"]}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
