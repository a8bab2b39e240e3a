"""Compiles the modules on the path of a request if DIND_WEBHOOK_COMPILE is set (docs/decisions/0018 and 0021)."""

import os
from pathlib import Path

from setuptools import setup

_PACKAGES = ("app/model", "app/injection", "app/admission")
# Modules of other packages. No class in them may have an interpreted base: mypyc allocates too little memory for its
# objects, and their members overwrite other objects.
_OTHER_MODULES = {
    "app/http/endpoint.py",
    "app/http/fair_queue.py",
    "app/http/framing.py",
    "app/http/listener.py",
    "app/http/metrics.py",
    "app/http/mutate.py",
    "app/http/paced_transport.py",
    "app/http/socket_protocols.py",
    "app/logs/batch.py",
}
# mypyc cannot compile their classes: enums whose members have several values, and msgspec structs.
_INTERPRETED = {"app/admission/schema.py", "app/injection/decision.py", "app/model/schema.py"}


def _compiled_paths() -> list[str]:
    paths = {str(path) for package in _PACKAGES for path in Path(package).glob("*.py") if path.name != "__init__.py"}
    return sorted((paths | _OTHER_MODULES) - _INTERPRETED)


def _extensions() -> list[object]:
    if not os.environ.get("DIND_WEBHOOK_COMPILE"):
        return []
    # imported here: an ordinary install has no compiler
    from mypyc.build import mypycify

    return list(mypycify(_compiled_paths(), opt_level="2", debug_level="0"))


setup(ext_modules=_extensions())
