"""The facts of the strict policy are equal to the behaviour of injection."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from pods import a_pod, injected_pod, permissive_policy
from strategies import pods

from dind_webhook.injection import OPTIONS, Isolation, Mode
from dind_webhook.strict_policy import policy_facts
from dind_webhook.strict_policy.daemon import SETTINGS, daemon_container, status_annotation
from dind_webhook.strict_policy.options import option_facts

FILE = Path(__file__).parents[3] / "charts" / "dind-webhook" / "files" / "strict.json"
FACTS = policy_facts()
BY_FLAG = {name: facts for name, facts in FACTS["options"].items() if "flags" in facts}
EVERYTHING = permissive_policy(
    allow_public_tcp=True,
    allowed_images=("*", "*/*/*"),
    allowed_isolations=frozenset(Isolation),
    runtime_classes={Isolation.SYSBOX: "sysbox", Isolation.KATA: "kata", Isolation.GVISOR: "gvisor"},
)
# Arguments that depend on the isolation alone
OF_ISOLATIONS = {"--iptables=false", "--ip6tables=false", "--metrics-addr=0.0.0.0:9323"}


def caused_by(name: str) -> re.Pattern[str]:
    """Return the expression of the flags that a pod may cause by an option."""
    return re.compile(FACTS["options"][name].get("public_pattern", FACTS["options"][name]["pattern"]))


def test_the_charts_file_is_not_stale() -> None:
    assert json.loads(FILE.read_text("utf-8")) == FACTS, "run: make reference"


def test_every_option_has_facts() -> None:
    assert list(FACTS["options"]) == [option.name for option in OPTIONS]


def test_an_option_of_which_nothing_is_known_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    new = OPTIONS[0]._replace(name="gpu")
    monkeypatch.setattr("dind_webhook.strict_policy.options.OPTIONS", (new,))
    monkeypatch.setattr("dind_webhook.strict_policy.options.daemon_with_example", lambda _: daemon_container())
    with pytest.raises(LookupError, match="option gpu"):
        option_facts()


@pytest.mark.parametrize("name", sorted(BY_FLAG))
def test_the_flags_of_an_example_are_those_that_a_pod_may_cause(name: str) -> None:
    (option,) = (option for option in OPTIONS if option.name == name)
    added = [
        flag for flag in daemon_container({name: option.example})["args"] if flag not in daemon_container()["args"]
    ]
    assert added
    assert all(caused_by(name).fullmatch(flag) for flag in added)


# Only some mirrors are flags: tests/chart has those.
@pytest.mark.parametrize("name", sorted(BY_FLAG.keys() - {"registry-mirrors"}))
def test_flags_come_from_a_text_as_the_code_makes_them(name: str) -> None:
    """The chart's templates make the operator's default flags in the same way."""
    facts = BY_FLAG[name]
    (option,) = (option for option in OPTIONS if option.name == name)
    items = option.example.split(",") if facts["list"] else [option.example]
    if "text" in facts:
        items = [re.sub(facts["text"], facts["value"].replace("${", r"\g<").replace("}", ">"), item) for item in items]
    # A flag without the item's text comes with each item here, and once in the container.
    made = {flag.replace("{}", item) for item in items for flag in facts["flags"]}
    base, args = daemon_container()["args"], daemon_container({name: option.example})["args"]
    assert sorted(made) == sorted(flag for flag in args if flag not in base)


REFUSED = [
    ("group", "--group=root"),
    ("group", "--group=1 --tls=false"),
    ("mtu", "--mtu=1500;"),
    ("registry-mirrors", "--registry-mirror=ftp://mirror.example"),
    ("registry-mirrors", "--registry-mirror=https://mirror.example?x"),
    ("registry-mirrors", "--registry-mirror=https://mirror.example\n--host=tcp://0.0.0.0:2375"),
    ("insecure-registries", "--insecure-registry="),
    ("address-pools", "--default-address-pool=base=10.0.0.0/8,size=24,x"),
    ("tcp", "--host=unix:///work/docker.sock"),
    ("tcp", "--host=fd://"),
    ("metrics-port", "--metrics-addr=0.0.0.0:9323/x"),
    ("metrics-port", "--metrics-addr=192.0.2.1:9323"),
]


@pytest.mark.parametrize(("name", "flag"), REFUSED)
def test_a_flag_that_no_value_of_the_option_gives_is_not_among_them(name: str, flag: str) -> None:
    assert not caused_by(name).fullmatch(flag)


def test_no_port_for_metrics_is_among_them_unless_the_operator_allows_more() -> None:
    assert FACTS["options"]["metrics-port"]["pattern"] == ""


@pytest.mark.parametrize("address", ["0.0.0.0:2375", "[::]:2375", "10.0.0.1:2375", "1270.0.0.1:2375"])
def test_only_a_loopback_address_is_among_them_unless_the_operator_allows_more(address: str) -> None:
    assert not re.fullmatch(FACTS["options"]["tcp"]["pattern"], f"--host=tcp://{address}")
    assert re.fullmatch(FACTS["options"]["tcp"]["public_pattern"], f"--host=tcp://{address}")


@given(pods())
def test_the_arguments_of_any_pod_are_known(pod: Any) -> None:
    injected = injected_pod(pod, EVERYTHING)["spec"]
    containers = [*(injected.get("initContainers") or []), *injected["containers"]]
    for container in (container for container in containers if container["name"] == "dind"):
        patterns = [caused_by(name) for name in BY_FLAG]
        own = [flag for flag in container["args"] if not any(pattern.fullmatch(flag) for pattern in patterns)]
        assert [
            flag for flag in own if flag not in {"dockerd", "--debug", *OF_ISOLATIONS} and "--host=unix://" not in flag
        ] == []


@pytest.mark.parametrize("mode", Mode)
def test_the_status_of_a_mode_is_known_with_any_version(mode: Mode) -> None:
    pattern = FACTS["status"][mode].replace("{isolation}", "(none|userns)")
    assert re.search(pattern, status_annotation(mode))
    assert re.search(pattern, re.sub('"version":"[^"]*"', '"version":"1.2.3-rc.1+build"', status_annotation(mode)))
    for forged in ("{}", f'{{"mode":"{mode}"}}', f'{{"mode":"{mode}","version":""}}', f"{status_annotation(mode)}\n"):
        assert not re.fullmatch(pattern.strip("^$"), forged)


def test_there_are_facts_for_each_combination_of_settings() -> None:
    assert len(FACTS["daemon"]) == 2 ** len(SETTINGS)
    for facts in FACTS["daemon"].values():
        assert list(facts["none"]) == ["args", *FACTS["compared_members"]]
        assert set(facts) >= {str(isolation) for isolation in Isolation} - {"auto", "userns", "sysbox"}


def changes_the_container(setting: str) -> bool:
    """Return whether a boolean setting changes the container, with the socket in its own directory or in /var/run."""
    directories = ({}, {"socket-dir": "/var/run"})
    with_it, without_it = (
        [daemon_container(options, **{setting: value}) for options in directories] for value in (True, False)
    )
    return with_it != without_it


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_that_is_an_axis_changes_the_container(setting: str) -> None:
    assert changes_the_container(setting)


def test_a_new_member_of_the_container_is_compared_or_judged() -> None:
    """The test injects pods with default settings and with each option, so that no member is missed."""
    options = {option.name: option.example for option in OPTIONS if option.name not in ("containers", "share-volumes")}
    for placement in ("native", "container"):
        members = set(daemon_container({**options, "placement": placement, "storage-medium": "Volume"}))
        assert members <= {*FACTS["compared_members"], *FACTS["other_members"]}


def test_a_setting_that_changes_the_container_is_an_axis_or_judged_apart() -> None:
    """A boolean setting that is in neither list would let the policy describe another container."""
    booleans = [name for name, value in FACTS["settings"].items() if isinstance(value, bool)]
    assert set(filter(changes_the_container, booleans)) - {"storage"} == set(SETTINGS)
    with_tcp = {"tcp": "127.0.0.1:2375"}
    assert daemon_container(with_tcp, tls_flag=True) != daemon_container(with_tcp, tls_flag=False)


def test_the_pod_that_is_described_is_one_that_injection_makes() -> None:
    pod = injected_pod(a_pod(), permissive_policy())
    container = pod["spec"]["initContainers"][0]
    assert {*container} <= {*FACTS["compared_members"], *FACTS["other_members"]}
