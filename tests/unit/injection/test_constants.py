"""Keys of annotations and labels, which are part of the contract with users."""

from dind_webhook.injection import INJECT, PREFIX, STATUS


def test_all_keys_stand_under_one_prefix() -> None:
    assert (PREFIX, INJECT, STATUS) == ("dind.io/", "dind.io/inject", "dind.io/status")
