"""Compile what every request goes through, where DIND_WEBHOOK_COMPILE is set (docs/decisions/0018)."""

import os
from pathlib import Path

from setuptools import setup

# Their members are made in a way of their own, which mypyc does not follow: Reason's take several values.
_INTERPRETED = {"app/injection/decision.py"}


def _compiled() -> list[str]:
    rooms = ("app/model", "app/injection", "app/admission")
    found = {str(path) for room in rooms for path in Path(room).glob("*.py") if path.name != "__init__.py"}
    return sorted(found - _INTERPRETED)


def _extensions() -> list[object]:
    if not os.environ.get("DIND_WEBHOOK_COMPILE"):
        return []
    # Only here: an ordinary install has no compiler.
    from mypyc.build import mypycify

    return list(mypycify(_compiled(), opt_level="2", debug_level="0"))


setup(ext_modules=_extensions())
