"""The daemon mounts the containers' volumes at the same paths."""

from typing import Any

import pytest
from pods import a_container, a_pod, injected_pod, mount_paths_of, permissive_policy

from dind_webhook.injection import Policy, Reason, inject
from dind_webhook.model import JsonObject, clean_path

_OWN_MOUNTS = 2  # the daemon's own mounts come first


def _pod(*mounts: JsonObject, **options: str) -> JsonObject:
    """Return a pod whose container has these mounts; volumes `a` and `b` are emptyDirs."""
    return a_pod(options=options, containers=[a_container(volumeMounts=list(mounts))], volumes=_volumes())


def _volumes() -> list[JsonObject]:
    return [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}]


def _mount(path: str, volume: str = "a", **members: Any) -> JsonObject:
    return {"name": volume, "mountPath": path, **members}


def _shared_mounts(pod: JsonObject, policy: Policy) -> list[JsonObject]:
    """Return the daemon's mounts of the pod's own volumes."""
    mounts: list[JsonObject] = injected_pod(pod, policy)["spec"]["initContainers"][0]["volumeMounts"]
    return mounts[_OWN_MOUNTS:]


@pytest.mark.parametrize(
    ("source", "shared"),
    [
        ({"emptyDir": {}}, True),
        ({"emptyDir": {"medium": "Memory"}}, True),
        ({"persistentVolumeClaim": {"claimName": "c"}}, True),
        ({"ephemeral": {"volumeClaimTemplate": {"spec": {}}}}, True),
        ({"secret": {"secretName": "s"}}, False),
        ({"configMap": {"name": "c"}}, False),
        ({"projected": {"sources": []}}, False),
        ({"downwardAPI": {}}, False),
        ({"emptyDir": None, "secret": {}}, False),
    ],
)
def test_of_the_kinds_that_need_no_name_only_some_are_shared(source: JsonObject, shared: bool, policy: Policy) -> None:
    mount = _mount("/work", "v")
    pod = a_pod(containers=[a_container(volumeMounts=[mount])], volumes=[{"name": "v", **source}])
    assert _shared_mounts(pod, policy) == ([mount] if shared else [])
    assert inject(pod, None, policy).warnings == ()


_OTHER_KINDS: list[JsonObject] = [
    {"hostPath": {"path": "/data"}},
    {"nfs": {"server": "s", "path": "/"}},
    {"csi": {"driver": "d"}},
    {"iscsi": {"iqn": "i"}},
]


@pytest.mark.parametrize("source", _OTHER_KINDS, ids=str)
def test_a_workspace_of_another_kind_is_left_out_with_a_warning_that_names_it(
    source: JsonObject, policy: Policy
) -> None:
    pod = a_pod(containers=[a_container(volumeMounts=[_mount("/work", "v")])], volumes=[{"name": "v", **source}])
    assert _shared_mounts(pod, policy) == []
    (kind,) = source
    assert inject(pod, None, policy).warnings == (f"not shared with dind because of their kind: v ({kind})",)


@pytest.mark.parametrize("source", _OTHER_KINDS, ids=str)
def test_such_a_workspace_is_shared_if_it_is_named_and_the_operator_allows_its_kind(source: JsonObject) -> None:
    (kind,) = source
    mount = _mount("/work", "v")
    pod = _pod(mount, **{"share-volumes": "v"})
    pod["spec"]["volumes"].append({"name": "v", **source})
    assert _shared_mounts(pod, permissive_policy(share_by_name={kind})) == [mount]
    decision = inject(pod, None, permissive_policy())
    assert decision.reason is Reason.INVALID_OPTION
    assert f'volume "v" is of kind {kind}; pods may share emptyDir, PVC, ephemeral volumes' in decision.message


def test_files_of_the_node_at_the_daemons_own_paths_are_no_workspace(policy: Policy) -> None:
    pod = _pod(_mount("/etc/localtime", "v"))
    pod["spec"]["volumes"].append({"name": "v", "hostPath": {"path": "/etc/localtime"}})
    assert inject(pod, None, policy).warnings == ()


@pytest.mark.parametrize("path", ["/usr/src/app", "/usr/share/app", "/opt/work", "/root", "/home/jenkins/agent"])
def test_a_workspace_at_these_paths_is_shared(path: str, policy: Policy) -> None:
    assert _shared_mounts(_pod(_mount(path)), policy) == [_mount(path)]


def test_read_only_and_sub_path_are_copied_and_nothing_else(policy: Policy) -> None:
    mount = _mount(
        "/work/", readOnly=True, subPath="x/y", mountPropagation="Bidirectional", recursiveReadOnly="IfPossible", new=1
    )
    assert _shared_mounts(_pod(mount), policy) == [_mount("/work/", readOnly=True, subPath="x/y")]


@pytest.mark.parametrize("absent", [None, "", False])
def test_members_that_say_nothing_are_not_copied(absent: Any, policy: Policy) -> None:
    read_only = absent if absent != "" else None
    sub_path = absent if absent is not False else None
    assert _shared_mounts(_pod(_mount("/work", readOnly=read_only, subPath=sub_path)), policy) == [_mount("/work")]


def test_an_expanded_sub_path_is_left_out_with_a_warning(policy: Policy) -> None:
    pod = _pod(_mount("/work", subPathExpr="$(POD_NAME)"), _mount("/other"))
    assert _shared_mounts(pod, policy) == [_mount("/other")]
    (warning,) = inject(pod, None, policy).warnings
    assert "subPathExpr" in warning
    assert warning.endswith(": /work")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//",
        "/bin",
        "/sbin",
        "/lib",
        "/lib64",
        "/usr",
        "/usr/sbin",
        "/usr/local",
        "/usr/local/bin",
        "/etc",
        "/etc/ssl",
        "/proc",
        "/sys/fs",
        "/dev/shm",
        "/run",
        "/run/lock",
        "/var/run",
        "/var/run/postgresql",
        "/var/lib/docker",
        "/var/lib/docker/tmp",
        "/var/lib",
        "/var",
        "/work/../etc",
        "usr",
        "/run/dind/x",
    ],
)
def test_what_the_daemon_needs_is_left_out_with_a_warning(path: str, policy: Policy) -> None:
    pod = _pod(_mount(path))
    assert _shared_mounts(pod, policy) == []
    (warning,) = inject(pod, None, policy).warnings
    assert warning == f"not shared with dind because the daemon needs its own files there: {path}"


@pytest.mark.parametrize("path", ["/home/ci/sock/x", "/home/ci", "/home"])
def test_the_socket_directory_is_left_out_wherever_it_is(path: str) -> None:
    pod = _pod(_mount(path), **{"socket-dir": "/home/ci/sock"})
    assert _shared_mounts(pod, permissive_policy()) == []


def test_the_same_mount_of_two_containers_is_shared_once(policy: Policy) -> None:
    pod = _pod(_mount("/work"))
    pod["spec"]["containers"].append(a_container("test", volumeMounts=[_mount("/work/")]))
    assert [clean_path(path) for path in mount_paths_of({"volumeMounts": _shared_mounts(pod, policy)})] == ["/work"]
    assert inject(pod, None, policy).warnings == ()


@pytest.mark.parametrize(
    ("first", "second", "read_only"),
    [(True, True, True), (True, False, False), (False, True, False), (True, None, False), (None, True, False)],
)
def test_a_volume_that_one_container_may_write_is_writable(
    first: bool | None, second: bool | None, read_only: bool, policy: Policy
) -> None:
    pod = _pod(_mount("/work", readOnly=first))
    pod["spec"]["containers"].append(a_container("test", volumeMounts=[_mount("/work", readOnly=second)]))
    assert _shared_mounts(pod, policy) == [_mount("/work", readOnly=True) if read_only else _mount("/work")]


@pytest.mark.parametrize("other", [{"volume": "b"}, {"subPath": "x"}])
def test_of_two_volumes_at_one_path_the_first_containers_wins_with_a_warning(
    other: dict[str, str], policy: Policy
) -> None:
    pod = _pod(_mount("/work"))
    pod["spec"]["containers"].append(a_container("test", volumeMounts=[_mount("/work/", **other)]))
    assert _shared_mounts(pod, policy) == [_mount("/work")]
    (warning,) = inject(pod, None, policy).warnings
    assert warning.startswith("not shared with dind because another container mounts another volume there: /work/")


def test_a_main_container_wins_over_an_init_container_at_the_same_path(policy: Policy) -> None:
    pod = _pod(_mount("/work"))
    pod["spec"]["initContainers"] = [a_container("setup", volumeMounts=[_mount("/work", "b")])]
    assert _shared_mounts(pod, policy) == [_mount("/work")]
    (warning,) = inject(pod, None, policy).warnings
    assert warning == "not shared with dind because another container mounts another volume there: /work"


def test_a_path_is_the_main_containers_even_if_its_volume_is_not_shared(policy: Policy) -> None:
    """Otherwise the daemon would see other files there than the container."""
    pod = _pod(_mount("/work", "n"))
    pod["spec"]["volumes"].append({"name": "n", "nfs": {"server": "s", "path": "/"}})
    pod["spec"]["initContainers"] = [a_container("setup", volumeMounts=[_mount("/work", "b")])]
    assert _shared_mounts(pod, policy) == []
    assert "not shared with dind because another container mounts another volume there: /work" in (
        inject(pod, None, policy).warnings
    )


def test_volumes_of_containers_without_docker_are_not_shared(policy: Policy) -> None:
    pod = _pod(_mount("/work"), containers="build")
    pod["spec"]["containers"].append(a_container("test", volumeMounts=[_mount("/test", "b")]))
    pod["spec"]["initContainers"] = [a_container("proxy", restartPolicy="Always", volumeMounts=[_mount("/proxy", "b")])]
    assert _shared_mounts(pod, policy) == [_mount("/work")]


@pytest.mark.parametrize(
    ("setup", "shared"),
    [
        (_mount("/data"), False),
        (_mount("/data", subPath="other"), False),
        (_mount("/data", subPath="x"), True),
        (_mount("/data", "b"), True),
    ],
)
def test_a_sub_path_that_an_init_container_may_make_is_left_out(
    setup: JsonObject, shared: bool, policy: Policy
) -> None:
    mount = _mount("/work", subPath="x")
    pod = _pod(mount, containers="build")
    pod["spec"]["initContainers"] = [a_container("setup", volumeMounts=[setup])]
    assert (mount in _shared_mounts(pod, policy)) is shared
    assert any("init container" in warning for warning in inject(pod, None, policy).warnings) is not shared


def test_a_sub_path_of_a_volume_that_is_named_is_shared_all_the_same(policy: Policy) -> None:
    mount = _mount("/work", subPath="x")
    pod = _pod(mount, **{"share-volumes": "a"})
    pod["spec"]["initContainers"] = [a_container("setup", volumeMounts=[_mount("/data")])]
    assert mount in _shared_mounts(pod, policy)


@pytest.mark.parametrize(
    ("volumes", "says"),
    [
        ("c", 'the pod has no volume "c"'),
        ("a,c,d", 'the pod has no volume "d"'),
        ("s", 'volume "s" is of kind secret; pods may share emptyDir, PVC, ephemeral volumes'),
    ],
)
def test_a_volume_that_cannot_be_shared_is_denied_when_named(volumes: str, says: str, policy: Policy) -> None:
    pod = _pod(_mount("/work"), **{"share-volumes": volumes})
    pod["spec"]["volumes"].append({"name": "s", "secret": {"secretName": "s"}})
    decision = inject(pod, None, policy)
    assert decision.reason is Reason.INVALID_OPTION
    assert "annotation dind.io/share-volumes: " in decision.message
    assert says in decision.message


@pytest.mark.parametrize(
    ("mount", "problem"),
    [
        (
            _mount("/usr/bin", "b"),
            'volume "b" cannot be shared at /usr/bin because the daemon needs its own files there',
        ),
        (_mount("/work", "b", subPathExpr="$(A)"), 'volume "b" cannot be shared at /work because subPathExpr is only'),
        (_mount("/ro/x", "b"), 'volume "b" cannot be shared at /ro/x because a read-only volume is above'),
        (_mount("/data", "b"), 'volume "b" cannot be shared at /data because another container mounts another volume'),
    ],
)
def test_a_volume_that_is_named_and_left_out_is_denied(mount: JsonObject, problem: str, policy: Policy) -> None:
    pod = _pod(_mount("/data"), **{"share-volumes": "a,b,ro"})
    pod["spec"]["volumes"].append({"name": "ro", "emptyDir": {}})
    pod["spec"]["containers"] += [
        a_container("reader", volumeMounts=[_mount("/ro", "ro", readOnly=True)]),
        a_container("test", volumeMounts=[mount]),
    ]
    decision = inject(pod, None, policy)
    assert decision.reason is Reason.INVALID_OPTION
    assert problem in decision.message


def test_a_volume_that_is_named_and_mounted_by_no_container_is_a_warning(policy: Policy) -> None:
    pod = _pod(_mount("/work"), **{"share-volumes": "a,b"})
    assert inject(pod, None, policy).warnings == ("not shared with dind because no container with Docker mounts: b",)


def test_a_volume_that_is_named_and_shared_at_one_of_its_paths_is_not_denied(policy: Policy) -> None:
    pod = _pod(_mount("/work"), _mount("/etc/work"), **{"share-volumes": "a"})
    assert _shared_mounts(pod, policy) == [_mount("/work")]
    assert inject(pod, None, policy).warnings == (
        "not shared with dind because the daemon needs its own files there: /etc/work",
    )


def test_long_lists_of_what_was_left_out_are_cut_to_120_characters(policy: Policy) -> None:
    mounts = [_mount(f"/etc/{'x' * 30}{index}") for index in range(10)]
    mounts += [_mount(f"/work/{index}", subPathExpr="$(A)") for index in range(30)]
    warnings = inject(_pod(*mounts), None, policy).warnings
    assert [len(warning) for warning in warnings] == [120, 120]


def test_a_container_placed_daemon_shares_as_well(policy: Policy) -> None:
    spec = injected_pod(_pod(_mount("/work"), placement="container"), policy)["spec"]
    assert spec["containers"][1]["volumeMounts"][_OWN_MOUNTS:] == [_mount("/work")]


def test_what_is_under_a_read_only_volume_of_another_container_is_left_out(policy: Policy) -> None:
    volumes = [{"name": "v1", "emptyDir": {}}, {"name": "v2", "emptyDir": {}}, {"name": "v3", "emptyDir": {}}]
    containers = [
        a_container("a", volumeMounts=[{"name": "v1", "mountPath": "/work", "readOnly": True}]),
        a_container("b", volumeMounts=[{"name": "v2", "mountPath": "/work/cache"}]),
        a_container("c", volumeMounts=[{"name": "v3", "mountPath": "/work-too"}]),
    ]
    decision = inject(a_pod(containers=containers, volumes=volumes), None, policy)
    (dind,) = injected_pod(a_pod(containers=containers, volumes=volumes), policy)["spec"]["initContainers"]
    assert [mount["mountPath"] for mount in dind["volumeMounts"]][2:] == ["/work", "/work-too"]
    assert decision.warnings == ("not shared with dind because a read-only volume is above: /work/cache",)
