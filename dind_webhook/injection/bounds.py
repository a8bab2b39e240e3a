"""The operator's upper bounds of options: `max` in the policy, from the name of an option to a quantity.

A default above its bound, or without an amount, is a mistake of the operator. So every pod has an amount within the
bound, whether the pod sets the option or not.
"""

from collections.abc import Iterator, Mapping

from dind_webhook.injection.constants import PREFIX
from dind_webhook.injection.message_parts import quote
from dind_webhook.injection.option_table import OPTIONS, OPTIONS_BY_KEY, describe_unknown_option
from dind_webhook.injection.options import Options
from dind_webhook.model import parse_quantity


def find_bad_bounds(bounds: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each bound that cannot be used."""
    for name, text in bounds.items():
        option = OPTIONS_BY_KEY.get(PREFIX + name)
        if option is None:
            yield describe_unknown_option(name)
        elif not option.is_quantity:
            accepted = ", ".join(known.name for known in OPTIONS if known.is_quantity)
            yield f"{name}: cannot have a bound; options that can: {accepted}"
        else:
            try:
                is_unlimited = option.read(text) is None
            except ValueError as error:
                yield f"{name}: {quote(text)} {error}"
            else:
                if is_unlimited:
                    yield f"{name}: {quote(text)} is not a bound; leave it out, or set a quantity"


def find_unbounded_defaults(defaults: Options, bounds: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each default above its bound or without an amount. The bounds are quantities."""
    for name, bound in bounds.items():
        amount = getattr(defaults, OPTIONS_BY_KEY[PREFIX + name].field)
        if amount is None:
            yield f"{name}: its default is unset, which is no limit; set defaults.{name} to at most {bound}"
        elif parse_quantity(amount) > parse_quantity(bound):
            yield f"{name}: its default, {amount}, is more than {bound}; set defaults.{name} to at most {bound}"


def find_exceeded_bounds(texts: Mapping[str, str], bounds: Mapping[str, str], scope: str) -> Iterator[str]:
    """Yield a sentence for each option that a pod sets above its bound. `texts` are by annotation key.

    `scope` says where the bounds count: "cluster" or "namespace". A text that is not a value of its option exceeds
    nothing.
    """
    for name, bound in bounds.items():
        option = OPTIONS_BY_KEY[PREFIX + name]
        text = texts.get(option.key)
        if not text:
            continue
        try:
            amount = option.read(text)
        except ValueError:
            continue
        if amount is None:
            problem = f"unsets it, and this {scope}'s operator allows at most {bound}"
        elif parse_quantity(amount) > parse_quantity(bound):
            problem = f"is more than {bound}, the most that this {scope}'s operator allows"
        else:
            continue
        yield f"annotation {option.key}: {quote(text)} {problem}"
