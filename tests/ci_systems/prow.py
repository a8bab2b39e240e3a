"""Prow's controller beside the cluster, built from its Go module as it is, and jobs without GitHub and storage."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cluster.cluster import Cluster
from cluster.commands import Command, output_of, run, succeeds
from cluster.go import Go, Program
from cluster.steps import step
from kube import Manifest, Namespace, Pod, until
from outside_service import outside_service
from program_image import load_program
from systems import PROW

MODULE = "sigs.k8s.io/prow"
API = "prow.k8s.io/v1"
# The images of a job's pod
_UTILITIES = ("clonerefs", "initupload", "entrypoint", "sidecar")
_CONTROLLER, _MAKE_JOB = "prow-controller-manager", "mkpj"
_HEALTH_PORT = 8081
# The pull request of jobs: mkpj asks GitHub for what it is not told.
_PULL = {"base-ref": "main", "base-sha": "a" * 40, "pull-number": "1", "pull-sha": "b" * 40, "pull-author": "someone"}


@dataclass(frozen=True)
class Job:
    """A ProwJob."""

    namespace: Namespace
    name: str

    @property
    def status(self) -> Manifest:
        found: Manifest = self.namespace.kube.get("ProwJob", self.name, self.namespace.name, API)["status"]
        return found

    @property
    def pod(self) -> Pod:
        return self.namespace.pod(self.status["pod_name"])

    def describe(self) -> str:
        return "\n".join([yaml.safe_dump(self.status), *(pod.describe() for pod in self.namespace.pods())])

    def ends(self, state: str) -> "Job":
        """Wait until the job is complete, with this state."""
        until("the job to end", lambda: bool(self.status.get("completionTime")), self.describe)
        assert self.status["state"] == state, self.describe()
        return self

    def until_log_has(self, text: str) -> None:
        def log() -> str:
            return "".join(pod.log("test") for pod in self.namespace.pods() if pod.status("test").get("started"))

        until(f"{text!r} in the log", lambda: text in log(), self.describe)

    def abort(self) -> None:
        """Abort the job as Prow's page of jobs does it."""
        resource = self.namespace.kube.objects.resources.get(api_version=API, kind="ProwJob")
        resource.patch(
            name=self.name,
            namespace=self.namespace.name,
            body={"status": {"state": "aborted"}},
            content_type="application/merge-patch+json",
        )


@dataclass(frozen=True)
class Prow:
    """A running controller, its folder with the configuration, and the namespace of jobs and pods."""

    node: Cluster
    programs: Path
    folder: Path
    namespace: Namespace

    def start(self, jobs: Manifest, name: str) -> Job:
        """Start the job of this name of a configuration of jobs."""
        (self.folder / "jobs.yaml").write_text(yaml.safe_dump(jobs))
        flags = [f"--{flag}={value}" for flag, value in {"job": name, **_PULL}.items()]
        configuration = [f"--config-path={self.folder}/config.yaml", f"--job-config-path={self.folder}/jobs.yaml"]
        command: Command = [self.programs / _MAKE_JOB, *configuration, *flags]
        job = yaml.safe_load(output_of("making a job", command, self.node.logs / "prow.log"))
        made = self.namespace.kube.make(job, self.namespace.name)
        return Job(self.namespace, made["metadata"]["name"])


@contextmanager
def run_prow(node: Cluster, folder: Path, namespace: Namespace) -> Iterator[Prow]:
    """Yield a controller with a folder for its configuration, whose jobs and pods are in a namespace."""
    source, programs = _build(node)
    for name in _UTILITIES:
        # The place in which ko puts a program
        load_program(node, _image(name), programs / name, f"/ko-app/{name}")
    (folder / "crd.json").write_text(json.dumps(_definition(source)))
    kubectl: Command = [node.binaries.kubectl, f"--kubeconfig={node.kubeconfig}"]
    run(
        "installing Prow", [*kubectl, "apply", "--server-side", f"--filename={folder}/crd.json"], node.logs / "prow.log"
    )
    until("the API server to have ProwJobs", lambda: succeeds([*kubectl, "get", "prowjobs.prow.k8s.io"]))
    (folder / "config.yaml").write_text(yaml.safe_dump(_configuration(namespace.name)))
    controller: Command = [
        programs / _CONTROLLER,
        f"--config-path={folder}/config.yaml",
        f"--kubeconfig={node.kubeconfig}",
        "--dry-run=false",
    ]
    with outside_service(node, _CONTROLLER, controller, _HEALTH_PORT):
        yield Prow(node, programs, folder, namespace)


def _build(node: Cluster) -> tuple[Path, Path]:
    """Build what the cache does not have. Return the folder of the source and that of the programs."""
    log = node.logs / "prow.log"
    programs = node.cache.bin("prow", PROW)
    with node.cache.lock("build"):
        go = Go.of_machine(log)
        source = go.source(MODULE, PROW)
        for name in (*_UTILITIES, _CONTROLLER, _MAKE_JOB):
            if not (programs / name).exists():
                with step(f"building {name} of Prow"):
                    go.build(source, Program(f"./cmd/{name}", cgo=False), programs / name)
    return source, programs


def _definition(source: Path) -> Any:
    """Return Prow's own definition of ProwJobs without its texts: with them, it is too large for etcd's default."""
    (file,) = (source / "config/prow/cluster/prowjob-crd").glob("*.yaml")
    return _without_descriptions(yaml.load(file.read_text("utf-8"), yaml.CSafeLoader))


def _without_descriptions(value: Any) -> Any:
    if isinstance(value, dict):
        texts = {name for name, member in value.items() if name == "description" and isinstance(member, str)}
        return {name: _without_descriptions(member) for name, member in value.items() if name not in texts}
    return [_without_descriptions(member) for member in value] if isinstance(value, list) else value


def _image(name: str) -> str:
    return f"localhost/prow-{name}:1"


def _configuration(namespace: str) -> Manifest:
    """Return the configuration of a Prow whose jobs check nothing out, and write their results into their pod."""
    decoration = {
        "timeout": "1h",
        "grace_period": "10s",
        "utility_images": {name: _image(name) for name in _UTILITIES},
        "gcs_configuration": {"bucket": "gs://results", "path_strategy": "explicit", "local_output_dir": "/output"},
        "gcs_credentials_secret": "",
        "skip_cloning": True,
    }
    return {
        "prowjob_namespace": namespace,
        "pod_namespace": namespace,
        "plank": {"default_decoration_config_entries": [{"config": decoration}]},
    }
