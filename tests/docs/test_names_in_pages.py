"""Whatever the pages name exists: annotations, metrics, settings, values, commands, flags, files, log lines, alerts."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pages import DOCS, PAGES, ROOT, commands, name, prose, spans

from dind_webhook.certs import CertsMetrics
from dind_webhook.cli.main import cli
from dind_webhook.http import Metrics
from dind_webhook.injection import INJECT, INJECTED, OPTIONS, STATUS, Outcome, Reason
from dind_webhook.settings import Settings

CHART = ROOT / "charts/dind-webhook"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
ANNOTATIONS = {INJECT, INJECTED, STATUS, *(option.key for option in OPTIONS)}
# File extensions: names with them are files, not settings
FILES = {"crt", "key", "lock", "md", "py", "sock", "yaml"}
DEFAULT_IMAGE = next(option.default for option in OPTIONS if option.name == "image")


def _ids(page: Path) -> str:
    return name(page)


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_annotations_exist(page: Path) -> None:
    named = set(re.findall(r"(?<![\w.\\])dind\.io/[a-z]+(?:-[a-z]+)*", prose(page)))
    assert named <= ANNOTATIONS


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_metrics_exist(page: Path) -> None:
    known = {f"{family.name}" for metrics in (Metrics(), CertsMetrics()) for family in metrics.registry.collect()}
    named = re.findall(r"\bdind_webhook_[a-z_]+", page.read_text("utf-8"))
    assert {re.sub(r"_(total|bucket|count|sum)$", "", metric) for metric in named} <= known


def test_reasons_why_pods_are_left_alone_are_explained() -> None:
    page = (DOCS / "troubleshooting.md").read_text("utf-8")
    for reason in Reason:
        if reason.outcome is Outcome.UNTOUCHED:
            assert f"`{reason.slug}`" in page


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_settings_and_values_exist(page: Path) -> None:
    for span in spans(page):
        path = span.partition(":")[0].split(".")
        if not re.fullmatch(r"[a-z]\w*(\.\w+)+", ".".join(path)) or path[-1] in FILES:
            continue
        if path[0] == "settings":
            _find_setting(path[1:])
        elif path[0] in VALUES:
            _find_value(path)
        elif path[0] in Settings.model_fields:
            _find_setting(path)


def _find_setting(path: list[str]) -> None:
    group = getattr(Settings(), path[0])
    assert path[1:] == [] or path[1] in type(group).model_fields, ".".join(path)


def _find_value(path: list[str]) -> None:
    place: Any = VALUES
    for key in path:
        if place == {}:
            return  # the chart does not define the keys of an empty map
        assert key in place, ".".join(path)
        place = place[key]


def test_values_that_commands_set_exist() -> None:
    named = [value for _, line in commands() for value in re.findall(r"--set ([\w.]+)=", line)]
    assert named
    for value in named:
        _find_value(value.split("."))


def _invocations() -> Iterator[tuple[str, str]]:
    yield from ((place, line) for place, line in commands() if line.startswith("dind-webhook "))
    yield from ((name(page), span) for page in PAGES for span in spans(page) if span.startswith("dind-webhook "))


def test_commands_and_flags_exist() -> None:
    known = typer.main.get_command(cli).commands  # type: ignore[attr-defined]  # the command is a group
    checked = 0
    for place, line in _invocations():
        words = re.split(r" [#|>] ?|…", line)[0].split()[1:]
        command = words[0]
        assert command in known, f"{place}: {line}"
        flags = {flag for parameter in known[command].params for flag in parameter.opts}
        given = [word.partition("=")[0] for word in words[1:] if re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", word)]
        assert flags >= set(given), f"{place}: {line}"
        checked += 1
    assert checked > 10


def test_make_targets_exist() -> None:
    known = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = [line.split()[1] for _, line in commands() if line.startswith("make ")]
    named += [span.split()[1] for page in PAGES for span in spans(page) if re.match(r"make [a-z]", span)]
    assert named
    assert known >= set(named)


def test_files_that_commands_read_exist() -> None:
    named = {path for _, line in commands() for path in re.findall(r"(?<=\s)((?:charts|deploy)/[\w./-]+)", line)}
    assert named
    for path in named:
        assert (ROOT / path).exists(), path


def test_the_clients_in_examples_are_of_the_default_daemons_version() -> None:
    version = DEFAULT_IMAGE.partition(":")[2].partition("-")[0]
    for page in PAGES:
        assert set(re.findall(r"docker:([0-9.]+)-cli", page.read_text("utf-8"))) <= {version}


def test_log_lines_are_those_of_the_code() -> None:
    section = (DOCS / "operations.md").read_text("utf-8").partition("\n## Log lines\n")[2].partition("\n## ")[0]
    described = set(re.findall(r"^\| `([^`]+)` \| (?:webhook|certs|both) \|", section, re.MULTILINE))
    assert described == set(_logged())


def _logged() -> Iterator[str]:
    """Yield every event that is logged at a default level."""
    for path in (ROOT / "dind_webhook").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr in {"info", "warning", "error"}
                and call.args
                and isinstance(call.args[0], ast.Constant)
            ):
                yield str(call.args[0].value)


def test_alerts_are_those_of_the_chart() -> None:
    rules = (CHART / "templates/prometheusrule.yaml").read_text("utf-8")
    page = (DOCS / "operations.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(Dind\w+)` \|", page, re.MULTILINE)) == set(re.findall(r"alert: (\w+)", rules))


def test_messages_of_the_policy_are_those_of_the_chart() -> None:
    policy = (CHART / "templates/validatingadmissionpolicy.yaml").read_text("utf-8")
    filled = re.sub(r"\{\{[^}]*\$dind[^}]*\}\}", "dind", policy)
    filled = re.sub(r"\{\{[^}]*\$volume[^}]*\}\}", "dind-run", filled)
    filled = re.sub(r"\{\{[^}]*webhookName[^}]*\}\}", "dind-webhook", filled)
    engine = (CHART / "templates/_engine.tpl").read_text("utf-8")
    questions = engine.partition('"dind-webhook.engineQuestion" -}}')[2].partition("{{- end -}}\n{{- end -}}")[0]
    questions = re.sub(r"\{\{[^}]*webhookName[^}]*\}\}", "dind-webhook", questions)
    questions = re.sub(r"\{\{[^}]*policyName[^}]*\}\}", "dind-webhook-policy", questions)
    filled = "".join(
        re.sub(r"\{\{[^}]*engineQuestion[^}]*\}\}", line, filled) for line in questions.splitlines() if "?" in line
    )
    section = (
        (DOCS / "troubleshooting.md").read_text("utf-8").partition("\n### From the policy\n")[2].partition("\n#")[0]
    )
    rows = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert rows
    for row in rows:
        assert row in filled


def test_messages_of_the_advisory_policy_are_those_of_the_chart() -> None:
    policy = (CHART / "templates/validatingadmissionpolicy-advisory.yaml").read_text("utf-8").replace('\\"', '"')
    section = (
        (DOCS / "troubleshooting.md")
        .read_text("utf-8")
        .partition("\n### From the advisory policy\n")[2]
        .partition("\n#")[0]
    )
    rows = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert len(rows) == len(re.findall("messageExpression:", policy))
    for row in rows:
        for part in row.split("…"):
            assert part.strip() in policy


def test_warnings_are_those_of_the_code() -> None:
    section = (DOCS / "troubleshooting.md").read_text("utf-8").partition("\n## Warnings\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    templates = [template for path in (ROOT / "dind_webhook/injection").glob("*.py") for template in _templates(path)]
    assert len(rows) > 10
    for row in rows:
        assert any(template.match(row) for template in templates), row


def _templates(path: Path) -> Iterator[re.Pattern[str]]:
    """Yield a pattern for each text of a module with the length of a sentence. Fields of f-strings match any text."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else None for part in node.values]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            parts = [node.value]
        else:
            continue
        if sum(len(part) for part in parts if part) > 15:
            yield re.compile("".join(".+?" if part is None else re.escape(part) for part in parts))
