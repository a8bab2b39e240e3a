"""What a run was measured on."""

import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import app.injection.patch

_ROOT = Path(__file__).parents[1]
_PACKAGES = {"wrk": "wrk", "nginx": "nginx-light", "taskset": "util-linux"}


def need(*tools: str) -> None:
    """End with a sentence where a tool is not there."""
    for tool in tools:
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is needed: apt-get install {_PACKAGES[tool]}")


def machine() -> dict[str, Any]:
    """Return the machine, today, the code, and how much other work there is: the load over five minutes.

    It is asked before anything is measured, which would be in that load.
    """
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cpu": next(line.split(":")[1].strip() for line in lines if "model name" in line),
        "cores": os.cpu_count(),
        "linux": platform.release().split("-")[0],
        "python": platform.python_version(),
        "commit": _commit(),
        "compiled": str(app.injection.patch.__file__).endswith(".so"),
        "load_before": round(os.getloadavg()[1], 1),
    }


def code(about: dict[str, Any]) -> str:
    """Say which code it was and how it ran."""
    compiled = "compiled as in the image" if about["compiled"] else "not compiled"
    return f"commit {about['commit']}, {compiled}, Python {about['python']}"


def _commit() -> str:
    """Return the commit, and whether anything but the results and the page differs from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", ".", ":!bench/*.json", ":!docs")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if changed else "")
