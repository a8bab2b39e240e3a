"""Fixtures that several kinds of tests share."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from dind_webhook.injection import Policy
from dind_webhook.logs import set_log_level
from dind_webhook.settings import InjectionSettings, make_policy

_HERE = Path(__file__).parent

# No deadlines: PyYAML is slow, and the machine may be busy.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("commit", _PATIENT, derandomize=True, max_examples=40)
settings.register_profile("thorough", _PATIENT, max_examples=2000)
settings.load_profile("commit")


@pytest.fixture
def policy() -> Policy:
    """Return the policy under the default settings."""
    return make_policy(InjectionSettings())


@pytest.fixture
def logs_as_before() -> Iterator[None]:
    """Restore the logging configuration, which `configure_logs` changes in this process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    set_log_level("info")
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave these folders out of the coverage: their tests run many lines, but do not check what each line does."""
    for item in items:
        if item.path.relative_to(_HERE).parts[0] in {"cost", "docs", "property", "schema"}:
            item.add_marker(pytest.mark.no_cover)
