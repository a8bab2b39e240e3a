"""The Docker client of `dind.io/client` in containers whose images have none.

The nodes are those of Kubernetes 1.37, so the client comes from an image volume. In a user namespace it is a copy.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import workloads
from cluster import oci
from cluster.cluster import Cluster
from kube import Manifest, Namespace
from workloads import BUSYBOX, OLD_DAEMON, container

pytestmark = pytest.mark.any_node

_SCRATCH = "localhost/scratch:1"
_DOCKERFILE = "FROM busybox\nRUN echo built >/mark\n"
_COMPOSE = """\
services:
  web:
    image: {image}
    command: [sh, -c, "while true; do echo served | nc -l -p 80; done"]
  client:
    image: {image}
    command: [sh, -c, "until nc web 80 </dev/null; do sleep 0.2; done"]
    depends_on: [web]
"""
_NON_ROOT = {"runAsUser": 1000, "readOnlyRootFilesystem": True}
# buildx needs a writable /tmp.
_MOUNTS = [{"name": "tmp", "mountPath": "/tmp"}, {"name": "work", "mountPath": "/work"}]
_BOTH_MODES = pytest.mark.parametrize("mode", ["sidecar", "daemonset"])


def _files(ci: Namespace) -> list[Manifest]:
    """Make the files of a build and a project, and return the volumes of a pod with them."""
    data = {"Dockerfile": _DOCKERFILE, "compose.yaml": _COMPOSE.format(image=ci.name)}
    ci.make({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "work"}, "data": data})
    return [{"name": "tmp", "emptyDir": {}}, {"name": "work", "configMap": {"name": "work"}}]


@pytest.fixture(scope="module")
def scratch(node: Cluster) -> str:
    """Give the second node an image without any program, and return its name."""
    with tempfile.TemporaryDirectory(dir=node.cache.images) as folder:
        Path(folder, "root").mkdir()
        Path(folder, "root", "empty").touch()
        archive = Path(folder, "scratch.tar")
        oci.pack(_SCRATCH, [Path(folder, "root")], oci.Config(entrypoint=()), archive)
        node.local_node.load(archive)
    return _SCRATCH


@pytest.mark.node
@_BOTH_MODES
def test_a_container_without_a_shell_builds_runs_and_composes(mode: str, ci: Namespace, scratch: str) -> None:
    def step(name: str, *command: str) -> Manifest:
        return {
            "name": name,
            "image": scratch,
            "imagePullPolicy": "IfNotPresent",
            "command": ["docker", *command],
            "securityContext": _NON_ROOT,
            "volumeMounts": _MOUNTS,
        }

    project = ("compose", "--file", "/work/compose.yaml", "--project-name", ci.name)
    steps = [
        # The daemon of the node gets no images in a build: the registry beside the nodes has no TLS.
        step("pull", "pull", "--quiet", "busybox"),
        step("build", "build", "--tag", ci.name, "/work"),
        step("up", *project, "up", "--exit-code-from", "client"),
        step("down", *project, "down", "--timeout", "1"),
    ]
    end = step("run", "run", "--rm", ci.name, "cat", "/mark")
    manifest = workloads.pod(end, inject=mode, options={"client": "true"}, initContainers=steps, volumes=_files(ci))
    pod = ci.run(manifest).succeeds()
    assert "served" in pod.log("up")
    assert pod.log("run") == "built\n"


# Debian's user www-data has the home /var/www.
@pytest.mark.parametrize(("user", "home"), [(0, "/root"), (33, "/var/www")])
@_BOTH_MODES
def test_a_client_builds_with_a_home_in_a_read_only_root_file_system(
    mode: str, user: int, home: str, ci: Namespace
) -> None:
    """The configuration at home stays in force, although nothing can be written there."""
    script = """\
docker pull --quiet busybox
docker build --tag "$TAG" /work
echo "services: {a: {build: /work, image: $TAG-composed}}" >"/tmp/$TAG.yaml"
docker compose --file "/tmp/$TAG.yaml" --project-name "$TAG" build
if mkdir --parents "$HOME/.docker/own"; then exit 1; fi
docker run --rm "$TAG-composed" cat /mark
docker run --rm "$TAG" cat /mark
docker ps | head -n 1
echo "$HOME"
"""

    def build(name: str, *mounts: Manifest) -> Manifest:
        return {
            **container("", name, OLD_DAEMON, env=[{"name": "TAG", "value": f"{ci.name}-{name}"}]),
            "command": ["bash", "-euc", script],
            "securityContext": {"readOnlyRootFilesystem": True, "runAsUser": user},
            "volumeMounts": [*_MOUNTS, *mounts],
        }

    ci.make({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "config"},
        "data": {"config.json": '{"psFormat": "table own format"}'},
    })  # fmt: skip
    own = {"name": "config", "mountPath": f"{home}/.docker"}
    volumes = [*_files(ci), {"name": "config", "configMap": {"name": "config"}}]
    steps = [build("plain"), build("configured", own)]
    pod = ci.run(workloads.pod(*steps, inject=mode, options={"client": "true"}, volumes=volumes)).succeeds()
    for name, header in (("plain", "CONTAINER ID"), ("configured", "own format")):
        mark, first, last = pod.log(name).splitlines()[-3:]
        assert (mark, last) == ("built", home)
        assert first.startswith(header)


@_BOTH_MODES
def test_nothing_is_copied_and_no_program_of_the_image_is_replaced(mode: str, ci: Namespace) -> None:
    """The image has an entrypoint of the same name as the image of the client, and a client of its own."""
    script = """\
docker version && docker-compose version && docker buildx version
command -v docker-entrypoint.sh
stat -c %F /usr/local/bin/docker
readlink /usr/local/sbin/docker
du -sLk /usr/local/sbin | cut -f1
du -sk /usr/local/sbin /usr/local/libexec/docker/cli-plugins | awk '{ sum += $1 } END { print sum }'
ls /usr/local/sbin | xargs
"""
    build = container(script, securityContext=_NON_ROOT)
    pod = ci.run(workloads.pod(build, inject=mode, options={"client": "true"})).succeeds()
    entrypoint, kind, link, size, copied, names = pod.log("build").splitlines()[-6:]
    assert (entrypoint, kind) == ("/usr/local/bin/docker-entrypoint.sh", "regular file")
    assert link == "/usr/local/libexec/dind/image/usr/local/bin/docker"
    assert int(size) > 10_000
    assert int(copied) < 100
    assert names == "docker docker-compose"


@_BOTH_MODES
def test_an_image_of_debian_with_an_older_docker_gets_the_client(mode: str, ci: Namespace) -> None:
    """Debian's bash and coreutils run it. The client of the image stays, and is later in the PATH."""
    script = """\
type -p docker
[[ $(docker version --format '{{.Client.Version}}') == 29.* ]]
[[ $(/usr/bin/docker --version) == *' 26.1.'* ]]
stat --printf='%F\n' "$(readlink --canonicalize /bin/bash)"
docker pull --quiet busybox
printf 'FROM busybox\nRUN echo built >/mark\n' | docker build --quiet --tag "$TAG" -
mapfile -t lines < <(docker run --rm "$TAG" cat /mark)
docker compose version --short | head --lines=1
docker image rm "$TAG"
echo "${lines[@]}"
"""
    build = {
        **container("", image=OLD_DAEMON, env=[{"name": "TAG", "value": ci.name}], securityContext=_NON_ROOT),
        "command": ["bash", "-euo", "pipefail", "-c", script],
        "volumeMounts": _MOUNTS[:1],
    }
    volumes = [{"name": "tmp", "emptyDir": {}}]
    pod = ci.run(workloads.pod(build, inject=mode, options={"client": "true"}, volumes=volumes)).succeeds()
    lines = pod.log("build").splitlines()
    assert (lines[0], lines[1], lines[-1]) == ("/usr/local/sbin/docker", "regular file", "built")


def test_a_pod_in_a_user_namespace_gets_a_copy(ci: Namespace) -> None:
    on_first_node = replace(ci, kube=replace(ci.kube, on_second_node=False))
    script = "docker version && docker buildx version && docker compose version && test ! -L /opt/docker/docker"
    environment = [{"name": "PATH", "value": "/bin:/opt/docker"}]
    build = container(script, image=BUSYBOX, env=environment, securityContext=_NON_ROOT)
    on_first_node.run(workloads.pod(build, options={"client": "/opt/docker", "isolation": "userns"})).succeeds()
