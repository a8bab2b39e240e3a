"""Start and remove a cluster."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster import binaries, configs, images, prerequisites, services, sysctls
from cluster.binaries import Binaries
from cluster.cgroups import Cgroup
from cluster.commands import run
from cluster.errors import ClusterError
from cluster.link import Link
from cluster.node import Node, Service
from cluster.paths import Cache, State
from cluster.pki import Pki
from cluster.record import Record
from cluster.steps import step

VERSION = "v1.37.2"
# The lower bound of the chart's kubeVersion
OLDEST = "v1.30.14"
_READY_SECONDS = 180
_END_SECONDS = 20


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    state: State
    cache: Cache
    binaries: Binaries
    record: Record

    @property
    def kubeconfig(self) -> Path:
        return self.state.kubeconfig

    @property
    def registry(self) -> str:
        """Return the registry's address for the node, its pods and their daemons."""
        return f"{self.record.link.node}:{configs.REGISTRY_PORT}"

    @property
    def logs(self) -> Path:
        return self.cache.logs(self.state.name)

    @property
    def node(self) -> Node:
        return Node(self.record.holder, Cgroup(self.state.cgroup), self.record.link, self.logs)

    def restart(self, service: str) -> None:
        """Stop a service as an init system does, kill it after a timeout, and start it again."""
        process = self.record.services[service]
        command = Path(f"/proc/{process}/cmdline").read_text().rstrip("\0").split("\0")
        os.kill(process, signal.SIGTERM)
        # The API server waits for open requests. After 40 s without it, nodes become NotReady.
        kill_at = time.monotonic() + _END_SECONDS
        while process in Cgroup(self.state.cgroup).processes():
            if time.monotonic() > kill_at:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.1)
        self.record.services[service] = self.node.start(service, command).process.pid
        self.record.save(self.state)

    def crash(self, container_id: str) -> None:
        """Kill the first process of a container with SIGKILL from the host."""
        self._ctr("crashing a container", "tasks", "kill", "--signal=SIGKILL", container_id)

    def load(self, archive: Path, names: Sequence[str] = ()) -> None:
        """Import the image of an archive into the node's containerd, also under the given names."""
        self._ctr(f"loading {archive.name}", "images", "import", archive)
        for name in names[1:]:
            self._ctr(f"naming {name}", "images", "tag", "--force", names[0], name)

    def _ctr(self, what: str, *arguments: str | Path) -> None:
        where = [f"--address={self.state.containerd}", "--namespace=k8s.io"]
        run(what, [self.binaries.ctr, *where, *arguments], self.logs / "ctr.log")


def find(state: State, cache: Cache) -> Cluster | None:
    """Return the running cluster, or None if it is not running."""
    record = Record.load(state)
    if record is None or record.holder not in Cgroup(state.cgroup).processes():
        return None
    built = Binaries(cache.bin("kubernetes", record.version), cache.bin("containerd", binaries.CONTAINERD))
    return Cluster(state, cache, built, record)


def prepare(cache: Cache, name: str, version: str = VERSION, node: bool = True) -> Binaries:
    """Check the machine, and build the programs and images that the cache does not have."""
    prerequisites.check(prerequisites.CONTROL_PLANE + (prerequisites.NODE if node else ()))
    logs = cache.logs(name)
    # Remove the logs of the previous cluster with this name.
    shutil.rmtree(logs)
    logs.mkdir()
    built = binaries.build(cache, version, node, logs / "go.log")
    if node:
        images.pack_all(cache, logs / "debootstrap.log")
    return built


def up(state: State, cache: Cache, version: str = VERSION, node: bool = True) -> Cluster:
    """Start a control plane, and a node if `node`. On any error, release all resources."""
    _refuse_a_second(state)
    built = prepare(cache, state.name, version, node)
    # Remove a cluster that was left behind, for example by a power cut, even in the middle of down().
    down(state)
    shutil.rmtree(state.root, ignore_errors=True)
    state.root.mkdir(mode=0o700)
    record = Record(state.name, version, Link.choose(state.link), os.getpid(), _sysctls_before())
    record.save(state)
    cluster = Cluster(state, cache, built, record)
    try:
        _Startup(cluster).run(node)
    except BaseException:
        down(state)
        raise
    return cluster


def down(state: State) -> bool:
    """End all processes of a cluster and release its resources. Return whether the cluster existed."""
    record = Record.load(state)
    if record is None:
        return False
    cgroup = Cgroup(state.cgroup)
    with _ignore_interrupts():
        # The kernel removes mounts and interfaces with the last process in the node's namespaces.
        cgroup.kill()
        cgroup.remove()
        record.link.remove()
        sysctls.restore(record.sysctls)
        shutil.rmtree(state.root)
    return True


@contextlib.contextmanager
def _ignore_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C and similar signals: a second one would interrupt the removal."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _sysctls_before() -> dict[str, str]:
    """Return the sysctls from before the first of the running clusters."""
    others = [record.sysctls for record in Record.of_all() if record.sysctls]
    return others[0] if others else sysctls.read()


def _refuse_a_second(state: State) -> None:
    record = Record.load(state)
    if record is None:
        return
    runs = record.holder in Cgroup(state.cgroup).processes()
    if (record.kept and runs) or Path(f"/proc/{record.owner}").exists():
        raise ClusterError(
            f"a cluster {state.name} is up already: choose another name, as in CLUSTER=other, "
            f"or take it down with make cluster-down CLUSTER={state.name}"
        )


class _Startup:
    """The steps that start a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._state, self._record = cluster.state, cluster.record
        self._started: list[Service] = []
        address = self._record.link.node
        server = f"https://{address}:{services.API_PORT}"
        self._pki = Pki(self._state.pki, server)
        self._pki.kubeconfig("admin", "admin", "system:masters", self._state.kubeconfig)

    def run(self, with_node: bool) -> None:
        state, built, address = self._state, self._cluster.binaries, self._record.link.node
        with step("making the node's namespaces"):
            node = Node.make(state.root, Cgroup(state.cgroup), self._record.link, self._cluster.logs)
            self._record.holder = node.holder
            self._record.save(state)
        commands = services.control_plane_commands(built, state, address, self._pki)
        with step("starting the API server"):
            self._start(node, {"etcd": commands.etcd, "apiserver": commands.apiserver})
            self._wait_for("the API server", lambda: self._kubectl_works("get", "--raw=/readyz"))
            self._start(node, {"controller-manager": commands.controller_manager, "scheduler": commands.scheduler})
        if with_node:
            self._start_node(node)

    def _start_node(self, node: Node) -> None:
        state, built, address = self._state, self._cluster.binaries, self._record.link.node
        proxy = self._pki.kubeconfig("kube-proxy", "system:kube-proxy", "system")
        files = configs.write(state, address, self._pki.ca, proxy, images.PAUSE.names[0])
        self._start(node, {"containerd": services.containerd(built, files), "registry": services.registry(files)})
        with step("loading images"):
            self._wait_for("containerd", lambda: _succeeds([built.ctr, f"--address={state.containerd}", "version"]))
            for image in images.ALL:
                self._cluster.load(image.archive(self._cluster.cache), image.names)
        with step("starting kubelet"):
            kubelet = services.kubelet(built, files, self._pki, address)
            self._start(node, {"kubelet": kubelet, "kube-proxy": services.kube_proxy(built, files)})
            self._fill_registry(node)
            ready = ("wait", "--for=condition=Ready", f"node/{services.NODE_NAME}", "--timeout=1s")
            self._wait_for("the node", lambda: self._kubectl_works(*ready))

    def _fill_registry(self, node: Node) -> None:
        self._wait_for("the registry", lambda: _listens(node.link.node, configs.REGISTRY_PORT))
        source = f"oci-archive:{images.BUSYBOX.archive(self._cluster.cache)}"
        copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", source]
        for tag in ("latest", "1.37"):
            target = f"docker://127.0.0.1:{configs.REGISTRY_PORT}/library/busybox:{tag}"
            node.run("filling the registry", *copy, target)

    def _start(self, node: Node, commands: dict[str, services.Command]) -> None:
        for name, command in commands.items():
            service = node.start(name, command)
            self._started.append(service)
            self._record.services[name] = service.process.pid
        self._record.save(self._state)

    def _kubectl_works(self, *arguments: str) -> bool:
        return _succeeds([self._cluster.binaries.kubectl, f"--kubeconfig={self._state.kubeconfig}", *arguments])

    def _wait_for(self, what: str, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + _READY_SECONDS
        while not ready():
            for service in self._started:
                service.check()
            if time.monotonic() > end:
                raise ClusterError(
                    f"{what} is not ready after {_READY_SECONDS} s: its logs are in {self._cluster.logs}"
                )
            time.sleep(0.2)


def _succeeds(command: Sequence[str | Path]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _listens(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False
