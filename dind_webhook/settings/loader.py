"""Merges settings from a YAML file, the environment and flags. A later source wins."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from dind_webhook.errors import SettingsError
from dind_webhook.injection import Policy
from dind_webhook.settings.schema import Settings, make_policy

ENV_PREFIX = "DIND_WEBHOOK_"
_DELIMITER = "__"


class LoadedSettings(NamedTuple):
    """Valid settings, and the origin of each value that is not a default, by dotted name."""

    settings: Settings
    origins: Mapping[str, str]


def load_settings(config: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any]) -> LoadedSettings:
    """Return the settings. Raise SettingsError with every mistake and its place.

    `flags` is a tree like that of the file. A variable is named after its place in the tree, as in
    DIND_WEBHOOK_SERVER__PORT; its text is JSON for a list or map.
    """
    tree = parse_yaml(read_settings_file(config), f"file {config}") if config else {}
    return _load_sources(tree, f"file {config}", environ, flags)


def load_policy(config: Path | None, environ: Mapping[str, str]) -> Policy:
    """Return the operator's policy from a file and the environment. Raise SettingsError as `load_settings` does."""
    return make_policy(load_settings(config, environ, {}).settings.injection)


def parse_settings(text: str, name: str, environ: Mapping[str, str]) -> LoadedSettings:
    """Return the settings from the text of a file. Raise SettingsError as `load_settings` does.

    `name` is the name of the file in messages.
    """
    return _load_sources(parse_yaml(text, name), name, environ, {})


def _load_sources(
    tree: Mapping[str, Any], name: str, environ: Mapping[str, str], flags: Mapping[str, Any]
) -> LoadedSettings:
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    problems: list[str] = []
    _merge_tree(merged, tree, origins, name)
    for variable in sorted(environ):
        # kubelet sets variables such as DIND_WEBHOOK_PORT for the Service of that name. Only settings have a delimiter.
        if variable.startswith(ENV_PREFIX) and _DELIMITER in variable:
            try:
                _merge_tree(merged, _nest_variable(variable, environ[variable]), origins, f"variable {variable}")
            except SettingsError as error:
                problems += error.problems
    _merge_tree(merged, flags, origins, "flag")
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(problems + [_describe_problem(details, origins) for details in _causes(error)]) from None
    if problems:
        raise SettingsError(problems)
    return LoadedSettings(settings, origins)


def read_settings_file(path: Path) -> str:
    """Return the text of a settings file, `-` for standard input. Raise SettingsError if it cannot be read."""
    try:
        return sys.stdin.buffer.read().decode() if str(path) == "-" else path.read_text("utf-8")
    except OSError as error:
        raise SettingsError([f"file {path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise SettingsError([f"file {path}: is not YAML: not UTF-8: {error.reason}"]) from None


def parse_yaml(text: str, name: str) -> Mapping[str, Any]:
    """Return the map in a text of YAML, empty if there is nothing in it. Raise SettingsError if it is no map."""
    # imported here: only a process with a settings file needs it
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        tree = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else None
        position = f"line {line}, column {mark.column + 1}: " if mark else ""
        raise SettingsError([f"{name}: is not YAML: {position}{error.problem}"], line) from None
    except YAMLError as error:
        raise SettingsError([f"{name}: is not YAML: {error}"]) from None
    except RecursionError:
        raise SettingsError([f"{name}: is nested too deeply"]) from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingsError([f"{name}: must be a map of settings"])
    return tree


def _nest_variable(name: str, text: str) -> dict[str, Any]:
    *groups, last = name.removeprefix(ENV_PREFIX).lower().split(_DELIMITER)
    value: Any = text
    if text[:1] in ("[", "{"):
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise SettingsError([f"variable {name}: is not JSON: {error}"]) from None
    tree = {last: value}
    for group in reversed(groups):
        tree = {group: tree}
    return tree


def _merge_tree(
    target: dict[str, Any], tree: Mapping[str, Any], origins: dict[str, str], origin: str, place: str = ""
) -> None:
    for key, value in tree.items():
        name = f"{place}{key}"
        if value is None and place == "":
            continue  # a group whose members are all commented out
        if isinstance(value, dict) and isinstance(target.get(key, {}), dict):
            if not value:
                origins[name] = origin
            _merge_tree(target.setdefault(key, {}), value, origins, origin, f"{name}.")
        else:
            target[key] = value
            origins[name] = origin


# Messages for operators who do not know Python, by pydantic's type of error
_MESSAGES = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a map",
    "enum": "must be one of {expected}",
    "extra_forbidden": "is not a setting",
    "frozenset_type": "must be a list",
    "greater_than_equal": "must be at least {ge}",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be one of {expected}",
    "missing": "is missing",
    "model_type": "must be a map of settings",
    "path_type": "must be a path",
    "string_type": "must be a text",
    "too_short": "must not be empty",
    "tuple_type": "must be a list",
}


def _causes(error: ValidationError) -> list[Any]:
    """Return the problems, without lists that are too short only because an item has a problem."""
    found = error.errors()
    lists_of_problems = {details["loc"][:-1] for details in found}
    return [details for details in found if details["type"] != "too_short" or details["loc"] not in lists_of_problems]


def _describe_problem(details: Any, origins: Mapping[str, str]) -> str:
    place = ".".join(str(step) for step in details["loc"])
    # The origin of the value, of a group that contains it, or of a member that it contains
    origin = next(
        (name for name in origins if f"{place}.".startswith(f"{name}.") or name.startswith(f"{place}.")), None
    )
    sentence = _MESSAGES.get(details["type"])
    message = sentence.format(**details.get("ctx", {})) if sentence else details["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" + (f" ({origins[origin]})" if origin else "")
