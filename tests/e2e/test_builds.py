"""Common uses of Docker in a CI pod."""

import pytest
import workloads
from kube import Manifest, Namespace
from workloads import container

pytestmark = pytest.mark.any_node

POSTGRES = "postgres:17-alpine"


def run(namespace: Namespace, script: str) -> list[str]:
    """Run a script in a pod until it ends, and return the lines of its output."""
    return namespace.run(workloads.pod(script)).succeeds().log("build").splitlines()


def test_an_image_is_built_and_run(ci: Namespace) -> None:
    script = """\
mkdir /tmp/context && cd /tmp/context
printf '%s\\n' 'FROM busybox' 'RUN echo made by RUN >/made' 'CMD ["cat", "/made"]' >Dockerfile
docker build --tag made .
docker run --rm made
"""
    assert run(ci, script)[-1] == "made by RUN"


@pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
def test_a_user_without_a_home_builds_an_image_with_files_of_its_own(mode: str, ci: Namespace) -> None:
    def client(name: str) -> Manifest:
        script = f"""\
test "$HOME" = / && test "$(id -u)" = 1000
printf 'FROM scratch\\nCOPY Dockerfile /\\n' >/tmp/Dockerfile
docker build --tag {ci.name}-{name} /tmp
docker image rm {ci.name}-{name}
touch /.docker/{name} && ls /.docker
"""
        security = {"runAsUser": 1000, "readOnlyRootFilesystem": True}
        # buildx needs a writable /tmp.
        return container(script, name, securityContext=security, volumeMounts=[{"name": name, "mountPath": "/tmp"}])

    names = ("first", "second")
    volumes = [{"name": name, "emptyDir": {}} for name in names]
    pod = ci.run(workloads.pod(*map(client, names), inject=mode, volumes=volumes)).succeeds()
    for name, other in (names, reversed(names)):
        files = pod.log(name).split()
        assert name in files
        assert other not in files


def test_containers_find_each_other_by_name_as_with_compose(ci: Namespace) -> None:
    script = """\
docker network create project
docker run --detach --network project --name web busybox sh -c 'echo served | nc -l -p 80'
for i in $(seq 50); do
  docker run --rm --network project busybox sh -c 'nc web 80 </dev/null' && exit
  sleep 0.2
done
exit 1
"""
    assert run(ci, script)[-1] == "served"


def test_a_compose_project_is_built_and_its_services_find_each_other(ci: Namespace) -> None:
    script = """\
mkdir /tmp/project && cd /tmp/project
echo 'FROM busybox' >Dockerfile
cat >compose.yaml <<'END'
services:
  web:
    build: .
    command: [sh, -c, "while true; do echo served | nc -l -p 80; done"]
  client:
    build: .
    command: [sh, -c, "until nc web 80 </dev/null; do sleep 0.2; done"]
    depends_on: [web]
END
docker compose up --detach --quiet-pull
docker wait "$(docker compose ps --all --quiet client)"
docker compose logs --no-log-prefix client
docker compose down --timeout 1
"""
    assert "served" in run(ci, script)


def test_a_container_that_mounts_var_run_docker_sock_reaches_the_same_daemon(ci: Namespace) -> None:
    # The image has only the Docker client, which is a static program.
    script = """\
docker create --name sibling busybox
program=$(which docker)
tar -c -f - "$program" | docker import - client
docker run --rm --volume /var/run/docker.sock:/var/run/docker.sock client "$program" ps --all --format '{{.Names}}'
"""
    assert "sibling" in run(ci, script)


def test_a_tool_that_ignores_docker_host_finds_the_socket(ci: Namespace) -> None:
    assert run(ci, "unset DOCKER_HOST; docker run --rm busybox echo reached")[-1] == "reached"


def test_what_an_image_keeps_in_var_run_is_still_there(ci: Namespace) -> None:
    """The image is a replacement for postgres: it has the directory for the socket, but no server."""
    keeps = container("test -d /var/run/postgresql && touch /var/run/postgresql/.s && echo kept", "db", POSTGRES)
    pod = ci.run(workloads.pod(keeps)).succeeds()
    assert pod.log("db") == "kept\n"
