"""The rules that decide about a pod, in order. Each rule has a statement, its reasons and a check.

`decide` runs the rules, and `explain` prints the same run: the decision records the rule that stopped the pod.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from dind_webhook.injection import conflicts
from dind_webhook.injection.additions import Additions
from dind_webhook.injection.annotations import (
    OptionTexts,
    deny_forbidden_options,
    find_option_texts,
    parse_options,
    warn_of_options_without_effect,
)
from dind_webhook.injection.constants import ISOLATION, NODE_SOCKET, STATUS
from dind_webhook.injection.daemonset import DAEMONSET
from dind_webhook.injection.decision import STATE_NO_DOCKER, Decision, Denial, Mode, Outcome, Reason
from dind_webhook.injection.docker_variables import deny_tls_variables
from dind_webhook.injection.eligibility import (
    DISABLED,
    NAMESPACE_VALUES,
    DockerRequest,
    default_socket_mode,
    deny_disabled_mode,
    deny_socket_replacement,
    deny_windows_pod,
    is_mirror_pod,
    mode_of_label,
    only_namespace_asks,
    read_docker_request,
)
from dind_webhook.injection.isolation import choose_isolation, deny_isolation_of_daemonset
from dind_webhook.injection.message_parts import truncate_warning, warn_of_names
from dind_webhook.injection.mode_injector import ModeInjector
from dind_webhook.injection.node_sockets import find_docker_socket_volumes
from dind_webhook.injection.options import Isolation, NodeSocketTreatment, Options
from dind_webhook.injection.own_daemon import deny_own_daemon
from dind_webhook.injection.patch import missing_operations, render_status, warn_of_kept_members
from dind_webhook.injection.policy import Policy
from dind_webhook.injection.selection import Selection, clients_of_volume, select_clients
from dind_webhook.injection.shared_volumes import SharedVolumes
from dind_webhook.injection.sidecar import SIDECAR
from dind_webhook.injection.socket_replacement import replace_node_socket
from dind_webhook.model import MalformedPodError, Metadata, Operation, Pod, read_metadata, read_pod

_INJECTORS: Mapping[Mode, ModeInjector] = {Mode.SIDECAR: SIDECAR, Mode.DAEMONSET: DAEMONSET}


class RuleContext:
    """A pod on its way through the rules: the input, and the results of each rule for the rules after it.

    `json` and `namespace_mode` are as in `inject`. The API server checks the namespace and the webhook configuration
    before it calls the webhook. A caller that decides in its place sets `namespace_label` and `exclusion`, as in
    `decide_for_namespace`; None means that the rule is not checked.
    """

    metadata: Metadata
    docker_request: DockerRequest
    pod: Pod
    injector: ModeInjector
    option_texts: OptionTexts
    options: Options
    selection: Selection
    shared: SharedVolumes
    additions: Additions
    operations: list[Operation]

    def __init__(self, json: Any, policy: Policy, namespace_mode: Mode | None = None) -> None:
        self.pod_json = json
        self.policy = policy
        self.namespace_mode = namespace_mode
        self.namespace_label: str | None = None
        self.exclusion: str | None = None
        self.claim_names: tuple[str, ...] = ()
        self.creates_pod = True
        self.is_subresource = False
        self.only_namespace_asks = False
        self.namespace_replaces_socket = False
        """Whether a label of the namespace asks to replace the node's socket."""
        self.socket_clients: tuple[str, ...] = ()
        self.replacement_operations: tuple[Operation, ...] = ()
        self.isolation: Isolation | None = None
        """The isolation that the pod gets in sidecar mode, set after the rule that chooses it."""
        self.isolation_warnings: tuple[str, ...] = ()
        self.mode: Mode | None = None
        """The mode that the pod gets, set after the rule that checks whether the operator has switched it on."""

    @property
    def was_injected(self) -> bool:
        """Return whether the pod carries the status annotation of an earlier injection."""
        return STATUS in self.metadata.annotations

    @property
    def requests_socket_only(self) -> bool:
        """Return whether the only request is to replace the node's socket."""
        return not self.docker_request.value and self.namespace_mode is None


RuleOutcome: TypeAlias = Decision | Denial | None
RuleCheck: TypeAlias = Callable[[RuleContext], RuleOutcome]


def _check_namespace_label(context: RuleContext) -> RuleOutcome:
    if context.namespace_label is None:
        return None
    if context.namespace_label in NAMESPACE_VALUES:
        context.namespace_mode = mode_of_label(context.namespace_label)
    elif not context.namespace_replaces_socket:
        return Decision(Reason.NAMESPACE_NOT_OPTED_IN)
    return None


def _check_selection(context: RuleContext) -> RuleOutcome:
    return Decision(Reason.NOT_SELECTED) if context.exclusion else None


def _check_operation(context: RuleContext) -> RuleOutcome:
    if not context.creates_pod:
        return Decision(Reason.NOT_A_POD_CREATE)
    return Decision(Reason.SUBRESOURCE) if context.is_subresource else None


def _read_pod_metadata(context: RuleContext) -> RuleOutcome:
    context.metadata = read_metadata(context.pod_json)
    return None


def _check_mirror_pod(context: RuleContext) -> RuleOutcome:
    return Decision(Reason.MIRROR_POD) if is_mirror_pod(context.metadata) else None


def _read_request(context: RuleContext) -> RuleOutcome:
    # The pod's own annotation wins over the label of the namespace.
    if context.metadata.annotations.get(NODE_SOCKET) == NodeSocketTreatment.DENY:
        context.namespace_replaces_socket = False
    request = read_docker_request(context.metadata, context.namespace_mode, context.policy)
    if isinstance(request, Denial):
        return request
    if request.mode is None and not request.value and context.namespace_replaces_socket:
        request = DockerRequest("", default_socket_mode(context.policy), "namespace")
    context.docker_request = request
    context.only_namespace_asks = only_namespace_asks(context.metadata, request)
    return None


def _check_request(context: RuleContext) -> RuleOutcome:
    if context.docker_request.value == DISABLED:
        return Decision(Reason.OPTED_OUT)
    return None if context.docker_request.mode else Decision(Reason.NOT_REQUESTED)


def _read_pod_spec(context: RuleContext) -> RuleOutcome:
    context.pod = read_pod(context.pod_json, context.claim_names)
    return None


def _check_operating_system(context: RuleContext) -> RuleOutcome:
    return deny_windows_pod(context.pod)


def _check_mode(context: RuleContext) -> RuleOutcome:
    mode = context.docker_request.mode
    if mode is None or mode not in context.policy.modes:
        return deny_disabled_mode(context.docker_request, context.policy)
    context.mode, context.injector = mode, _INJECTORS[mode]
    return None


def _check_annotations(context: RuleContext) -> RuleOutcome:
    texts = find_option_texts(context.metadata.annotations)
    if isinstance(texts, Denial):
        return texts
    context.option_texts = texts
    return None


def _check_permissions(context: RuleContext) -> RuleOutcome:
    if context.namespace_replaces_socket and not context.policy.replaces_node_socket:
        if find_docker_socket_volumes(context.pod):
            return deny_socket_replacement(context.policy)
        context.namespace_replaces_socket = False
    return deny_forbidden_options(context.option_texts, context.policy) if context.option_texts else None


def _parse_values(context: RuleContext) -> RuleOutcome:
    options = parse_options(context.option_texts, context.policy)
    if isinstance(options, Denial):
        return options
    context.options = options
    return context.injector.deny_options(options, context.policy)


def _check_host_namespaces(context: RuleContext) -> RuleOutcome:
    return context.injector.deny_host_namespaces(context.pod, context.options, context.policy)


def _check_socket_request(context: RuleContext) -> RuleOutcome:
    if context.was_injected:
        return None
    if context.namespace_label is not None and context.namespace_label not in NAMESPACE_VALUES:
        # Without the other label, the API server sends only pods with the socket.
        if find_docker_socket_volumes(context.pod):
            return None
        return Decision(Reason.NOT_REQUESTED if context.requests_socket_only else Reason.NAMESPACE_NOT_OPTED_IN)
    if not context.requests_socket_only:
        return None
    # A pod that asks itself hears of a directory that leads to the socket by a later rule.
    found = find_docker_socket_volumes(context.pod, with_directories=not context.only_namespace_asks)
    return None if found else Decision(Reason.NOT_REQUESTED)


def _choose_isolation(context: RuleContext) -> RuleOutcome:
    by_annotation = ISOLATION in context.option_texts
    if context.mode is not Mode.SIDECAR:
        return deny_isolation_of_daemonset(context.options.isolation) if by_annotation else None
    chosen = choose_isolation(context.pod, context.options, context.policy, by_annotation=by_annotation)
    if isinstance(chosen, Denial):
        return chosen
    context.isolation, context.isolation_warnings = chosen
    if context.options.isolation is not chosen.isolation:
        context.options = replace(context.options, isolation=chosen.isolation)
    return None


def _check_own_daemon(context: RuleContext) -> RuleOutcome:
    added_name = context.injector.added_container_name(context.options, context.policy)
    return deny_own_daemon(context.pod, added_name if context.was_injected else None)


def _replace_node_socket(context: RuleContext) -> RuleOutcome:
    if context.options.node_socket is not NodeSocketTreatment.REPLACE and not context.namespace_replaces_socket:
        return None
    if context.mode is None:
        return None
    replaced = replace_node_socket(context.pod, context.mode, context.options, context.policy)
    if replaced is None or isinstance(replaced, Denial):
        return replaced
    context.pod, context.replacement_operations, context.socket_clients = replaced
    return None


def _select_containers(context: RuleContext) -> RuleOutcome:
    injector, options = context.injector, context.options
    names, added_name = options.containers, injector.added_container_name(options, context.policy)
    if context.requests_socket_only and not names:
        # The other containers get nothing. The second time, the clients are those that mount the injected socket.
        names = context.socket_clients or clients_of_volume(context.pod, context.policy.run_volume, added_name)
    selection = select_clients(
        context.pod,
        names,
        added_name,
        starts_first=injector.starts_before_init_containers(options),
    )
    if isinstance(selection, Denial):
        return selection
    context.selection = selection
    return None


def _share_volumes(context: RuleContext) -> RuleOutcome:
    shared = context.injector.share_volumes(context.pod, context.selection.clients, context.options, context.policy)
    if isinstance(shared, Denial):
        return shared
    context.shared = shared
    context.additions = context.injector.build_additions(
        context.pod, context.options, context.policy, context.selection, shared
    )
    return None


def _check_status(context: RuleContext) -> RuleOutcome:
    if not context.was_injected:
        return None
    status = context.metadata.annotations[STATUS] or ""
    if context.isolation and '"isolation":' in status and f'"isolation":"{context.isolation}"' not in status:
        return conflicts.deny_changed_isolation(context.isolation)
    return conflicts.deny_stale_status(context.pod, context.additions)


def _check_node_socket(context: RuleContext) -> RuleOutcome:
    return conflicts.deny_node_socket(context.pod, context.additions, was_injected=context.was_injected)


def _check_names_and_paths(context: RuleContext) -> RuleOutcome:
    return (
        conflicts.deny_taken_names(context.pod, context.additions, was_injected=context.was_injected)
        or conflicts.deny_foreign_label(context.metadata, context.additions)
        or conflicts.deny_foreign_mounts(context.pod, context.additions)
        or conflicts.deny_taken_paths(context.pod, context.additions, context.policy)
    )


def _check_nodes(context: RuleContext) -> RuleOutcome:
    return conflicts.deny_other_nodes(context.pod, context.additions)


def _check_variables(context: RuleContext) -> RuleOutcome:
    return deny_tls_variables(context.pod, context.additions, context.policy)


def _check_pod_resources(context: RuleContext) -> RuleOutcome:
    return conflicts.deny_scarce_resources(context.pod, context.additions)


def _build_operations(context: RuleContext) -> RuleOutcome:
    status = render_status(context.mode, context.isolation, context.policy.version)
    context.operations = [
        *context.replacement_operations,
        *missing_operations(context.pod, context.metadata, context.additions, status, context.policy),
    ]
    return None if context.operations else Decision(Reason.UNCHANGED)


class Rule(NamedTuple):
    """A statement that must hold, the reasons for which a pod stops if it does not hold, and the check.

    The check returns None if the statement holds. It may raise MalformedPodError instead of a denial.
    """

    statement: str
    reasons: tuple[Reason, ...]
    check: RuleCheck


RULES: tuple[Rule, ...] = (
    Rule("The namespace has opted in", (Reason.NAMESPACE_NOT_OPTED_IN,), _check_namespace_label),
    Rule("The webhook configuration selects the pod", (Reason.NOT_SELECTED,), _check_selection),
    Rule("The request creates a pod", (Reason.NOT_A_POD_CREATE, Reason.SUBRESOURCE), _check_operation),
    Rule("The pod's metadata can be read", (Reason.MALFORMED_POD,), _read_pod_metadata),
    Rule("Not a static (mirror) pod", (Reason.MIRROR_POD,), _check_mirror_pod),
    Rule("dind.io/inject has an accepted value", (Reason.UNKNOWN_VALUE,), _read_request),
    Rule("The pod or its namespace asks for Docker", (Reason.OPTED_OUT, Reason.NOT_REQUESTED), _check_request),
    Rule("The pod's spec can be read", (Reason.MALFORMED_POD,), _read_pod_spec),
    Rule("The pod runs on Linux", (Reason.WINDOWS_POD,), _check_operating_system),
    Rule("The operator has switched this mode on", (Reason.MODE_OFF,), _check_mode),
    Rule("All dind.io/* annotations are known", (Reason.UNKNOWN_ANNOTATION,), _check_annotations),
    Rule(
        "The operator allows these options and their values",
        (Reason.OPTION_NOT_ALLOWED, Reason.IMAGE_NOT_ALLOWED),
        _check_permissions,
    ),
    Rule("The values of the options are accepted", (Reason.INVALID_OPTION,), _parse_values),
    Rule(
        "The pod mounts the node's Docker socket, if only its replacement is asked for",
        (Reason.NOT_REQUESTED, Reason.NAMESPACE_NOT_OPTED_IN),
        _check_socket_request,
    ),
    Rule(
        "The pod's host namespaces are allowed in this mode",
        (Reason.HOST_NETWORK, Reason.HOST_PID, Reason.HOST_IPC),
        _check_host_namespaces,
    ),
    Rule(
        "In sidecar mode, the pod can have the isolation that is asked for",
        (Reason.HOST_USERS, Reason.ISOLATION),
        _choose_isolation,
    ),
    Rule("No container runs a Docker daemon of its own", (Reason.OWN_DAEMON,), _check_own_daemon),
    Rule(
        "The node's Docker socket can be replaced, if the pod asks for that",
        (Reason.INVALID_OPTION,),
        _replace_node_socket,
    ),
    Rule(
        "The named containers exist, and at least one container can have Docker",
        (Reason.UNKNOWN_CONTAINER, Reason.INVALID_OPTION),
        _select_containers,
    ),
    Rule("In sidecar mode, the named volumes can be shared", (Reason.INVALID_OPTION,), _share_volumes),
    Rule("dind.io/status is absent, or correct", (Reason.STALE_STATUS,), _check_status),
    Rule("The pod does not mount the node's Docker socket", (Reason.NODE_DOCKER_SOCKET,), _check_node_socket),
    Rule(
        "The names and paths of the injection are free",
        (Reason.NAME_TAKEN, Reason.MOUNT_PATH_TAKEN),
        _check_names_and_paths,
    ),
    Rule("The pod can run on the operator's nodes for Docker", (Reason.NODE_SELECTOR,), _check_nodes),
    Rule("No container makes its Docker client require TLS", (Reason.TLS_VARIABLE,), _check_variables),
    Rule("The injected containers fit into the pod's own resources", (Reason.POD_RESOURCES,), _check_pod_resources),
    Rule("The pod lacks a part of the injection", (Reason.UNCHANGED,), _build_operations),
)
_CHECKS: tuple[RuleCheck, ...] = tuple(rule.check for rule in RULES)

# The rules that the API server checks before it calls the webhook
NAMESPACE_RULES = RULES[:2]


def decide(context: RuleContext) -> Decision:
    """Return the decision of the first rule that stops the pod, or its injection if no rule does."""
    index = 0
    try:
        for index, check in enumerate(_CHECKS):
            result = check(context)
            if result is not None:
                return _stop(context, index, result.reason, result.message, result.detail)
    except MalformedPodError as error:
        return _stop(context, index, Reason.MALFORMED_POD, str(error))
    warnings = (
        *context.isolation_warnings,
        *context.additions.warnings,
        *_warn_of_replaced_socket(context),
        *warn_of_kept_members(context.pod, context.additions, context.policy),
        *warn_of_options_without_effect(context.metadata, context.mode),
    )
    return Decision(
        Reason.INJECTED,
        context.mode,
        operations=tuple(context.operations),
        warnings=warnings,
        isolation=context.isolation,
    )


def _warn_of_replaced_socket(context: RuleContext) -> Iterator[str]:
    if context.socket_clients:
        yield warn_of_names("the injected daemon replaces the node's Docker socket in", context.socket_clients)


def _stop(context: RuleContext, index: int, reason: Reason, message: str, detail: str = "") -> Decision:
    # Once injected, a pod that another webhook broke would wait for its daemon for ever.
    is_left_alone = (
        context.only_namespace_asks and reason.outcome is Outcome.DENIED and reason is not Reason.STALE_STATUS
    )
    return Decision(
        reason,
        context.mode,
        message,
        detail,
        warnings=(truncate_warning(f"no Docker: {message}"), STATE_NO_DOCKER) if is_left_alone else (),
        isolation=context.isolation,
        stopped_by=index,
        is_left_alone=is_left_alone,
    )


class RuleState(StrEnum):
    """The result of a rule in the run that decided about a pod."""

    PASSED = "passed"
    STOPPED = "stopped"
    NOT_REACHED = "not reached"
    NOT_CHECKED = "not checked here"


def trace_rules(
    decision: Decision, rules: tuple[Rule, ...] = RULES, *, configuration_known: bool = False
) -> Iterator[tuple[Rule, RuleState]]:
    """Yield each of `rules` with its result in the run that led to a decision.

    `rules` are `RULES` or the first of them. `configuration_known` tells whether the caller has read the webhook
    configuration; without it, the rule about the configuration is not checked.
    """
    end = len(rules) if decision.stopped_by is None else decision.stopped_by
    for index, rule in enumerate(rules):
        if index == end:
            yield rule, RuleState.STOPPED
        elif index > end:
            yield rule, RuleState.NOT_REACHED
        elif rule.check is _check_selection and not configuration_known:
            yield rule, RuleState.NOT_CHECKED
        else:
            yield rule, RuleState.PASSED
