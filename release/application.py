"""Compile the application and install it with its dependencies for an architecture, on a machine of any architecture.

Python, pip and Python's headers are locked Debian packages. The C compiler is zig, a locked Python package, which
compiles for every architecture.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from release import programs, unused
from release.archive import write_tar
from release.sandbox import INTERPRETER, Sandbox
from release.targets import PYTHON, TARGETS, Target

# Where Debian's Python finds packages that Debian did not install
SITE = f"usr/local/lib/{PYTHON}/dist-packages"
PROGRAMS = "usr/local/bin"
# The glibc of the oldest system on which the compiled modules run: that of manylinux_2_28
_GLIBC = "2.28"
_PIP = "/work/pip.whl/pip"
_GZIP = """
import gzip, pathlib
file = pathlib.Path("content")
file.write_bytes(gzip.compress(file.read_bytes(), 6, mtime=0))
"""


@dataclass(frozen=True)
class Builder:
    """Builds on one root file system, with native modules if `compiled`. `epoch` is the time of the commit."""

    sandbox: Sandbox
    epoch: int
    compiled: bool

    def install_tools(self, source: Path) -> None:
        """Install the tools that compile. `source` is the export of the commit, in the work folder."""
        # mypy looks up the types of the dependencies there.
        types = self.sandbox.root / SITE / "types.pth"
        types.parent.mkdir(parents=True, exist_ok=True)
        types.write_text(f"/work/{TARGETS[0].architecture}\n", "utf-8")
        self._pip(
            "install",
            "--target=/work/tools",
            "--require-hashes",
            "-r",
            f"{self._inside(source)}/requirements-release.lock",
        )

    def install_dependencies(self, source: Path, target: Target) -> Path:
        """Return a folder with the dependencies for an architecture."""
        site = self.sandbox.work / target.architecture
        lock = f"{self._inside(source)}/requirements.lock"
        self._pip("install", "--require-hashes", "-r", lock, *self._into(site, target))
        unused.remove(site)
        return site

    def install_application(self, source: Path, target: Target) -> None:
        """Compile the application and install it beside its dependencies for an architecture."""
        site = self.sandbox.work / target.architecture
        # pip does not add to a folder of programs; those of the dependencies are not needed.
        shutil.rmtree(site / "bin")
        self._pip("install", "--no-deps", *self._into(site, target), self._inside(self._compile(source, target)))

    def package(self, source: Path) -> list[Path]:
        """Return the wheel and the sdist of the application, without native modules."""
        copy, target = self.sandbox.work / "source-pure", self.sandbox.work / "package"
        shutil.copytree(source, copy)
        code = "import setuptools.build_meta as backend; backend.build_wheel({0!r}); backend.build_sdist({0!r})"
        environment = {"PYTHONPATH": "/work/tools"}
        self._python("-c", code.format(self._inside(target)), environment=environment, folder=self._inside(copy))
        (sdist,) = target.glob("*.tar.gz")
        unpacked = self.sandbox.work / "sdist"
        unpacked.mkdir()
        programs.run(["tar", "-xzpf", sdist, "-C", unpacked])
        sdist.write_bytes(self.gzip(write_tar(unpacked, unpacked.rglob("*"), self.epoch)))
        return sorted(target.iterdir())

    def download_wheels(self, source: Path, folder: Path, python: str, platforms: Sequence[str]) -> None:
        """Download the wheels of the dependencies for a version of Python, such as 3.13, into a folder."""
        lock = f"{self._inside(source)}/requirements.lock"
        fitting = [f"--platform={platform}" for platform in platforms]
        version = ["--implementation=cp", f"--python-version={python}", "--only-binary=:all:", "--no-deps"]
        self._pip("download", "--require-hashes", "-r", lock, f"--dest={self._inside(folder)}", *version, *fitting)
        for wheel in folder.glob("*.whl"):
            if unused.is_unused(wheel.name.partition("-")[0]):
                wheel.unlink()

    def write_pex(self, source: Path, wheels: Path, file: Path, constraint: str) -> None:
        """Write the kubectl plugin with the wheels of a folder, for versions of Python, as one executable file."""
        script = f"{self._inside(source)}/release/write_pex.py"
        environment = {"PYTHONPATH": "/work/tools", "PEX_ROOT": "/work/pex"}
        words = [self._inside(wheels), self._inside(file), constraint, *unused.PACKAGES]
        self._python(script, *words, environment=environment)

    def gzip(self, content: bytes) -> bytes:
        """Return the content as a gzip file without a name and a time.

        The zlib is the locked one: that of another machine, and another Python, may write other bytes.
        """
        file = self.sandbox.work / "content"
        file.write_bytes(content)
        self._python("-c", _GZIP)
        return file.read_bytes()

    def compile_bytecode(self, root: Path) -> None:
        """Compile all modules of a root file system in the work folder. By hash, so that no time is in the files."""
        flags = ["-q", "-f", "-j", "0", "--invalidation-mode", "unchecked-hash", "-s", self._inside(root)]
        folders = [f"{self._inside(root)}/{folder}" for folder in (f"usr/lib/{PYTHON}", SITE)]
        self._python("-m", "compileall", *flags, "-p", "/", *folders, environment={"PYTHONHASHSEED": "0"})

    def _compile(self, source: Path, target: Target) -> Path:
        """Return the wheel of the application for an architecture."""
        # Not in the source: setuptools writes beside it, and would find the files of another architecture.
        copy = self.sandbox.work / f"source-{target.architecture}"
        shutil.copytree(source, copy)
        compiler = f"{INTERPRETER} -m ziglang cc -target {target.triplet}.{_GLIBC}"
        environment = {
            "CC": compiler,
            "LDSHARED": f"{compiler} -shared -s",
            "CFLAGS": f"-I/usr/include -I/usr/include/{target.triplet} -Wno-error -fno-sanitize=undefined",
            "PYTHONPATH": "/work/tools",
            "DIND_WEBHOOK_COMPILE": "1" if self.compiled else "",
            "ZIG_GLOBAL_CACHE_DIR": "/work/zig",
            # The names that Python has for itself on the architecture
            "_PYTHON_HOST_PLATFORM": f"linux-{target.machine}",
            "_PYTHON_SYSCONFIGDATA_NAME": f"_sysconfigdata__{target.triplet}",
        }
        wheels = self.sandbox.work / f"wheel-{target.architecture}"
        code = f"import setuptools.build_meta as backend; backend.build_wheel({self._inside(wheels)!r})"
        self._python("-c", code, environment=environment, folder=self._inside(copy))
        (wheel,) = wheels.glob("*.whl")
        return wheel

    def _into(self, site: Path, target: Target) -> list[str]:
        platforms = [f"--platform={platform}" for platform in target.platforms]
        return [f"--target={self._inside(site)}", "--only-binary=:all:", "--no-compile", *platforms]

    def _pip(self, *arguments: str) -> None:
        quiet = ["--quiet", "--disable-pip-version-check"]
        self._python(_PIP, *arguments, *quiet)

    def _python(self, *arguments: str, environment: Mapping[str, str] | None = None, folder: str = "/work") -> None:
        fixed = {
            "SOURCE_DATE_EPOCH": str(self.epoch),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": "/work/home",
            "PIP_FIND_LINKS": "",
            "PIP_ROOT_USER_ACTION": "ignore",
            "PIP_CACHE_DIR": "/cache",
        }
        self.sandbox.run([INTERPRETER, *arguments], fixed | dict(environment or {}), folder)

    def _inside(self, path: Path) -> str:
        """Return the path of a file in the work folder as commands in the sandbox see it."""
        return f"/work/{path.relative_to(self.sandbox.work)}"
