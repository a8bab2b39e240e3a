"""The variables of CEL that the mutating and the validating policy of a mode share."""

from collections.abc import Iterable, Iterator

from dind_webhook.injection import INJECT, PREFIX, STATUS, Policy
from dind_webhook.mutating_policy.denials import DenialRule, denial_rules, stale_rules
from dind_webhook.mutating_policy.docker_config import homeless_names, names_without_buildx_directory
from dind_webhook.mutating_policy.expressions import READ_ONLY_VOLUMES, cel_literal
from dind_webhook.mutating_policy.limits import limit_rules, size_rules
from dind_webhook.mutating_policy.patterns import Additions, shares_volumes
from dind_webhook.mutating_policy.quantities import list_quantities
from dind_webhook.mutating_policy.shared_volumes import client_mount_variables


def request_variables() -> Iterator[tuple[str, str]]:
    """Yield the variables about what a pod and its namespace ask for (`injection.eligibility`)."""
    inject = cel_literal(INJECT)
    yield "annotations", "object.metadata.?annotations.orValue({})"
    yield "requested", f"object.metadata.?annotations[?{inject}].or(object.metadata.?labels[?{inject}])"
    yield "mode", f"variables.requested.or(namespaceObject.metadata.?labels[?{inject}]).orValue('')"
    yield (
        "optionKeys",
        (
            f"variables.annotations.transformList(key, text, key.startsWith({cel_literal(PREFIX)}) "
            f"&& !(key in {cel_literal([INJECT, STATUS])}), key)"
        ),
    )
    yield "asksItself", "variables.requested.hasValue() || variables.optionKeys.size() > 0"


def mode_variables(policy: Policy, additions: Additions) -> Iterator[tuple[str, str]]:
    """Yield the variables of a mode, up to `applies`: whether the pod gets Docker by the policy."""
    own = cel_literal(additions.container_name)
    yield from request_variables()
    yield "isOfMode", f"variables.mode == {cel_literal(str(additions.mode))}"
    yield "injected", f"{cel_literal(STATUS)} in variables.annotations"
    yield "initContainers", "object.spec.?initContainers.orValue([])"
    yield "volumes", "object.spec.?volumes.orValue([])"
    yield "readOnlyVolumes", READ_ONLY_VOLUMES
    yield "containers", "variables.initContainers + object.spec.containers"
    yield "ownContainers", f"variables.containers.filter(c, c.name == {own})"
    yield "foreignContainers", f"variables.containers.filter(c, !(variables.injected && c.name == {own}))"
    yield "mountsOfForeignContainers", "variables.foreignContainers.map(c, c.?volumeMounts.orValue([])).flatten()"
    listed = "object.spec.containers" if additions.as_container else "variables.initContainers"
    # -1 in a pod that is not injected
    yield "ownIndex", f"{listed}.map(c, c.name).indexOf({own})"
    yield "isMainClient", f"object.spec.containers.map(c, c.name != {own})"
    if additions.serves_init:
        # Those that start after the daemon, except native sidecars
        yield (
            "isInitClient",
            (
                "variables.initContainers.transformList(i, c, i > variables.ownIndex "
                "&& c.?restartPolicy.orValue('') != 'Always')"
            ),
        )
        init_clients = "variables.initContainers.transformList(i, c, variables.isInitClient[i], c)"
    else:
        init_clients = "[].filter(c, false)"
    yield "mainClients", f"object.spec.containers.filter(c, c.name != {own})"
    yield "initClients", init_clients
    yield "clients", "variables.initClients + variables.mainClients"
    yield "withoutBuildxDirectory", names_without_buildx_directory(additions.homeless)
    yield "homeless", homeless_names(additions.homeless)
    for quantity in list_quantities(policy):
        yield quantity.definition
    yield "mainFirstClients", "variables.mainClients + variables.initClients"
    if shares_volumes(policy, additions):
        yield from client_mount_variables()
    yield from _rule_variables("tooLarge", size_rules(additions))
    # The other rules would cost more than an API server allows.
    yield from _rule_variables("stale", stale_rules(policy, additions), unless="tooLarge")
    yield from _rule_variables("denials", denial_rules(policy, additions), unless="tooLarge")
    yield from _rule_variables("otherLimits", limit_rules(policy, additions), unless="tooLarge")
    yield "limits", "variables.tooLarge + variables.otherLimits"
    yield (
        "applies",
        (
            "variables.isOfMode && variables.stale.size() == 0 && variables.denials.size() == 0 "
            "&& variables.limits.size() == 0"
        ),
    )


def _rule_variables(name: str, rules: Iterable[DenialRule], unless: str = "") -> Iterator[tuple[str, str]]:
    """Yield the variable of each rule, and one of the messages of all: none if those of another variable are not."""
    names = []
    for rule in rules:
        yield rule.name, rule.messages
        names.append(f"variables.{rule.name}")
    messages = " + ".join(names)
    yield name, f"variables.{unless}.size() > 0 ? [] : {messages}" if unless else messages
