"""Pieces of CEL that several expressions use. Each function returns the text of an expression.

The API servers that have MutatingAdmissionPolicy in v1 (1.36) have all of the functions: two-variable comprehensions,
`flatten`, `sortBy` and `distinct` of lists, optional members.
"""

from dind_webhook.injection import MAX_QUOTE_LENGTH
from dind_webhook.model import READ_ONLY_SOURCES, clean_path
from dind_webhook.strict_policy import cel_literal

_READ_ONLY_KINDS = " || ".join(f"has(v.{kind})" for kind in sorted(READ_ONLY_SOURCES))
# The names of the volumes to which no container can write, for the variable `readOnlyVolumes`
READ_ONLY_VOLUMES = f"variables.volumes.filter(v, {_READ_ONLY_KINDS}).map(v, v.name)"
# Whether a container cannot write to its mount `m` (`Pod.is_read_only`)
IS_READ_ONLY_MOUNT = "(m.?readOnly.orValue(false) || m.name in variables.readOnlyVolumes)"


def closed_path(text: str) -> str:
    """Return the closed form of a path that an expression gives: `clean_path` with // in front and / behind.

    One path is under another if the closed form begins with that of the other. `..` is not resolved.
    """
    # Only the beginning has two slashes, so only the directory /var/run is replaced.
    names = f"{text}.split('/').filter(s, s != '' && s != '.').map(s, s + '/').join()"
    return f"('//' + {names}).replace('//var/run/', '//run/')"


def closed(path: str) -> str:
    """Return the closed form of a path, as a text."""
    return "//" + "".join(f"{name}/" for name in clean_path(path).split("/") if name)


def when(condition: str, message: str) -> str:
    """Return a list with one message if a condition is true, or an empty list."""
    return f"({condition} ? [{message}] : [])"


def abbreviated(text: str) -> str:
    """Return a text of the pod as messages have it: an API server returns none that is long or has line breaks."""
    end = MAX_QUOTE_LENGTH - 3
    cut = f"text.size() > {MAX_QUOTE_LENGTH} ? text.substring(0, {end}) + '...' : text"
    return let("text", f"string({text})", f"({cut}).replace('\\n', '\\\\n')")


def any_of(conditions: list[str]) -> str:
    """Return whether one of the conditions is true."""
    return f"({' || '.join(conditions)})" if conditions else "false"


def last_variable(name: str, condition: str) -> str:
    """Return whether the container `c` sets a variable to a value that meets a condition on its entry `e`.

    The last of several entries is in force.
    """
    entries = f"c.?env.orValue([]).filter(e, e.name == {cel_literal(name)})"
    return f"[{entries}].exists(set, size(set) > 0 && [set[size(set) - 1]].exists(e, {condition}))"


def sets_variable(name: str) -> str:
    """Return whether the container `c` sets a variable to something else than an empty text."""
    return last_variable(name, "e.?value.orValue('') != '' || has(e.valueFrom)")


def let(name: str, value: str, result: str) -> str:
    """Return what an expression computes from a value, which gets a name in it, as CEL has no variables."""
    return f"[{value}].map({name}, {result})[0]"


def add_operation(path: str, value: str) -> str:
    """Return a JSON Patch operation; `path` and `value` are expressions."""
    return f"JSONPatch{{op: 'add', path: {path}, value: {value}}}"


def append_operations(path: str, exists: str, values: str) -> str:
    """Return the operations that append values to a list, which may be absent."""
    each = add_operation(f"{path} + '/-'", "value")
    whole = add_operation(path, "values")
    chosen = f"{exists} ? values.map(value, {each}) : size(values) == 0 ? [] : [{whole}]"
    return let("values", values, chosen)


def member_operations(path: str, exists: str, existing: str, members: str) -> str:
    """Return the operations that add the members of a map that an object lacks; the object may be absent."""
    each = add_operation(f"{path} + '/' + jsonpatch.escapeKey(key)", "value")
    missing = f"{members}.transformList(key, value, !(key in {existing}), {each})"
    whole = add_operation(path, members)
    return f"({exists} ? {missing} : size({members}) == 0 ? [] : [{whole}])"


__all__ = [
    "IS_READ_ONLY_MOUNT",
    "READ_ONLY_VOLUMES",
    "abbreviated",
    "add_operation",
    "any_of",
    "append_operations",
    "cel_literal",
    "closed",
    "closed_path",
    "last_variable",
    "let",
    "member_operations",
    "sets_variable",
    "when",
]
