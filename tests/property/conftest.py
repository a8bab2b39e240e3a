"""How hypothesis runs here: the same examples each time, few enough for every commit."""

import pytest
from hypothesis import HealthCheck, settings

from app.injection import OPTIONS, Policy
from app.settings import InjectionSettings, make_policy

settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci")


@pytest.fixture(scope="session")
def policy() -> Policy:
    """Return the policy of an operator who lets pods set every option."""
    return make_policy(
        InjectionSettings(
            allowed_options=frozenset(option.name for option in OPTIONS),
            allowed_images=("registry.example/ci/*",),
            allow_public_tcp=True,
        )
    )
