"""The effect of each per-pod option on the daemon's container, as texts and RE2 expressions."""

import re
from typing import Any

from dind_webhook.injection import (
    DATA_SOURCE_KINDS,
    DIRECT_HOSTS,
    MIRRORS_VARIABLE,
    NODE_VARIABLE,
    OPTIONS,
    Mirror,
    Mode,
    Option,
)
from dind_webhook.model import JsonObject
from dind_webhook.strict_policy.daemon import daemon_container, daemon_with_example, injected_pod

_PORT = "[0-9]{1,5}"
_HOST_AND_PORT = rf"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::{_PORT})?"
_CIDR = r"[0-9a-fA-F.:]+/(?:0|[1-9][0-9]{0,2})"

_MIRROR = f"https?://{_HOST_AND_PORT}(?:/[A-Za-z0-9._~/-]*)?"

# Values of the options that become flags of dockerd
_VALUES = {
    "group": "[0-9]{1,10}",
    "mtu": "[0-9]{2,5}",
    "registry-mirrors": _MIRROR,
    "insecure-registries": f"(?:{_CIDR}|{_HOST_AND_PORT})",
    "address-pools": f"base={_CIDR},size=[0-9]{{1,3}}",
    # All four parts: a name such as 127.0.0.1.5 may be an alias of any address (hostAliases).
    "metrics-port": _PORT,
    "tcp": rf"(?:localhost|127(?:\.[0-9]{{1,3}}){{3}}|\[::1\]):{_PORT}",
}
_PUBLIC_TCP = rf"(?:localhost|[0-9.]+|\[[0-9a-f:]+\]):{_PORT}"
# The value in the flag, from an item of the option's text, if the two differ
_TEXT_TO_VALUE = {"address-pools": {"text": "^(.*):([0-9]+)$", "value": "base=${1},size=${2}"}}
# Options that the chart's templates check each in its own way, and options without effect on the daemon
_SEPARATE_OPTIONS = frozenset(
    {"image", "socket-dir", "env", "dockerd-args", "share-volumes", "placement", "isolation", "ca", "daemon-files"}
    | {"storage-size", "storage-medium", "storage-class", "storage-data-source", "proxy", "no-proxy", "client"}
)
# The values of the two in a variable
_PROXY = rf"https?://{_HOST_AND_PORT}/?"
_DIRECT_HOST = rf"(?:{_CIDR}|\.?{_HOST_AND_PORT}|[0-9a-fA-F:.]+)"
# Options without effect on the daemon
_UNCHECKED_OPTIONS = frozenset({"containers", "wait", "node-socket", "registry-secret"})
# Amounts that also depend on other containers, so that only their bounds are checked
_DEPENDENT_AMOUNTS = frozenset({"ephemeral-storage-request", "ephemeral-storage-limit"})


def option_facts() -> dict[str, JsonObject]:
    """Return the facts of every option; LookupError for an option that has none."""
    return {option.name: {"default": option.default, **_effect(option)} for option in OPTIONS}


def proxy_facts() -> JsonObject:
    """Return the variables of a pod with a proxy, each as an expression with `{proxy}` and `{no-proxy}`.

    `patterns` has expressions of what pods may set the two to.
    """
    url = "http://proxy"
    container = daemon_container({"proxy": url})
    direct = ",".join(DIRECT_HOSTS)
    return {
        "variables": {
            each["name"]: regex_quote(each["value"])
            .replace(regex_quote(url), "{proxy}")
            .replace(regex_quote(direct), "{no-proxy}")
            for each in container["env"]
        },
        "direct_hosts": list(DIRECT_HOSTS),
        "patterns": {"proxy": _PROXY, "no-proxy": f"{regex_quote(direct)}(?:,{_DIRECT_HOST})*"},
    }


def mirror_facts() -> JsonObject:
    """Return the variables of a pod with mirrors, and an expression of what pods may set the first one to."""
    item = rf"(?:\*|{_HOST_AND_PORT})=(?:{_MIRROR})?"
    return {
        "variable": MIRRORS_VARIABLE,
        "node_variable": NODE_VARIABLE,
        "pattern": f"^{item}(?:,{item})*$",
    }


def data_source_facts() -> dict[str, str]:
    """Return `GROUP/KIND` of the data source for each `PREFIX` in the texts `PREFIX/NAME` of storage-data-source."""
    return {prefix: _data_source_kind(f"{prefix}/a") for prefix in DATA_SOURCE_KINDS}


def _data_source_kind(text: str) -> str:
    volumes = injected_pod(Mode.SIDECAR, {"storage-data-source": text, "storage-size": "1Gi"})["spec"]["volumes"]
    (claim,) = (volume["ephemeral"]["volumeClaimTemplate"] for volume in volumes if "ephemeral" in volume)
    source = claim["spec"]["dataSource"]
    return f"{source.get('apiGroup', '')}/{source['kind']}"


def _effect(option: Option) -> JsonObject:
    if option.name in _VALUES:
        return _flags(option)
    if option.name in _SEPARATE_OPTIONS or option.name in _UNCHECKED_OPTIONS:
        return {}
    if place := _resource(option):
        return {"resource": place, "depends_on_pod": option.name in _DEPENDENT_AMOUNTS}
    raise LookupError(f"option {option.name}: add its effect to {__name__}")


def _flags(option: Option) -> JsonObject:
    """Return the flags of an option, with `{}` for its value, and an expression for the flags that a pod may set."""
    text = option.example.split(",")[0]
    parsed = option.parse(text)
    is_list = type(parsed) is tuple
    first = parsed[0] if is_list else parsed
    value = first.url if isinstance(first, Mirror) else str(first)
    base, added = daemon_container()["args"], daemon_container({option.name: text})["args"]
    without_tls = daemon_container({option.name: text}, tls_flag=False)["args"]
    flags = [flag.replace(value, "{}") for flag in added if flag not in base]
    facts: JsonObject = {
        "flags": flags,
        "only_with_tls_flag": [flag for flag in added if flag not in without_tls],
        "list": is_list,
        "pattern": _pattern(flags, _VALUES[option.name]),
        **_TEXT_TO_VALUE.get(option.name, {}),
    }
    if option.name == "metrics-port":
        # Every port is public.
        return {**facts, "pattern": "", "public_pattern": facts["pattern"]}
    return {**facts, "public_pattern": _pattern(flags, _PUBLIC_TCP)} if option.name == "tcp" else facts


def _pattern(flags: list[str], value: str) -> str:
    return "|".join(value.join(map(regex_quote, flag.split("{}"))) for flag in flags)


def regex_quote(text: str) -> str:
    """Return an RE2 expression that matches a text."""
    return re.escape(text).replace(r"\-", "-")


def _resource(option: Option) -> list[str] | None:
    """Return the path of the option's value in `resources`, or None if it is not there."""
    resources: dict[str, dict[str, Any]] = daemon_with_example(option).get("resources", {})
    for kind, amounts in resources.items():
        for name, amount in amounts.items():
            if amount == option.example:
                return [kind, name]
    return None
