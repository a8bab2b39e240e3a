"""Every setting with its effective value and its origin."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from dind_webhook.injection import OPTIONS
from dind_webhook.settings.loader import LoadedSettings
from dind_webhook.settings.schema import NamespaceSettings, Settings


class Setting(NamedTuple):
    """A setting: its dotted name, its value as JSON, and the origin of the value."""

    name: str
    value: Any
    origin: str


def list_settings(loaded: LoadedSettings) -> Iterator[Setting]:
    """Yield each setting in the order of the schema. The default of each per-pod option is a setting of its own."""
    # Environment variables write the names of options with underscores.
    origins = {name.replace("-", "_"): origin for name, origin in loaded.origins.items()}
    for name, value in _iterate_values(loaded.settings):
        yield Setting(name, value, _origin(name.replace("-", "_"), origins))


def list_namespace_settings(loaded: LoadedSettings, namespace: str) -> Iterator[Setting]:
    """Yield the settings of injection that are in force in a namespace.

    The value of `injection.namespaces` is then the names of the entry that is in force, empty if there is none.
    """
    injection = loaded.settings.injection
    entry = injection.entry_for(namespace)
    general = {setting.name: setting for setting in list_settings(loaded) if setting.name.startswith("injection.")}
    listed_entries = general.pop("injection.namespaces")
    origin = f"{listed_entries.origin}, {entry.title}" if entry else listed_entries.origin
    own_names = set(_own_names(entry)) if entry else set()
    for name, value in _iterate_group("injection", injection.for_namespace(namespace)):
        if name == listed_entries.name:
            continue
        if name not in own_names:
            yield general[name]
        elif name == "injection.max" and injection.max:
            # The bounds of the entry are merged into the general ones, which may be from another place.
            others = general[name].origin
            yield Setting(name, value, origin if others == listed_entries.origin else f"{others}, {origin}")
        else:
            yield Setting(name, value, origin)
    yield Setting(listed_entries.name, list(entry.names) if entry else [], origin)


def _own_names(entry: NamespaceSettings) -> Iterator[str]:
    """Yield the dotted names of the settings that an entry sets."""
    for member, value in entry.model_dump(exclude={"names"}).items():
        if member == "defaults":
            yield from (f"injection.defaults.{option}" for option in value)
        else:
            yield f"injection.{member}"


def _origin(name: str, origins: Mapping[str, str]) -> str:
    """Return where a value comes from; the members of a map may come from several places."""
    members = (origin for member, origin in origins.items() if member.startswith(f"{name}."))
    return origins.get(name) or ", ".join(dict.fromkeys(members)) or "default"


def _iterate_values(settings: Settings) -> Iterator[tuple[str, Any]]:
    for group in Settings.model_fields:
        yield from _iterate_group(group, getattr(settings, group))


def _iterate_group(group: str, settings: BaseModel) -> Iterator[tuple[str, Any]]:
    for field, value in settings.model_dump(mode="json").items():
        if (group, field) == ("injection", "defaults"):
            for option in OPTIONS:
                yield f"{group}.{field}.{option.name}", value.get(option.name, option.default)
        elif isinstance(getattr(settings, field), frozenset):
            # A set has no order, and people compare two listings.
            yield f"{group}.{field}", sorted(value)
        else:
            yield f"{group}.{field}", value
