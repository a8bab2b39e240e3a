"""The examples give both manifests that people used to write by hand, to the letter.

The letter is: image, dockerd's argv, volume name and type, mount path, `privileged`. People wrote the argv in
`command`; injection writes it in `args`, so that the image keeps its entrypoint.
"""

from pathlib import Path
from typing import Any

import pytest
from golden import CASES, EXAMPLES, created_pods, parse_documents, read_case, read_expected

from dind_webhook.model import JsonObject

HANDWRITTEN = Path(__file__).parent / "handwritten"


def read_handwritten(file: str) -> dict[str, JsonObject]:
    return dict(created_pods(parse_documents((HANDWRITTEN / file).read_text("utf-8"))))


def read_injected(case: str) -> JsonObject:
    ((_, pod),) = created_pods(parse_documents(read_expected(read_case(CASES / case))))
    return pod


def find_container(pod: JsonObject, name: str) -> JsonObject:
    (found,) = [container for container in pod["spec"]["containers"] if container["name"] == name]
    return found


def describe_daemon(pod: JsonObject) -> JsonObject:
    """Return the members of the container `dind` that must be equal."""
    dind = find_container(pod, "dind")
    return {
        "image": dind["image"],
        "argv": [*dind.get("command", []), *dind.get("args", [])],
        "privileged": dind["securityContext"]["privileged"],
        "mounts": dind["volumeMounts"],
    }


@pytest.fixture(scope="module")
def clean_ci() -> JsonObject:
    return read_injected("handwritten-clean-ci")


@pytest.fixture(scope="module")
def business_pod() -> JsonObject:
    return read_injected("handwritten-business-pod")


def test_the_sidecar_is_the_one_people_wrote(clean_ci: JsonObject) -> None:
    assert describe_daemon(clean_ci) == describe_daemon(read_handwritten("clean-ci.yaml")["pod/clean-ci"])


def test_the_sidecar_is_an_ordinary_container_that_keeps_its_images_entrypoint(clean_ci: JsonObject) -> None:
    assert [container["name"] for container in clean_ci["spec"]["containers"]] == ["clean-ci", "dind"]
    assert "initContainers" not in clean_ci["spec"]
    assert "command" not in find_container(clean_ci, "dind")


def test_nothing_limits_or_probes_the_sidecar_as_nothing_did(clean_ci: JsonObject) -> None:
    assert set(find_container(clean_ci, "dind")) == {"name", "image", "args", "securityContext", "volumeMounts"}


def test_the_ci_container_shares_the_directory_as_people_wrote(clean_ci: JsonObject) -> None:
    written = read_handwritten("clean-ci.yaml")["pod/clean-ci"]
    assert find_container(clean_ci, "clean-ci")["volumeMounts"] == find_container(written, "clean-ci")["volumeMounts"]
    assert find_container(clean_ci, "clean-ci")["image"] == find_container(written, "clean-ci")["image"]
    assert clean_ci["spec"]["volumes"] == written["spec"]["volumes"]


def test_no_group_is_added_that_nobody_wrote(clean_ci: JsonObject, business_pod: JsonObject) -> None:
    assert [pod["spec"].get("securityContext") for pod in (clean_ci, business_pod)] == [None, None]


def test_the_ci_container_does_what_people_wrote(clean_ci: JsonObject) -> None:
    (script,) = find_container(clean_ci, "clean-ci")["args"]
    steps = ["while true", "docker info", "sleep 3", "docker pull", "docker save", "docker rmi", "sleep 60"]
    assert [script.index(step) for step in steps] == sorted(script.index(step) for step in steps)
    assert "image=library/busybox:latest\n" in script


def test_the_daemonset_is_the_one_people_wrote() -> None:
    ((_, example),) = created_pods(parse_documents((EXAMPLES / "docker-ci.daemonset.yaml").read_text("utf-8")))
    written = read_handwritten("docker-ci.yaml")["daemonset/docker-ci"]
    assert describe_daemon(example) == describe_daemon(written)
    assert example["spec"]["volumes"] == written["spec"]["volumes"]


def test_the_business_pod_mounts_the_nodes_directory_as_people_wrote(business_pod: JsonObject) -> None:
    written = read_handwritten("docker-ci.yaml")["pod/business-pod"]
    assert business_pod["spec"]["volumes"] == written["spec"]["volumes"]
    assert (
        find_container(business_pod, "business")["volumeMounts"] == find_container(written, "business")["volumeMounts"]
    )
    assert "initContainers" not in business_pod["spec"]


@pytest.mark.parametrize(
    ("case", "dangers"),
    [
        ("handwritten-clean-ci", ["has no TLS", "hides what the containers' images keep", "frozen at Docker 19.03"]),
        ("handwritten-business-pod", ["can write the node's own /var/run", "hides what the containers' images keep"]),
        ("handwritten-job-never-completes", ["will not complete"]),
    ],
)
def test_each_danger_of_the_handwritten_forms_is_warned_of(case: str, dangers: list[str]) -> None:
    report = (CASES / case / "report.txt").read_text("utf-8")
    warnings = [line for line in report.splitlines() if line.startswith("  warning: ")]
    assert [danger for danger in dangers if not any(danger in warning for warning in warnings)] == []


def test_built_in_settings_have_none_of_these_dangers() -> None:
    assert "warning" not in (CASES / "example-clean-ci-built-in" / "report.txt").read_text("utf-8")


def test_with_built_in_settings_nothing_of_the_handwritten_form_is_left() -> None:
    spec: Any = read_injected("example-clean-ci-built-in")["spec"]
    (dind,) = spec["initContainers"]
    assert dind["restartPolicy"] == "Always"
    assert not any("tcp://" in argument for argument in dind["args"])
    assert {mount["mountPath"] for mount in dind["volumeMounts"]} == {"/run/dind", "/var/lib/docker"}
