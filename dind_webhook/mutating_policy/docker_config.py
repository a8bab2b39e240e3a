"""The configuration directory of the Docker client, as CEL (`injection.docker_config`).

The expressions are about a client `c`.
"""

from dind_webhook.injection import HOMES, ROOT_CONFIG_DIRECTORY
from dind_webhook.mutating_policy.expressions import (
    IS_READ_ONLY_MOUNT,
    cel_literal,
    closed,
    closed_path,
    last_variable,
    sets_variable,
)
from dind_webhook.mutating_policy.patterns import MAIN, ClientEnv, HomelessAdditions

# Whether a pod has clients that get a directory at /.docker (`find_config_directories`)
HAS_HOMELESS = "variables.homeless.size() > 0"
_MOUNTS = "c.?volumeMounts.orValue([])"
# Most mounts cost less if their paths are not closed.
_IS_CONFIG = f"m.mountPath.contains('.docker') && {closed_path('m.mountPath')}.contains('/.docker/')"
_CONFIG_MOUNTS = f"{_MOUNTS}.filter(m, {_IS_CONFIG})"
_OWN = cel_literal(closed(ROOT_CONFIG_DIRECTORY))
_NO_NAMES = "variables.clients.filter(c, false).map(c, c.name)"


def names_without_buildx_directory(homeless: HomelessAdditions | None) -> str:
    """Return the names of the clients with a read-only root file system whose buildx has no writable directory."""
    if homeless is None:
        return _NO_NAMES
    foreign = f"{_MOUNTS}.filter(m, m.name != {cel_literal(homeless.volume['name'])})"
    is_own_path = f"{_IS_CONFIG} && {closed_path('m.mountPath')}.startsWith({_OWN})"
    # Most mounts cost less if their paths are not closed, and if no volume is looked up for them.
    is_home = (
        f"(m.mountPath.contains('root') || m.mountPath.contains('home')) "
        f"&& {closed_path('m.mountPath')}.matches({cel_literal(f'^/({HOMES})/$')})"
    )
    writable = f"{foreign}.filter(m, (({_IS_CONFIG}) || ({is_home})) && !{IS_READ_ONLY_MOUNT})"
    read_only = f"{foreign}.filter(m, {_IS_CONFIG} && {IS_READ_ONLY_MOUNT}).map(m, {closed_path('m.mountPath')})"
    is_inner = "i != path && i.startsWith(path) && i.endsWith('/.docker/')"
    is_hidden = f"[{closed_path('m.mountPath')}].exists(path, inner.exists(i, {is_inner}))"
    at_home = f"[{read_only}].all(inner, {writable}.all(m, {is_hidden}))"
    config = _is_read_only_directory("DOCKER_CONFIG", "")
    home = _is_read_only_directory("HOME", "/.docker")
    lacks_directory = (
        f"c.?securityContext.?readOnlyRootFilesystem.orValue(false) && !{_has_variable('BUILDX_CONFIG')} "
        f"&& !{foreign}.exists(m, {is_own_path}) "
        f"&& ({sets_variable('DOCKER_CONFIG')} ? {config} : {sets_variable('HOME')} ? {home} : {at_home})"
    )
    return f"variables.clients.filter(c, {lacks_directory}).map(c, c.name)"


def _is_read_only_directory(variable: str, end: str) -> str:
    """Return whether buildx cannot write below the directory that a variable names, with `end` behind it.

    The innermost of the mounts above it decides.
    """
    directory = closed_path(f"(e.value + {cel_literal(end)})")
    closed_mount = closed_path("m.mountPath")
    covering = f"{_MOUNTS}.filter(m, (path + 'buildx/').startsWith({closed_mount})).sortBy(m, {closed_mount})"
    innermost = f"covering.size() == 0 || [covering[covering.size() - 1]].all(m, {IS_READ_ONLY_MOUNT})"
    is_read_only = f"[{directory}].exists(path, !path.startsWith({_OWN}) && [{covering}].all(covering, {innermost}))"
    return last_variable(variable, f"e.?value.orValue('') != '' && {is_read_only}")


def homeless_names(homeless: HomelessAdditions | None) -> str:
    """Return the names of the clients that get a directory at /.docker."""
    if homeless is None:
        return _NO_NAMES
    volume = cel_literal(homeless.volume["name"])
    user, non_root = (
        f"c.?securityContext.?{member}.or(object.spec.?securityContext.?{member})"
        for member in ("runAsUser", "runAsNonRoot")
    )
    states_non_root = f"({user}.hasValue() ? {user}.value() != 0 : {non_root}.orValue(false))"
    is_root_home = f"e.?value.orValue('') != '' && {closed_path('e.value')} == '//'"
    of_home = f"{sets_variable('HOME')} ? {last_variable('HOME', is_root_home)} : {states_non_root}"
    is_homeless = (
        f"{_CONFIG_MOUNTS}.size() > 0 ? {_CONFIG_MOUNTS}.exists(m, m.name == {volume}) "
        f": !{sets_variable('DOCKER_CONFIG')} && ({of_home})"
    )
    return f"variables.clients.filter(c, c.name in variables.withoutBuildxDirectory || ({is_homeless})).map(c, c.name)"


def buildx_variables(homeless: HomelessAdditions) -> str:
    """Return the variables with which buildx of a client keeps its state in the directory at /.docker."""
    return f"(c.name in variables.withoutBuildxDirectory ? {cel_literal(homeless.buildx_variables)} : [])"


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


def _has_variable(name: str) -> str:
    return f"c.?env.orValue([]).exists(e, e.name == {cel_literal(name)})"
