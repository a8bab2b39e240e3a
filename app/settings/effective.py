"""Every setting with its effective value and its origin."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from app.injection import OPTIONS
from app.settings.loader import LoadedSettings
from app.settings.schema import Settings


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


def _origin(name: str, origins: Mapping[str, str]) -> str:
    """Return where a value comes from; the members of a map may come from several places."""
    members = (origin for member, origin in origins.items() if member.startswith(f"{name}."))
    return origins.get(name) or ", ".join(dict.fromkeys(members)) or "default"


def _iterate_values(settings: Settings) -> Iterator[tuple[str, Any]]:
    for group in Settings.model_fields:
        for field, value in getattr(settings, group).model_dump(mode="json").items():
            if (group, field) == ("injection", "defaults"):
                for option in OPTIONS:
                    yield f"{group}.{field}.{option.name}", value.get(option.name, option.default)
            elif isinstance(getattr(getattr(settings, group), field), frozenset):
                # A set has no order, and people compare two listings.
                yield f"{group}.{field}", sorted(value)
            else:
                yield f"{group}.{field}", value
