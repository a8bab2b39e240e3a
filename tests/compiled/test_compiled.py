"""`make test-compiled` runs the tests of the request path on machine code; these tests check that it does."""

import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import dind_webhook

_PACKAGES = ("model", "injection", "admission")
_OTHER_MODULES = (
    "dind_webhook.http.endpoint",
    "dind_webhook.http.framing",
    "dind_webhook.http.paced_transport",
    "dind_webhook.http.metrics",
    "dind_webhook.http.mutate",
    "dind_webhook.http.fair_queue",
)
_INTERPRETED = {"dind_webhook.admission.schema", "dind_webhook.injection.decision", "dind_webhook.model.schema"}


def _package_modules() -> list[ModuleType]:
    packages = [importlib.import_module(f"dind_webhook.{package}") for package in _PACKAGES]
    names = [
        f"{package.__name__}.{found.name}" for package in packages for found in pkgutil.iter_modules(package.__path__)
    ]
    return [importlib.import_module(name) for name in names]


def _is_compiled(module: ModuleType) -> bool:
    return not str(module.__file__).endswith(".py")


def _is_native(kind: type) -> bool:
    return "__mypyc_attrs__" in vars(kind)


def test_the_request_path_is_compiled() -> None:
    assert {module.__name__ for module in _package_modules() if not _is_compiled(module)} == _INTERPRETED


@pytest.mark.parametrize("name", _OTHER_MODULES)
def test_what_brings_requests_there_is_compiled(name: str) -> None:
    assert _is_compiled(importlib.import_module(name))


def test_no_native_class_has_an_interpreted_base() -> None:
    """Memory for a native class holds its own members only, so those of an interpreted base overwrite other objects."""
    modules = [
        importlib.import_module(found.name) for found in pkgutil.walk_packages(dind_webhook.__path__, "dind_webhook.")
    ]
    compiled = [module for module in modules if _is_compiled(module)]
    classes = {kind for module in compiled for _, kind in inspect.getmembers(module, inspect.isclass)}
    native = {kind for kind in classes if _is_native(kind)}
    assert native
    assert [kind for kind in native if not all(_is_native(base) for base in kind.__mro__[1:-1])] == []
