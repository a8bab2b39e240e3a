"""The script that removes images when the disk of a node's daemon is full, with fake `df`, `docker` and `sleep`."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from helm import CHART

SCRIPT = CHART / "files" / "collect-garbage.sh"
DF = """echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'
echo "/dev/disk 100 1 1 $(cat "$FAKE_NODE/used")% /var/lib/docker"
"""
DOCKER = """echo "$*" >> "$FAKE_NODE/asked"
case "$1 $*" in
  info*) [ -e "$FAKE_NODE/up" ] ;;
  image*"until=$FREES") echo 60 > "$FAKE_NODE/used" ;;
esac
"""
# The script sleeps at the end of a round; the fake sleep ends the script with SIGTERM.
SLEEP = 'kill -TERM "$PPID"\n'


@pytest.fixture
def fake_node(tmp_path: Path) -> Path:
    for name, text in {"df": DF, "docker": DOCKER, "sleep": SLEEP}.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "up").touch()
    return tmp_path


def run_script(fake_node: Path, used: int, frees: str = "never") -> tuple[list[str], str]:
    """Run one round. Return the ages of the removed images, and the message about a disk that is still full."""
    (fake_node / "used").write_text(f"{used}\n")
    environment = {
        "PATH": f"{fake_node / 'bin'}:{os.defpath}",
        "FAKE_NODE": str(fake_node),
        "FREES": frees,
        "HIGH": "80",
        "LOW": "65",
        "INTERVAL": "300",
        "KEEP": "168h 24h 1h",
    }
    done = subprocess.run(["sh", SCRIPT], env=environment, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    asked = (fake_node / "asked").read_text().splitlines()
    return [line.partition("until=")[2] for line in asked if line.startswith("image prune --all")], done.stderr


def test_nothing_is_removed_below_the_high_mark(fake_node: Path) -> None:
    assert run_script(fake_node, 79) == ([], "")


def test_the_oldest_goes_first_and_it_ends_at_the_low_mark(fake_node: Path) -> None:
    assert run_script(fake_node, 80, frees="24h") == (["168h", "24h"], "")


def test_a_disk_that_stays_full_is_told_of(fake_node: Path) -> None:
    removed, log = run_script(fake_node, 95)
    assert removed == ["168h", "24h", "1h"]
    assert "still 95 % in use" in log


def test_a_daemon_that_is_away_is_left_alone(fake_node: Path) -> None:
    (fake_node / "up").unlink()
    assert run_script(fake_node, 95) == ([], "")
