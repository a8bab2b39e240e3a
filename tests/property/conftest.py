"""The policy of the property tests."""

import pytest

from dind_webhook.injection import OPTIONS, Policy
from dind_webhook.settings import InjectionSettings, make_policy


@pytest.fixture(scope="session")
def policy() -> Policy:
    """Return the policy of an operator who allows pods to set all options."""
    return make_policy(
        InjectionSettings(
            allowed_options=frozenset(option.name for option in OPTIONS),
            allowed_images=("registry.example/ci/*",),
            allow_public_tcp=True,
            proxy_clients=True,
            node_selector={"kubernetes.io/os": "linux", "example.com/pool": "docker"},
            tolerations=({"key": "docker", "value": "only"},),
            image_pull_secrets=("mirror",),
        )
    )
