"""The configuration directory of the Docker client, as CEL (`injection.docker_config`).

The expressions are about a client `c`.
"""

from dind_webhook.mutating_policy.expressions import cel_literal, closed, closed_path, last_variable
from dind_webhook.mutating_policy.patterns import MAIN, ClientEnv, HomelessAdditions

# Whether a pod has clients without a home that they can write (`find_homeless_clients`)
HAS_HOMELESS = "variables.homeless.size() > 0"
# Most mounts cost less if their paths are not closed.
_IS_CONFIG = f"m.mountPath.contains('.docker') && {closed_path('m.mountPath')}.contains('/.docker/')"
_CONFIG_MOUNTS = f"c.?volumeMounts.orValue([]).filter(m, {_IS_CONFIG})"


def homeless_names(homeless: HomelessAdditions | None) -> str:
    """Return the names of the clients that get a directory at /.docker."""
    if homeless is None:
        return "variables.clients.filter(c, false).map(c, c.name)"
    volume = cel_literal(homeless.volume["name"])
    user, non_root = (
        f"c.?securityContext.?{member}.or(object.spec.?securityContext.?{member})"
        for member in ("runAsUser", "runAsNonRoot")
    )
    states_non_root = f"({user}.hasValue() ? {user}.value() != 0 : {non_root}.orValue(false))"
    has_root_home = last_variable("HOME", "e.?value.orValue('') == '/'")
    is_homeless = (
        f"{_CONFIG_MOUNTS}.size() > 0 ? {_CONFIG_MOUNTS}.all(m, m.name == {volume}) "
        f": !{_sets('DOCKER_CONFIG')} && ({_sets('HOME')} ? {has_root_home} : {states_non_root})"
    )
    return f"variables.clients.filter(c, {is_homeless}).map(c, c.name)"


def homeless_entries(homeless: HomelessAdditions | None) -> str:
    """Return the entry of the mount that the client gets, or nothing, as a list."""
    if homeless is None:
        return "[]"
    mount = homeless.mount
    members = ", ".join(f"{cel_literal(key)}: dyn({cel_literal(value)})" for key, value in mount.items())
    path = cel_literal(closed(mount["mountPath"]))
    entry = f"{{'path': dyn({path}), 'mount': dyn({{{members}, 'subPath': dyn(c.name)}})}}"
    return f"(c.name in variables.homeless ? [dyn({entry})] : [])"


def config_variables(env: ClientEnv) -> str:
    """Return the variables that lead the client to its configuration, or nothing if it has one of its own."""
    directory = next(each["value"] for each in env.of_config if each["name"] == "DOCKER_CONFIG")
    is_other = last_variable("DOCKER_CONFIG", f"e.?value.orValue('') != {cel_literal(directory)}")
    variables = cel_literal(env.of_config, {MAIN: "c.name"})
    return f"({is_other} || {_CONFIG_MOUNTS}.size() > 0 ? [] : {variables})"


def _sets(name: str) -> str:
    return f"c.?env.orValue([]).exists(e, e.name == {cel_literal(name)})"
