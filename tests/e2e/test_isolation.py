"""Isolation: root in the daemon is not root on the node, and Docker works. Needs a node with cgroup v2."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import workloads
from cluster.cluster import Cluster
from cluster.configs import WRITABLE_CGROUPS
from cluster.paths import ROOT
from cluster.release import Helm
from kube import Kube, Namespace, Pod, RefusedError
from releases import install_release
from workloads import FOREVER, OLD_DAEMON

pytestmark = pytest.mark.xdist_group("isolation")

WAYS_OUT = (Path(__file__).parent / "ways_out.sh").read_text()
# The table in the security page
PUBLISHED = re.search(r"(?s)\n\| way \|\n\|---\|\n(.*?)\n\n", (ROOT / "docs" / "security.md").read_text())
# The form, and the options of its pods
FORMS = {"none": {}, "userns": {"isolation": "userns"}, "userns with a RuntimeClass": {"isolation": "userns"}}
LIMITS = {"memory-request": "100Mi", "memory-limit": "400Mi"}
HOG = "docker run --name hog busybox dd if=/dev/zero of=/dev/null bs=500M count=1 || echo ended with $?"


@pytest.fixture(scope="module", params=FORMS)
def build(kube: Kube, helm: Helm, registry_mirror: str, request: pytest.FixtureRequest) -> Iterator[Pod]:
    """Yield a pod whose daemon has an isolation and the image busybox."""
    with namespace_of(kube, helm, request.param, registry_mirror) as namespace:
        yield start(namespace, FORMS[request.param])


def test_docker_works(build: Pod) -> None:
    assert build.exec("docker run --rm busybox echo hello") == "hello\n"
    assert build.exec("docker run --rm --user 1000:1000 busybox id -u") == "1000\n"
    assert (
        build.exec("docker run --rm --privileged busybox sh -c 'mkdir /m && mount -t tmpfs t /m && echo mounted'")
        == "mounted\n"
    )
    assert build.exec("docker run --rm --memory 64m --cpus 0.5 --pids-limit 50 busybox echo limited") == "limited\n"


def test_a_build_works(build: Pod) -> None:
    lines = "FROM busybox\\nRUN echo built > /made\\nUSER 1000\\nRUN id -u >> /tmp/user\\n"
    build.exec(f"printf '{lines}' | docker build --quiet --tag made -")
    assert build.exec("docker run --rm made cat /made /tmp/user") == "built\n1000\n"


def test_compose_published_ports_and_networks_work(build: Pod) -> None:
    services = "{services: {web: {image: busybox, command: httpd -f -h /etc, ports: ['8080:80']}}}"
    build.exec(
        f'mkdir -p /tmp/c && cd /tmp/c && echo "{services}" > compose.yaml && docker compose up --detach --quiet-pull'
    )
    fetch = "docker run --rm --network {} busybox wget -q -O - http://{}/hostname"
    assert build.exec(fetch.format("host", "127.0.0.1:8080"))
    assert build.exec(fetch.format("c_default", "web"))
    build.exec("cd /tmp/c && docker compose down --timeout 1")


def test_files_of_a_workspace_keep_their_owners(build: Pod) -> None:
    build.exec("mkdir -p /work/w && echo pod > /work/w/file && chown 1000:1000 /work/w /work/w/file")
    nested = "cat /w/file; echo nested > /w/made; stat -c %u /w/file"
    assert build.exec(f"docker run --rm --user 1000 -v /work/w:/w busybox sh -c '{nested}'") == "pod\n1000\n"
    assert build.exec("stat -c %u /work/w/made && cat /work/w/made") == "1000\nnested\n"


def test_a_client_without_root_reaches_the_socket_by_its_group(build: Pod) -> None:
    assert build.exec("docker version --format '{{.Server.Os}}'", "user") == "linux\n"


@pytest.mark.parametrize("build", ["none", "userns with a RuntimeClass"], indirect=True)
def test_a_container_that_takes_too_much_memory_ends_alone(build: Pod) -> None:
    assert "ended with 137" in build.exec(HOG)
    assert build.exec("docker inspect --format '{{.State.OOMKilled}}' hog; docker rm hog") == "true\nhog\n"
    assert build.status("dind")["restartCount"] == 0


@pytest.mark.parametrize("build", ["none", "userns with a RuntimeClass"], indirect=True)
def test_docker_shows_and_sets_what_a_container_uses(build: Pod) -> None:
    bounded = build.exec("docker run --rm --memory 64m busybox cat /sys/fs/cgroup/memory.max")
    assert bounded == f"{64 << 20}\n"
    build.exec("docker run --detach --name sleeper busybox sleep 3600")
    used = build.exec("docker stats --no-stream --format '{{.PIDs}}' sleeper; docker rm --force sleeper")
    assert used == "1\nsleeper\n"


def test_only_without_a_cgroup_of_its_own_a_container_cannot_be_paused_or_updated(
    build: Pod, request: pytest.FixtureRequest
) -> None:
    build.exec("docker run --detach --name worker busybox sleep 3600 && docker exec worker true")
    for command in ("pause worker", "unpause worker", "top worker", "update --memory 64m --memory-swap 64m worker"):
        result = build.exec(f"docker {command} >/dev/null 2>&1 && echo works || echo fails")
        expected = "fails\n" if request.node.callspec.params["build"] == "userns" else "works\n"
        assert (command, result) == (command, expected)
    build.exec("docker rm --force worker")


def test_ways_out_of_a_privileged_container_lead_to_the_node_only_without_isolation(
    build: Pod, request: pytest.FixtureRequest
) -> None:
    build.exec(f"cat > /work/ways_out.sh << 'END'\n{WAYS_OUT}\nEND")
    output = build.exec("docker run --rm --privileged -v /:/dind -v /work:/work busybox sh /work/ways_out.sh")
    tried = dict(line.split(": ", 1) for line in output.splitlines())
    open_ways = sorted(name for name, result in tried.items() if result == "open")
    assert PUBLISHED
    published = sorted(re.findall(r"(?m)^\| (.*) \|$", PUBLISHED[1]))
    assert set(published) <= set(tried)
    assert open_ways == (published if request.node.callspec.params["build"] == "none" else [])


@pytest.mark.node
def test_root_of_the_pod_is_another_user_on_the_node(build: Pod, node: Cluster, request: pytest.FixtureRequest) -> None:
    name = f"sleeper-{build.name}"
    build.exec(f"docker run --detach --name {name} busybox sleep 54321")
    try:
        users = node.vm.run("listing processes", "ps -eo uid=,args= | grep 'sleep 5432[1]'").split()
    finally:
        build.exec(f"docker rm --force {name}")
    assert (users[0] == "0") is (request.node.callspec.params["build"] == "none")


@pytest.mark.parametrize("driver", ["overlay2", "vfs", "native"])
def test_other_storage_drivers_and_image_stores_work_in_a_user_namespace(ci: Namespace, driver: str) -> None:
    """overlay2 and vfs use Docker's own image store, native that of containerd, which is the default."""
    pod = start(ci, {"isolation": "userns", "dockerd-args": f'["--storage-driver={driver}"]'})
    assert pod.exec("docker info --format '{{.Driver}}'") == f"{driver}\n"
    test_a_build_works(pod)


def test_an_older_docker_works_in_a_user_namespace(ci: Namespace) -> None:
    pod = start(ci, {"isolation": "userns", "image": OLD_DAEMON})
    assert pod.exec("docker version --format '{{.Server.Version}}'").startswith("26.1")
    test_a_build_works(pod)


def test_a_pod_that_says_hostusers_false_has_it(ci: Namespace) -> None:
    pod = ci.make(workloads.pod(FOREVER, hostUsers=False), dry_run="All")
    assert '"isolation":"userns"' in pod["metadata"]["annotations"]["dind.io/status"]


def test_what_cannot_be_is_denied_beforehand(ci: Namespace) -> None:
    nfs = {"name": "data", "nfs": {"server": "192.0.2.1", "path": "/"}}
    with pytest.raises(RefusedError, match=r'NFS volume "data" cannot be mounted in a user namespace'):
        ci.make(workloads.pod(FOREVER, options={"isolation": "userns"}, volumes=[nfs]), dry_run="All")


@contextmanager
def namespace_of(kube: Kube, helm: Helm, form: str, registry_mirror: str) -> Iterator[Namespace]:
    """Yield a namespace of the main release, or of one that creates a RuntimeClass."""
    if form != "userns with a RuntimeClass":
        with kube.namespace() as namespace:
            yield namespace
        return
    values = {
        "runtimeClass": {"create": True, "handler": WRITABLE_CGROUPS},
        "settings": {"injection": {"defaults": {"registry-mirrors": registry_mirror}}},
    }
    with install_release(kube, helm, values) as release, release.namespace_of() as namespace:
        yield namespace


def start(namespace: Namespace, options: dict[str, str]) -> Pod:
    """Start a pod with a workspace and a container of another user, and wait for its daemon."""
    work = {"name": "work", "mountPath": "/work"}
    user = workloads.container(FOREVER, "user", securityContext={"runAsUser": 1000}, volumeMounts=[work])
    root = workloads.container(FOREVER, volumeMounts=[work])
    volumes = [{"name": "work", "emptyDir": {}}]
    pod = namespace.run(workloads.pod(root, user, options={**LIMITS, **options}, volumes=volumes)).ready()
    pod.exec("docker pull --quiet busybox")
    return pod
