"""Build the playground for the documentation in build/playground: `make docs`.

The page is that of `dind-webhook playground`, with another core.js: one that runs the webhook's own
code in the browser. Pyodide comes from npm, as package-lock.json pins it. What the code needs comes
from PyPI, in the versions and with the hashes of requirements.lock; msgspec and pydantic-core have wheels for Pyodide.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build"
SITE = BUILD / "playground"

# The platform tag of Pyodide 314
_PYTHON = "3.14"
_PLATFORM = "pyemscripten_2026_0_wasm32"
_RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
_NEEDED = (
    "annotated-types",
    "jsonpatch",
    "jsonpointer",
    "msgspec",
    "pydantic",
    "pydantic-core",
    "ruamel-yaml",
    "typing-extensions",
    "typing-inspection",
)
_PACKAGED = ("__init__.py", "errors.py", "injection", "manifests", "model", "playground", "printable.py", "settings")
# As dind_webhook/playground/application.py sends it, because a static host may send none. Python runs as WebAssembly.
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'"
)


def main() -> None:
    """Write every file of the page."""
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.copytree(ROOT / "dind_webhook/playground/static", SITE)
    for name in ("core.js", "worker.js"):
        shutil.copy(HERE / name, SITE)
    page = (SITE / "index.html").read_text("utf-8")
    meta = f'<meta charset="utf-8">\n    <meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    (SITE / "index.html").write_text(page.replace('<meta charset="utf-8">', meta), "utf-8")
    copy_runtime()
    pack_core()


def copy_runtime() -> None:
    """Fetch Pyodide, and copy the files that a browser loads."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is needed, to fetch Pyodide for the playground (Debian: apt-get install npm)")
    packages = BUILD / "npm"
    packages.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, packages)
    subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=packages, check=True)
    (SITE / "pyodide").mkdir()
    for name in _RUNTIME:
        shutil.copy(packages / "node_modules/pyodide" / name, SITE / "pyodide")


def pack_core() -> None:
    """Pack the webhook's code and its dependencies into core.zip."""
    with ZipFile(SITE / "core.zip", "w", ZIP_DEFLATED) as core:
        for name in _PACKAGED:
            path = ROOT / "dind_webhook" / name
            for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
                core.write(file, file.relative_to(ROOT))
        core.write(HERE / "orjson.py", "orjson.py")
        for wheel in download():
            with ZipFile(wheel) as packed:
                for name in packed.namelist():
                    core.writestr(name, packed.read(name))


def download() -> list[Path]:
    """Return the wheels of the needed packages for Pyodide, checked against the hashes in requirements.lock."""
    wheels = BUILD / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    wheels.mkdir(parents=True)
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pins = [
        match[0] for match in re.finditer(r"^([\w-]+)==.*(\n +--hash=.*)+", lock, re.MULTILINE) if match[1] in _NEEDED
    ]
    wanted = wheels / "requirements.txt"
    wanted.write_text("\n".join(pins), "utf-8")
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", f"--requirement={wanted}"]
    target = ["--implementation=cp", f"--python-version={_PYTHON}", f"--platform={_PLATFORM}", "--platform=any"]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, *target, f"--dest={wheels}"], check=True)
    return sorted(wheels.glob("*.whl"))


if __name__ == "__main__":
    main()
