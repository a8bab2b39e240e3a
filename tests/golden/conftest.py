"""The flag that updates the expected results, and an environment without the developer's own settings."""

import os

import pytest

pytest.register_assert_rewrite("golden")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="update the expected results of the golden cases")


@pytest.fixture
def update(pytestconfig: pytest.Config) -> bool:
    """Return whether to write the expected results instead of comparing them."""
    # In a run of all tests, pytest loads this file too late to know the flag.
    return bool(pytestconfig.getoption("--update-golden", default=False))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("DIND_WEBHOOK_"):
            monkeypatch.delenv(name)
