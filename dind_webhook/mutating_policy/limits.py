"""The pods that the policies cannot inject as the core does, as CEL: rules as in `denials`.

Such a pod is refused, even if only its namespace asks: without Docker it would be another pod than with the webhook.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from dind_webhook.injection import (
    DAEMON_VARIABLES,
    DATA_ROOT,
    DATA_SOURCE_KINDS,
    DEFAULT_CLIENT_DIRECTORY,
    DOCKER_HUB,
    INJECT,
    MAY_BE_DAEMON_IMAGE,
    MAY_BE_UNPRIVILEGED_DAEMON_IMAGE,
    MAY_START_DAEMON,
    OPTIONS,
    TLS_VARIABLES,
    UNIX_SCHEME,
    DataSource,
    Isolation,
    Mirror,
    Mode,
    Outcome,
    Policy,
    Reason,
    TcpAddress,
)
from dind_webhook.mutating_policy.denials import DenialRule, docker_host
from dind_webhook.mutating_policy.expressions import (
    abbreviated,
    any_of,
    cel_literal,
    closed,
    closed_path,
    let,
    sets_variable,
    when,
)
from dind_webhook.mutating_policy.isolation import isolation_messages
from dind_webhook.mutating_policy.patterns import Additions, decide_pattern, find_message, pattern_pod
from dind_webhook.mutating_policy.quantities import Quantity, list_quantities

# Within these bounds, each expression costs an API server less than it allows (tests/e2e/test_mutating_policy.py).
MAX_MOUNTS = 400
MAX_PATHS_LENGTH = 20_000
MAX_COMMANDS_LENGTH = 300_000
_POLICIES = "the policies of this cluster"
ONLY_THE_WEBHOOK = "only the webhook dind-webhook can"


def size_rules(additions: Additions) -> Iterator[DenialRule]:
    """Yield the rules for pods that are too large for all others.

    An injected pod may have the mounts that it got besides those that it may have without.
    """
    mounts = "variables.mountsOfForeignContainers"
    added = [*additions.client_mounts, *([additions.homeless.mount] if additions.homeless else [])]
    length = "variables.foreignContainers.map(c, (c.?command.orValue([]) + c.?args.orValue([])).map(w, w.size()).sum())"
    for name, amount, bound, allowance, unit in (
        ("manyMounts", f"size({mounts})", MAX_MOUNTS, len(added), "mounts"),
        (
            "longPaths",
            f"{mounts}.map(m, m.mountPath.size()).sum()",
            MAX_PATHS_LENGTH,
            sum(len(mount["mountPath"]) for mount in added),
            "characters in the paths of their mounts",
        ),
        ("longCommands", f"{length}.sum()", MAX_COMMANDS_LENGTH, 0, "characters in their commands and arguments"),
    ):
        allowed = f"{bound} + (variables.injected ? size(variables.foreignContainers) * {allowance} : 0)"
        message = (
            f"'the containers have ' + string(amount) + ' {unit} together, and {ONLY_THE_WEBHOOK} inject a pod with "
            f"more than {bound}; use fewer'"
        )
        yield DenialRule(name, let("amount", amount, when(f"amount > {allowed}", message)))


def limit_rules(policy: Policy, additions: Additions) -> Iterator[DenialRule]:
    """Yield the rules in the order in which their messages are told."""
    mode = additions.mode
    # No rule is an empty list: its type would not be that of a list of messages.
    if accepted := accepted_texts(policy, mode):
        yield DenialRule("otherOption", _other_option(accepted))
    if quantities := [quantity for quantity in list_quantities(policy) if quantity.is_allowed]:
        yield DenialRule("otherQuantity", " + ".join(map(_other_quantity, quantities)))
    of_host_users = find_message(policy, pattern_pod(mode, spec={"hostUsers": False}), {Reason.HOST_USERS})
    if policy.defaults.isolation is Isolation.AUTO and "hostUsers" in additions.pod_members:
        yield DenialRule("isolationLimit", _without_user_namespace(policy, additions))
    if mode is Mode.SIDECAR and policy.defaults.isolation is Isolation.NONE and not of_host_users:
        message = (
            f"spec.hostUsers: false asks for isolation {Isolation.USERNS}, which {ONLY_THE_WEBHOOK} give; remove it"
        )
        yield DenialRule("hostUsersLimit", when("!object.spec.?hostUsers.orValue(true)", cel_literal(message)))
    if mode is Mode.DAEMONSET and policy.defaults.client:
        message = (
            f"spec.hostUsers: false: {ONLY_THE_WEBHOOK} give a Docker client to a pod in a user namespace; remove it"
        )
        yield DenialRule("hostUsersLimit", when("!object.spec.?hostUsers.orValue(true)", cel_literal(message)))
    yield DenialRule("possibleDaemon", _possible_daemon())
    if additions.container is not None:
        message = (
            f"spec.resources of the pod cannot be compared with what injection needs: {ONLY_THE_WEBHOOK}; remove it"
        )
        condition = "has(object.spec.resources) && variables.ownContainers.size() == 0"
        yield DenialRule("podResources", when(condition, cel_literal(message)))
    yield DenialRule("pathWithDots", _path_with_dots())
    if additions.homeless:
        yield DenialRule("homelessBelowRoot", _homeless_below_root())
    yield DenialRule("tlsOfOtherDaemon", _tls_of_other_daemon(additions, has_tcp=policy.defaults.tcp is not None))


def _without_user_namespace(policy: Policy, additions: Additions) -> str:
    """Return the messages about pods that get no isolation because they cannot have a user namespace."""
    with_one = replace(policy, defaults=replace(policy.defaults, isolation=Isolation.USERNS))
    end = cel_literal(f"; {ONLY_THE_WEBHOOK} inject such a pod with isolation {Isolation.NONE}")
    return f"({' + '.join(isolation_messages(with_one, additions))}).map(message, message + {end})"


def accepted_texts(policy: Policy, mode: Mode) -> dict[str, list[str]]:
    """Return the texts that change nothing, by annotation key, of the options that pods may set.

    Options whose quantity pods may choose are left out.
    """
    # With a volume that the daemon may share
    spec = {"volumes": [{"name": "Example-Work", "emptyDir": {}}]}
    mounts = {"volumeMounts": [{"name": "Example-Work", "mountPath": "/Example path"}]}
    plain = decide_pattern(policy, pattern_pod(mode, container=mounts, spec=spec))
    quantities = [quantity.option for quantity in list_quantities(policy)]
    accepted: dict[str, list[str]] = {}
    for option in OPTIONS:
        if option.name not in policy.allowed_options or option in quantities:
            continue
        texts = []
        value = getattr(policy.defaults, option.field)
        # The built-in default of a quantity that the operator unsets may contradict another one that a pod chooses.
        unset = option.is_quantity and value is None
        candidates = ["none"] if unset else dict.fromkeys((option.default, *_texts_of_default(value)))
        for text in candidates:
            decision = decide_pattern(policy, pattern_pod(mode, {option.key: text}, container=mounts, spec=spec))
            if decision.outcome is Outcome.INJECTED and decision.operations == plain.operations:
                texts.append(text)
        accepted[option.key] = texts
    return accepted


def _texts_of_default(value: object) -> list[str]:
    """Return texts that may stand for the operator's default of an option: the core decides whether they do."""
    match value:
        case None:
            texts = []
        case bool():
            texts = ["true" if value else "false"]
        case str() if value == DEFAULT_CLIENT_DIRECTORY:
            texts = ["true", value]
        case DataSource():
            texts = [f"{prefix}/{value.name}" for prefix in DATA_SOURCE_KINDS]
        case TcpAddress():
            texts = [str(value)]
        case tuple():
            items = [str(item) for item in value if isinstance(item, str | Mirror)]
            # A mirror without a registry is that of Docker Hub.
            of_docker_hub = [item.removeprefix(f"{DOCKER_HUB}=") for item in items]
            texts = [",".join(items), ",".join(of_docker_hub)] if len(items) == len(value) else []
        case _:
            texts = [str(value)]
    return texts


def _other_option(accepted: Mapping[str, list[str]]) -> str:
    texts = (f"{cel_literal(key)}: {cel_literal(each) if each else _NO_TEXTS}" for key, each in accepted.items())
    table = "{" + ", ".join(texts) + "}"
    keys = f"variables.optionKeys.filter(key, key in {table} && !(variables.annotations[key] in {table}[key]))"
    other = f"', or set it to \"' + {table}[key].join('\" or \"') + '\"'"
    message = (
        f"'annotation ' + key + ': {_POLICIES} apply the value of their operator, and {ONLY_THE_WEBHOOK} apply another "
        "one; remove it' "
        f"+ (size({table}[key]) == 0 ? '' : {other})"
    )
    return f"{keys}.map(key, {message})"


# An empty list of texts: all values of a map have one type.
_NO_TEXTS = "['x'].filter(x, false)"


def _other_quantity(quantity: Quantity) -> str:
    amounts = "250m, 2 or 1.5" if quantity.is_cpu else "512Mi, 1.5Gi or 2G"
    message = (
        f"annotation {quantity.option.key}: {_POLICIES} read amounts of the form {amounts}, and {ONLY_THE_WEBHOOK} "
        "read others; remove it, or write such an amount"
    )
    return when(quantity.is_unreadable, cel_literal(message))


def _possible_daemon() -> str:
    """Return the messages about containers that may run a daemon of their own: `find_own_daemon` matches fewer."""
    words = "(c.?command.orValue([]) + c.?args.orValue([]))"
    path = closed_path("m.mountPath")
    privileged = "c.?securityContext.?privileged.orValue(false)"
    image, unprivileged_image = (
        f"c.?image.orValue('').matches({cel_literal(pattern)})"
        for pattern in (MAY_BE_DAEMON_IMAGE, MAY_BE_UNPRIVILEGED_DAEMON_IMAGE)
    )
    can_run = f"({privileged} || {unprivileged_image})"
    # The entrypoint of the official image runs another program if that is the first argument.
    has_flags = "(size(c.?args.orValue([])) == 0 || c.args[0].startsWith('-'))"
    mounts_data = f"c.?volumeMounts.orValue([]).exists(m, {path} == {cel_literal(closed(DATA_ROOT))})"
    sets_switch = f"c.?env.orValue([]).exists(e, e.name in {cel_literal(sorted(DAEMON_VARIABLES))})"
    conditions = [
        f"{can_run} && {words}.exists(word, word.matches({cel_literal(MAY_START_DAEMON)}))",
        f"size(c.?command.orValue([])) == 0 && (({privileged} && {image}) || ({unprivileged_image} && {has_flags}))",
        f"{privileged} && ({mounts_data} || {sets_switch})",
    ]
    message = (
        "'container \"' + c.name + '\" may run a Docker daemon of its own, and "
        f"{ONLY_THE_WEBHOOK} tell; remove the daemon, or keep it, with {INJECT}: disabled'"
    )
    condition = any_of([f"({condition})" for condition in conditions])
    return f"variables.foreignContainers.filter(c, {condition}).map(c, {message})"


def _path_with_dots() -> str:
    """Return the messages about paths that the core resolves: of mounts, and of the directories of a client."""
    message = (
        f"'container \"' + c.name + '\" mounts volume \"' + m.name + '\" at ' + {abbreviated('m.mountPath')} + "
        f"', and {ONLY_THE_WEBHOOK} read paths with ..; write the path without ..'"
    )
    mounts = f"c.?volumeMounts.orValue([]).filter(m, m.mountPath.split('/').exists(s, s == '..')).map(m, {message})"
    is_with_dots = "e.?value.orValue('').split('/').exists(s, s == '..')"
    of_variable = (
        f"'container \"' + c.name + '\" sets ' + e.name + ' to ' + {abbreviated('e.value')} + "
        f"', and {ONLY_THE_WEBHOOK} read paths with ..; write the path without ..'"
    )
    names = cel_literal(["DOCKER_CONFIG", "HOME"])
    variables = f"c.?env.orValue([]).filter(e, e.name in {names} && {is_with_dots}).map(e, {of_variable})"
    return f"variables.containers.map(c, {mounts} + {variables}).flatten()"


def _homeless_below_root() -> str:
    """Return the messages about mounts at `/` of containers that get a directory at /.docker."""
    message = (
        "'container \"' + c.name + '\" mounts volume \"' + m.name + '\" at /, and may have no home that its user can "
        f"write; {ONLY_THE_WEBHOOK} tell whether a directory for the Docker client is possible; set HOME'"
    )
    mounts = f"c.?volumeMounts.orValue([]).filter(m, {closed_path('m.mountPath')} == '//').map(m, {message})"
    return f"variables.clients.filter(c, c.name in variables.homeless).map(c, {mounts}).flatten()"


def _tls_of_other_daemon(additions: Additions, *, has_tcp: bool) -> str:
    """Return the messages about TLS with a daemon that may be the injected one, by another name."""
    address = cel_literal(additions.client_env.plain[0]["value"])
    schemes = [UNIX_SCHEME, *(["tcp://"] if has_tcp else [])]
    may_be_ours = any_of([f"e.?value.orValue('').startsWith({cel_literal(scheme)})" for scheme in schemes])
    other = f"(e.?value.orValue('') != {address} && {may_be_ours})"
    found = []
    for name in TLS_VARIABLES:
        condition = (
            f"{sets_variable(name)} && c.?env.orValue([]).exists(e, e.name == 'DOCKER_HOST') && {docker_host(other)}"
        )
        message = (
            f"'container \"' + c.name + '\" sets {name} and DOCKER_HOST, and {ONLY_THE_WEBHOOK} tell whether that "
            "daemon is the injected one, which does not use TLS; remove both'"
        )
        found.append(f"variables.clients.filter(c, {condition}).map(c, {message})")
    return " + ".join(found)
