"""The options with quantities, such as `dind.io/memory-limit`, as variables of CEL: pods may choose them.

The core injects a pattern pod with *markers* in place of the quantities, and where a marker is in the additions, the
policy places the variable. CEL reads fewer forms of quantities than the core: those whose value no rounding changes.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from dind_webhook.injection import OPTIONS, Option, Policy
from dind_webhook.mutating_policy.expressions import cel_literal

# Whole milli-CPUs, and whole numbers of bytes below 2^63
CPU_PATTERN = "^([1-9][0-9]{0,8}m|[1-9][0-9]{0,8}([.][0-9]{1,3})?|0[.][0-9]{0,2}[1-9])$"
BYTES_PATTERN = (
    "^([1-9][0-9]{0,17}|[1-9][0-9]{0,8}([KM]i|[kM])|[1-9][0-9]{0,5}[GT]i?"
    "|(0|[1-9][0-9]{0,5})[.](5|25|75)[KMGT]i|(0|[1-9][0-9]{0,5})[.][0-9]{0,2}[1-9][kMGT])$"
)


class Quantity(NamedTuple):
    """An option with a quantity, the operator's default, and whether pods may choose another one.

    `low_marker` and `high_marker` are texts that the core reads as quantities, and that are nowhere else in a pattern
    pod.
    """

    option: Option
    default: str
    is_allowed: bool
    low_marker: str
    high_marker: str

    @property
    def variable(self) -> str:
        """The expression of the quantity that is in force."""
        return f"variables.{self._name}"

    @property
    def marker(self) -> str:
        """The text for additions: no request is above a limit, and the storage is larger than what it requests."""
        return self.low_marker if self.option.name.endswith("-request") else self.high_marker

    @property
    def definition(self) -> tuple[str, str]:
        """The name and the expression of the variable. A text that CEL cannot read stands for the default."""
        if not self.is_allowed:
            return self._name, cel_literal(self.default)
        text = f"variables.annotations[{cel_literal(self.option.key)}]"
        return self._name, f"{self._is_readable} ? {text} : {cel_literal(self.default)}"

    @property
    def is_unreadable(self) -> str:
        """The expression of whether the pod has a text that CEL cannot read."""
        return f"({cel_literal(self.option.key)} in variables.annotations && !{self._is_readable})"

    @property
    def _is_readable(self) -> str:
        text = f"variables.annotations[?{cel_literal(self.option.key)}].orValue('')"
        pattern = CPU_PATTERN if self.is_cpu else BYTES_PATTERN
        # Long texts cost an API server more than a policy may cost.
        return f"({text}.size() <= {self.option.max_length} && {text}.matches({cel_literal(pattern)}))"

    @property
    def is_cpu(self) -> bool:
        return self.option.name.startswith("cpu-")

    @property
    def _name(self) -> str:
        first, *others = self.option.name.split("-")
        return first + "".join(map(str.capitalize, others))


def list_quantities(policy: Policy) -> Iterator[Quantity]:
    """Yield the options with quantities, except those whose default is none.

    With such a default, a pod with a quantity would get other members than one without.
    """
    for index, option in enumerate(OPTIONS):
        default = getattr(policy.defaults, option.field)
        if option.is_quantity and default is not None:
            # Nobody else writes leading zeros, or such an amount.
            low_marker = f"000000001{index:02}{'n' if option.name.startswith('cpu-') else ''}"
            is_allowed = option.name in policy.allowed_options
            yield Quantity(option, default, is_allowed, low_marker, f"80000000000000000{index:02}")


def with_markers(policy: Policy) -> Policy:
    """Return a policy whose defaults are the markers, without bounds."""
    markers: dict[str, Any] = {quantity.option.field: quantity.marker for quantity in list_quantities(policy)}
    return replace(policy, defaults=replace(policy.defaults, **markers), max={})


def variables_of_markers(policy: Policy) -> dict[str, str]:
    """Return the expressions of the quantities, by marker."""
    return {quantity.marker: quantity.variable for quantity in list_quantities(policy)}


def variables_of_variant_markers(policy: Policy) -> dict[str, str]:
    """Return the same for a pod with a limit of ephemeral storage, where the size of the storage is a limit.

    The API server refuses a request above it (`_fit_ephemeral_storage` in injection/sidecar.py).
    """
    expressions = variables_of_markers(policy)
    quantities = {quantity.option.name: quantity for quantity in list_quantities(policy)}
    size, request = quantities.get("storage-size"), quantities.get("ephemeral-storage-request")
    if size and request:
        is_less = f"quantity({size.variable}).isLessThan(quantity({request.variable}))"
        expressions[size.marker] = f"({is_less} ? {request.variable} : {size.variable})"
    return expressions
