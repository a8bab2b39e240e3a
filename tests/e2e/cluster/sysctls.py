"""Save and restore the machine-wide kernel settings that kubelet changes."""

from collections.abc import Mapping
from pathlib import Path

_ROOT = Path("/proc/sys")
# The sysctls in kubelet's setupKernelTunables
_CHANGED = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


def read() -> dict[str, str]:
    """Return the current values."""
    return {name: (_ROOT / name).read_text().strip() for name in _CHANGED if (_ROOT / name).exists()}


def restore(values: Mapping[str, str]) -> None:
    for name, value in values.items():
        if (_ROOT / name).read_text().strip() != value:
            (_ROOT / name).write_text(value)
