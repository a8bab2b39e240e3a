"""The operations of a rewrite, and the tests that guard it against changes of others."""

import jsonpatch
import pytest
from jsonpatch import JsonPatchTestFailed

from dind_webhook.migration import guard_operations
from dind_webhook.migration.operations import render_operations
from dind_webhook.migration.removal import Removal

TEMPLATE = {
    "spec": {
        "containers": [
            {"name": "a", "env": [{"name": "x"}, {"name": "y"}], "volumeMounts": [{"name": "v"}]},
            {"name": "b", "env": [{"name": "z"}]},
        ],
        "volumes": [{"name": str(number)} for number in range(12)],
    }
}


def removed(*pointers: str) -> list[str]:
    operations = render_operations(TEMPLATE, Removal(frozenset(pointers)), {})
    return [operation["path"] for operation in operations if operation["op"] == "remove"]


def test_items_are_removed_from_the_last_to_the_first() -> None:
    assert removed("/spec/volumes/2", "/spec/volumes/10", "/spec/volumes/9") == [
        "/spec/volumes/10",
        "/spec/volumes/9",
        "/spec/volumes/2",
    ]


def test_a_list_that_would_be_empty_goes_as_a_whole() -> None:
    assert removed("/spec/containers/0/env/0", "/spec/containers/0/env/1") == ["/spec/containers/0/env"]


def test_nothing_is_removed_twice() -> None:
    assert removed("/spec/containers/1", "/spec/containers/1/env/0", "/spec/containers/0/volumeMounts/0") == [
        "/spec/containers/1",
        "/spec/containers/0/volumeMounts",
    ]


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ({}, "/metadata"),
        ({"metadata": None}, "/metadata"),
        ({"metadata": {}}, "/metadata/annotations"),
        ({"metadata": {"annotations": None}}, "/metadata/annotations"),
        ({"metadata": {"annotations": {}}}, "/metadata/annotations/a~1b"),
    ],
)
def test_annotations_are_added_where_there_are_some_and_where_not(template: dict[str, object], path: str) -> None:
    (operation,) = render_operations(template, Removal(), {"a/b": "c"})
    assert operation["path"] == path
    assert jsonpatch.apply_patch(template, [operation])["metadata"]["annotations"] == {"a/b": "c"}


def test_a_guarded_patch_applies_to_what_was_read_and_to_nothing_else() -> None:
    target = {"metadata": {"generation": 3}, **TEMPLATE}
    operations = render_operations(TEMPLATE, Removal(frozenset({"/spec/volumes/1", "/spec/volumes/2"})), {"a": "b"})
    guarded = guard_operations(target, operations)
    applied = jsonpatch.apply_patch(target, guarded)
    assert [each["name"] for each in applied["spec"]["volumes"]][:3] == ["0", "3", "4"]
    for changed in ({**target, "metadata": {"generation": 4}}, {**target, "spec": {"volumes": [{}, {}, {}]}}):
        with pytest.raises(JsonPatchTestFailed):
            jsonpatch.apply_patch(changed, guarded)
