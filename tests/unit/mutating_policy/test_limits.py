"""The texts of options that change nothing, and so need no webhook."""

import pytest

from dind_webhook.injection import Mode
from dind_webhook.mutating_policy.limits import accepted_texts
from dind_webhook.settings import InjectionSettings, make_policy


def test_the_defaults_are_accepted() -> None:
    texts = accepted_texts(make_policy(InjectionSettings()), Mode.SIDECAR)
    assert texts["dind.io/placement"] == ["native"]
    assert texts["dind.io/group"] == ["2375"]
    assert texts["dind.io/share-volumes"] == ["true"]
    assert texts["dind.io/mtu"] == []


def test_the_operators_default_is_accepted_instead_of_the_built_in_one() -> None:
    settings = InjectionSettings(
        defaults={"group": "8", "mtu": "1400", "registry-mirrors": "https://a,ghcr.io=https://b"}
    )
    texts = accepted_texts(make_policy(settings), Mode.SIDECAR)
    assert texts["dind.io/group"] == ["8"]
    assert texts["dind.io/mtu"] == ["1400"]
    mirrors = ["docker.io=https://a,ghcr.io=https://b", "https://a,ghcr.io=https://b"]
    assert texts["dind.io/registry-mirrors"] == mirrors


def test_the_operators_address_may_be_repeated() -> None:
    settings = InjectionSettings(defaults={"tcp": "127.0.0.1:2375"}, allowed_options=frozenset({"tcp"}))
    assert accepted_texts(make_policy(settings), Mode.SIDECAR) == {"dind.io/tcp": ["127.0.0.1:2375"]}


def test_the_operators_golden_volume_may_be_repeated() -> None:
    settings = InjectionSettings(
        defaults={"storage-data-source": "volumesnapshot/golden"}, allowed_options=frozenset({"storage-data-source"})
    )
    texts = accepted_texts(make_policy(settings), Mode.SIDECAR)
    assert texts == {"dind.io/storage-data-source": ["volumesnapshot/golden"]}


def test_the_default_of_the_client_may_be_written_out() -> None:
    texts = accepted_texts(make_policy(InjectionSettings(defaults={"client": "true"})), Mode.SIDECAR)
    assert texts["dind.io/client"] == ["true", "/usr/local/sbin"]


def test_an_option_that_pods_may_not_set_has_no_texts() -> None:
    settings = InjectionSettings(allowed_options=frozenset({"mtu"}))
    assert accepted_texts(make_policy(settings), Mode.SIDECAR).keys() == {"dind.io/mtu"}


def test_an_option_without_effect_in_a_mode_is_accepted_with_its_default() -> None:
    assert accepted_texts(make_policy(InjectionSettings()), Mode.DAEMONSET)["dind.io/placement"] == ["native"]


@pytest.mark.parametrize("mode", list(Mode))
def test_a_limit_that_is_unset_stays_unset(mode: Mode) -> None:
    texts = accepted_texts(make_policy(InjectionSettings(defaults={"memory-limit": "none"})), mode)
    assert texts["dind.io/memory-limit"] == ["none"]


@pytest.mark.parametrize(("isolation", "texts"), [("none", ["none"]), ("userns", ["userns"]), ("auto", ["auto"])])
def test_the_isolation_of_the_operator_is_accepted(isolation: str, texts: list[str]) -> None:
    policy = make_policy(InjectionSettings(defaults={"isolation": isolation}))
    assert accepted_texts(policy, Mode.SIDECAR)["dind.io/isolation"] == texts
