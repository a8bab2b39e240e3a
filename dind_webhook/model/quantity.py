"""Resource quantities, as in `250m`, `2`, `1.5Gi` or `1e3`.

The grammar is that of k8s.io/apimachinery/pkg/api/resource (`Quantity`).
"""

import re
from decimal import ROUND_UP, Context, Decimal
from functools import lru_cache

_GRAMMAR = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?")
_DECIMAL_EXPONENTS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_EXPONENTS = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_MAX_VALUE = Decimal(2**63 - 1)
# The API server rounds up to whole nanos (`ParseQuantity`): 2.00000000001 is more than 2.
_SMALLEST = Decimal("1e-9")
# Exact for 64 digits times 2^60 or 10^99
_EXACT = Context(prec=200)


@lru_cache(maxsize=1024)
def parse_quantity(text: str) -> Decimal:
    """Return the number that a quantity stands for. Raise ValueError if the API server would reject the text."""
    match = _GRAMMAR.fullmatch(text) if len(text) <= 64 else None
    if match is None:
        raise ValueError("is not a quantity such as 500m, 2 or 1.5Gi")
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in _BINARY_EXPONENTS:
        value = _EXACT.multiply(number, Decimal(2 ** _BINARY_EXPONENTS[suffix]))
    elif suffix in _DECIMAL_EXPONENTS:
        value = number.scaleb(_DECIMAL_EXPONENTS[suffix], _EXACT)
    else:
        value = number.scaleb(int(suffix[1:]), _EXACT)
    if abs(value) > _MAX_VALUE:
        raise ValueError("is larger than a quantity can be (2^63-1)")
    rounded = value.quantize(_SMALLEST, ROUND_UP, _EXACT)
    return value if value == rounded else rounded
