"""Kernel settings of the whole machine that kubelet changes."""

from collections.abc import Mapping
from pathlib import Path

_ROOT = Path("/proc/sys")
# kubelet's setupKernelTunables
_CHANGED = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


def read() -> dict[str, str]:
    """Return what they are now."""
    return {name: (_ROOT / name).read_text().strip() for name in _CHANGED if (_ROOT / name).exists()}


def restore(values: Mapping[str, str]) -> None:
    for name, value in values.items():
        if (_ROOT / name).read_text().strip() != value:
            (_ROOT / name).write_text(value)
