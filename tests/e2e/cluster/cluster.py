"""Start and remove a cluster."""

import contextlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cluster import (
    binaries,
    cgroups,
    configs,
    csi,
    disk,
    docker,
    images,
    kernel,
    link,
    local_node,
    prerequisites,
    services,
    small_programs,
    sysctls,
    vm,
)
from cluster.binaries import Binaries
from cluster.cgroups import Cgroup
from cluster.commands import output_of, succeeds
from cluster.errors import ClusterError
from cluster.link import Link
from cluster.local_node import LocalNode
from cluster.paths import Cache, State
from cluster.pki import Pki
from cluster.processes import Process
from cluster.record import Record, Remains
from cluster.sandbox import Sandbox, Service
from cluster.steps import say, step
from cluster.vm import Vm

VERSION = "v1.37.2"
# The lower bound of the chart's kubeVersion
OLDEST = "v1.30.14"
_READY_SECONDS = 180
_END_SECONDS = 20


@dataclass(frozen=True)
class NodeParts:
    """The kernel and the disk from which the virtual machine starts."""

    kernel: Path
    disk: Path


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
        """Return the registry's address for the nodes, their pods and their daemons."""
        return f"{self.record.link.control_plane}:{configs.REGISTRY_PORT}"

    @property
    def logs(self) -> Path:
        return self.cache.logs(self.state.name)

    @property
    def sandbox(self) -> Sandbox:
        assert self.record.init_process  # the cluster is running
        return Sandbox(self.record.init_process, self.logs)

    @property
    def vm(self) -> Vm:
        return Vm(self.sandbox, self.record.link.node, self.state.root / "vm")

    @property
    def local_node(self) -> LocalNode:
        address, folder = self.record.link.control_plane, self.state.root / "local"
        return LocalNode(self.sandbox, self.binaries, address, folder, Cgroup(self.state.cgroup))

    def restart(self, service: str) -> None:
        """Stop a service of the control plane as an init system does, kill it after a timeout, and start it again."""
        process = Process.of(self.record.services[service])
        command = Path(f"/proc/{process.pid}/cmdline").read_text().rstrip("\0").split("\0")
        os.kill(process.pid, signal.SIGTERM)
        # The API server waits for open requests. After 40 s without it, nodes become NotReady.
        kill_at = time.monotonic() + _END_SECONDS
        while process.is_alive:
            if time.monotonic() > kill_at:
                process.kill()
            time.sleep(0.1)
        self.record.services[service] = self.sandbox.start(service, command).wait_for_pid()
        self.record.save(self.state)

    def crash(self, container_id: str) -> None:
        """Kill the first process of a container on the virtual machine with SIGKILL."""
        self.vm.run("crashing a container", f"ctr --namespace=k8s.io tasks kill --signal=SIGKILL {container_id}")


def find(state: State, cache: Cache) -> Cluster | None:
    """Return the running cluster, or None if it is not running."""
    record = Record.load(state)
    if record is None or not record.is_running:
        return None
    return Cluster(state, cache, Binaries.of(cache, record.version), record)


def prepare(cache: Cache, name: str, version: str = VERSION, node: bool = True) -> tuple[Binaries, NodeParts | None]:
    """Check the machine, and build the programs, the kernel and the images that the cache does not have."""
    prerequisites.check(prerequisites.CONTROL_PLANE + (prerequisites.NODE if node else ()), node)
    logs = cache.logs(name)
    # Remove the logs of the previous cluster with this name.
    shutil.rmtree(logs)
    logs.mkdir()
    # One process fills the cache at a time.
    with cache.lock("build"):
        if not node:
            return binaries.build(cache, version, node, logs / "go.log"), None
        linux = kernel.build(cache, logs / "kernel.log")
        # Before the builds that take longer
        vm.check(linux, logs / "vm-check.log")
        built = binaries.build(cache, version, node, logs / "go.log")
        docker.build(cache, logs / "go.log")
        small_programs.build(cache, logs / "go.log")
        csi.build(cache, logs / "go.log", version)
        images.pack_all(cache, logs / "debian.log")
        return built, NodeParts(linux, disk.make(cache, built, logs / "disk.log"))


def up(state: State, cache: Cache, version: str = VERSION, node: bool = True) -> Cluster:
    """Start a control plane, and both nodes if `node`. On any error, release all resources."""
    _refuse_a_second(state)
    built, parts = prepare(cache, state.name, version, node)
    # Remove a cluster that was left behind, for example by a power cut, even in the middle of down().
    down(state)
    shutil.rmtree(state.root, ignore_errors=True)
    state.root.mkdir(mode=0o700)
    # Two clusters that start at once must not choose the same addresses.
    with cache.lock("start"):
        others = Record.of_all()
        addresses = Link.choose(state.link, [other.link for other in others])
        record = Record(state.name, version, addresses, Process.of(os.getpid()), *_before_first(others))
        record.save(state)
    cluster = Cluster(state, cache, built, record)
    try:
        _Startup(cluster).run(parts)
    except BaseException:
        down(state)
        raise
    return cluster


def down(state: State) -> bool:
    """End all processes of a cluster and release its resources. Return whether the cluster existed."""
    remains = Remains.load(state)
    if remains is None:
        return False
    with _ignore_interrupts():
        # The kernel kills all other processes of the PID namespace with it, and removes their mounts and interfaces.
        if remains.init_process:
            remains.init_process.kill()
        Cgroup(state.cgroup).remove()
        cgroups.restore_delegated(remains.controllers)
        link.remove(state.link)
        sysctls.restore(remains.sysctls)
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


def _before_first(others: Iterable[Record]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the sysctls and the controllers of cgroups from before the first of the clusters that run or start."""
    found = ((record.sysctls, record.controllers) for record in others if record.sysctls)
    return next(found, None) or (sysctls.read(), cgroups.read_delegated())


def _refuse_a_second(state: State) -> None:
    record = Record.load(state)
    if record is None:
        return
    if (record.kept and record.is_running) or record.owner.is_alive:
        raise ClusterError(
            f"a cluster {state.name} is running already: choose another name, as in CLUSTER=other, "
            f"or remove it with make cluster-down CLUSTER={state.name}"
        )


class _Startup:
    """The steps that start a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._state, self._record = cluster.state, cluster.record
        self._started: list[Service] = []
        self._boot_time = 0.0
        server = f"https://{self._record.link.control_plane}:{services.API_PORT}"
        self._pki = Pki(self._state.pki, server)
        self._pki.kubeconfig("admin", "admin", "system:masters", self._state.kubeconfig)

    def run(self, parts: NodeParts | None) -> None:
        state, addresses, logs = self._state, self._record.link, self._cluster.logs
        with step("making the namespaces of the cluster"):
            state.tmpfs.mkdir()
            networks = (vm.PODS, configs.SERVICE_NETWORK)
            sandbox = Sandbox.make(state.tmpfs, vm.MEMORY, addresses, networks, logs)
            self._record.init_process = sandbox.init_process
            self._record.save(state)
        commands = services.control_plane_commands(self._cluster.binaries, state, addresses.control_plane, self._pki)
        with step("starting the API server"):
            self._start(sandbox, {"etcd": commands.etcd, "apiserver": commands.apiserver})
            if parts:
                self._boot(parts)
            self._wait_for("the API server", lambda: self._kubectl_works("get", "--raw=/readyz"))
            self._start(sandbox, {"controller-manager": commands.controller_manager, "scheduler": commands.scheduler})
        if parts:
            self._start_dns(sandbox)
            self._fill_registry(sandbox)
            self._start_local_node(sandbox)
            with step("waiting for the nodes"):
                nodes = (f"node/{name}" for name in (vm.NAME, local_node.NAME))
                ready = ("wait", "--for=condition=Ready", *nodes, "--timeout=1s")
                self._wait_for("a node", lambda: self._kubectl_works(*ready))
            say(f"{vm.NAME} was Ready {self._seconds_until_ready():.0f} s after the start of the virtual machine")

    def _boot(self, parts: NodeParts) -> None:
        machine = self._cluster.vm
        machine.folder.mkdir()
        machine.configure(self._record.link, self._pki, images.PAUSE.names[0])
        self._boot_time = time.time()
        self._add("vm", machine.start(parts.kernel, parts.disk, self._state.tmpfs))

    def _start_local_node(self, sandbox: Sandbox) -> None:
        node = self._cluster.local_node
        node.make()
        config = node.configure(self._pki, images.PAUSE.names[0])
        self._start(sandbox, {"containerd": node.containerd(config)})
        with step(f"loading the images of {local_node.NAME}"):
            self._wait_for("containerd", node.has_containerd)
            images.load_all(self._cluster.cache, node.ctr)
        self._start(sandbox, {"kubelet": node.kubelet(config), "kube-proxy": node.kube_proxy(config)})

    def _start_dns(self, sandbox: Sandbox) -> None:
        config = self._state.root / "Corefile"
        config.write_text(configs.dns(self._record.link.control_plane, self._state.kubeconfig))
        program = small_programs.COREDNS.path(self._cluster.cache)
        self._start(sandbox, {"coredns": services.dns(program, config)})

    def _fill_registry(self, sandbox: Sandbox) -> None:
        config = self._state.root / "registry.yaml"
        config.write_text(configs.registry(self._state.root / "registry"))
        self._start(sandbox, {"registry": services.registry(config)})
        address = self._record.link.control_plane
        self._wait_for("the registry", lambda: _listens(address, configs.REGISTRY_PORT))
        source = f"oci-archive:{images.BUSYBOX.archive(self._cluster.cache)}"
        copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", source]
        for tag in ("latest", "1.37"):
            target = f"docker://127.0.0.1:{configs.REGISTRY_PORT}/library/busybox:{tag}"
            sandbox.run("filling the registry", *copy, target)

    def _start(self, sandbox: Sandbox, commands: dict[str, services.Command]) -> None:
        for name, command in commands.items():
            self._add(name, sandbox.start(name, command))

    def _add(self, name: str, service: Service) -> None:
        self._started.append(service)
        self._record.services[name] = service.wait_for_pid()
        self._record.save(self._state)

    def _seconds_until_ready(self) -> float:
        """Return the time from the start of the virtual machine until kubelet reported it as Ready, to the second."""
        column = 'jsonpath={.status.conditions[?(@.type=="Ready")].lastTransitionTime}'
        command = [*self._kubectl, "get", "node", vm.NAME, "-o", column]
        reported = output_of("reading when the node was ready", command, self._cluster.logs / "kubectl.log")
        return datetime.fromisoformat(reported).timestamp() - self._boot_time

    def _kubectl_works(self, *arguments: str) -> bool:
        return succeeds([*self._kubectl, *arguments])

    @property
    def _kubectl(self) -> list[str | Path]:
        return [self._cluster.binaries.kubectl, f"--kubeconfig={self._state.kubeconfig}"]

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


def _listens(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False
