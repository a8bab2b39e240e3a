"""Write what is made from the tables in the code, the reference pages and a file of the chart: `make reference`."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from app.certs import CertsMetrics
from app.diagnostics import CHECKS, Category
from app.http import Metrics
from app.injection import INJECT, OPTIONS, RULES, STATUS, Mode, Option, Outcome, Reason
from app.settings import Settings, list_settings, load_settings
from app.strict_policy import policy_facts

DOCS = Path(__file__).parent
STRICT = DOCS.parent / "charts" / "dind-webhook" / "files" / "strict.json"


def annotations_page() -> str:
    """Return docs/annotations.md."""
    return f"""\
# Annotations

What a pod may say, what it means, and each reason why a pod is injected, left alone or refused. This page is made from
the code by `make reference`.

## Who is injected

The namespace opts in by its label `{INJECT}`, the pod asks by its annotation `{INJECT}`. A pod *label*
of the same key works as the annotation does, for tools that can only set labels; the annotation wins.

| namespace label | pod annotation | result |
|---|---|---|
| absent, or any other value | anything | the webhook is not called |
| `enabled` | absent | the webhook is not called |
| `enabled` | `sidecar` or `daemonset` | that mode |
| `enabled` | `disabled` | untouched |
| `sidecar` or `daemonset` | absent | the namespace's mode |
| `sidecar` or `daemonset` | `sidecar` or `daemonset` | the pod's choice wins |
| `sidecar` or `daemonset` | `disabled` | untouched |
| any opted-in value | anything else | denied, with the accepted values |

Annotations belong on the pod, so for a Deployment, a Job or the like on its pod template. They have to be
there when the pod is created: the API server does not ask again for a pod that another webhook annotates
after ours had its turn.

## Options

An annotation that does not exist, or whose value is not accepted, denies the pod with a message that says
so. Lists are comma-separated; blanks around items do not matter. Pods may set the options marked *yes*
unless the operator decides otherwise, the others only where the operator allows them
(`injection.allowed_options`). Every default can be changed by the operator (`injection.defaults`).

| annotation | accepts | at most | default | mode | pods may set it | what it does |
|---|---|---|---|---|---|---|
{"".join(map(_option_row, OPTIONS))}
Examples:

```yaml
{"".join(f"{option.key}: {_yaml(option.example)}{chr(10)}" for option in OPTIONS)}```

`{STATUS}` is written by the webhook: mode and version of an injection. Do not set it.

## Reasons

The same words stand in the log, in the metric `dind_webhook_requests_total`, in the audit annotation
`reason` and in what the command line prints.

| reason | outcome | code | meaning |
|---|---|---|---|
{"".join(map(_reason_row, Reason))}
## Rules

`dind-webhook explain` shows them in this order; a pod stops at the first that does not hold.

| rule | stops with |
|---|---|
{"".join(f"| {rule.statement} | {_code(reason.slug for reason in rule.reasons)} |{chr(10)}" for rule in RULES)}"""


def _option_row(option: Option) -> str:
    default = f"`{option.default}`" if option.default else "unset"
    modes = "both" if option.modes == frozenset(Mode) else ", ".join(sorted(option.modes))
    may = "yes" if option.open else "no"
    return f"| `{option.key}` | {option.accepts} | {option.bounds} | {default} | {modes} | {may} | {option.help} |\n"


def _reason_row(reason: Reason) -> str:
    code = str(reason.code) if reason.outcome is Outcome.DENIED else ""
    return f"| `{reason.slug}` | {reason.outcome} | {code} | {reason.meaning} |\n"


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _yaml(text: str) -> str:
    return f"'{text}'" if text[0] in "{[" else f'"{text}"'


def settings_page() -> str:
    """Return docs/settings.md."""
    schema = Settings.model_json_schema()
    return f"""\
# Settings

What an operator may set, and how. With the chart they go under `settings`. This page is made from the code by
`make reference`.

Settings come from a YAML file (`--config FILE`, or the variable `DIND_WEBHOOK_CONFIG`), from environment
variables, and from flags of the command line; what comes later in that list wins. The file has the groups
below:

```yaml
injection:
  modes: [sidecar]
  defaults:
    storage-size: 50Gi
server:
  grace_seconds: 10
```

A variable is named after the place in the file: `DIND_WEBHOOK_SERVER__GRACE_SECONDS=10`,
`DIND_WEBHOOK_INJECTION__DEFAULTS__STORAGE_SIZE=50Gi`. In variables, lists and maps are given as JSON. Durations
are written as `720h`, `1h30m` or `20s`. All mistakes are reported at once, each with its place and origin, and the
command ends with exit code 2.

`dind-webhook settings` prints what is in force and where each value came from.
{"".join(_settings_group(name, schema) for name in Settings.model_fields)}"""


def _settings_group(name: str, schema: Any) -> str:
    group = schema["$defs"][schema["properties"][name]["$ref"].rpartition("/")[2]]
    values = {setting.name: setting.value for setting in list_settings(load_settings(None, {}, {}))}
    rows = [
        f"| `{field}` | {_accepted(property_, schema)} | {_default(values.get(f'{name}.{field}'))} "
        f"| {property_['description']} |\n"
        for field, property_ in group["properties"].items()
    ]
    return f"""
## {name}

{group["description"]}

| setting | accepts | default | what it is |
|---|---|---|---|
{"".join(rows)}"""


def _default(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    return "unset" if value in {None, ""} else _shown(value)


def _shown(value: Any) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _accepted(property_: Any, schema: Any) -> str:
    """Return what a setting accepts, from its JSON schema."""
    if "anyOf" in property_:
        property_ = next(kind for kind in property_["anyOf"] if kind["type"] != "null")
    if "$ref" in property_:
        property_ = schema["$defs"][property_["$ref"].rpartition("/")[2]]
    if "enum" in property_:
        return ", ".join(f"`{value}`" if value else "empty" for value in property_["enum"])
    match property_["type"]:
        case "boolean":
            return "`true`, `false`"
        case "array":
            return f"list of {_accepted(property_['items'], schema)}"
        case "object":
            return "map of [option](annotations.md#options) to the text of its annotation"
        case "integer" | "number" as kind:
            return " ".join(["whole number" if kind == "integer" else "number", *_bounds(property_)])
        case _:
            return property_.get("format", "text")


def _bounds(property_: Any) -> Iterator[str]:
    if "minimum" in property_:
        yield f"from {property_['minimum']:,}"
    if "exclusiveMinimum" in property_:
        yield f"above {property_['exclusiveMinimum']:,}"
    if "maximum" in property_:
        yield f"to {property_['maximum']:,}"


def metrics_page() -> str:
    """Return docs/metrics.md."""
    server, certs = Metrics(), CertsMetrics()
    return f"""\
# Metrics

What Prometheus can read; [operations](operations.md#watch-it) says which of it matters. This page is made from the code
by `make reference`.

Both processes serve `/metrics` on their health ports, over plain HTTP: the server on `server.health_port`,
`dind-webhook certs` on `certs.health_port`. No label holds a namespace, a pod or anything else of users.

## dind-webhook serve

| metric | type | labels | meaning |
|---|---|---|---|
{_metric_rows(server.registry)}
The values of `outcome` and `reason` are those of [the reasons](annotations.md#reasons); `mode` is `sidecar`,
`daemonset`, or empty where none was asked for.

## dind-webhook certs

| metric | type | labels | meaning |
|---|---|---|---|
{_metric_rows(certs.registry)}"""


def _metric_rows(registry: CollectorRegistry) -> str:
    rows = []
    for collector in registry._collector_to_names:  # noqa: SLF001  # labels have no other way out while there is no sample
        labels = getattr(collector, "_labelnames", ())
        for family in collector.collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            rows.append(f"| `{name}` | {family.type} | {_code(labels)} | {family.documentation} |\n")
    return "".join(sorted(rows))


_JSON_OF_CHECK = ("name", "category", "statement", "fatal", "status", "skipped", "findings")


def check_page() -> str:
    """Return docs/check.md."""
    sections = "".join(_check_section(category) for category in Category)
    return f"""\
# dind-webhook check

This page is made from the code by `make reference`.

`dind-webhook check` looks at a live install, as you may see it, and says what is wrong with it and what mends it.
Nothing in the cluster is changed: it reads, asks for pods by dry-run, and shakes hands with the server.

```sh
dind-webhook check                        # all of it
dind-webhook check --namespace ci         # one namespace: its label, its pods, what is refused there
dind-webhook check -n ci --pod build      # one pod
dind-webhook check --wait 2m -o short     # in a pipeline, after an install
```

![What holds is ticked; a warning has what is wrong and what to set.](assets/terminal-check.svg)

| flag | what it does |
|---|---|
| `-o table` | every check, in groups; in colour on a terminal |
| `-o short` | one line for each finding, nothing where all is well |
| `-o json` | `success` and `checks`: {_code(_JSON_OF_CHECK)}; `findings` have a `sentence` and a `hint` |
| `--wait 2m` | try again until no check fails, for that long |
| `--release`, `--webhook` | which install, where there are several, by its release or by its webhook configuration |
| `--kubeconfig`, `--context` | which cluster, as with kubectl |

| exit code | meaning |
|---|---|
| 0 | no check failed, though there may be warnings |
| 1 | a check failed |
| 2 | the cluster cannot be asked: no kubeconfig, nobody there, credentials not accepted; no such namespace or pod |

What you may not read is skipped, and the report says which right is missing. With the rights of one namespace, name it:
its label, Pod Security, pods, workloads and events are looked at, and a pod is asked for by dry-run where the webhook
configuration may be read.

[`dind-webhook explain pod/x`](kubectl-plugin.md) is about a single pod, rule by rule.

## Checks

A check that is *fatal* fails the command; the others warn. In hints, words in braces stand for names of your cluster.
{sections}"""


def _check_section(category: Category) -> str:
    rows = "".join(
        f"| `{check.name}` | {check.statement} | {'fatal' if check.fatal else 'warning'} | {_hint(check.hint)} |\n"
        for check in CHECKS
        if check.category is category
    )
    return f"""
### {category}

| check | what has to hold | | what mends it |
|---|---|---|---|
{rows}"""


def _hint(hint: str) -> str:
    return "as the finding says" if re.fullmatch(r"\{\w+\}", hint) else hint


PAGES = {
    "annotations.md": annotations_page,
    "check.md": check_page,
    "metrics.md": metrics_page,
    "settings.md": settings_page,
}


def main() -> None:
    """Write every page, and what the chart has to know of the code."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), "utf-8")
    STRICT.write_text(json.dumps(policy_facts(), indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
