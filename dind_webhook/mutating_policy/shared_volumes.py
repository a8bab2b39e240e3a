"""The clients' volumes that the daemon shares, as CEL: the rules of `injection.shared_volumes` for all volumes.

The variables name a mount by its index in `mounts`. An expression of CEL has no set to which it could add one path
after the other, and to look for each path in a list of all costs too much. So the mounts are sorted once by their
paths, and the first of each path becomes an entry of a map.
"""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from dind_webhook.injection import DATA_ROOT, SHAREABLE_KINDS, SYSTEM_DIRECTORIES, Policy, own_volume_names
from dind_webhook.model import clean_path
from dind_webhook.mutating_policy.expressions import any_of, cel_literal, closed, closed_path, let
from dind_webhook.mutating_policy.patterns import Additions


def client_mount_variables() -> Iterator[tuple[str, str]]:
    """Yield the variables of all mounts of the clients, those of main containers first, and of their closed paths."""
    yield "mounts", "variables.mainFirstClients.map(c, c.?volumeMounts.orValue([])).flatten()"
    yield "paths", f"variables.mounts.map(m, {closed_path('m.mountPath')})"


def shared_mount_variables(policy: Policy, additions: Additions) -> Iterator[tuple[str, str]]:
    """Yield the variables that end in `sharedMounts`, the entries of the clients' mounts that the daemon gets."""
    kinds = any_of([f"has(v.{kind})" for kind in sorted(SHAREABLE_KINDS)])
    own = cel_literal(list(own_volume_names(policy)))
    yield "shareable", f"variables.volumes.filter(v, {kinds} && !(v.name in {own})).map(v, v.name)"
    directories = (*SYSTEM_DIRECTORIES, DATA_ROOT, "/run", additions.client_mounts[0]["mountPath"])
    # Closed paths have no other // behind their beginning, so a path is with its equals, in the order of the pod.
    key = "variables.paths[i] + '/' + string(1000000 + i)"
    free = f"lists.range(size(variables.mounts)).filter(i, !{_overlaps('variables.paths[i]', directories)})"
    yield "byPath", f"{free}.sortBy(i, {key})"
    # The first mount of a path decides what the daemon may see there, even if its own volume is not shared.
    yield "firstOfPath", _first_of_each_path("variables.byPath")
    yield from _prepared_sub_path_variables(additions)
    first = "variables.mounts[variables.firstOfPath[variables.paths[i]]]"
    is_shared = " && ".join(
        (
            "m.name in variables.shareable",
            "m.?subPathExpr.orValue('') == ''",
            f"{first}.name == m.name",
            f"{first}.?subPath.orValue('') == {_SUB_PATH}",
            f"({_SUB_PATH} == '' || !{_is_prepared()})",
        )
    )
    yield "sharedIndexes", f"variables.byPath.filter(i, [variables.mounts[i]].exists(m, {is_shared}))"
    yield "firstShared", _first_of_each_path("variables.sharedIndexes")
    # The daemon can write a volume if one client can.
    yield "firstWritable", _first_of_each_path(f"variables.sharedIndexes.filter(i, !{_is_read_only('i')})")
    yield (
        "chosen",
        (
            "variables.paths.transformList(i, path, variables.firstShared[?path].orValue(-1) == i, "
            "variables.firstWritable[?path].orValue(i))"
        ),
    )
    # The container runtime could not create a mount point in a read-only volume. Closed paths end with a slash, so
    # the beginnings to look for are as long as the read-only paths, which are of few lengths.
    read_only = f"variables.chosen.transformMapEntry(n, i, {_is_read_only('i')}, {{variables.paths[i]: i}})"
    yield "readOnly", read_only
    yield "readOnlyLengths", "variables.readOnly.transformList(path, i, path.size()).distinct()"
    path = "variables.paths[i]"
    is_below = f"n < {path}.size() && {path}.substring(0, n) in variables.readOnly"
    entry = mount_entry("variables.mounts[i]", path)
    yield (
        "sharedMounts",
        f"variables.chosen.filter(i, !variables.readOnlyLengths.exists(n, {is_below})).map(i, {entry})",
    )


def mount_entry(mount: str, path: str) -> str:
    """Return the entry of a mount of the pod: its closed path, and the mount as the daemon's container gets it."""
    members = (
        f"'name': dyn({mount}.name), 'mountPath': dyn({mount}.mountPath), "
        f"?'readOnly': {mount}.?readOnly.optMap(x, dyn(x)), ?'subPath': {mount}.?subPath.optMap(x, dyn(x))"
    )
    return f"{{'path': dyn({path}), 'mount': dyn({{{members}}})}}"


_SUB_PATH = "m.?subPath.orValue('')"


def _overlaps(path: str, directories: Iterable[str]) -> str:
    """Return whether a path is one of some directories, above or under one."""
    paths = list(dict.fromkeys(map(clean_path, directories)))
    above = sorted({closed(str(parent)) for each in paths for parent in PurePosixPath(each).parents})
    under = f"{cel_literal(list(map(closed, paths)))}.exists(directory, {path}.startsWith(directory))"
    return f"({path} in {cel_literal(above)} || {under})"


def _first_of_each_path(indexes: str) -> str:
    """Return a map of paths to the first index of each; `indexes` are in the order of `byPath`."""
    is_first = "n == 0 || variables.paths[i] != variables.paths[indexes[n - 1]]"
    return let("indexes", indexes, f"indexes.transformMapEntry(n, i, {is_first}, {{variables.paths[i]: i}})")


def _is_read_only(index: str) -> str:
    return f"variables.mounts[{index}].?readOnly.orValue(false)"


def _prepared_sub_path_variables(additions: Additions) -> Iterator[tuple[str, str]]:
    """Yield the variables of the mounts of init containers that start after the daemon, which may create the paths.

    `firstPrepared` and `lastPrepared` have the smallest and the largest subPath of each volume.
    """
    own = cel_literal(additions.container_name)
    mounts = f"variables.initContainers.filter(c, c.name != {own}).map(c, c.?volumeMounts.orValue([])).flatten()"
    if additions.as_container:
        mounts = "[].filter(m, false)"
    # No name of a volume has a slash.
    yield "initMounts", f"{mounts}.sortBy(m, m.name + '/' + {_SUB_PATH})"
    for name, neighbour in (("firstPrepared", "n - 1"), ("lastPrepared", "n + 1")):
        end = "n == 0" if neighbour == "n - 1" else "n == size(variables.initMounts) - 1"
        is_end = f"{end} || variables.initMounts[{neighbour}].name != m.name"
        yield name, f"variables.initMounts.transformMapEntry(n, m, {is_end}, {{m.name: {_SUB_PATH}}})"


def _is_prepared() -> str:
    """Return whether an init container mounts another subPath of the volume of the mount `m`."""
    return (
        f"(variables.firstPrepared[?m.name].orValue({_SUB_PATH}) != {_SUB_PATH} "
        f"|| variables.lastPrepared[?m.name].orValue({_SUB_PATH}) != {_SUB_PATH})"
    )
