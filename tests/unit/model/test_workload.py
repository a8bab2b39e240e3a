"""The place of the pod template in each workload kind."""

from typing import Any

import pytest

from dind_webhook.model import JsonObject, pod_templates

_POD = {"spec": {"containers": [{"name": "build"}]}}


def _workload(kind: str, template: Any = _POD) -> JsonObject:
    return {"kind": kind, "spec": {"template": template}}


@pytest.mark.parametrize(
    ("manifest", "pointer"),
    [
        ({"kind": "Pod", **_POD}, ""),
        ({"kind": "PodTemplate", "template": _POD}, "/template"),
        (_workload("ReplicationController"), "/spec/template"),
        (_workload("ReplicaSet"), "/spec/template"),
        (_workload("Deployment"), "/spec/template"),
        (_workload("StatefulSet"), "/spec/template"),
        (_workload("DaemonSet"), "/spec/template"),
        (_workload("Job"), "/spec/template"),
        ({"kind": "CronJob", "spec": {"jobTemplate": _workload("")}}, "/spec/jobTemplate/spec/template"),
    ],
)
def test_each_workload_kind_has_its_template_in_its_place(manifest: JsonObject, pointer: str) -> None:
    (template,) = pod_templates(manifest)
    assert template.owner is manifest
    assert template.pointer == pointer
    assert template.pod["spec"] == _POD["spec"]


def test_lists_are_opened_in_order_lists_in_lists_too() -> None:
    first, second, third = _workload("Job"), _workload("Deployment"), {"kind": "Pod", **_POD}
    manifest = {"kind": "List", "items": [first, {"kind": "PodList", "items": [third]}, {"kind": "Service"}, second]}
    assert [template.owner for template in pod_templates(manifest)] == [first, third, second]


@pytest.mark.parametrize(
    "manifest",
    [
        None,
        [],
        "Pod",
        {},
        {"kind": None},
        {"kind": ["Pod"]},
        {"kind": "Service", "spec": {"template": _POD}},
        {"kind": "Job"},
        _workload("Job", None),
        _workload("Job", [_POD]),
        {"kind": "CronJob", "spec": {"jobTemplate": 1}},
        {"kind": "List"},
        {"kind": "List", "items": {"kind": "Pod"}},
        {"kind": "List", "items": [None, 1, "Pod"]},
    ],
)
def test_what_has_no_template_yields_nothing(manifest: Any) -> None:
    assert list(pod_templates(manifest)) == []
