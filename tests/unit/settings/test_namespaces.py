"""Settings of injection for some namespaces."""

from typing import Any

import pytest
from pydantic import ValidationError

from dind_webhook.injection import Isolation, Mirror, Mode
from dind_webhook.settings import (
    InjectionSettings,
    NamespaceSettings,
    list_namespace_settings,
    make_policy,
    parse_settings,
)

_DEFAULTS = {"mtu": "1450", "cpu-limit": "1"}


def _problems(*entries: dict[str, Any], **base: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        InjectionSettings.model_validate({**base, "namespaces": entries})
    return str(raised.value)


def _settings(*entries: dict[str, Any], **base: Any) -> InjectionSettings:
    return InjectionSettings.model_validate({**base, "namespaces": entries})


def test_a_name_that_is_none_is_one_mistake() -> None:
    assert "must not be empty" not in _problems({"names": ["CI"]})


def test_an_entry_is_checked_with_all_other_settings() -> None:
    """A member after `namespaces` would not be known yet when an entry is checked."""
    assert list(InjectionSettings.model_fields)[-1] == "namespaces"


def test_an_entry_can_set_everything_that_describes_a_tenant() -> None:
    assert list(NamespaceSettings.model_fields) == [
        "names", "modes", "allowed_options", "allowed_images", "allowed_isolations", "defaults", "max",
    ]  # fmt: skip


def test_what_an_entry_sets_replaces_what_the_cluster_has() -> None:
    entry = {
        "names": ["a"],
        "modes": ["sidecar"],
        "allowed_options": [],
        "allowed_images": ["docker:*"],
        "allowed_isolations": ["none"],
    }
    policy = make_policy(_settings(entry, allowed_images=["x:*"])).for_namespace("a")
    assert policy.modes == {Mode.SIDECAR}
    assert policy.allowed_options == frozenset()
    assert policy.allowed_images == ("docker:*",)
    assert policy.allowed_isolations == {Isolation.NONE}


def test_what_an_entry_leaves_out_is_that_of_the_cluster() -> None:
    policy = make_policy(_settings({"names": ["a"]}, defaults=_DEFAULTS, container_name="docker"))
    own = policy.for_namespace("a")
    assert own is not policy
    assert (own.defaults, own.modes, own.container_name) == (policy.defaults, policy.modes, "docker")


def test_defaults_and_bounds_are_added_to_those_of_the_cluster() -> None:
    entry = {
        "names": ["a"],
        "defaults": {"cpu_limit": 2, "mtu": "", "registry-mirrors": ["https://m.example"], "group": None},
        "max": {"cpu-limit": "", "memory-limit": "8Gi"},
    }
    policy = make_policy(_settings(entry, defaults=_DEFAULTS, max={"cpu-limit": 1, "storage-size": "50Gi"}))
    own = policy.for_namespace("a")
    assert (own.defaults.cpu_limit, own.defaults.mtu, own.defaults.group) == ("2", None, None)
    assert own.defaults.registry_mirrors == (Mirror("docker.io", "https://m.example"),)
    assert own.max == {"storage-size": "50Gi", "memory-limit": "8Gi"}
    assert policy.max == {"cpu-limit": "1", "storage-size": "50Gi"}


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([{"names": ["a"]}, {"names": ["b", "a"]}], "entry b, a: a never matches, because an earlier entry has a"),
        (
            [{"names": ["ci-*"]}, {"names": ["ci-a"]}],
            "entry ci-a: ci-a never matches, because an earlier entry has ci-*",
        ),
        ([{"names": ["c*"]}, {"names": ["ci-*"]}], "entry ci-*: ci-* never matches, because an earlier entry has c*"),
        ([{"names": ["*"]}, {"names": ["a"]}], "because an earlier entry has *; move or remove it"),
        ([{"names": ["a", "a"]}], "entry a, a: a is there twice"),
        ([{"names": []}], "names"),
        ([{"names": ["Ci"]}], "'Ci' is not the name of a namespace"),
        ([{"names": ["a.b"]}], "'a.b' is not the name of a namespace"),
        ([{"names": ["-*"]}], "'-*' is not the name of a namespace"),
        ([{"names": ["a"], "defaults": {"mut": "1"}}], "entry a: defaults: mut: is not an option; did you mean mtu?"),
        ([{"names": ["a"], "max": {"mtu": "1"}}], "entry a: max: mtu: cannot have a bound"),
        ([{"names": ["a"], "max": {"memory-limit": "1Gi"}}], "entry a: max: memory-limit: its default, 4Gi, is more"),
        (
            [{"names": ["a"], "defaults": {"isolation": "kata"}}],
            "entry a: defaults: isolation: kata needs a RuntimeClass",
        ),
        ([{"names": ["a"], "allowed_isolations": ["gvisor"]}], "entry a: runtime_classes: must have the RuntimeClass"),
        ([{"names": ["a"], "container_name": "x"}], "Extra inputs are not permitted"),
    ],
)
def test_a_mistake_in_an_entry_names_the_entry(entries: list[dict[str, Any]], says: str) -> None:
    assert says in _problems(*entries)


def test_an_entry_is_checked_with_the_settings_of_the_cluster() -> None:
    says = _problems({"names": ["a"], "defaults": {"isolation": "userns"}}, start_script=False)
    assert "entry a: defaults.isolation userns needs start_script: true" in says


def test_a_mistake_for_the_cluster_is_not_repeated_for_each_entry() -> None:
    says = _problems({"names": ["a"]}, {"names": ["b"]}, defaults={"mtu": "x"})
    assert says.count("must be a whole number") == 1


def test_names_that_only_overlap_are_accepted() -> None:
    assert len(_settings({"names": ["ci-a"]}, {"names": ["ci-*", "*-a"]}, {"names": ["*"]}).namespaces) == 3


_TEXT = """
injection:
  defaults: {memory-limit: 1Gi}
  max: {cpu-limit: 4}
  namespaces:
    - {names: [a, b-*], modes: [sidecar], defaults: {mtu: 1450}, max: {memory-limit: 8Gi}}
"""


def test_the_settings_of_a_namespace_are_listed_with_their_origins() -> None:
    loaded = parse_settings(_TEXT, "settings.yaml", {})
    found = {setting.name: setting[1:] for setting in list_namespace_settings(loaded, "b-1")}
    entry = "settings.yaml, entry a, b-*"
    assert found["injection.modes"] == (["sidecar"], entry)
    assert found["injection.defaults.mtu"] == ("1450", entry)
    assert found["injection.defaults.memory-limit"] == ("1Gi", "settings.yaml")
    assert found["injection.defaults.cpu-limit"] == ("2", "default")
    assert found["injection.max"] == ({"cpu-limit": "4", "memory-limit": "8Gi"}, entry)
    assert found["injection.allowed_options"][1] == "default"
    assert found["injection.namespaces"] == (["a", "b-*"], entry)
    assert not [name for name in found if not name.startswith("injection.")]


def test_a_namespace_without_an_entry_has_the_settings_of_the_cluster() -> None:
    loaded = parse_settings(_TEXT, "settings.yaml", {})
    found = {setting.name: setting[1:] for setting in list_namespace_settings(loaded, "c")}
    assert found["injection.max"] == ({"cpu-limit": "4"}, "settings.yaml")
    assert found["injection.namespaces"] == ([], "settings.yaml")


def test_a_list_of_entries_shows_what_each_sets() -> None:
    (entry,) = parse_settings(_TEXT, "settings.yaml", {}).settings.model_dump(mode="json")["injection"]["namespaces"]
    assert entry == {
        "names": ["a", "b-*"], "modes": ["sidecar"], "defaults": {"mtu": "1450"}, "max": {"memory-limit": "8Gi"},
    }  # fmt: skip
