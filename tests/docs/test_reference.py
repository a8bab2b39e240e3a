"""The generated pages are up to date."""

import re

import pytest
from pages import DOCS
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from scripts import load

from dind_webhook.certs import CertsMetrics
from dind_webhook.diagnostics import CHECKS
from dind_webhook.http import Metrics
from dind_webhook.injection import OPTIONS, Reason
from dind_webhook.settings import Settings

GENERATOR = load(DOCS / "generate.py")


@pytest.mark.parametrize("name", sorted(GENERATOR.PAGES))
def test_a_generated_page_is_not_stale(name: str) -> None:
    assert (DOCS / name).read_text("utf-8") == GENERATOR.PAGES[name](), "run: make reference"


def test_every_option_and_reason_has_its_row() -> None:
    page = (DOCS / "annotations.md").read_text("utf-8")
    rows = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    named = [option.key for option in OPTIONS] + [reason.slug for reason in Reason]
    assert sorted(row for row in rows if row in named) == sorted(named)


@pytest.mark.parametrize("metrics", [Metrics, CertsMetrics])
def test_every_metric_has_its_row_and_a_conventional_name(metrics: type[Metrics | CertsMetrics]) -> None:
    page = (DOCS / "metrics.md").read_text("utf-8")
    families = list(text_string_to_metric_families(generate_latest(metrics().registry).decode()))
    assert len(families) > 10
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"| `{name}` | {family.type} |" in page
        assert re.fullmatch(r"(dind_webhook|process)_[a-z_]+", name)
        assert not re.search(r"_(total|count|sum|bucket|info_total)$", family.name)


def test_every_check_has_its_row() -> None:
    page = (DOCS / "check.md").read_text("utf-8").partition("\n## Checks\n")[2]
    assert re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE) == [check.name for check in CHECKS]


def test_every_setting_has_its_row() -> None:
    page = (DOCS / "settings.md").read_text("utf-8")
    for group, values in Settings():
        section = page.partition(f"\n## {group}\n")[2].partition("\n## ")[0]
        assert re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE) == list(type(values).model_fields)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_the_example_and_the_default_of_an_option_are_accepted(option: object) -> None:
    option.read(option.example)
    option.read(option.default)


def test_links_between_pages_lead_somewhere() -> None:
    root = DOCS.parent
    for page in [*root.glob("*.md"), *DOCS.rglob("*.md"), *root.glob("deploy/**/*.md")]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(root)} links to {target}"
