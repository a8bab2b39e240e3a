"""Settings that `dind-webhook certs` cannot start with."""

import pytest

from dind_webhook.errors import SettingsError
from dind_webhook.processes.certs import maintain_certs
from dind_webhook.settings import CertsSettings


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (CertsSettings(), "certs.namespace is needed: the namespace of this pod"),
        (CertsSettings(namespace="ci"), "certs.kubeconfig: not set, and this is not a pod with a token"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: CertsSettings, problem: str) -> None:
    with pytest.raises(SettingsError) as raised:
        maintain_certs(settings)
    assert str(raised.value).startswith(problem)
