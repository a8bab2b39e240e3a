"""What the webhook's code uses of orjson, from the standard library: there is no orjson for browsers."""

import json
from json import JSONDecodeError
from typing import Any, NoReturn

__all__ = ["JSONDecodeError", "dumps", "loads"]


def loads(text: str | bytes) -> Any:
    """Return the value of a JSON text; JSONDecodeError if it is not JSON, such as NaN and Infinity."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise JSONDecodeError("recursion limit reached", "", 0) from None


def dumps(value: Any) -> bytes:
    """Return JSON without spaces, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _refuse(constant: str) -> NoReturn:
    raise JSONDecodeError(f"unexpected {constant}", "", 0)
