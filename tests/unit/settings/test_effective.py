"""The listing of effective settings and their origins."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dind_webhook.injection import OPTIONS
from dind_webhook.settings import Setting, Settings, list_settings, load_settings


def listed(environ: Mapping[str, str], flags: Mapping[str, Any], config: Path | None = None) -> dict[str, Setting]:
    return {setting.name: setting for setting in list_settings(load_settings(config, environ, flags))}


def test_every_setting_is_there_once_and_every_option_has_its_default() -> None:
    names = [setting.name for setting in list_settings(load_settings(None, {}, {}))]
    fields = {
        f"{group}.{field}" for group, values in Settings() for field in type(values).model_fields if field != "defaults"
    }
    assert sorted(names) == sorted(fields | {f"injection.defaults.{option.name}" for option in OPTIONS})


def test_each_has_the_origin_that_won(tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("server: {port: 1, health_port: 2, host: a.b}\ninjection: {defaults: {storage-size: 1Gi}}\n")
    found = listed({"DIND_WEBHOOK_SERVER__HEALTH_PORT": "3"}, {"server": {"port": 4}}, config)
    assert found["server.host"] == Setting("server.host", "a.b", f"file {config}")
    assert found["server.health_port"][1:] == (3, "variable DIND_WEBHOOK_SERVER__HEALTH_PORT")
    assert found["server.port"][1:] == (4, "flag")
    assert found["server.drain_seconds"][1:] == (10, "default")
    assert found["injection.defaults.storage-size"][1:] == ("1Gi", f"file {config}")
    assert found["injection.defaults.placement"][1:] == ("native", "default")


def test_the_origins_of_a_map_are_those_of_its_members(tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("injection: {defaults: {env: {A: b, C: d}}}\n")
    assert listed({}, {}, config)["injection.defaults.env"][1:] == ('{"A":"b","C":"d"}', f"file {config}")
    name = "DIND_WEBHOOK_INJECTION__DEFAULTS__ENV"
    both = listed({name: '{"E": "f"}'}, {}, config)["injection.defaults.env"]
    assert both.origin == f"file {config}, variable {name}"


def test_a_variable_for_an_option_is_its_origin() -> None:
    name = "DIND_WEBHOOK_INJECTION__DEFAULTS__STORAGE_SIZE"
    assert listed({name: "5Gi"}, {})["injection.defaults.storage-size"][1:] == ("5Gi", f"variable {name}")


@pytest.mark.parametrize(
    ("name", "value"), [("certs.leaf_life", "720h"), ("injection.modes", ["daemonset", "sidecar"])]
)
def test_values_are_written_as_they_can_be_given(name: str, value: object) -> None:
    group, _, field = name.partition(".")
    assert listed({}, {})[name].value == value
    assert listed({}, {group: {field: value}})[name].value == value
