"""The labels of a namespace in the flag --namespace-label."""

import pytest
import typer

from dind_webhook.cli.namespace_labels import NamespaceLabels, parse_namespace_labels


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", NamespaceLabels("")),
        ("enabled", NamespaceLabels("enabled")),
        ("dind.io/inject=sidecar", NamespaceLabels("sidecar")),
        ("dind.io/node-socket=replace", NamespaceLabels("", "replace")),
        ("daemonset, dind.io/node-socket=replace", NamespaceLabels("daemonset", "replace")),
    ],
)
def test_a_value_alone_is_that_of_the_label_that_asks_for_docker(text: str, labels: NamespaceLabels) -> None:
    assert parse_namespace_labels(text) == labels


def test_another_key_is_a_usage_error() -> None:
    with pytest.raises(typer.BadParameter, match="nodesocket is not a label of injection; use"):
        parse_namespace_labels("dind.io/nodesocket=replace")
