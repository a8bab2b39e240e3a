"""Label selectors, by the rules of metav1.LabelSelector."""

import pytest

from dind_webhook.model import JsonObject, selects

_LABELS = {"team": "ci", "stage": "test"}


@pytest.mark.parametrize("selector", [None, {}, {"matchLabels": None, "matchExpressions": None}])
def test_an_empty_selector_matches_all(selector: JsonObject | None) -> None:
    assert selects(selector, {})
    assert selects(selector, _LABELS)


@pytest.mark.parametrize(
    ("labels", "matches"),
    [({"team": "ci"}, True), (_LABELS, True), ({"team": "web"}, False), ({"team": "ci", "other": "x"}, False)],
)
def test_all_of_the_labels_have_to_be_there(labels: JsonObject, matches: bool) -> None:
    assert selects({"matchLabels": labels}, _LABELS) is matches


@pytest.mark.parametrize(
    ("operator", "key", "values", "matches"),
    [
        ("In", "team", ["web", "ci"], True),
        ("In", "team", ["web"], False),
        ("In", "absent", ["ci"], False),
        ("NotIn", "team", ["web"], True),
        ("NotIn", "team", ["web", "ci"], False),
        ("NotIn", "absent", ["ci"], True),
        ("Exists", "team", None, True),
        ("Exists", "absent", None, False),
        ("DoesNotExist", "team", None, False),
        ("DoesNotExist", "absent", None, True),
        ("Gt", "team", ["ci"], False),
    ],
)
def test_an_expression_holds(operator: str, key: str, values: list[str] | None, matches: bool) -> None:
    requirement = {"key": key, "operator": operator, "values": values}
    assert selects({"matchExpressions": [requirement]}, _LABELS) is matches


def test_labels_and_expressions_have_to_hold_together() -> None:
    expressions = [{"key": "stage", "operator": "Exists"}, {"key": "opted-out", "operator": "DoesNotExist"}]
    selector = {"matchLabels": {"team": "ci"}, "matchExpressions": expressions}
    assert selects(selector, _LABELS)
    assert not selects(selector, {**_LABELS, "opted-out": "yes"})
    assert not selects(selector, {"team": "ci"})
    assert not selects(selector, {"stage": "test"})
