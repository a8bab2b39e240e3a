"""The newest Docker refuses old clients, unless the operator sets a variable. docs/troubleshooting.md says how."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from newest_dockerd import HERE, NAMESPACES
from pods import a_pod, injected_pod, operator_policy

# The operator's setting in docs/troubleshooting.md
SETTING = {"env": '{"DOCKER_MIN_API_VERSION":"1.24"}'}


@pytest.mark.parametrize(
    ("defaults", "answer"),
    [
        ({}, "client version 1.38 is too old. Minimum supported API version is 1.40"),
        (SETTING, '"Version":"29.'),
    ],
)
def test_an_old_client_needs_the_operators_setting(
    defaults: dict[str, str], answer: str, dockerd: str, tmp_path: Path
) -> None:
    (daemon,) = injected_pod(a_pod(), operator_policy(defaults=defaults))["spec"]["initContainers"]
    variables = {variable["name"]: variable["value"] for variable in daemon.get("env", [])}
    command = [*NAMESPACES, sys.executable, HERE / "ask_as_an_old_client.py", tmp_path, dockerd]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, timeout=120, env={**os.environ, **variables}
    )
    assert answer in done.stdout
