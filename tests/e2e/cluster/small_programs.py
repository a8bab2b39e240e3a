"""Build programs of other projects without the parts that the tests do not use, which would take minutes to compile."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cluster.build_inputs import BuildInputs
from cluster.go import Go, Program
from cluster.paths import Cache
from cluster.steps import step

_FILES = Path(__file__).with_name("files")


@dataclass(frozen=True)
class SmallProgram:
    """A program with a main package of its own, in the file NAME.go, and the only module that this requires."""

    name: str
    module: str
    version: str

    def path(self, cache: Cache) -> Path:
        return cache.bin(self.name, self.version) / self.name


COREDNS = SmallProgram("coredns", "github.com/coredns/coredns", "v1.15.0")
REGISTRY = SmallProgram("registry", "github.com/distribution/distribution/v3", "v3.0.0")


def build(cache: Cache, log: Path, programs: Iterable[SmallProgram] = (COREDNS, REGISTRY)) -> None:
    """Build those programs that the cache does not have, or that have another main package."""
    for program in programs:
        source, target = _FILES / f"{program.name}.go", program.path(cache)
        inputs = BuildInputs.of([source])
        if not inputs.is_current(target):
            go = Go.of_machine(log)
            folder = cache.modules(program.name, program.version)
            with step(f"building {program.name} {program.version}"):
                go.require(folder, program.module, program.version)
                shutil.copy(source, folder / "main.go")
                go.build(folder, Program(".", tags="netgo,osusergo", cgo=False), target)
            inputs.record(target)
