"""Read and write bench/results.json: one line with the figures for the page for each command."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from webhook_api import IS_COMPILED

# Figures by situation, server and kind, one for each round
Cells: TypeAlias = dict[str, dict[str, dict[str, list[float]]]]

_ROOT = Path(__file__).parents[1]
RESULTS = _ROOT / "bench" / "results.json"
_PACKAGES = {"wrk": "wrk", "nginx": "nginx-light", "taskset": "util-linux", "mkfs.xfs": "xfsprogs"}


def read() -> dict[str, Any]:
    """Return all sections."""
    sections: dict[str, Any] = json.loads(RESULTS.read_text("utf-8"))
    return sections


def save(section: str, figures: dict[str, Any]) -> None:
    """Replace a section."""
    sections = {**read(), section: _rounded(figures)}
    lines = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in sorted(sections.items()))
    RESULTS.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def append(cells: Cells, situation: str, server: str, figures: Mapping[str, float]) -> None:
    """Append the figures of a round."""
    kinds = cells.setdefault(situation, {}).setdefault(server, {})
    for kind, value in figures.items():
        kinds.setdefault(kind, []).append(value)


def require(*tools: str) -> None:
    """Exit with the package to install if a tool is missing."""
    for tool in tools:
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is missing: apt-get install {_PACKAGES[tool]}")


def machine() -> dict[str, Any]:
    """Return the machine, the date, the code, and the load of other work over the last five minutes."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cpu": next(line.split(":")[1].strip() for line in lines if "model name" in line),
        "cores": os.cpu_count(),
        "linux": platform.release().split("-")[0],
        "python": platform.python_version(),
        "commit": _commit(),
        "compiled": IS_COMPILED,
        "load_before": load_average(),
    }


def load_average() -> float:
    """Return the load of the last five minutes."""
    return round(os.getloadavg()[1], 1)


def _commit() -> str:
    """Return the commit, and whether the code differs from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    is_changed = git("status", "--porcelain", "--", ".", ":!bench/*.json", ":!docs")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if is_changed else "")


def _rounded(value: Any) -> Any:
    """Return the figures with four significant digits."""
    if isinstance(value, dict):
        return {str(key): _rounded(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
