"""Durations in the syntax of Go: `720h`, `1h30m`, `20s`."""

import re
from datetime import timedelta
from typing import Any

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds"}
_NUMBER_AND_UNIT = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")


def parse_duration(value: Any) -> Any:
    """Return the timedelta of a text in Go's syntax, with `d` for 24 hours. Raise ValueError for any other text.

    A value that is not a text is returned unchanged.
    """
    if not isinstance(value, str):
        return value
    numbers_and_units = _NUMBER_AND_UNIT.findall(value)
    if not numbers_and_units or "".join(number + unit for number, unit in numbers_and_units) != value:
        raise ValueError(f"{value!r} is not a duration: a number and one of {', '.join(_UNITS)}, as in 720h or 1h30m")
    try:
        return sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in numbers_and_units), timedelta())
    except OverflowError:
        raise ValueError(f"{value!r} is too long") from None


def format_duration(span: timedelta) -> str:
    """Return a duration as text, in hours, minutes, seconds and milliseconds, such as `1h30m`."""
    milliseconds = round(span / timedelta(milliseconds=1))
    text = ""
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"
