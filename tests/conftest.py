"""Fixtures that several kinds of tests share."""

import pytest

from app.injection import Policy
from app.settings import InjectionSettings, make_policy


@pytest.fixture
def policy() -> Policy:
    """Return the policy of an operator who changed nothing."""
    return make_policy(InjectionSettings())
