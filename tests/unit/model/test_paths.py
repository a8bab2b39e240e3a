"""Paths, compared as the container runtime resolves them."""

import pytest

from dind_webhook.model import PathSet, clean_path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/work", "/work"),
        ("/work/", "/work"),
        ("//work", "/work"),
        ("/work//a/./b", "/work/a/b"),
        ("/work/../etc", "/etc"),
        ("/..", "/"),
        ("/", "/"),
        ("work", "/work"),
        ("../work", "/work"),
        ("/run/dind", "/run/dind"),
        ("/var/run", "/run"),
        ("/var/run/", "/run"),
        ("/var/run/docker.sock", "/run/docker.sock"),
        ("/var//run/./dind", "/run/dind"),
        ("/var/runner", "/var/runner"),
        ("/var/run/../lib", "/var/lib"),
        ("/opt/var/run", "/opt/var/run"),
    ],
)
def test_a_path_is_cleaned(path: str, expected: str) -> None:
    assert clean_path(path) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("/usr", "/usr", True),
        ("/usr/bin", "/usr", True),
        ("/usr", "/usr/bin", True),
        ("/", "/usr", True),
        ("/usr", "/", True),
        ("/usr", "/usrlocal", False),
        ("/a", "/b", False),
    ],
)
def test_a_path_meets_a_directory_when_one_is_under_the_other(left: str, right: str, expected: bool) -> None:
    assert PathSet.from_paths(right).overlaps(left) is expected
