"""The script that starts dockerd, with folders of the test instead of the node's cgroups. tests/e2e has real ones."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dind_webhook.injection.docker_config import WRITTEN_CONFIG_NAME
from dind_webhook.injection.start_script import COMMENTED_SCRIPT, START_SCRIPT, start_command

OWN = "/kubepods/pod1/dind"
MIB = 1 << 20
# Functions, because the shell of busybox has programs of its own with these names.
FUNCTIONS = 'mount() { echo "mount $*"; }\nsleep() { :; }\n'
ARGUMENTS = ["dockerd", "--host=unix:///run/dind/docker.sock", "--label=a b"]
SHARED_LIMITS = "nested containers share the pod's limits with the daemon"
# The shell of the official image. `.ci/run` installs it.
BUSYBOX = pytest.param("busybox sh", marks=pytest.mark.skipif(not shutil.which("busybox"), reason="busybox is missing"))


@dataclass
class Container:
    """A container with stand-ins for dockerd, mount and umount, which print how they are called."""

    root: Path
    shell: list[str]

    @property
    def cgroups(self) -> Path:
        return self.root / "sys"

    @property
    def own(self) -> Path:
        return self.cgroups / OWN[1:]

    def program(self, name: str, script: str) -> None:
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def with_cgroups(self, own: str = OWN, **limits: str) -> "Container":
        """Make cgroups of version 2. A limit is `file_max` of the container, or `pod_file_max` of its pod."""
        here = self.cgroups / own[1:]
        here.mkdir(parents=True)
        for folder in (self.cgroups, here):
            (folder / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
            (folder / "cgroup.procs").write_text("1\n7\n")
        for name, text in limits.items():
            folder = here.parent if name.startswith("pod_") else here
            (folder / name.removeprefix("pod_").replace("_", ".")).write_text(f"{text}\n")
        return self

    def start(
        self,
        script: str = START_SCRIPT,
        own: str = OWN,
        returncode: int = 0,
        path: str | None = None,
        arguments: Sequence[str] = ARGUMENTS,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        (self.root / "cgroup").write_text(f"4:memory:/v1\n0::{own}\n")
        for original, ours in (
            ("/sys/fs/cgroup", "sys"),
            ("/proc/self/cgroup", "cgroup"),
            ("/proc/self/uid_map", "uid_map"),
            ("/proc/self/mounts", "mounts"),
            ("/proc/self/mountinfo", "mountinfo"),
            ("/proc/version", "version"),
            ("/var", "var"),
            ("/dev/termination-log", "termination-log"),
            ("/etc/docker", "etc/docker"),
            ("/run/start-dockerd", "run/start-dockerd"),
        ):
            script = script.replace(original, str(self.root / ours))
        # The shell of busybox has both programs in itself.
        script = script.replace("timeout 3 wget", f"{shutil.which('timeout')} 3 {self.root}/bin/wget")
        done = subprocess.run(
            [*self.shell, "-c", f"{FUNCTIONS}{script}", "start-dockerd", *arguments],
            check=False,
            capture_output=True,
            text=True,
            env={"PATH": path or f"{self.root / 'bin'}:{os.environ['PATH']}", **environment},
        )
        assert done.returncode == returncode, done.stderr
        return done

    def bound(self, file: str) -> str | None:
        """Return the limit of all containers of the daemon together."""
        path = self.own / "docker" / file
        return path.read_text().strip() if path.exists() else None


@pytest.fixture(params=["sh", BUSYBOX])
def container(request: pytest.FixtureRequest, tmp_path: Path) -> Container:
    (tmp_path / "bin").mkdir()
    (tmp_path / "uid_map").write_text("         0          0 4294967295\n")
    (tmp_path / "mounts").write_text("overlay / overlay rw 0 0\n")
    (tmp_path / "mountinfo").write_text("70 60 0:40 / / rw,relatime - overlay overlay rw,lowerdir=/1/fs\n")
    (tmp_path / "version").write_text("Linux version 6.12.1 (root@kata) (gcc 14) #1 SMP PREEMPT_DYNAMIC\n")
    made = Container(tmp_path, request.param.split())
    made.program("dockerd", 'printf "dockerd:%s\\n" "$@"')
    made.program("umount", 'echo "umount $*"')
    return made


@pytest.mark.parametrize("command", ["mkdir", "printf", "mount"])
def test_a_signal_before_the_daemon_runs_ends_the_script(command: str, container: Container) -> None:
    """The end of a pod must not wait for a daemon that starts all the same."""
    container.with_cgroups()
    interrupted = f'{command}() {{ kill -TERM $$; command {command} "$@"; }}\n'
    done = container.start(interrupted + START_SCRIPT)
    assert "dockerd:" not in done.stdout


def test_the_daemon_gets_its_signals_itself(container: Container) -> None:
    container.program("dockerd", 'kill -TERM $$; echo "dockerd ignores it"')
    done = container.start(returncode=-signal.SIGTERM)
    assert "dockerd ignores it" not in done.stdout


def test_containers_get_the_limits_less_a_reserve_for_the_daemon(container: Container) -> None:
    container.with_cgroups(memory_max=str(4096 * MIB), cpu_max="200000 100000", pids_max="1600")
    done = container.start()
    assert container.bound("memory.max") == str((4096 - 256 - 128) * MIB)
    assert container.bound("cpu.max") == "187500 100000"
    assert container.bound("pids.max") == str(1600 - 100 - 256)
    assert (container.own / "cgroup.subtree_control").read_text() == "+cpuset +cpu +memory +pids \n"
    assert (container.own / "init" / "cgroup.procs").read_text() == "7\n"
    assert done.stderr == ""


@pytest.mark.parametrize(("node_user", "own"), [(0, "none"), (131072, "userns")])
@pytest.mark.parametrize("made", ["none", "userns"])
def test_a_golden_volume_of_another_isolation_is_emptied(
    container: Container, node_user: int, own: str, made: str
) -> None:
    """Its layers would show files that they hide."""
    (container.root / "uid_map").write_text(f"         0 {node_user}      65536\n")
    storage = container.root / "var/lib/docker"
    (storage / "containerd").mkdir(parents=True)
    (storage / "golden").write_text(f"{made}\n")
    said = container.with_cgroups().start(DIND_ISOLATION=own if own == "userns" else "").stderr
    assert {path.name for path in storage.iterdir()} == ({"containerd", "golden"} if made == own else set())
    line = f"the golden volume was made with isolation {made}, and this daemon has {own}: it starts without its images"
    assert (line in said) is (made != own)


def test_few_programs_run_because_pods_wait_for_the_script(tmp_path: Path) -> None:
    """The shell of busybox has these programs in itself, so only another shell shows what starts."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "mounts").write_text(f"/dev/vda {tmp_path}/var/lib/docker ext4 rw 0 0\n")
    for name in ("mountinfo", "version"):
        (tmp_path / name).touch()
    container = Container(tmp_path, ["/bin/sh"]).with_cgroups(memory_max=str(4096 * MIB), cpu_max="200000 100000")
    container.program("dockerd", 'echo "$@"')
    for name in ("grep", "mkdir", "sed", "chmod"):
        container.program(name, f'echo {name} >> {tmp_path}/started; exec {shutil.which(name)} "$@"')
    container.start(path=str(tmp_path / "bin"))
    assert container.bound("memory.max") == str((4096 - 256 - 128) * MIB)
    assert (tmp_path / "started").read_text().split() == ["grep", "mkdir", "sed", "chmod"]


def test_dockerd_puts_containers_below_the_own_cgroup_and_sees_the_whole_tree(container: Container) -> None:
    container.with_cgroups()
    lines = container.start().stdout.splitlines()
    # The stand-in for mount mounts nothing, so this is the whole tree already, as for a second dockerd.
    calls = [f"dockerd:{argument}" for argument in (*ARGUMENTS[1:], f"--cgroup-parent={OWN}/docker")]
    assert lines == [f"mount --bind {container.own} {container.cgroups}", *calls]


def test_dockerd_unmounts_the_own_cgroup_if_it_hides_the_whole_tree(container: Container) -> None:
    container.with_cgroups()
    container.program("dockerd-entrypoint.sh", f'rm -r "{container.cgroups}/kubepods"; exec "$@"')
    assert f"umount {container.cgroups}" in container.start().stdout.splitlines()


@pytest.mark.parametrize("own", ["/kubepods.slice/a\\x2db.slice/cri-containerd-1.scope", "/a b/c"])
def test_any_path_of_a_cgroup_reaches_dockerd_unchanged(own: str, container: Container) -> None:
    container.with_cgroups(own)
    assert container.start(own=own).stdout.splitlines()[-1] == f"dockerd:--cgroup-parent={own}/docker"


@pytest.mark.parametrize(
    "own",
    [
        OWN,
        "/kubepods.slice/a\\x2db.slice/cri-containerd-1.scope",
        "/docker/node/kubelet/kubepods/pod1/dind",
        "/a b/c&[e]*^$/f",
    ],
)
@pytest.mark.parametrize(
    ("wanted", "changed"),
    [
        ("/docker/buildx/1", "buildx/1"),
        ("/my/2", "my/2"),
        ("{own}/docker/3", "3"),
        ("relative/4", "relative/4"),
        ("../../x/5", "x/5"),
        ("/docker/../../x/6", "x/6"),
        ("{own}/docker/../../../x/7", "x/7"),
        ("/x/../../../../y/../8", "x/y/8"),
        ("/x/9/..", "x/9"),
        ("/..x/y../a..b/.../10", "..x/y../a..b/.../10"),
    ],
)
def test_a_container_that_asks_for_another_cgroup_gets_one_below_the_own(
    own: str, wanted: str, changed: str, container: Container
) -> None:
    container.with_cgroups(own)
    container.program("runc", 'printf "%s\\n" "$@"')
    container.start(own=own)
    # Docker's users can set annotations.
    annotations = {"cgroupsPath": f"{own}/docker/a", "text": '"cgroupsPath":"/docker/'}
    config = {"annotations": annotations, "linux": {"cgroupsPath": wanted.format(own=own), "seccomp": None}}
    bundle = container.root / "bundle"
    bundle.mkdir()
    # As runc's callers in Go write it
    (bundle / "config.json").write_text(json.dumps(config, separators=(",", ":")))
    arguments = ["--root", "/run/a b", "create", "--bundle", str(bundle), "--pid-file", "init.pid", "1"]
    command = [*container.shell, str(container.root / "run" / "start-dockerd" / "runc"), *arguments]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines() == arguments
    found = json.loads((bundle / "config.json").read_text())
    # runc removes "." from the path.
    found["linux"]["cgroupsPath"] = os.path.normpath(found["linux"]["cgroupsPath"])
    assert found["linux"] == {"cgroupsPath": f"{own}/docker/{changed}", "seccomp": None}
    assert found["annotations"]["text"] == '"cgroupsPath":"/docker/'


# Lines of containers in Kata with virtio-fs and with 9p, in Kata without a shared file system, and in gVisor. They
# follow the source of Kata 3 (virtcontainers/kata_agent.go, runtime-rs/crates/resource) and of gVisor (kernel/version).
SANDBOXES = {
    "virtio-fs": ("mountinfo", "80 70 0:35 /passthrough/1-hosts /etc/hosts rw,relatime - virtiofs kataShared rw"),
    "9p": ("mountinfo", "71 60 0:30 /1/rootfs / rw - 9p kataShared rw,trans=virtio"),
    "copied files": (
        "mountinfo",
        "80 70 0:22 /kata-containers/shared/containers/1-2-resolv.conf /etc/resolv.conf rw - tmpfs tmpfs rw,mode=755",
    ),
    "/run in the root file system": (
        "mountinfo",
        "80 70 254:1 /run/kata-containers/shared/containers/1-2-hosts /etc/hosts rw - ext4 /dev/root rw",
    ),
    "gVisor": ("version", "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016"),
    "gVisor of 2026": ("version", "Linux version 4.19.0-gvisor #1 SMP Sun Jan 10 15:06:54 PST 2016"),
}


@pytest.mark.parametrize(("file", "line"), SANDBOXES.values(), ids=SANDBOXES)
def test_nothing_changes_in_a_sandbox_which_is_the_limit(file: str, line: str, container: Container) -> None:
    container.with_cgroups(memory_max=str(4096 * MIB))
    (container.root / file).write_text(f"{line}\n")
    done = container.start()
    assert container.bound("memory.max") is None
    assert done.stdout.splitlines() == [f"dockerd:{argument}" for argument in ARGUMENTS[1:]]
    assert done.stderr == f"{SHARED_LIMITS}: a sandbox of Kata or gVisor\n"


def test_a_volume_that_looks_like_one_of_kata_changes_nothing(container: Container) -> None:
    with (container.root / "mountinfo").open("a") as text:
        text.write("80 70 8:1 /kata-containers/shared/kataShared /kata-containers/shared/a rw - ext4 /dev/sda rw\n")
    container.with_cgroups(memory_max=str(4096 * MIB)).start()
    assert container.bound("memory.max")


def test_a_lower_limit_of_the_pod_counts(container: Container) -> None:
    limits = {"memory_max": "max", "pids_max": "1024", "cpu_max": "max 100000"}
    pod = {"pod_memory_max": str(1024 * MIB), "pod_pids_max": "512", "pod_cpu_max": "50000 100000"}
    container.with_cgroups(**limits, **pod).start()
    bounds = [container.bound(file) for file in ("memory.max", "pids.max", "cpu.max")]
    assert bounds == [str((1024 - 64 - 128) * MIB), "256", "46875 100000"]


def test_with_crun_the_pod_is_two_cgroups_above(container: Container) -> None:
    own = "/kubepods/pod1/scope/container"
    container.with_cgroups(own, memory_max="max")
    (container.cgroups / "kubepods/pod1/memory.max").write_text(f"{1024 * MIB}\n")
    container.start(own=own)
    assert (container.cgroups / own[1:] / "docker/memory.max").read_text() == f"{(1024 - 64 - 128) * MIB}\n"


def test_the_limits_of_all_pods_together_do_not_count(container: Container) -> None:
    container.with_cgroups(pids_max="max", pod_pids_max="max")
    (container.cgroups / "kubepods/pids.max").write_text("1024\n")
    container.start()
    assert container.bound("pids.max") is None


def test_the_bound_is_below_the_memory_at_which_the_kernel_slows_processes_down(container: Container) -> None:
    container.with_cgroups(memory_max=str(4096 * MIB), memory_high=str(2048 * MIB)).start()
    assert container.bound("memory.max") == str((2048 - 128 - 128) * MIB)


def test_the_reserve_is_at_most_half_of_the_memory(container: Container) -> None:
    container.with_cgroups(memory_max=str(200 * MIB)).start()
    assert container.bound("memory.max") == str(100 * MIB)


def test_without_limits_nothing_is_bounded(container: Container) -> None:
    container.with_cgroups(memory_max="max", cpu_max="max 100000", pids_max="max", pod_memory_max="max")
    container.start()
    assert [container.bound(file) for file in ("memory.max", "cpu.max", "pids.max")] == [None, None, None]


def test_a_tiny_processor_limit_stays_as_it_is(container: Container) -> None:
    container.with_cgroups(cpu_max="1000 100000").start()
    assert container.bound("cpu.max") is None


def test_nothing_changes_with_cgroups_of_version_1(container: Container) -> None:
    container.own.mkdir(parents=True)
    done = container.start()
    assert done.stdout.splitlines() == [f"dockerd:{argument}" for argument in ARGUMENTS[1:]]
    assert done.stderr == f"{SHARED_LIMITS}: no cgroup v2\n"
    assert not list(container.own.iterdir())


def test_nothing_changes_in_a_cgroup_namespace(container: Container) -> None:
    container.with_cgroups(memory_max=str(4096 * MIB))
    done = container.start(own="/")
    assert done.stdout.splitlines() == [f"dockerd:{argument}" for argument in ARGUMENTS[1:]]
    assert done.stderr == f"{SHARED_LIMITS}: a cgroup namespace\n"
    assert not (container.cgroups / "docker").exists()


@pytest.mark.parametrize(
    "before",
    ["mkdir /sys/fs/cgroup/kubepods/pod1/dind/cgroup.subtree_control", "chmod() { return 127; }", "mount() { false; }"],
)
def test_where_it_cannot_divide_the_cgroup_docker_starts_and_one_line_says_so(
    before: str, container: Container
) -> None:
    container.with_cgroups(memory_max=str(4096 * MIB))
    done = container.start(f"{before}\n{START_SCRIPT}")
    assert done.stdout.splitlines() == [f"dockerd:{argument}" for argument in ARGUMENTS[1:]]
    assert done.stderr.splitlines() == ["cannot divide the cgroup: the pod's limits do not hold for nested containers"]


def test_on_a_read_only_cgroup_the_images_wrapper_which_would_end_there_is_skipped(container: Container) -> None:
    container.with_cgroups(memory_max=str(4096 * MIB))
    container.program("dind", "exit 1")
    for folder in (container.cgroups, container.own):
        # mkdir fails here, as in a file system that is read-only.
        (folder / "init").write_text("")
    done = container.start()
    (mount,) = [line for line in done.stdout.splitlines() if line.startswith("mount --bind")]
    program, wrapper = mount.split()[2:]
    assert wrapper == str(container.root / "bin" / "dind")
    assert (
        subprocess.run([program, "echo", "started"], capture_output=True, text=True, check=True).stdout == "started\n"
    )


def in_user_namespace(container: Container) -> Container:
    (container.root / "uid_map").write_text("         0     131072      65536\n")
    return container


def test_in_a_user_namespace_without_cgroups_containers_share_the_own_cgroup(container: Container) -> None:
    in_user_namespace(container).with_cgroups(memory_max=str(4096 * MIB))
    (container.own / "init").write_text("")
    container.program("dind", "exit 1")
    container.program("runc", 'printf "runc:%s\\n" "$@"')
    done = container.start(DIND_ISOLATION="userns")
    assert done.stderr == f"{SHARED_LIMITS}: a user namespace without cgroups\n"
    assert [line for line in done.stdout.splitlines() if line.startswith("dockerd:")] == [
        f"dockerd:{argument}" for argument in ARGUMENTS[1:]
    ]
    assert not (container.own / "docker").exists()

    bundle = container.root / "bundle"
    bundle.mkdir()
    linux = {
        "cgroupsPath": "/docker/1",
        "resources": {
            "devices": [],
            "memory": {"limit": 1},
            "cpu": {"shares": 0},
            "pids": {"limit": 7},
            "blockIO": {"weight": 1, "throttleReadBpsDevice": [{"major": 8, "rate": 1}, {"major": 9}]},
        },
    }
    config = {"process": {"args": ["sh", "-c", '"memory":{"limit":1}']}, "linux": linux}
    (bundle / "config.json").write_text(json.dumps(config, separators=(",", ":")))
    called = subprocess.run(
        [container.root / "run/start-dockerd/runc", "create", "--bundle", bundle, "1"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert called.stdout.splitlines() == ["runc:create", "runc:--bundle", f"runc:{bundle}", "runc:1"]
    changed = json.loads((bundle / "config.json").read_text())
    assert changed["process"] == config["process"]
    without = {"memory": {}, "cpu": {}, "pids": {}, "blockIO": {}}
    assert changed["linux"] == {"cgroupsPath": "", "resources": {"devices": [], **without}}


def test_in_a_user_namespace_with_a_cgroup_the_limits_hold(container: Container) -> None:
    in_user_namespace(container).with_cgroups("/", memory_max=str(4096 * MIB))
    done = container.start(own="/", DIND_ISOLATION="userns")
    assert (container.cgroups / "docker" / "memory.max").read_text() == f"{(4096 - 256 - 128) * MIB}\n"
    assert done.stderr == ""


@pytest.mark.parametrize("isolation", ["userns", "sysbox"])
def test_without_the_user_namespace_that_the_pod_asked_for_no_daemon_starts(
    isolation: str, container: Container
) -> None:
    container.with_cgroups()
    done = container.start(returncode=1, DIND_ISOLATION=isolation)
    assert "dockerd:" not in done.stdout
    assert done.stderr.startswith(f"isolation {isolation}: this container is not in a user namespace.")
    assert (container.root / "termination-log").read_text() == done.stderr


@pytest.mark.parametrize(
    ("file_system", "version", "argument", "starts"),
    [
        ("794c7630", "29.8.1", "--debug", False),
        ("794c7630", "30.0.0", "--debug", False),
        ("794c7630", "28.5.2", "--debug", True),
        ("794c7630", "29.8.1", "--storage-driver=native", True),
        ("794c7630", "29.8.1", "-s vfs", True),
        ("794c7630", "29.8.1", "--data-root=/data", True),
        ("794c7630", "29.8.1", "--containerd=/run/containerd.sock", True),
        ("794c7630", "29.8.1", "--config-file=/daemon.json", True),
        ("ef53", "29.8.1", "--debug", True),
    ],
)
def test_an_image_store_that_cannot_work_ends_in_a_sentence(
    file_system: str, version: str, argument: str, starts: bool, container: Container
) -> None:
    container.program("dockerd", f'[ "$1" != --version ] || echo "Docker version {version}, build 0"')
    done = container.start(
        f'stat() {{ echo {file_system}; }}\nset -- "$@" {argument}\n{START_SCRIPT}', returncode=int(not starts)
    )
    message = container.root / "termination-log"
    assert message.exists() is not starts
    if not starts:
        assert "Mount a volume at" in done.stderr
        assert message.read_text() == done.stderr


def test_a_volume_of_another_file_system_is_enough(container: Container) -> None:
    (container.root / "mounts").write_text(f"/dev/vda {container.root}/var/lib/docker ext4 rw 0 0\n")
    container.program("dockerd", 'echo "Docker version 29.8.1, build 0"')
    container.start(f"stat() {{ echo 794c7630; }}\n{START_SCRIPT}")


@pytest.mark.parametrize("before", ["export DOCKER_DRIVER=vfs", "echo '{}' > /etc/docker/daemon.json"])
def test_a_daemon_with_a_configuration_may_have_another_image_store(before: str, container: Container) -> None:
    (container.root / "etc/docker").mkdir(parents=True)
    container.program("dockerd", 'echo "Docker version 29.8.1, build 0"')
    container.start(f"stat() {{ echo 794c7630; }}\n{before}\n{START_SCRIPT}")


def test_the_images_entrypoint_gets_the_arguments(container: Container) -> None:
    container.program("dockerd-entrypoint.sh", 'printf "entrypoint:%s\\n" "$@"')
    assert container.start().stdout.splitlines() == [f"entrypoint:{argument}" for argument in ARGUMENTS]


@pytest.mark.parametrize(("mount", "visible"), [("/tmp/work", True), ("/tmp", False), ("/var/tmp/work", False)])
def test_volumes_below_tmp_stay_visible(container: Container, mount: str, visible: bool) -> None:
    with (container.root / "mounts").open("a") as mounts:
        mounts.write(f"/dev/vda {mount} ext4 rw 0 0\n")
    assert ("mount --rbind /tmp /tmp" in container.start().stdout) is visible


def test_more_files_can_be_open_than_the_soft_limit_allows(container: Container) -> None:
    container.program("dockerd", "ulimit -S -n; ulimit -H -n")
    soft, hard = container.start(script=f"ulimit -S -n 1024\n{START_SCRIPT}").stdout.split()
    assert int(soft) == min(int(hard), 1048576) > 1024


def test_kubernetes_does_not_expand_anything_in_the_script() -> None:
    """See https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/."""
    assert "$$" not in START_SCRIPT
    assert not re.search(r"\$\([A-Za-z_][A-Za-z0-9_]*\)", START_SCRIPT)


def test_pods_have_the_commented_script_without_its_comments() -> None:
    lines = COMMENTED_SCRIPT.splitlines()
    kept = [line for number, line in enumerate(lines) if not number or not line.lstrip().startswith("#")]
    assert START_SCRIPT.splitlines() == kept
    assert start_command()[:2] == ["sh", "-c"]


def test_pid_files_of_a_crashed_daemon_are_removed(container: Container) -> None:
    folder = container.root / "var" / "run"
    files = [folder / "docker.pid", folder / "docker" / "containerd" / "containerd.pid"]
    files[1].parent.mkdir(parents=True)
    for file in files:
        file.write_text("1")
    assert container.start().stdout.startswith("dockerd:")
    assert not any(file.exists() for file in files)


@pytest.fixture
def socket_dir(container: Container) -> Path:
    (container.root / "socket").mkdir()
    return container.root / "socket"


def _start_with_config(container: Container, socket_dir: Path, text: str) -> str:
    arguments = ["dockerd", f"--host=unix://{socket_dir}/docker.sock"]
    return container.start(arguments=arguments, DIND_CLIENT_CONFIG=text).stderr


def test_clients_of_any_user_get_a_configuration_that_they_can_replace(container: Container, socket_dir: Path) -> None:
    assert "config.json" not in _start_with_config(container, socket_dir, '{"proxies": "a\\b"}')
    directory = socket_dir / WRITTEN_CONFIG_NAME
    file = directory / "config.json"
    assert file.read_text() == '{"proxies": "a\\b"}\n'
    assert (directory.stat().st_mode & 0o7777, file.stat().st_mode & 0o7777) == (0o777, 0o644)
    # A daemon that restarts keeps the logins.
    file.write_text("logged in")
    _start_with_config(container, socket_dir, "{}")
    assert file.read_text() == "logged in"


def test_without_a_proxy_no_configuration_is_written(container: Container, socket_dir: Path) -> None:
    _start_with_config(container, socket_dir, "")
    assert list(socket_dir.iterdir()) == []


def test_docker_starts_without_a_configuration_that_cannot_be_written(container: Container, socket_dir: Path) -> None:
    (socket_dir / "docker-config").write_text("a file")
    message = f"cannot write {socket_dir}/docker-config/config.json: docker build and docker run do not get the proxy"
    assert message in _start_with_config(container, socket_dir, "{}")


# Prints what dockerd would find, after a while in which the mirrors are looked at.
_SHOW_HOSTS = """\
cd {root}/etc/docker/certs.d
tries=100
until [ ! -e {root}/wanted ] || eval "$(cat {root}/wanted)" || [ $((tries -= 1)) = 0 ]; do {sleep} 0.1; done
for file in */hosts.toml; do echo "# $file"; cat "$file"; done
echo "# all"; ls -d *"""


def _start_with_mirrors(
    container: Container, mirrors: str, *arguments: str, wanted: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Start with mirrors, and let dockerd show the files when the command `wanted` succeeds."""
    if wanted:
        (container.root / "wanted").write_text(wanted)
    container.program("dockerd", _SHOW_HOSTS.format(root=container.root, sleep=shutil.which("sleep")))
    return container.start(arguments=[*ARGUMENTS, *arguments], DIND_MIRRORS=mirrors, **environment)


def _hosts(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return what is in hosts.toml, by the name of its folder, and the names of all folders."""
    files = dict(part.split("\n", 1) for part in done.stdout.split("# ")[1:])
    names = files.pop("all").split()
    hosts = {path.removesuffix("/hosts.toml"): tomllib.loads(text) for path, text in files.items()}
    return {**dict.fromkeys(names), **hosts}


def _lines_of_mirrors(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if "mirror" in line]


def _host(url: str, **members: Any) -> dict[str, Any]:
    return {"host": {url: {"capabilities": ["pull", "resolve"], "dial_timeout": "1s", **members}}}


@pytest.fixture
def with_registry(container: Container) -> Container:
    """Return a container whose wget gets the answer of a registry."""
    container.program("wget", "echo '  HTTP/1.1 200 OK' >&2; echo '  Content-Length: 2' >&2; echo application/json")
    return container


def test_dockerd_finds_a_mirror_of_each_registry(with_registry: Container) -> None:
    mirrors = "docker.io=http://m:5000,ghcr.io=https://m/v2/ghcr,r.example:5000=,*=http://node:30020/x"
    done = _start_with_mirrors(with_registry, mirrors, DIND_NODE_IP="10.0.0.7")
    assert _hosts(done) == {
        "docker.io": _host("http://m:5000"),
        "ghcr.io": _host("https://m/v2/ghcr", override_path=True),
        "r.example:5000": None,
        "_default": _host("http://10.0.0.7:30020/x"),
    }
    assert "mirror" not in done.stderr


def test_the_address_of_a_node_may_be_of_ipv6(with_registry: Container) -> None:
    done = _start_with_mirrors(with_registry, "a.example=https://node,b.example=http://node.ci", DIND_NODE_IP="fd00::7")
    assert _hosts(done) == {"a.example": _host("https://[fd00::7]"), "b.example": _host("http://node.ci")}


def test_certificates_of_a_registry_and_of_its_mirror_count(with_registry: Container) -> None:
    folder = with_registry.root / "etc/docker/certs.d"
    for path in ("r.example/ca.crt", "r.example/me.cert", "m:5000/a.crt", "m:5000/b.crt"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    hosts = _hosts(_start_with_mirrors(with_registry, "r.example=https://m:5000"))
    own, mirrors = f"{folder}/r.example", f"{folder}/m:5000"
    assert hosts["r.example"] == {
        "ca": [f"{own}/ca.crt"],
        "client": [[f"{own}/me.cert", f"{own}/me.key"]],
        **_host("https://m:5000", ca=[f"{mirrors}/a.crt", f"{mirrors}/b.crt"]),
    }


def test_registries_without_tls_stay_without(with_registry: Container) -> None:
    flags = [f"--insecure-registry={registry}" for registry in ("a.example:5000", "b.example", "10.0.0.0/8")]
    hosts = _hosts(_start_with_mirrors(with_registry, "a.example:5000=http://m,*=http://n", *flags))
    assert hosts == {
        "a.example:5000": {"server": "http://a.example:5000", "skip_verify": True, **_host("http://m")},
        "_default": _host("http://n"),
        "b.example": None,
    }


_ITSELF = "until it does, images come from the registry itself"
_BAD_ANSWERS = [
    ("exit 4", "does not answer"),
    ("echo 'no HTTP at all' >&2", "does not answer"),
    ("echo '  HTTP/1.1 200 OK' >&2; echo '  Content-Type: text/html' >&2", "answers 200, but not as a registry"),
    (f"exec {shutil.which('sleep')} 9", "does not answer"),
]


@pytest.mark.parametrize(("answer", "fault"), _BAD_ANSWERS)
def test_a_mirror_that_is_no_registry_is_not_asked_and_one_line_says_so(
    answer: str, fault: str, container: Container
) -> None:
    container.program("wget", answer)
    wanted = "! grep -q m:5000 docker.io/hosts.toml && [ ! -s ghcr.io/hosts.toml ]"
    done = _start_with_mirrors(container, "docker.io=http://m:5000,ghcr.io=https://m:5000", wanted=wanted)
    # A second host, so that dockerd does not ask the mirror of its flag.
    assert _hosts(done) == {"docker.io": {"host": {"https://registry-1.docker.io": {}}}, "ghcr.io": {}}
    for registry, scheme in (("docker.io", "http"), ("ghcr.io", "https")):
        line = f"the mirror of {registry}, {scheme}://m:5000, {fault}: {_ITSELF}\n"
        assert done.stderr.count(line) == 1


@pytest.mark.parametrize("status", [403, 404, 429, 503])
def test_dockerd_itself_passes_over_a_mirror_with_an_error_and_one_line_says_so(
    status: int, container: Container
) -> None:
    # It ends after its second answer, which must not cost a second line.
    container.program("wget", f"echo '  HTTP/1.1 {status} Reason' >&2; echo >> {container.root}/asked; exit 8")
    wanted = f'[ "$(wc -l < {container.root}/asked)" -ge 3 ]'
    done = _start_with_mirrors(container, "*=http://m", wanted=wanted)
    assert _hosts(done) == {"_default": _host("http://m")}
    line = f"the mirror of *, http://m, answers {status}: images that it does not send come from the registry itself"
    assert _lines_of_mirrors(done) == [line]


def test_a_mirror_that_wants_a_password_is_a_registry(container: Container) -> None:
    container.program("wget", f"echo '  HTTP/1.1 401 Unauthorized' >&2; touch {container.root}/asked; exit 8")
    done = _start_with_mirrors(container, "*=http://m", wanted=f"[ -e {container.root}/asked ]")
    assert _hosts(done) == {"_default": _host("http://m")}
    assert _lines_of_mirrors(done) == []


def test_a_slow_mirror_does_not_delay_the_look_at_others(container: Container) -> None:
    container.program("wget", f"case $* in *slow*) exec {shutil.which('sleep')} 9 ;; esac; exit 4")
    done = _start_with_mirrors(
        container, "a.example=http://slow,b.example=http://m", wanted="[ ! -s b.example/hosts.toml ]"
    )
    # One after the other, the slow one would be gone first.
    assert _hosts(done) == {"a.example": _host("http://slow"), "b.example": {}}


class _Mirror(BaseHTTPRequestHandler):
    """A mirror that answers each request with the status of its class; 0 is no HTTP."""

    status: int
    content_type = "application/json"

    def do_GET(self) -> None:
        if not self.status:
            self.wfile.write(b"SSH-2.0-OpenSSH\r\n")
            return
        self.send_response(self.status)
        self.send_header("Content-Type", self.content_type)
        self.send_header("Via", "HTTP/1.1 proxy")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.mark.parametrize(
    ("status", "content_type", "fault"),
    [
        (200, "application/json", ""),
        (401, "application/json", ""),
        (200, "text/html", "answers 200, but not as a registry"),
        (404, "text/html", "answers 404"),
        (429, "application/json", "answers 429"),
        (503, "text/html", "answers 503"),
        (0, "", "does not answer"),
    ],
)
@pytest.mark.parametrize("wget", ["wget", pytest.param("busybox wget", marks=BUSYBOX.marks)])
def test_each_wget_tells_a_mirror_that_works_from_others(
    status: int, content_type: str, fault: str, wget: str, container: Container
) -> None:
    handler = type("Mirror", (_Mirror,), {"status": status, "content_type": content_type})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        program, _, applet = wget.partition(" ")
        container.program(
            "wget", f'{shutil.which(program)} {applet} "$@"; code=$?; touch {container.root}/asked; exit $code'
        )
        # The line comes after the answer.
        wanted = f"[ -e {container.root}/asked ] && {shutil.which('sleep')} 0.3"
        done = _start_with_mirrors(container, f"*=http://127.0.0.1:{server.server_port}", wanted=wanted)
        server.shutdown()
    url = f"http://127.0.0.1:{server.server_port}"
    assert [line.split(": ")[0] for line in _lines_of_mirrors(done)] == [f"the mirror of *, {url}, {fault}"] * bool(
        fault
    )


def test_a_mirror_that_answers_again_is_asked_again(container: Container) -> None:
    container.program(
        "wget",
        f"[ -e {container.root}/once ] || {{ touch {container.root}/once; exit 4; }}\n"
        f"touch {container.root}/twice\n"
        "echo '  HTTP/1.1 200 OK' >&2; echo '  Docker-Distribution-Api-Version: registry/2.0' >&2",
    )
    # The first file names the mirror too, until its first answer is judged: only the second answer tells them apart.
    wanted = f"[ -e {container.root}/twice ] && grep -q m.example _default/hosts.toml"
    done = _start_with_mirrors(container, "*=http://m.example", wanted=wanted)
    assert _hosts(done) == {"_default": _host("http://m.example")}
    assert done.stderr.count("the mirror of *, http://m.example, works again\n") == 1


def test_behind_a_proxy_a_mirror_is_not_looked_at(container: Container) -> None:
    container.program("wget", "exit 4")
    done = _start_with_mirrors(container, "*=http://m", HTTPS_PROXY="http://proxy:3128")
    assert "mirror" not in done.stderr


def test_mirrors_and_the_files_of_a_volume_go_together(with_registry: Container) -> None:
    root = with_registry.root
    (root / "mounts").write_text(f"tmpfs {root}/etc/docker tmpfs ro 0 0\n")
    volume = root / "run" / "start-dockerd-files"
    for path in ("daemon.json", "certs.d/a.example/ca.crt", "certs.d/b.example/hosts.toml"):
        (volume / path).parent.mkdir(parents=True, exist_ok=True)
        (volume / path).write_text(f"# {path}\n" if path.endswith("toml") else "")
    (root / "etc/docker").mkdir(parents=True)
    late = volume / "certs.d/c.example"
    wanted = f"mkdir -p {late}; echo > {late}/ca.crt; rm -f {volume}/daemon.json; [ -e c.example/ca.crt ]"
    done = _start_with_mirrors(with_registry, "a.example=http://m", wanted=wanted)
    calls = done.stdout.splitlines()
    assert f"mount --bind {root}/etc/docker {volume}" in calls
    assert f"mount -t tmpfs -o mode=755 tmpfs {root}/etc/docker" in calls
    certs = root / "etc/docker/certs.d"
    assert (certs / "a.example/ca.crt").resolve() == volume / "certs.d/a.example/ca.crt"
    assert (certs / "b.example/hosts.toml").is_symlink()
    assert (certs / "c.example/ca.crt").is_symlink()
    assert "http://m" in (certs / "a.example/hosts.toml").read_text()


def test_docker_starts_without_mirrors_that_cannot_be_written(with_registry: Container) -> None:
    (with_registry.root / "etc/docker").mkdir(parents=True)
    (with_registry.root / "etc/docker/certs.d").write_text("a file")
    done = with_registry.start(DIND_MIRRORS="*=http://m")
    path = with_registry.root / "etc/docker/certs.d/_default/hosts.toml"
    assert done.stderr.count(f"cannot write {path}: * has no mirror\n") == 1


def test_without_mirrors_nothing_is_written(with_registry: Container) -> None:
    with_registry.start()
    assert not (with_registry.root / "etc").exists()
