"""The facts of the advisory policy are those of the code that finds sockets of the node."""

import json
from pathlib import Path

import pytest

from dind_webhook.injection import find_node_socket
from dind_webhook.strict_policy import advisory_facts

FILE = Path(__file__).parents[3] / "charts" / "dind-webhook" / "files" / "advisory.json"
FACTS = advisory_facts()


def test_the_charts_file_is_not_stale() -> None:
    assert json.loads(FILE.read_text("utf-8")) == FACTS, "run: make reference"


@pytest.mark.parametrize("path", ["/run/docker.sock", "/var/run/docker.sock"])
def test_both_spellings_are_the_socket(path: str) -> None:
    assert path in FACTS["docker_sockets"]


@pytest.mark.parametrize("path", ["/", "/run", "/var/run"])
def test_directories_above_the_socket_lead_to_it(path: str) -> None:
    assert path in FACTS["directories_of_docker_sockets"]


def test_every_path_leads_to_the_docker_socket() -> None:
    for name, is_exact in (("docker_sockets", True), ("directories_of_docker_sockets", False)):
        for path in FACTS[name]:
            socket = find_node_socket(path)
            assert socket is not None
            assert (socket.runtime, socket.is_exact) == ("Docker", is_exact), path
