"""Values that are made anew for each request."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

_Class = TypeVar("_Class")


@dataclass_transform(frozen_default=True)
def record(cls: type[_Class]) -> type[_Class]:
    """Make a class a dataclass that the type checker takes for frozen.

    At run time it is not, nor is it a tuple: both take twice to six times as long to make or to read, and a review is
    read into dozens of these.
    """
    return dataclass(slots=True)(cls)
