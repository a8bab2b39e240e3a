"""Settings that cannot become a policy of the API server."""

from collections.abc import Callable, Iterator

from dind_webhook.injection import Mode, Policy

_CANNOT = "cannot become a policy of the API server"
# A setting, whether a policy with it is out of reach, and the reason
_RULES: tuple[tuple[str, Callable[[Policy], bool], str], ...] = (
    (
        "defaults.containers",
        lambda policy: bool(policy.defaults.containers),
        "the policy would have to look for these containers in every pod; leave it out",
    ),
    (
        "defaults.share-volumes",
        lambda policy: Mode.SIDECAR in policy.modes and not isinstance(policy.defaults.share_volumes, bool),
        "the policy would have to look for these volumes in every pod; only true and false are possible",
    ),
    (
        "replace_docker_variables",
        lambda policy: policy.replace_docker_variables,
        "a policy only adds; only false is possible",
    ),
    (
        "allowed_options",
        lambda policy: policy.replaces_node_socket,
        "a policy cannot replace the node's socket; leave out node-socket, here and in defaults",
    ),
)


def list_unsupported_settings() -> Iterator[tuple[str, str]]:
    """Yield each setting of which some values cannot become a policy, and the reason."""
    for setting, _, problem in _RULES:
        yield setting, problem


def find_unsupported_settings(policy: Policy) -> Iterator[str]:
    """Yield a sentence for each setting that cannot become a policy, also of the entries of `namespaces`."""
    everywhere = {setting: problem for setting, is_unsupported, problem in _RULES if is_unsupported(policy)}
    for setting, problem in everywhere.items():
        yield f"injection.{setting}: {_CANNOT}: {problem}"
    for names, variant in policy.namespaces:
        for setting, is_unsupported, problem in _RULES:
            # An entry has the settings for all namespaces that it leaves out.
            if setting not in everywhere and is_unsupported(variant):
                yield f"injection.namespaces: entry {', '.join(names)}: {setting}: {_CANNOT}: {problem}"
