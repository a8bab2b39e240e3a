"""Build programs from Go modules, whose checksums Go verifies."""

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import Command, output_of, run
from cluster.paths import ROOT

# The oldest Go that builds all programs; tests/install-go.sh installs Go if the machine's is too old.
_GO_VERSION = "1.26.3"


@dataclass(frozen=True)
class Program:
    """A main package. `stamp` are linker flags such as -X, which sets the variable with the version."""

    package: str
    stamp: str = ""
    tags: str = ""
    # None leaves the choice to Go.
    cgo: bool | None = None


@dataclass(frozen=True)
class Go:
    """A Go toolchain of the required version, and the log of its output."""

    program: Path
    log: Path

    @classmethod
    def of_machine(cls, log: Path) -> "Go":
        """Return the Go toolchain of the chart's tests. Install it if it is missing."""
        install = ROOT / "tests/install-go.sh"
        return cls(Path(output_of("finding Go", [install], log, {"PYTHON": sys.executable}).strip()), log)

    def build(self, source: Path, program: Program, target: Path) -> None:
        """Build a program in a folder with a go.mod."""
        unfinished = target.with_name(f".{target.name}")
        linker = f"-s -w {program.stamp}".strip()
        flags: Command = ["-o", unfinished, "-tags", program.tags, "-ldflags", linker, program.package]
        # -mod=mod lets Go add the checksums of the modules that go.mod requires.
        environment = {"GOFLAGS": "-mod=mod -buildvcs=false", "GOWORK": "off"}
        if program.cgo is not None:
            environment["CGO_ENABLED"] = str(int(program.cgo))
        run(f"building {target.name}", [self.program, "build", *flags], self.log, environment, source)
        unfinished.rename(target)

    def require(self, folder: Path, module: str, version: str) -> None:
        """Write a go.mod that requires only this module, unless the folder has a go.mod."""
        if not (folder / "go.mod").exists():
            self.require_all(folder, {module: version})

    def require_all(self, folder: Path, versions: Mapping[str, str]) -> None:
        """Write a go.mod that requires these modules."""
        lines = "".join(f"require {module} {version}\n" for module, version in versions.items())
        (folder / "go.mod").write_text(f"module example.invalid/programs\n\ngo {_GO_VERSION}\n\n{lines}")

    def source(self, module: str, version: str) -> Path:
        """Download a module, and return the folder of its files."""
        with tempfile.TemporaryDirectory() as scratch:
            # Go downloads a module only in a folder with a go.mod.
            (Path(scratch) / "go.mod").write_text("module example.invalid/scratch\n")
            return Path(self.download(module, version, Path(scratch))["Dir"])

    def download(self, module: str, version: str, folder: Path) -> dict[str, str]:
        """Download a module and return Go's description of it: `GoMod` is its go.mod, `Dir` the folder of its files."""
        what = f"fetching {module} {version}"
        command: Command = [self.program, "mod", "download"]
        # Without -json, Go prints errors on standard error.
        run(what, [*command, f"{module}@{version}"], self.log, folder=folder)
        description = output_of(what, [*command, "-json", f"{module}@{version}"], self.log, folder=folder)
        return dict(json.loads(description))
