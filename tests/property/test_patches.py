"""Properties of the patch of every pod that can have Docker."""

import copy
from typing import Any

import jsonpatch
import jsonpointer
from hypothesis import given
from hypothesis import strategies as st
from strategies import late_containers, pods

from dind_webhook.injection import Decision, Policy, Reason, inject
from dind_webhook.model import JsonObject, Operation


def _inject(pod: JsonObject, policy: Policy) -> Decision:
    decision = inject(pod, None, policy)
    assert decision.reason is Reason.INJECTED, decision.message
    return decision


def _inject_and_patch(pod: JsonObject, policy: Policy) -> JsonObject:
    return jsonpatch.apply_patch(pod, list(_inject(pod, policy).operations))


def contains_all(before: Any, now: Any) -> bool:
    """Return whether `now` contains all of `before`, lists in their order. A null may have become a value."""
    if before is None:
        return True
    if isinstance(before, dict) and isinstance(now, dict):
        return all(key in now and contains_all(value, now[key]) for key, value in before.items())
    if isinstance(before, list) and isinstance(now, list):
        rest = iter(now)
        return all(any(contains_all(item, candidate) for candidate in rest) for item in before)
    return type(before) is type(now) and before == now


def adds_at_fresh_target(target: JsonObject, operation: Operation) -> bool:
    """Return whether an operation adds an item at the front or end of a list, or a member that is absent or null."""
    parents, _, last = operation["path"].rpartition("/")
    parent = jsonpointer.resolve_pointer(target, parents)
    if isinstance(parent, list):
        return last in ("-", "0")
    return parent.get(last.replace("~1", "/").replace("~0", "~")) is None


@given(pods())
def test_every_operation_adds_at_a_fresh_target(policy: Policy, pod: JsonObject) -> None:
    target = copy.deepcopy(pod)
    for operation in _inject(pod, policy).operations:
        assert operation.keys() == {"op", "path", "value"}
        assert operation["op"] == "add"
        assert adds_at_fresh_target(target, operation), operation
        target = jsonpatch.apply_patch(target, [operation], in_place=True)


@given(pods())
def test_the_patched_pod_keeps_everything_in_its_order(policy: Policy, pod: JsonObject) -> None:
    before = copy.deepcopy(pod)
    patched = _inject_and_patch(pod, policy)
    assert pod == before
    assert contains_all(pod, patched)
    assert contains_all(pod["spec"]["containers"], patched["spec"]["containers"][: len(pod["spec"]["containers"])])


@given(pods())
def test_injecting_twice_equals_injecting_once(policy: Policy, pod: JsonObject) -> None:
    again = inject(_inject_and_patch(pod, policy), None, policy)
    assert (again.reason, again.operations) == (Reason.UNCHANGED, ())


@given(pods(), st.data())
def test_after_a_later_mutator_the_second_pass_is_the_last(
    policy: Policy, pod: JsonObject, data: st.DataObject
) -> None:
    patched = _inject_and_patch(pod, policy)
    place = data.draw(st.sampled_from(["containers", "initContainers"]))
    late = data.draw(late_containers(pod, init=place == "initContainers"))
    containers = patched["spec"].setdefault(place, []) or []
    containers.insert(data.draw(st.integers(0, len(containers))), late)
    patched["spec"][place] = containers
    second = inject(patched, None, policy)
    assert second.reason in (Reason.INJECTED, Reason.UNCHANGED)
    final = jsonpatch.apply_patch(patched, list(second.operations))
    assert contains_all(patched, final)
    assert inject(final, None, policy).reason is Reason.UNCHANGED


@given(pods())
def test_a_mount_path_is_used_once_in_the_daemon(policy: Policy, pod: JsonObject) -> None:
    spec = _inject_and_patch(pod, policy)["spec"]
    for container in (*(spec.get("initContainers") or []), *spec["containers"]):
        if container["name"] == "dind":
            paths = [mount["mountPath"].rstrip("/") for mount in container["volumeMounts"]]
            assert len(set(paths)) == len(paths)


@given(pods())
def test_every_warning_is_passed_on_whole(policy: Policy, pod: JsonObject) -> None:
    assert all(len(warning) <= 120 for warning in _inject(pod, policy).warnings)
