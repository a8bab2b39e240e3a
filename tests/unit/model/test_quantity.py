"""Quantities, by the grammar of k8s.io/apimachinery/pkg/api/resource."""

from decimal import Decimal

import pytest

from dind_webhook.model import parse_quantity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("2", "2"),
        ("+2", "2"),
        ("-2", "-2"),
        ("1.5", "1.5"),
        ("1.", "1"),
        (".5", "0.5"),
        ("500m", "0.5"),
        ("100u", "0.0001"),
        ("100n", "0.0000001"),
        ("1k", "1000"),
        ("1M", "1000000"),
        ("1G", "1e9"),
        ("1T", "1e12"),
        ("1P", "1e15"),
        ("1E", "1e18"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("1Mi", "1048576"),
        ("1Ti", "1099511627776"),
        ("1Pi", "1125899906842624"),
        ("1Ei", "1152921504606846976"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1e-3", "0.001"),
        ("9223372036854775807", "9223372036854775807"),
        # Rounded up to whole nanos, exactly, as by the API server
        ("0.1n", "1e-9"),
        ("1e-99", "1e-9"),
        ("-0.1n", "-1e-9"),
        ("2.00000000000000000000000000000000000001", "2.000000001"),
        ("9000000000000000000.00000000000000000001", "9000000000000000000.000000001"),
        ("1.0000000000000000000000000000000001Gi", "1073741824.000000001"),
    ],
)
def test_a_quantity_is_a_number(text: str, expected: str) -> None:
    assert parse_quantity(text) == Decimal(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1\n",
        "1GB",
        "1K",
        "1ki",
        "Gi",
        ".",
        "1,5",
        "1e",
        "1e100",
        "0x1",
        "NaN",
        "Infinity",
        "²",
        "1" * 65,
    ],
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a quantity such as 500m, 2 or 1\.5Gi"):
        parse_quantity(text)


@pytest.mark.parametrize("text", ["9223372036854775808", "8Ei", "10E", "1e99", "-8Ei"])
def test_a_quantity_has_a_largest(text: str) -> None:
    with pytest.raises(ValueError, match=r"larger than a quantity can be \(2\^63-1\)"):
        parse_quantity(text)
