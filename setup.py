"""Compiles the modules on the path of a request if DIND_WEBHOOK_COMPILE is set (docs/decisions/0018 and 0021)."""

import os
from pathlib import Path

from setuptools import setup

_PACKAGES = ("dind_webhook/model", "dind_webhook/injection", "dind_webhook/admission")
# Modules of other packages. No class in them may have an interpreted base: mypyc allocates too little memory for its
# objects, and their members overwrite other objects.
_OTHER_MODULES = {
    "dind_webhook/http/endpoint.py",
    "dind_webhook/http/fair_queue.py",
    "dind_webhook/http/framing.py",
    "dind_webhook/http/listener.py",
    "dind_webhook/http/metrics.py",
    "dind_webhook/http/mutate.py",
    "dind_webhook/http/paced_transport.py",
    "dind_webhook/http/socket_protocols.py",
    "dind_webhook/logs/batch.py",
}
# mypyc cannot compile their classes: enums whose members have several values, and msgspec structs.
_INTERPRETED = {
    "dind_webhook/admission/schema.py",
    "dind_webhook/injection/decision.py",
    "dind_webhook/model/schema.py",
}


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
