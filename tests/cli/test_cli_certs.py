"""`dind-webhook certs`: errors at the start. tests/server tests the running command."""

from collections.abc import Callable
from typing import Any

Run = Callable[..., Any]


def test_without_a_namespace_it_says_which_setting_is_needed(run: Run) -> None:
    ran = run("certs")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == "error: certs.namespace is needed: the namespace of this pod\n"
