"""The files for an API server. `tests/e2e/test_static_policies.py` starts one with them."""

import json
from pathlib import PurePath

from dind_webhook.mutating_policy import render_policies, render_static_files
from dind_webhook.settings import InjectionSettings, make_policy

POLICY = make_policy(InjectionSettings())
DIRECTORY = PurePath("/etc/kubernetes/dind")
SUFFIX = ".static.k8s.io"


def test_each_plugin_reads_its_own_directory() -> None:
    files = render_static_files(POLICY, "dind", DIRECTORY)
    (configuration,) = files.pop(DIRECTORY / "admission.yaml")
    directories = {each["name"]: each["configuration"]["staticManifestsDir"] for each in configuration["plugins"]}
    assert {str(path.parent) for path in files} == set(directories.values())
    for plugin, directory in directories.items():
        (objects,) = (each for path, each in files.items() if str(path.parent) == directory)
        assert {each["kind"] for each in objects} == {plugin, f"{plugin}Binding"}


def test_the_policies_are_those_of_the_api_under_names_that_only_files_may_have() -> None:
    files = render_static_files(POLICY, "dind", DIRECTORY)
    objects = [each for path, found in files.items() if path.name == "dind-webhook.yaml" for each in found]
    names = {each["metadata"]["name"] for each in objects}
    assert names == {f"dind{part}{SUFFIX}" for part in ("", "-node-socket", "-sidecar", "-daemonset")}
    text = json.dumps(sorted(objects, key=lambda each: (each["kind"], each["metadata"]["name"])))
    expected = sorted(
        render_policies(POLICY, "dind"), key=lambda each: (each["kind"], each["metadata"]["name"] + SUFFIX)
    )
    assert text.replace(SUFFIX, "") == json.dumps(expected)
