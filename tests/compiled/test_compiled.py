"""What these tests run on, apart from those of `make test`: machine code."""

import importlib
import pkgutil

import pytest


@pytest.mark.parametrize("room", ["model", "injection", "admission"])
def test_the_request_path_is_compiled(room: str) -> None:
    folder = importlib.import_module(f"app.{room}").__path__
    modules = [importlib.import_module(f"app.{room}.{found.name}") for found in pkgutil.iter_modules(folder)]
    interpreted = {module.__name__ for module in modules if str(module.__file__).endswith(".py")}
    assert interpreted <= {"app.injection.decision"}
