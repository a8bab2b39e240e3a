"""`dind-webhook migrate` on manifests as people write them: the report, and the file after `--write`.

Each folder under `migrate/` has a `manifest.yaml`, the expected `report.txt`, and an `expected.yaml` if it converts.
"""

import shutil
from pathlib import Path

import pytest
import yaml
from golden import compare_or_update
from typer.testing import CliRunner

from dind_webhook.cli.main import cli
from dind_webhook.injection import Outcome, decide_for_namespace
from dind_webhook.model import pod_templates
from dind_webhook.settings import load_policy

CASES = sorted(path for path in (Path(__file__).parent / "migrate").iterdir() if path.is_dir())
each_case = pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)


def migrate(*arguments: str) -> tuple[int, str]:
    """Run the command; return its exit code, and what it printed to both streams."""
    ran = CliRunner().invoke(cli, ["migrate", *arguments])
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran.exit_code, ran.stdout + ran.stderr


@each_case
def test_the_report_is_as_it_was(case: Path, update: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copy(case / "manifest.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    code, printed = migrate("-f", "manifest.yaml")
    compare_or_update(case / "report.txt", f"{printed}exit code {code}\n", update)


@each_case
def test_the_rewritten_file_is_as_it_was_and_its_pods_are_injected(case: Path, update: bool, tmp_path: Path) -> None:
    written = Path(shutil.copy(case / "manifest.yaml", tmp_path))
    migrate("-f", str(written), "--write")
    expected = case / "expected.yaml"
    text = written.read_text("utf-8")
    if text == (case / "manifest.yaml").read_text("utf-8"):
        assert not expected.exists()
        return
    compare_or_update(expected, text, update)
    before = list(yaml.safe_load_all((case / "manifest.yaml").read_text("utf-8")))
    for old, new in zip(before, yaml.safe_load_all(text), strict=True):
        for _, _, pod in pod_templates(new) if old != new else ():
            decision = decide_for_namespace(pod, "enabled", load_policy(None, {}))
            assert decision.outcome is Outcome.INJECTED, decision.message


@each_case
def test_a_second_run_rewrites_nothing(case: Path, tmp_path: Path) -> None:
    written = Path(shutil.copy(case / "manifest.yaml", tmp_path))
    migrate("-f", str(written), "--write")
    once = written.read_text("utf-8")
    _, printed = migrate("-f", str(written), "--write")
    assert written.read_text("utf-8") == once
    assert "converted" not in printed


def test_there_are_enough_cases_with_each_verdict() -> None:
    reports = "".join((case / "report.txt").read_text("utf-8") for case in CASES)
    assert len(CASES) >= 15
    for verdict in ("needs a person\n", "converts\n", "is no build\n", "nothing to migrate\n"):
        assert reports.count(verdict) >= 1
