"""The labels of a namespace, as the flag --namespace-label gives them."""

from typing import NamedTuple

import typer

from dind_webhook.injection import INJECT, NODE_SOCKET


class NamespaceLabels(NamedTuple):
    """The values of a namespace's labels dind.io/inject and dind.io/node-socket, empty if absent."""

    inject: str
    node_socket: str = ""


def parse_namespace_labels(text: str) -> NamespaceLabels:
    """Return the labels in a comma-separated text, in which `VALUE` stands for `dind.io/inject=VALUE`.

    Raise BadParameter if a key is neither of the two.
    """
    labels = {INJECT: "", NODE_SOCKET: ""}
    for item in text.split(","):
        key, separator, value = item.strip().partition("=")
        if not separator:
            key, value = INJECT, key
        if key not in labels:
            raise typer.BadParameter(f"--namespace-label: {key} is not a label of injection; use {' or '.join(labels)}")
        labels[key] = value
    return NamespaceLabels(labels[INJECT], labels[NODE_SOCKET])
