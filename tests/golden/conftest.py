"""The flag that writes the expected results anew, and an environment without the developer's own settings."""

import os

import pytest

pytest.register_assert_rewrite("golden")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the expected results of the golden cases anew")


@pytest.fixture
def update(pytestconfig: pytest.Config) -> bool:
    """Whether expected results are written instead of compared."""
    # Not known where pytest finds this file only while it collects, as in a run of all tests.
    return bool(pytestconfig.getoption("--update-golden", default=False))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("DIND_WEBHOOK_"):
            monkeypatch.delenv(name)
