"""The directories that a mount into the daemon must not hide."""

import pytest

from dind_webhook.injection.docker_paths import daemon_directories, hides_daemon_files

_SYSTEM = [
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/bin",
    "/usr/local/lib",
    "/etc",
    "/proc",
    "/sys",
    "/dev",
    "/var/lib/docker",
]


@pytest.mark.parametrize(
    "path", ["/", "/usr", "/usr/local", "/var", "/var/lib", *_SYSTEM, *(f"{path}/below" for path in _SYSTEM)]
)
def test_what_the_daemon_needs_is_protected_from_socket_and_workspace(path: str) -> None:
    assert hides_daemon_files(path)
    assert daemon_directories("/run/dind").overlaps(path)


@pytest.mark.parametrize("path", ["/run", "/run/x", "/sock", "/sock/x"])
def test_the_sockets_are_protected_from_workspaces_only(path: str) -> None:
    assert not hides_daemon_files(path)
    assert daemon_directories("/sock").overlaps(path)


@pytest.mark.parametrize(
    "path",
    [
        "/work",
        "/home/ci",
        "/library",
        "/usr/src/app",
        "/usr/share/x",
        "/usrlocal",
        "/var/lib/dockerd",
        "/var/cache",
        "/opt",
    ],
)
def test_other_directories_are_free(path: str) -> None:
    assert not hides_daemon_files(path)
    assert not daemon_directories("/run/dind").overlaps(path)


def test_the_parent_of_a_socket_directory_is_protected() -> None:
    assert daemon_directories("/home/ci/sock").overlaps("/home")
    assert not daemon_directories("/home/ci/sock").overlaps("/home/other")


def test_a_socket_directory_in_var_run_is_one_in_run() -> None:
    assert not hides_daemon_files("/var/run")
    assert daemon_directories("/var/run/dind").overlaps("/run/dind/x")
