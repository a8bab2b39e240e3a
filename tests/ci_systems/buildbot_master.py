"""A master of Buildbot beside the cluster, whose latent worker is a pod."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import buildbot_image
import python_packages
from cluster import local_node
from cluster.cluster import Cluster
from cluster.commands import Command, run
from kube import Namespace, until
from outside_service import outside_service

_CONFIG = Path(__file__).parent / "buildbot_config/master.cfg"
_PORT, _PROXY_PORT = 8010, 8001
# Of the results that Buildbot has as numbers
RESULTS = ("SUCCESS", "WARNINGS", "FAILURE", "SKIPPED", "EXCEPTION", "RETRY", "CANCELLED")


@dataclass(frozen=True)
class Build:
    """A build of a master, which has one or more attempts."""

    master: "Master"
    request: int

    @property
    def attempts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.master.get(f"buildrequests/{self.request}/builds")["builds"]
        return found

    @property
    def log(self) -> str:
        """Return the logs of all steps of all attempts, also of the one that prepares the worker."""
        texts = []
        for attempt in self.attempts:
            for found in self.master.get(f"builds/{attempt['buildid']}/steps")["steps"]:
                for log in self.master.get(f"steps/{found['stepid']}/logs")["logs"]:
                    chunks = self.master.get(f"logs/{log['logid']}/contents")["logchunks"]
                    text = "".join(chunk["content"] for chunk in chunks)
                    texts.append(f"{found['name']}: {found['state_string']}: {text}")
        return "\n".join(texts)

    def until_log_has(self, text: str) -> None:
        until(f"{text!r} in the log", lambda: text in self.log, lambda: self.log)

    def ends(self, result: str) -> "Build":
        """Wait until the build is complete, with this result."""
        until("the build to end", lambda: any(each["complete"] for each in self.attempts), lambda: self.log)
        assert [RESULTS[each["results"]] for each in self.attempts] == [result], self.log
        return self

    def cancel(self) -> None:
        """Stop the running attempt, and start no other."""
        for attempt in self.attempts:
            if not attempt["complete"]:
                self.master.post(f"builds/{attempt['buildid']}", "stop", reason="a test")
        self.master.post(f"buildrequests/{self.request}", "cancel", reason="a test")


@dataclass(frozen=True)
class Master:
    """A running master, and the namespace of its pods."""

    url: str
    namespace: Namespace

    def build(self, script: str, builder: str = "build", **options: str) -> Build:
        """Start a build, whose pod has these annotations beside those of the page: their names lack `dind.io/`."""
        annotations = {f"dind.io/{name.replace('_', '-')}": text for name, text in options.items()}
        parameters = {"builderid": self._builder(builder), "script": script, "annotations": json.dumps(annotations)}
        _, requests = self.post("forceschedulers/force", "force", **parameters)["result"]
        (request,) = requests.values()
        return Build(self, request)

    def get(self, path: str) -> Any:
        with urlopen(f"{self.url}/{path}") as answer:
            return json.load(answer)

    def post(self, path: str, method: str, **parameters: Any) -> Any:
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        request = Request(f"{self.url}/{path}", json.dumps(call).encode(), {"Content-Type": "application/json"})
        with urlopen(request) as answer:
            return json.load(answer)

    def _builder(self, name: str) -> int:
        builders = self.get("builders")["builders"]
        return next(int(found["builderid"]) for found in builders if found["name"] == name)


@contextmanager
def run_master(node: Cluster, folder: Path, example: str, namespace: Namespace) -> Iterator[Master]:
    """Yield a master in a folder, with the worker of a page's example, whose pods are in a namespace."""
    program = python_packages.install(node, "buildbot") / "buildbot"
    buildbot_image.load(node)
    run("making a master", [program, "create-master", folder], node.logs / "buildbot.log")
    (folder / "example.py").write_text(example)
    shutil.copy(_CONFIG, folder)
    address = str(node.record.link.control_plane)
    # Buildbot cannot use the certificate of the kubeconfig: it uses kubectl proxy too.
    kubectl: Command = [node.binaries.kubectl, f"--kubeconfig={node.kubeconfig}"]
    proxy: Command = [*kubectl, "proxy", f"--address={address}", f"--port={_PROXY_PORT}", "--accept-hosts=.*"]
    with outside_service(node, "kubectl-proxy", proxy, _PROXY_PORT):
        environment = {
            "PAGE_EXAMPLE": folder / "example.py",
            "ADDRESS": address,
            "PROXY": f"http://{address}:{_PROXY_PORT}",
            "NAMESPACE": namespace.name,
            "IMAGE": buildbot_image.IMAGE.names[0],
            "POD": json.dumps({**local_node.selection(), "securityContext": {"runAsUser": buildbot_image.USER}}),
        }
        variables = [f"{name}={value}" for name, value in environment.items()]
        command: Command = ["env", *variables, program, "start", "--nodaemon", folder]
        with outside_service(node, "buildbot", command, _PORT):
            yield Master(f"http://{address}:{_PORT}/api/v2", namespace)
