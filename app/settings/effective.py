"""Every setting with its effective value, for people who ask what is in force."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from app.injection import OPTIONS
from app.settings.loader import LoadedSettings
from app.settings.schema import Settings


class Setting(NamedTuple):
    """A setting by its dotted name, its value as JSON has it, and where that came from."""

    name: str
    value: Any
    origin: str


def list_settings(loaded: LoadedSettings) -> Iterator[Setting]:
    """Yield each setting in the order of the tree, with one for the default of each option of pods."""
    # In variables, names of options are written with underscores.
    origins = {name.replace("-", "_"): origin for name, origin in loaded.origins.items()}
    for name, value in _iterate_values(loaded.settings):
        yield Setting(name, value, origins.get(name.replace("-", "_"), "default"))


def _iterate_values(settings: Settings) -> Iterator[tuple[str, Any]]:
    for group in Settings.model_fields:
        for field, value in getattr(settings, group).model_dump(mode="json").items():
            if (group, field) == ("injection", "defaults"):
                for option in OPTIONS:
                    yield f"{group}.{field}.{option.name}", value.get(option.name, option.default)
            elif isinstance(getattr(getattr(settings, group), field), frozenset):
                # A set has no order of its own, and people compare these lists.
                yield f"{group}.{field}", sorted(value)
            else:
                yield f"{group}.{field}", value
