"""Write the reference pages and files of the chart from the tables in the code: `make reference`."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from dind_webhook.certs import CertsMetrics
from dind_webhook.diagnostics import CHECKS, Category
from dind_webhook.http import Metrics
from dind_webhook.injection import INJECT, INJECTED, OPTIONS, RULES, STATUS, Mode, Option, Outcome, Reason
from dind_webhook.injection.start_script import COMMENTED_SCRIPT
from dind_webhook.mutating_policy import (
    MINIMUM_VERSION,
    PLACEHOLDERS,
    STATIC_MINIMUM_VERSION,
    accepted_texts,
    chart_file,
    limits,
    list_unsupported_settings,
)
from dind_webhook.settings import NamespaceSettings, Settings, list_settings, load_policy, load_settings
from dind_webhook.strict_policy import advisory_facts, policy_facts

DOCS = Path(__file__).parent
CHART_FILES = DOCS.parent / "charts" / "dind-webhook" / "files"
STRICT = CHART_FILES / "strict.json"
ADVISORY = CHART_FILES / "advisory.json"
POLICIES = CHART_FILES / "policies.json"
START_DOCKERD = CHART_FILES / "start-dockerd.sh"


def annotations_page() -> str:
    """Return docs/annotations.md."""
    return f"""\
# Annotations

This page lists the annotations that a pod can set, and every reason why a pod is injected, left untouched or denied. It
is generated from the code by `make reference`.

## Who is injected

A namespace opts in with the label `{INJECT}`. A pod requests Docker with the annotation `{INJECT}`. For tools that
can only set labels, a pod *label* with the same key works too; if both are set, the annotation wins.

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

Annotations belong on the pod. For a Deployment, a Job or another workload, put them on the pod template. The pod must
have them when it is created: if another webhook adds them later, the API server does not call this webhook again
([round 0](operations.md#round-0)).

## Options

The webhook denies a pod with an annotation that does not exist or whose value is not accepted, and the message says so.
Lists are comma-separated; blanks around items are ignored. By default pods can set the options marked *yes*. The
operator can change that list with `injection.allowed_options`, and every default with `injection.defaults`.

| annotation | accepts | at most | default | mode | pods may set it | what it does |
|---|---|---|---|---|---|---|
{"".join(map(_option_row, OPTIONS))}
Examples:

```yaml
{"".join(f"{option.key}: {_yaml(option.example)}{chr(10)}" for option in OPTIONS)}```

The webhook writes the annotation `{STATUS}`, with the mode and version of the injection, and the label `{INJECTED}`,
with the mode, so that `kubectl get pods -A -l {INJECTED}` finds the pods. Do not set them.

## Reasons

The log, the metric `dind_webhook_requests_total`, the audit annotation `reason` and the command line use the same
reasons. The webhook denies only pods that ask for Docker themselves, with any `dind.io/*` annotation or the label
`{INJECT}`. If only the namespace asks, the outcome is `untouched` instead of `denied`, with a warning.

| reason | outcome | code | meaning |
|---|---|---|---|
{"".join(map(_reason_row, Reason))}
## Rules

`dind-webhook explain` prints the rules in this order and stops at the first rule that fails.

| rule | reason if it fails |
|---|---|
{"".join(f"| {rule.statement} | {_code(reason.slug for reason in rule.reasons)} |{chr(10)}" for rule in RULES)}"""


def _option_row(option: Option) -> str:
    default = f"`{option.default}`" if option.default else "unset"
    modes = "both" if option.modes == frozenset(Mode) else ", ".join(sorted(option.modes))
    may = "yes" if option.allowed_by_default else "no"
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

This page lists the operator's settings. In the chart's values they go under `settings`. The page is generated from the
code by `make reference`.

Settings come from a YAML file (`--config FILE`, or the variable `DIND_WEBHOOK_CONFIG`), from environment variables, and
from command-line flags. A later source in that list overrides an earlier one. The file has the groups below:

```yaml
injection:
  modes: [sidecar]
  defaults:
    storage-size: 50Gi
    registry-mirrors: [https://mirror.example]
    env: {{HTTPS_PROXY: "http://proxy:3128"}}
server:
  grace_seconds: 10
```

The name of a variable follows the path in the file: `DIND_WEBHOOK_SERVER__GRACE_SECONDS=10`,
`DIND_WEBHOOK_INJECTION__DEFAULTS__STORAGE_SIZE=50Gi`. Variables contain lists and maps as JSON. A duration looks like
`720h`, `1h30m` or `20s`. If settings are invalid, the command reports all mistakes at once, each with its path and
source, and exits with code 2. Defaults are invalid, in the chart too, if every pod of a mode in `modes` would be denied
unless it sets options itself. Operators who do not set `modes` may have no DaemonSet: only sidecar mode is checked.

`dind-webhook settings` prints the effective settings and the source of each value; with `--namespace ci`, those of
injection that are in force in a namespace.
{"".join(_settings_group(name, schema) for name in Settings.model_fields)}
## namespaces

Members of each entry of `injection.namespaces`: [a policy per namespace](security.md#a-policy-per-namespace).

| member | accepts | meaning |
|---|---|---|
{"".join(_namespace_rows())}"""


def _namespace_rows() -> Iterator[str]:
    schema = NamespaceSettings.model_json_schema()
    for member, property_ in schema["properties"].items():
        yield f"| `{member}` | {_accepted(property_, schema)} | {_help(property_)} |\n"


def _help(property_: Any) -> str:
    """Return the docstring of a member in one line, for a cell."""
    return " ".join(property_["description"].split())


def _settings_group(name: str, schema: Any) -> str:
    group = schema["$defs"][schema["properties"][name]["$ref"].rpartition("/")[2]]
    values = {setting.name: setting.value for setting in list_settings(load_settings(None, {}, {}))}
    rows = [
        f"| `{field}` | {_accepted(property_, schema)} | {_default(values.get(f'{name}.{field}'))} "
        f"| {_help(property_)} |\n"
        for field, property_ in group["properties"].items()
    ]
    return f"""
## {name}

{group["description"]}

| setting | accepts | default | meaning |
|---|---|---|---|
{"".join(rows)}"""


def _default(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    return "unset" if value is None or value in ("", {}) else _shown(value)


def _shown(value: Any) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _accepted(property_: Any, schema: Any) -> str:  # noqa: PLR0911  # one for each type
    """Return the accepted values of a setting, from its JSON schema."""
    if "anyOf" in property_:
        property_ = next(kind for kind in property_["anyOf"] if kind["type"] != "null")
    if "$ref" in property_:
        property_ = schema["$defs"][property_["$ref"].rpartition("/")[2]]
    if "format" in property_:
        return str(property_["format"])
    if "enum" in property_:
        return ", ".join(f"`{value}`" if value else "empty" for value in property_["enum"])
    match property_["type"]:
        case "boolean":
            return "`true`, `false`"
        case "array":
            return f"list of {_accepted(property_['items'], schema)}"
        case "object":
            return _accepted_in_map(property_, schema)
        case "integer" | "number" as kind:
            return " ".join(["whole number" if kind == "integer" else "number", *_bounds(property_)])
        case _:
            return "text"


def _accepted_in_map(property_: Any, schema: Any) -> str:
    if "properties" in property_:
        return "[entries](#namespaces)"
    if "propertyNames" in property_:
        kind = property_["additionalProperties"]
        return f"map from {_accepted(property_['propertyNames'], schema)} to {_accepted(kind, schema)}"
    return "map from [option](annotations.md#options) to the value of its annotation"


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

This page lists the Prometheus metrics. [Operations](operations.md#monitor-it) shows the most useful queries. The page
is generated from the code by `make reference`.

Both processes serve `/metrics` on their health ports, over plain HTTP: the server on `server.health_port`,
`dind-webhook certs` on `certs.health_port`. No label contains a namespace, a pod name or other user data.

## dind-webhook serve

| metric | type | labels | meaning |
|---|---|---|---|
{_metric_rows(server.registry)}
`outcome` and `reason` have the values in [the table of reasons](annotations.md#reasons). `mode` is `sidecar`,
`daemonset`, or empty if the pod requested no mode.

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


def policies_page() -> str:
    """Return docs/policies.md."""
    minimum = ".".join(map(str, MINIMUM_VERSION))
    unsupported = dict(list_unsupported_settings())
    policy = load_policy(None, {})
    texts = {mode: accepted_texts(policy, mode) for mode in Mode}
    options = "".join(_policy_row(option, unsupported, texts) for option in OPTIONS)
    others = "".join(
        f"| `{name}` | {problem} |\n" for name, problem in unsupported.items() if not name.startswith("defaults.")
    )
    return f"""\
# Without a webhook

Since Kubernetes {minimum}, an API server can inject pods itself, by a MutatingAdmissionPolicy: there is no pod to keep
running, no certificate and no network hop. `dind-webhook policy` writes such policies from the operator's settings. The
pods are the same as with the webhook. This page is generated from the code by `make reference`.

```sh
dind-webhook policy -f settings.yaml --context ci | kubectl --context ci apply -f -
kubectl --context ci label namespace builds dind.io/inject=enabled
```

The daemon of daemonset mode is not part of the policies: the chart or `deploy/` installs it.

| flag | meaning |
|---|---|
| `-f`, `--config` | the operator's [settings](settings.md), or the chart's ConfigMap with them; `-` is standard input |
| `--name` | beginning of the names of the policies: `dind-webhook`, or with the chart's ConfigMap that of the chart |
| `-o`, `--output` | `yaml` or `json` |
| `--static` | write [files for the API server](#files-for-the-api-server) below this directory instead |
| `--kubeconfig`, `--context` | check first that this cluster's API server has such policies; nothing is changed there |

The exit code is 0, or 2 if the settings cannot become policies, or if the API server is too old or can't be reached.

{_chart_section(minimum)}{_static_section()}## What is written

| object | what it does |
|---|---|
| MutatingAdmissionPolicy `dind-webhook-sidecar`, `dind-webhook-daemonset` | injects the pods of a mode |
| ValidatingAdmissionPolicy of the same names | denies what the webhook denies, and what the policy cannot inject |
| ValidatingAdmissionPolicy `dind-webhook` | denies unknown values of `dind.io/inject`, and modes that are off |
| ValidatingAdmissionPolicy `dind-webhook-node-socket` | denies pods that want the node's socket replaced |

A pod that the policies deny gets the annotation `policy.dind.io/denied` first. The chart's policy for pods without
Docker skips such a pod, so that the API server returns the reason of the other policy. No pod is stored with it.

Each has a binding of its name. Entries of `injection.namespaces` have policies of their own, with a number in the name.
`kube-system`, `kube-public` and `kube-node-lease` are left out. Write and apply the policies again after a change of
the settings or an upgrade.

## What is different

- A pod that needs more than the policies can do is denied, even if only its namespace asks. The message names the
  option or the member, and says that only the webhook can do that. Such pods have an option with a value that is not in
  the table below, `hostUsers: false` where the operator's isolation is `none`, or where daemonset mode has a Docker
  client, `resources` of the whole pod, a container that may run a Docker daemon, `..` in a path of a mount, a mount at
  `/` of a container that may have no home, or variables for TLS and a `DOCKER_HOST` that may be the injected daemon.
- An API server stops expressions that cost too much. So a pod is denied whose containers have, together,
  - more than {limits.MAX_MOUNTS} mounts (Tekton has them with some 14 steps, as each mounts directories of all),
  - more than {limits.MAX_PATHS_LENGTH:,} characters in the paths of their mounts,
  - or more than {limits.MAX_COMMANDS_LENGTH:,} characters in their commands and arguments.
- Where the operator's isolation is `auto`, a pod that cannot have a user namespace is denied. With the webhook, it has
  the isolation `none`.
- There are no warnings, no metrics, no log of decisions, and no suggestions for a typo. A denial names the first
  mistake only.
- `dind-webhook check`, `explain` and `list` work as with the webhook. `check` skips the checks of the server, and for
  policies that the command wrote, those that need the settings of the chart. `explain`
  says what the core does with a pod, not whether the policies deny it instead: a dry run tells.

## Options

The operator sets options for all pods, or for namespaces. Pods may choose quantities, within the operator's bounds,
except those that the operator leaves unset: as `250m` or `1.5`, `512Mi`, `1.5Gi` or `2G`, but not as `1e3`, `1Pi` or
`none`. Pods may set another option only to the value that the policies place anyway; these are the values with the
built-in settings.

| annotation | operator | pods, in sidecar mode | pods, in daemonset mode |
|---|---|---|---|
{options}
## Settings that cannot become a policy

`dind-webhook policy` names each of these in one error, as well as the options above. They are:

| setting | reason |
|---|---|
{others}"""


def _chart_section(minimum: str) -> str:
    placeholders = ", ".join(f"`{'.'.join(each.path)}`" for each in PLACEHOLDERS)
    return f"""\
## With the chart

`engine: policy` installs the policies instead of the webhook: there is no Deployment, Service, certificate, account or
webhook configuration. The daemons, the cache, pre-pull and the [strict policy](security.md) do not depend on the
engine. `webhook.exemptNamespaces`, `namespaceSelector`, `objectSelector` and `matchConditions` select the pods of both,
and `failurePolicy` says what becomes of a pod for which an expression fails.

```sh
helm upgrade dind-webhook CHART --namespace dind-webhook --reuse-values --set engine=policy
```

helm cannot run the code that writes the policies, so the chart has them in a file, with placeholders for settings:
{placeholders}.
With other settings, or values of another form, helm names them and prints the command that writes the policies for the
value `policies`:

```sh
helm template dind-webhook CHART --namespace dind-webhook --values values.yaml --set engine=webhook \\
  --show-only templates/configmap.yaml | dind-webhook policy -f - -o json > policies.json
helm upgrade dind-webhook CHART --namespace dind-webhook --values values.yaml --set engine=policy \\
  --set-file policies=policies.json
```

Each entry of `injection.namespaces` has policies of its own. With more than some seven entries, helm refuses the value,
because a release could not hold it: apply what the command prints.

The policies contain a checksum of the settings and the version of the chart. After a change of one of them, helm asks
for new policies. On an API server before {minimum}, helm refuses `engine: policy` with a sentence. `helm template` asks
no API server: tell it the version with `--kube-version`.

## Switch while pods are created

Both engines leave pods alone that the other one has injected. `engine: both` has both, so that a switch in two steps
loses no pod, in either direction:

```sh
helm upgrade dind-webhook CHART --namespace dind-webhook --reuse-values --set engine=both --wait
dind-webhook check
helm upgrade dind-webhook CHART --namespace dind-webhook --reuse-values --set engine=policy
```

With `engine: both`, a pod that only the webhook can inject is denied, as with `engine: policy`.

A switch at once is shorter, but an API server learns new policies only after a second or so, and the webhook is gone
then. In that time, and until a new webhook is ready, pods that ask for Docker themselves are denied by the policy of
`policy.enabled`, and their controllers create them again. Pods that only their namespace asks for get no Docker
then.

"""


def _static_section() -> str:
    minimum = ".".join(map(str, STATIC_MINIMUM_VERSION))
    return f"""\
## Files for the API server

Since Kubernetes {minimum}, an API server reads such policies from files when it starts, and again within a minute after
a change. They are in force before its first request, and nobody can change or delete them through the API.

```sh
dind-webhook policy -f settings.yaml --static /etc/kubernetes/dind-webhook
```

writes a directory for each of the two admission plugins, with `dind-webhook.yaml`, and `admission.yaml`, which names
these directories. Each file is replaced atomically. Files that an earlier run wrote with another `--name` are replaced
too. Put the same files on each node of the control plane, let the API server's pod mount the directory at the same
path, and set its flag `--admission-control-config-file=/etc/kubernetes/dind-webhook/admission.yaml`; if it has such a
file already, add the two plugins there. The names of these policies end in `.static.k8s.io`. `dind-webhook check`
cannot see them.

"""


def _policy_row(option: Option, unsupported: Mapping[str, str], texts: Mapping[Mode, Mapping[str, list[str]]]) -> str:
    problem = unsupported.get(f"defaults.{option.name}")
    if option.name == "node-socket":
        problem = unsupported["allowed_options"]
    # `accepted_texts` leaves out the options with which pods choose a quantity.
    other = "no" if option.key in texts[Mode.SIDECAR] or not option.is_quantity else f"any, such as `{option.example}`"
    cells = [_code(texts[mode].get(option.key, ())) or other for mode in (Mode.SIDECAR, Mode.DAEMONSET)]
    return f"| `{option.key}` | {problem or 'any value'} | {' | '.join(cells)} |\n"


_JSON_OF_CHECK = ("name", "category", "statement", "fatal", "status", "skipped", "findings")


def check_page() -> str:
    """Return docs/check.md."""
    sections = "".join(_check_section(category) for category in Category)
    return f"""\
# dind-webhook check

`dind-webhook check` inspects a live installation and suggests fixes. It uses your own rights and changes nothing in the
cluster: it reads objects, creates pods by server-side dry run only, and opens TLS connections to the server. This page
is generated from the code by `make reference`.

```sh
dind-webhook check                        # the whole installation
dind-webhook check -A                     # all namespaces, as without the flag
dind-webhook check --namespace ci         # one namespace: its label, its pods, what is denied there
dind-webhook check -n ci --pod build      # one pod
dind-webhook check --wait 2m -o short     # in a pipeline, after an install
```

![Checks that pass have a tick; a warning says what is wrong and what to set.](assets/terminal-check.svg)

| flag | what it does |
|---|---|
| `-n`, `--namespace` | check one namespace |
| `-A`, `--all-namespaces` | check all namespaces, as without `--namespace` |
| `--pod` | check one pod, of `--namespace` or of the kubeconfig's namespace |
| `-o table`, `--output table` | print every check, in groups; in colour on a terminal |
| `-o short` | print one line for each finding, and nothing if all checks pass |
| `-o json` | print `success` and `checks`: {_code(_JSON_OF_CHECK)}; `findings` have a `sentence` and a `hint` |
| `--wait 2m` | retry for that time, until no check fails |
| `--release`, `--webhook` | select one of several installations, by its release or its webhook configuration |
| `--kubeconfig`, `--context` | select the cluster, as with kubectl |
| `--color` | `auto` (on a terminal), `always` or `never` |

| exit code | meaning |
|---|---|
| 0 | no check failed, though there may be warnings |
| 1 | a check failed |
| 2 | the cluster can't be reached or refuses you, the namespace or pod does not exist, or a flag is wrong |

If you may not read an object, its checks are skipped, and the report names the missing right. If you have rights in one
namespace only, pass `--namespace`. Then the command checks the namespace's label, Pod Security level, pods, workloads
and events. If you may read the webhook configuration, it also creates a pod by dry run.

To explain a single pod rule by rule, use [`dind-webhook explain pod/x`](kubectl-plugin.md).

## Checks

The command fails if a *fatal* check fails; other checks only warn. In fixes, words in braces stand for names in your
cluster.
{sections}"""


def _check_section(category: Category) -> str:
    rows = "".join(
        f"| `{check.name}` | {check.statement} | {'fatal' if check.fatal else 'warning'} | {_hint(check.hint)} |\n"
        for check in CHECKS
        if check.category is category
    )
    return f"""
### {category}

| check | statement | severity | fix |
|---|---|---|---|
{rows}"""


def _hint(hint: str) -> str:
    return "see the finding" if re.fullmatch(r"\{\w+\}", hint) else hint


PAGES = {
    "annotations.md": annotations_page,
    "check.md": check_page,
    "metrics.md": metrics_page,
    "policies.md": policies_page,
    "settings.md": settings_page,
}


def main() -> None:
    """Write every page, and the facts of the code that the chart needs."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), "utf-8")
    STRICT.write_text(json.dumps(policy_facts(), indent=2) + "\n", "utf-8")
    ADVISORY.write_text(json.dumps(advisory_facts(), indent=2) + "\n", "utf-8")
    POLICIES.write_text(json.dumps(chart_file(), indent=2) + "\n", "utf-8")
    START_DOCKERD.write_text(COMMENTED_SCRIPT, "utf-8")


if __name__ == "__main__":
    main()
