"""The clients without a home that they can write, as CEL (`injection.docker_config.find_homeless_clients`)."""

from dind_webhook.mutating_policy.expressions import cel_literal, closed, closed_path
from dind_webhook.mutating_policy.patterns import Additions

# Whether a pod has such clients
HAS_HOMELESS = "variables.homeless.size() > 0"


def homeless_names(additions: Additions) -> str:
    """Return the names of the clients that get a directory at /.docker."""
    volume = cel_literal(additions.homeless.volume["name"])
    mounts = f"c.?volumeMounts.orValue([]).filter(m, {closed_path('m.mountPath')}.contains('/.docker/'))"
    user, non_root = (
        f"c.?securityContext.?{member}.or(object.spec.?securityContext.?{member})"
        for member in ("runAsUser", "runAsNonRoot")
    )
    states_non_root = f"({user}.hasValue() ? {user}.value() != 0 : {non_root}.orValue(false))"
    homes = "c.?env.orValue([]).filter(e, e.name == 'HOME')"
    # The last of several is in force.
    has_root_home = f"{homes}[size({homes}) - 1].?value.orValue('') == '/'"
    is_homeless = (
        f"{mounts}.size() > 0 ? {mounts}.all(m, m.name == {volume}) "
        ": !c.?env.orValue([]).exists(e, e.name == 'DOCKER_CONFIG') "
        f"&& (size({homes}) > 0 ? {has_root_home} : {states_non_root})"
    )
    return f"variables.clients.filter(c, {is_homeless}).map(c, c.name)"


def homeless_entries(additions: Additions) -> str:
    """Return the entry of the mount that the container `c` gets, or nothing, as a list."""
    mount = additions.homeless.mount
    members = ", ".join(f"{cel_literal(key)}: dyn({cel_literal(value)})" for key, value in mount.items())
    path = cel_literal(closed(mount["mountPath"]))
    entry = f"{{'path': dyn({path}), 'mount': dyn({{{members}, 'subPath': dyn(c.name)}})}}"
    return f"(c.name in variables.homeless ? [dyn({entry})] : [])"
