"""What a run was measured on."""

import os
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import Any

_PACKAGES = {"wrk": "wrk", "nginx": "nginx-light", "taskset": "util-linux"}


def need(*tools: str) -> None:
    """End with a sentence where a tool is not there."""
    for tool in tools:
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is needed: apt-get install {_PACKAGES[tool]}")


def machine() -> dict[str, Any]:
    """Return the machine, today, and how much other work there is: the load over five minutes."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cpu": next(line.split(":")[1].strip() for line in lines if "model name" in line),
        "cores": os.cpu_count(),
        "linux": platform.release().split("-")[0],
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[1], 1),
    }
