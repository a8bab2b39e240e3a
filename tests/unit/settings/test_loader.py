"""Settings come from a file, the environment and flags. A later source wins."""

from pathlib import Path
from typing import Any

import pytest

from dind_webhook.errors import SettingsError
from dind_webhook.injection import Mode
from dind_webhook.settings import Settings, load_settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def _problems(config: Path | None = None, environ: dict[str, str] | None = None, **flags: Any) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load_settings(config, environ or {}, flags)
    assert str(raised.value) == "\n".join(raised.value.problems)
    return raised.value.problems


def test_nothing_given_are_the_defaults() -> None:
    assert load_settings(None, {}, {}) == (Settings(), {})


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "{}", "server:\nlog:\n", "server: {}\n"])
def test_an_empty_file_are_the_defaults(text: str, config: Path) -> None:
    config.write_text(text)
    assert load_settings(config, {}, {}).settings == Settings()


def test_flags_win_over_the_environment_and_that_over_the_file(config: Path) -> None:
    config.write_text("server: {port: 1, health_port: 1, body_limit: 2048}\nlog: {level: debug}\n")
    environ = {"DIND_WEBHOOK_SERVER__PORT": "2", "DIND_WEBHOOK_SERVER__HEALTH_PORT": "2"}
    loaded = load_settings(config, environ, {"server": {"port": 3}})
    server = loaded.settings.server
    assert (server.port, server.health_port, server.body_limit) == (3, 2, 2048)
    assert loaded.settings.log.level == "debug"
    assert loaded.origins == {
        "server.port": "flag",
        "server.health_port": "variable DIND_WEBHOOK_SERVER__HEALTH_PORT",
        "server.body_limit": f"file {config}",
        "log.level": f"file {config}",
    }


def test_maps_are_merged_and_lists_are_replaced(config: Path) -> None:
    config.write_text("injection: {modes: [sidecar, daemonset], defaults: {mtu: 1450, group: 1}}\n")
    environ = {"DIND_WEBHOOK_INJECTION__MODES": '["sidecar"]', "DIND_WEBHOOK_INJECTION__DEFAULTS": '{"group": "2"}'}
    injection = load_settings(config, environ, {}).settings.injection
    assert injection.modes == {Mode.SIDECAR}
    assert injection.defaults == {"mtu": "1450", "group": "2"}


def test_variables_that_are_not_ours_are_left_alone() -> None:
    kubelet = {"DIND_WEBHOOK_PORT": "tcp://10.0.0.1:443", "DIND_WEBHOOK_SERVICE_HOST": "10.0.0.1"}
    others = {"PATH": "/bin", "MY_DIND_WEBHOOK_SERVER__PORT": "1"}
    assert load_settings(None, kubelet | others, {}) == (Settings(), {})


def test_a_text_in_the_environment_may_hold_json_for_an_option() -> None:
    environ = {"DIND_WEBHOOK_INJECTION__DEFAULTS__ENV": '{"HTTPS_PROXY": "http://proxy"}'}
    assert load_settings(None, environ, {}).settings.injection.defaults == {"env": '{"HTTPS_PROXY":"http://proxy"}'}


def test_all_mistakes_are_told_at_once_with_place_and_origin(config: Path) -> None:
    config.write_text("server: {port: 70000}\ninjection: {defaults: {mtu: 1}}\n")
    environ = {"DIND_WEBHOOK_LOG__LEVEL": "loud"}
    problems = _problems(config, environ, server={"prot": 1})
    assert sorted(problem.split(":")[0] for problem in problems) == [
        "injection.defaults",
        "log.level",
        "server.port",
        "server.prot",
    ]
    by_place = {problem.split(":")[0]: problem for problem in problems}
    assert by_place["server.prot"] == "server.prot: is not a setting (flag)"
    assert by_place["server.port"].endswith(f"(file {config})")
    assert by_place["log.level"].endswith("(variable DIND_WEBHOOK_LOG__LEVEL)")
    assert by_place["injection.defaults"] == (
        f'injection.defaults: mtu: "1" must be a whole number from 68 to 65535 (file {config})'
    )


def test_an_unknown_option_among_the_defaults_is_told_with_the_nearest(config: Path) -> None:
    config.write_text("injection: {defaults: {mut: 1450}}\n")
    assert _problems(config) == [f"injection.defaults: mut: is not an option; did you mean mtu? (file {config})"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n", "must be a map of settings"),
        ("a: [", "is not YAML"),
        ("a: 1\na: 2\n", "is not YAML"),
        ("[" * 5000, "is nested too deeply"),
    ],
)
def test_a_file_that_is_no_map_is_refused(text: str, says: str, config: Path) -> None:
    config.write_text(text)
    (problem,) = _problems(config)
    assert problem.startswith(f"file {config}: {says}")


def test_a_file_that_is_no_text_is_refused(config: Path) -> None:
    config.write_bytes(b"\xff\xfe\xfa")
    (problem,) = _problems(config)
    assert problem.startswith(f"file {config}: is not YAML")


def test_a_file_that_is_not_there_is_refused(config: Path) -> None:
    assert _problems(config) == [f"file {config}: cannot be read: No such file or directory"]


@pytest.mark.parametrize("text", ["[sidecar", '{"a":'])
def test_a_variable_that_is_no_json_is_refused(text: str) -> None:
    (problem,) = _problems(None, {"DIND_WEBHOOK_INJECTION__MODES": text})
    assert problem.startswith("variable DIND_WEBHOOK_INJECTION__MODES: is not JSON")


@pytest.mark.parametrize("text", ["server: 1\n", "server: [1]\n", "1: 2\n"])
def test_a_group_that_is_no_map_is_refused(text: str, config: Path) -> None:
    config.write_text(text)
    assert len(_problems(config)) == 1


def test_a_variable_may_stand_over_a_value_of_another_shape(config: Path) -> None:
    config.write_text("server: wrong\n")
    assert load_settings(config, {"DIND_WEBHOOK_SERVER__PORT": "1"}, {}).settings.server.port == 1


def test_variables_that_are_no_json_do_not_hide_other_mistakes() -> None:
    names = ("INJECTION__MODES", "SERVER__CLIENT_NAMES", "SERVER__PORT")
    problems = _problems(None, {f"DIND_WEBHOOK_{name}": "[x" for name in names} | {"DIND_WEBHOOK_LOG__LEVEL": "loud"})
    assert [problem.partition(":")[0] for problem in problems] == [
        *(f"variable DIND_WEBHOOK_{name}" for name in names),
        "log.level",
    ]
