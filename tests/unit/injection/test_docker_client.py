"""The Docker client of the option `client`: volumes, mounts and the script that fills the volume."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pods import a_container, a_pod, find_by_name, injected_pod, names_of, operator_policy

from dind_webhook.injection import OPTIONS, Isolation, Mode, Reason, inject
from dind_webhook.injection.docker_client import CLIENT_IMAGE_DIRECTORY, CLIENT_SCRIPT, CLIENT_VOLUME_DIRECTORY
from dind_webhook.model import JsonObject

_BOTH_MODES = pytest.mark.parametrize("mode", list(Mode))
_BIN = {"name": "dind-client", "mountPath": "/usr/local/sbin", "readOnly": True, "subPath": "bin"}
_PLUGINS = {
    "name": "dind-client",
    "mountPath": "/usr/local/libexec/docker/cli-plugins",
    "readOnly": True,
    "subPath": "cli-plugins",
}
_IMAGE = {"name": "dind-client-image", "mountPath": "/usr/local/libexec/dind/image", "readOnly": True}
_OPEN: dict[str, Any] = {"allowed_options": frozenset(option.name for option in OPTIONS)}


def _inject(mode: str, text: str = "true", settings: dict[str, Any] | None = None, **spec: Any) -> JsonObject:
    policy = operator_policy(**_OPEN, **(settings or {}))
    found: JsonObject = injected_pod(a_pod(mode, {"client": text}, **spec), policy)["spec"]
    return found


@_BOTH_MODES
def test_a_container_gets_the_client_from_an_image_volume(mode: str) -> None:
    spec = _inject(mode, settings={"image_volumes": True})
    assert find_by_name(spec["volumes"], "dind-client") == {"name": "dind-client", "emptyDir": {}}
    image = {"name": "dind-client-image", "image": {"reference": "docker:29.8.2-dind"}}
    assert find_by_name(spec["volumes"], "dind-client-image") == image
    assert spec["containers"][0]["volumeMounts"][-3:] == [_BIN, _PLUGINS, _IMAGE]
    mounts = spec["initContainers"][0]["volumeMounts"]
    assert {"name": "dind-client", "mountPath": CLIENT_VOLUME_DIRECTORY} in mounts
    assert _IMAGE in mounts


@_BOTH_MODES
def test_a_container_gets_a_copy_where_there_are_no_image_volumes(mode: str) -> None:
    spec = _inject(mode)
    assert spec["containers"][0]["volumeMounts"][-2:] == [_BIN, _PLUGINS]
    assert {"name": "dind-client", "mountPath": CLIENT_VOLUME_DIRECTORY} in spec["initContainers"][0]["volumeMounts"]
    assert "dind-client-image" not in str(spec)


@_BOTH_MODES
def test_a_path_is_the_directory_of_the_client(mode: str) -> None:
    assert {**_BIN, "mountPath": "/opt/docker"} in _inject(mode, "/opt/docker")["containers"][0]["volumeMounts"]


@_BOTH_MODES
def test_only_selected_containers_get_the_client(mode: str) -> None:
    containers = [a_container("build"), a_container("helper")]
    pod = a_pod(mode, {"client": "true", "containers": "build"}, containers=containers)
    spec = injected_pod(pod, operator_policy(**_OPEN))["spec"]
    assert "volumeMounts" not in find_by_name(spec["containers"], "helper")


@_BOTH_MODES
def test_without_the_option_nothing_is_added(mode: str) -> None:
    assert "dind-client" not in names_of(_inject(mode, "false", {"image_volumes": True})["volumes"])


@_BOTH_MODES
def test_the_operator_may_give_the_client_to_all_pods(mode: str) -> None:
    policy = operator_policy(defaults={"client": "true"})
    assert _BIN in injected_pod(a_pod(mode), policy)["spec"]["containers"][0]["volumeMounts"]
    refused = injected_pod(a_pod(mode, {"client": "false"}), policy)["spec"]["containers"][0]["volumeMounts"]
    assert _BIN not in refused


@pytest.mark.parametrize("isolation", sorted(set(Isolation) - {Isolation.AUTO, Isolation.NONE}))
def test_with_an_isolation_the_client_is_copied(isolation: str) -> None:
    classes = {each: "class" for each in Isolation if each not in {Isolation.NONE, Isolation.AUTO}}
    settings = {"image_volumes": True, "allowed_isolations": frozenset(Isolation), "runtime_classes": classes}
    policy = operator_policy(**_OPEN, **settings)
    spec = injected_pod(a_pod(options={"client": "true", "isolation": isolation}), policy)["spec"]
    assert "dind-client" in names_of(spec["volumes"])
    assert "dind-client-image" not in names_of(spec["volumes"])


def test_a_pod_in_a_user_namespace_gets_a_copy_in_daemonset_mode() -> None:
    spec = _inject("daemonset", settings={"image_volumes": True}, hostUsers=False)
    assert "dind-client-image" not in names_of(spec["volumes"])


def test_the_pull_policy_of_the_daemons_image_is_that_of_the_volume() -> None:
    spec = _inject("sidecar", settings={"image_volumes": True, "image_pull_policy": "Always"})
    assert find_by_name(spec["volumes"], "dind-client-image")["image"]["pullPolicy"] == "Always"


@_BOTH_MODES
def test_the_cluster_autoscaler_may_evict_the_pod(mode: str) -> None:
    pod = injected_pod(a_pod(mode, {"client": "true"}), operator_policy(**_OPEN))
    names = pod["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"]
    assert "dind-client" in names.split(",")


def test_the_daemon_does_not_share_the_volume_of_the_client() -> None:
    pod = injected_pod(a_pod(options={"client": "/opt/docker"}), operator_policy(**_OPEN))
    decision = inject(pod, None, operator_policy(**_OPEN))
    assert decision.reason is Reason.UNCHANGED


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("/usr/local/sbin", 'set dind.io/client to another directory or "false"'),
        ("/usr/local/libexec/docker/cli-plugins", 'set dind.io/client to "false"'),
    ],
)
@_BOTH_MODES
def test_a_mount_in_the_way_of_the_client_is_denied(mode: str, path: str, remedy: str) -> None:
    container = a_container(volumeMounts=[{"name": "tools", "mountPath": path}])
    pod = a_pod(mode, containers=[container], volumes=[{"name": "tools", "emptyDir": {}}])
    settings = {"defaults": {"client": "true"}}
    decision = inject(pod, None, operator_policy(**settings))
    assert decision.reason is Reason.MOUNT_PATH_TAKEN
    assert f"in the way of the Docker client at {path}; remove the mount, put it elsewhere, or {remedy}" in (
        decision.message
    )
    # The pod may not set the option.
    closed = inject(pod, None, operator_policy(**settings, allowed_options=frozenset({"wait"})))
    assert closed.message.endswith(f"at {path}; remove the mount, or put it elsewhere")


@pytest.mark.parametrize(
    ("text", "path", "is_warned"),
    [
        ("true", "/opt/bin:/usr/bin", True),
        ("true", "/usr/local/sbin/x:/usr/bin", True),
        ("true", "", True),
        ("true", "/usr/bin:/usr/local/./sbin/", False),
        ("true", "/usr/bin:$(OTHER)", False),
        ("/opt/docker", "/usr/local/sbin", True),
        ("/opt/docker", "/usr/bin:/opt/docker", False),
        ("false", "/opt/bin:/usr/bin", False),
    ],
)
@_BOTH_MODES
def test_a_path_without_the_client_is_warned_of(mode: str, text: str, path: str, *, is_warned: bool) -> None:
    unknown = {"name": "PATH", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    containers = [
        a_container(env=[{"name": "PATH", "value": path}]),
        a_container("image"),
        a_container("reference", env=[unknown]),
    ]
    pod = a_pod(mode, {"client": text}, containers=containers)
    directory = "/usr/local/sbin" if text == "true" else text
    warning = f"PATH lacks {directory}, where docker is, in: build"
    assert (warning in inject(pod, None, operator_policy(**_OPEN)).warnings) is is_warned


def test_a_client_without_the_container_that_waits_is_denied() -> None:
    decision = inject(a_pod("daemonset", {"client": "true", "wait": "false"}), None, operator_policy(**_OPEN))
    assert decision.reason is Reason.INVALID_OPTION
    assert "init container dind-wait puts the client there" in decision.message


def test_a_client_without_the_start_script_is_denied() -> None:
    policy = operator_policy(**_OPEN, start_script=False)
    decision = inject(a_pod(options={"client": "true"}), None, policy)
    assert decision.reason is Reason.INVALID_OPTION
    assert "operator has turned start_script off" in decision.message
    assert inject(a_pod("daemonset", {"client": "true"}), None, policy).reason is Reason.INJECTED


def test_a_client_in_the_directory_of_the_socket_is_denied() -> None:
    pod = a_pod(options={"client": "/opt/docker", "socket-dir": "/opt/docker/run"})
    decision = inject(pod, None, operator_policy(**_OPEN))
    assert decision.reason is Reason.INVALID_OPTION
    assert "which overlaps dind.io/socket-dir" in decision.message


class _Place:
    """The script's directories in a folder, with a client in the image or in the root of the container."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client = folder / "client"
        self.client.mkdir()

    def put(self, *files: str, image: bool, options: str = "ro") -> subprocess.CompletedProcess[str]:
        mounts = self.folder / "mounts"
        mounts.write_text(f"overlay / overlay rw 0 0\noverlay {self.folder}/image overlay {options} 0 0\n")
        root = self.folder / ("image" if image else "root")
        for name in files:
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name)
        script = CLIENT_SCRIPT.replace(CLIENT_VOLUME_DIRECTORY, str(self.client))
        script = script.replace(CLIENT_IMAGE_DIRECTORY, str(self.folder / "image"))
        script = script.replace("/proc/self/mounts", str(mounts)).replace(
            "image= put=", f"image={self.folder}/root put="
        )
        return subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True)

    def read(self) -> dict[str, str]:
        files = [file for file in self.client.rglob("*") if file.is_symlink() or file.is_file()]
        return {
            str(file.relative_to(self.client)): f"-> {file.readlink()}" if file.is_symlink() else file.read_text()
            for file in files
        }


@pytest.fixture
def place(tmp_path: Path) -> _Place:
    return _Place(tmp_path)


_OFFICIAL = (
    "usr/local/bin/docker",
    "usr/local/bin/docker-entrypoint.sh",
    "usr/local/libexec/docker/cli-plugins/docker-buildx",
    "usr/local/libexec/docker/cli-plugins/docker-compose",
)
_COMPOSE = {"bin/docker-compose": "-> /usr/local/libexec/docker/cli-plugins/docker-compose"}


def test_links_lead_into_the_image(place: _Place) -> None:
    assert not place.put(*_OFFICIAL, image=True).stderr
    image = place.folder / "image"
    assert place.read() == {
        "bin/docker": f"-> {image}/usr/local/bin/docker",
        "cli-plugins/docker-buildx": f"-> {image}/usr/local/libexec/docker/cli-plugins/docker-buildx",
        "cli-plugins/docker-compose": f"-> {image}/usr/local/libexec/docker/cli-plugins/docker-compose",
        **_COMPOSE,
    }


def test_without_an_image_volume_the_client_is_copied(place: _Place) -> None:
    assert not place.put(*_OFFICIAL, image=False).stderr
    assert place.read() == {
        "bin/docker": "usr/local/bin/docker",
        "cli-plugins/docker-buildx": "usr/local/libexec/docker/cli-plugins/docker-buildx",
        "cli-plugins/docker-compose": "usr/local/libexec/docker/cli-plugins/docker-compose",
        **_COMPOSE,
    }


def test_an_image_volume_whose_programs_cannot_run_is_not_used(place: _Place) -> None:
    (place.folder / "image").mkdir()
    assert not place.put(*_OFFICIAL, image=False, options="ro,nosuid,noexec").stderr
    assert place.read()["bin/docker"] == "usr/local/bin/docker"


def test_the_places_of_debians_packages_are_found(place: _Place) -> None:
    place.put("usr/bin/docker", "usr/libexec/docker/cli-plugins/docker-buildx", image=False)
    assert place.read() == {
        "bin/docker": "usr/bin/docker",
        "cli-plugins/docker-buildx": "usr/libexec/docker/cli-plugins/docker-buildx",
    }


@pytest.mark.parametrize("image", [True, False])
def test_a_second_start_changes_nothing(place: _Place, *, image: bool) -> None:
    place.put(*_OFFICIAL, image=image)
    before = place.read()
    assert not place.put(image=image).stderr
    assert place.read() == before


def test_an_image_without_a_client_is_reported(place: _Place) -> None:
    assert place.put("usr/bin/podman", image=True).stderr == "cannot give the other containers a Docker client\n"


def test_a_daemon_without_the_volume_has_nothing_to_do(place: _Place) -> None:
    place.client.rmdir()
    assert not place.put(*_OFFICIAL, image=True).stderr
    assert not place.client.exists()
