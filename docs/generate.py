"""Write the reference pages that are made from the tables in the code: `make reference`."""

from collections.abc import Iterable
from pathlib import Path

from app.injection import INJECT, OPTIONS, RULES, STATUS, Mode, Option, Outcome, Reason

DOCS = Path(__file__).parent


def annotations_page() -> str:
    """Return docs/annotations.md."""
    return f"""\
# Annotations

This page is made from the code by `make reference`.

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

| annotation | accepts | default | mode | pods may set it | what it does |
|---|---|---|---|---|---|
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
{"".join(f"| {rule.statement} | {_code(reason.slug for reason in rule.stops)} |{chr(10)}" for rule in RULES)}"""


def _option_row(option: Option) -> str:
    default = f"`{option.default}`" if option.default else "unset"
    modes = "both" if option.modes == frozenset(Mode) else ", ".join(sorted(option.modes))
    may = "yes" if option.open else "no"
    return f"| `{option.key}` | {option.accepts} | {default} | {modes} | {may} | {option.help} |\n"


def _reason_row(reason: Reason) -> str:
    code = str(reason.code) if reason.outcome is Outcome.DENIED else ""
    return f"| `{reason.slug}` | {reason.outcome} | {code} | {reason.meaning} |\n"


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _yaml(text: str) -> str:
    return f"'{text}'" if text[0] in "{[" else f'"{text}"'


PAGES = {"annotations.md": annotations_page}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
