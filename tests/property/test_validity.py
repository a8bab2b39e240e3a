"""A pod that is valid stays valid, by the OpenAPI schema of a current Kubernetes."""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import jsonpatch
import jsonschema
import pytest
from hypothesis import given
from referencing import Registry, Resource
from strategies import pods

from dind_webhook.injection import Policy, Reason, inject
from dind_webhook.model import JsonObject

_VERSION = "1.37"


def _schema(name: str) -> Any:
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{_VERSION}.0-local-strict"
    return json.loads((folder / name).read_text("utf-8"))


@pytest.fixture(scope="session")
def pod_schema() -> jsonschema.Draft202012Validator:
    """Return the strict schema of a pod, read once: kubernetes_validate.validate reads it for every pod."""
    schema, definitions = _schema("pod-v1.json"), _schema("_definitions.json")
    registry: Registry[Any] = Resource.from_contents(definitions) @ (Resource.from_contents(schema) @ Registry())
    return jsonschema.Draft202012Validator(schema, registry=registry)


def _errors(validator: jsonschema.Draft202012Validator, pod: JsonObject) -> list[str]:
    errors: Iterator[jsonschema.ValidationError] = validator.iter_errors(pod)
    return [f"{error.json_path}: {error.message}" for error in errors]


def test_the_schema_refuses_what_is_wrong(pod_schema: jsonschema.Draft202012Validator) -> None:
    assert _errors(pod_schema, {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a"}]}}) == []
    assert _errors(pod_schema, {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"nome": "a"}]}})
    assert _errors(pod_schema, {"apiVersion": "v1", "kind": "Pod", "spec": {"volumes": 1, "containers": []}})


@given(pods(unknown_members=False))
def test_a_valid_pod_stays_valid(policy: Policy, pod_schema: jsonschema.Draft202012Validator, pod: JsonObject) -> None:
    assert _errors(pod_schema, pod) == []
    decision = inject(pod, None, policy)
    assert decision.reason is Reason.INJECTED, decision.message
    assert _errors(pod_schema, jsonpatch.apply_patch(pod, list(decision.operations))) == []
