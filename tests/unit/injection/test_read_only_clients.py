"""Clients with a read-only root file system, in which nobody can make `~/.docker`."""

import pytest
from pods import a_container, a_pod, find_by_name, injected_pod, mount_paths_of, names_of, operator_policy

from dind_webhook.injection import Reason, inject
from dind_webhook.model import JsonObject

_POLICY = operator_policy()
_READ_ONLY = {"readOnlyRootFilesystem": True}
_VARIABLES = [{"name": "BUILDX_CONFIG", "value": "/.docker/buildx"}, {"name": "BUILDKIT_NO_CLIENT_TOKEN", "value": "1"}]
_MOUNT = {"name": "dind-config", "mountPath": "/.docker", "subPath": "build"}
_BOTH_MODES = pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
_UNKNOWN = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}


def _injected_client(mode: str = "sidecar", shared: JsonObject | None = None, **members: object) -> JsonObject:
    container = a_container(**{"securityContext": _READ_ONLY, **members})
    volumes = [{"name": "own", "emptyDir": {}}, {"name": "secret", "secret": {"secretName": "a"}}]
    pod = a_pod(mode, containers=[container], volumes=volumes, securityContext=shared or {})
    return injected_pod(pod, _POLICY)["spec"]["containers"][0]


def _env(**values: str | JsonObject) -> list[JsonObject]:
    return [{"name": name, **({"value": value} if isinstance(value, str) else value)} for name, value in values.items()]


def _at(path: str, volume: str = "own", **members: object) -> JsonObject:
    return {"name": volume, "mountPath": path, **members}


@pytest.mark.parametrize("user", [{}, {"runAsUser": 0}, {"runAsUser": 1000}, {"runAsNonRoot": True}])
@_BOTH_MODES
def test_buildx_of_every_user_gets_a_directory(mode: str, user: JsonObject) -> None:
    client = _injected_client(mode, securityContext={**_READ_ONLY, **user})
    assert client["env"][1:] == _VARIABLES
    assert client["volumeMounts"][-1] == _MOUNT


@_BOTH_MODES
def test_only_read_only_containers_with_docker_get_it(mode: str) -> None:
    containers = [
        a_container(securityContext=_READ_ONLY),
        a_container("writable", securityContext={"readOnlyRootFilesystem": False}),
        a_container("helper", securityContext=_READ_ONLY),
    ]
    spec = injected_pod(a_pod(mode, {"containers": "build,writable"}, containers=containers), _POLICY)["spec"]
    assert find_by_name(spec["volumes"], "dind-config") == {"name": "dind-config", "emptyDir": {}}
    others = [find_by_name(spec["containers"], name) for name in ("writable", "helper")]
    assert "dind-config" not in str([*others, spec["initContainers"]])
    assert "BUILDX_CONFIG" not in str([*others, spec["initContainers"]])


_KEPT: list[JsonObject] = [
    {"env": _env(BUILDX_CONFIG="/tmp/buildx")},
    {"env": _env(BUILDX_CONFIG=_UNKNOWN)},
    {"env": _env(DOCKER_CONFIG=_UNKNOWN)},
    {"env": _env(HOME=_UNKNOWN)},
    {"env": _env(DOCKER_CONFIG="/work/docker"), "volumeMounts": [_at("/work/")]},
    {"env": _env(DOCKER_CONFIG="/work/docker"), "volumeMounts": [_at("/work/docker/buildx")]},
    {"env": _env(HOME="/work"), "volumeMounts": [_at("/work")]},
    {"env": _env(HOME="/work/./a"), "volumeMounts": [_at("/work/a/.docker")]},
    {"volumeMounts": [_at("/root")]},
    {"volumeMounts": [_at("/home")]},
    {"volumeMounts": [_at("/home/nonroot")]},
    {"volumeMounts": [_at("/var/ci/.docker")]},
    {"volumeMounts": [_at("/var/ci/.docker/buildx")]},
    {"env": _env(HOME="/work"), "volumeMounts": [_at("/work"), _at("/work/.docker/config.json", "secret")]},
    {
        "env": _env(HOME="/work"),
        "volumeMounts": [_at("/work/.docker", "secret"), _at("/work/.docker/buildx"), _at("/work")],
    },
    {"volumeMounts": [_at("/root"), _at("/root/.docker/config.json", "secret", subPath="a")]},
    {"volumeMounts": [_at("/root"), _at("/root/.docker", "secret"), _at("/root/.docker/buildx")]},
    {"volumeMounts": [_at("/home/ci"), _at("/root/.docker", "secret")]},
    # The mount would hide the directory of the image.
    {"env": _env(DOCKER_CONFIG="/.docker/ci")},
    # The directory of the image
    {"env": _env(DOCKER_CONFIG="/.docker")},
    # The mount would be in the way.
    {"volumeMounts": [_at("/.docker", "secret")]},
    {"volumeMounts": [_at("/.docker/config.json", "secret", subPath="a")]},
]


@pytest.mark.parametrize("members", _KEPT)
@_BOTH_MODES
def test_a_container_that_can_write_keeps_its_place(mode: str, members: JsonObject) -> None:
    client = _injected_client(mode, **members)
    assert client["env"][:-1] == members.get("env", [])
    assert "dind-config" not in str(client["volumeMounts"])


@pytest.mark.parametrize(
    "members",
    [
        {"env": _env(DOCKER_CONFIG="/work/docker")},
        {"env": _env(DOCKER_CONFIG="/work/docker"), "volumeMounts": [_at("/work/docker", "secret")]},
        {"env": _env(DOCKER_CONFIG="/work/docker"), "volumeMounts": [_at("/work", readOnly=True)]},
        {"env": _env(DOCKER_CONFIG="/work/docker"), "volumeMounts": [_at("/work/dock")]},
        {"env": _env(DOCKER_CONFIG="/work/docker", HOME="/home/ci"), "volumeMounts": [_at("/home/ci")]},
        {"env": _env(DOCKER_CONFIG=""), "volumeMounts": [_at("/work")]},
        {"env": _env(HOME="/work")},
        {"env": _env(HOME="/work"), "volumeMounts": [_at("/root")]},
        {"env": _env(HOME="")},
        {"volumeMounts": [_at("/root/.docker", "secret")]},
        {"volumeMounts": [_at("/root"), _at("/root/.docker", "secret")]},
        {"volumeMounts": [_at("/home"), _at("/home/ci/.docker", "secret")]},
        {"env": _env(HOME="/work"), "volumeMounts": [_at("/work"), _at("/work/.docker", "secret")]},
        {"env": _env(DOCKER_CONFIG="/work/docker"), "volumeMounts": [_at("/work/docker", "secret"), _at("/work")]},
        {"volumeMounts": [_at("/root/.docker/config.json", "secret", subPath="a")]},
        {"volumeMounts": [_at("/root", readOnly=True)]},
        {"volumeMounts": [_at("/home/ci/work")]},
        {"volumeMounts": [_at("/tmp")]},
    ],
)
@_BOTH_MODES
def test_a_container_without_a_writable_place_gets_one(mode: str, members: JsonObject) -> None:
    client = _injected_client(mode, **members)
    assert client["env"][-2:] == _VARIABLES
    assert client["volumeMounts"][-1] == _MOUNT


def test_the_home_slash_gets_its_configuration_there() -> None:
    """Then `docker login` works too, and buildx needs no variables."""
    client = _injected_client(env=_env(HOME="/"))
    assert client["volumeMounts"][-1] == _MOUNT
    assert names_of(client["env"]) == ["HOME", "DOCKER_HOST"]


def test_a_variable_of_the_container_is_kept() -> None:
    client = _injected_client(env=_env(BUILDKIT_NO_CLIENT_TOKEN="0"))  # no password
    assert [each["value"] for each in client["env"] if each["name"] == "BUILDKIT_NO_CLIENT_TOKEN"] == ["0"]
    assert _VARIABLES[0] in client["env"]


@pytest.mark.parametrize("user", [{}, {"runAsUser": 1000}])
@pytest.mark.parametrize(
    "members", [{}, {"env": _env(HOME="/")}, {"volumeMounts": [_at("/root/.docker", "secret")]}, *_KEPT]
)
@_BOTH_MODES
def test_a_second_call_changes_nothing(mode: str, user: JsonObject, members: JsonObject) -> None:
    volumes = [{"name": "own", "emptyDir": {}}, {"name": "secret", "secret": {"secretName": "a"}}]
    container = a_container(**{**members, "securityContext": {**_READ_ONLY, **user}})
    injected = injected_pod(a_pod(mode, containers=[container], volumes=volumes), _POLICY)
    decision = inject(injected, None, _POLICY)
    assert decision.reason is Reason.UNCHANGED, decision.message


@_BOTH_MODES
def test_a_webhook_that_makes_the_root_read_only_later_is_followed(mode: str) -> None:
    injected = injected_pod(a_pod(mode, containers=[a_container(securityContext={"runAsUser": 1000})]), _POLICY)
    injected["spec"]["containers"][0]["securityContext"].update(_READ_ONLY)
    client = injected_pod(injected, _POLICY)["spec"]["containers"][0]
    assert client["env"][-2:] == _VARIABLES
    assert mount_paths_of(client).count("/.docker") == 1


def test_a_secret_of_the_options_replaces_the_directory() -> None:
    policy = operator_policy(allowed_options=frozenset({"registry-secret"}))
    pod = a_pod(options={"registry-secret": "a"}, containers=[a_container(securityContext=_READ_ONLY)])
    client = injected_pod(pod, policy)["spec"]["containers"][0]
    assert "/.docker" not in mount_paths_of(client)
    assert find_by_name(client["env"], "BUILDX_CONFIG")["value"] == "/run/dind/buildx-build"
