"""No attack of attackers.py ends a process or delays an honest client too long."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pytest
from attackers import ATTACKS, ON_A_HEALTH_PORT, ON_THE_WEBHOOK
from fake_api_server import api_server
from fake_cluster import Cluster
from replicas import replicas
from reviews import pod, review
from webhook_process import RunningProgram, Serve, Webhook, eventually

MOST_BYTES = 128 * 10**6
# The chart's limit is 256 MiB; three attacks run at the same time.
MOST_BYTES_OF_A_MIXTURE = 160 * 10**6
LONGEST_SECONDS = 1.0
SECONDS = 4.0
MIXED_SECONDS = float(os.environ.get("ATTACK_SECONDS", "60"))
_BODY = review(pod())


@dataclass
class ClientLatencies:
    """The longest time to a response for an honest client during an attack, on one kept and on new connections."""

    longest: float = 0.0
    failures: list[str] = field(default_factory=list)


def peak_bytes(process: subprocess.Popen[bytes]) -> int:
    """Return the peak resident memory of a process."""
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


Attackers: TypeAlias = list[subprocess.Popen[bytes]]


@contextmanager
def attacked(running: RunningProgram, port: int, *names: str, seconds: float, seed: int = 0) -> Iterator[Attackers]:
    """Run attacks in parallel until the end of the block."""
    script = Path(__file__).with_name("attackers.py")
    given = {"port": port, "health-port": running.health_port, "seconds": seconds, "seed": seed}
    flags = [f"--{name}={value}" for name, value in given.items()]
    with ExitStack() as stack:
        attackers = [stack.enter_context(subprocess.Popen([sys.executable, script, name, *flags])) for name in names]
        try:
            yield attackers
        finally:
            for attacker in attackers:
                attacker.kill()


def send_reviews_during(attackers: Attackers, webhook: Webhook) -> ClientLatencies:
    """Send reviews during attacks, as an API server does."""
    seen = ClientLatencies()
    with closing(webhook.connect()) as kept:
        while any(attacker.poll() is None for attacker in attackers):
            for connection in (kept, webhook.connect()):
                started = time.monotonic()
                try:
                    connection.request("POST", "/mutate", _BODY, {"Content-Type": "application/json"})
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status != 200:
                        seen.failures.append(f"status {answer.status}")
                except OSError as error:
                    seen.failures.append(repr(error))
                seen.longest = max(seen.longest, time.monotonic() - started)
                if connection is not kept:
                    connection.close()
            time.sleep(0.05)
    return seen


def probe_during(attackers: Attackers, running: RunningProgram) -> ClientLatencies:
    """Send probes during attacks, as kubelet does."""
    seen = ClientLatencies()
    while any(attacker.poll() is None for attacker in attackers):
        started = time.monotonic()
        try:
            status, _ = running.get_health("/readyz")
            if status != 200:
                seen.failures.append(f"status {status}")
        except OSError as error:
            seen.failures.append(repr(error))
        seen.longest = max(seen.longest, time.monotonic() - started)
        time.sleep(0.1)
    return seen


def assert_unharmed(running: RunningProgram, seen: ClientLatencies, most_bytes: int = MOST_BYTES) -> None:
    assert running.process.poll() is None, running.log_file.read_text()[-2000:]
    assert seen.failures == []
    assert seen.longest < LONGEST_SECONDS
    assert peak_bytes(running.process) <= most_bytes
    errors = [line for line in running.log() if line["level"] == "error"]
    assert errors == []


@pytest.fixture
def limited(serve: Serve) -> Iterator[Webhook]:
    """Run a webhook with the chart's settings, a new one for each test, so that attacks do not share its memory."""
    with serve() as running:
        assert running.post(_BODY)[0] == 200
        yield running


@pytest.mark.parametrize("name", ON_THE_WEBHOOK)
def test_an_attack_on_the_webhook_neither_ends_it_nor_holds_up_the_api_server(name: str, limited: Webhook) -> None:
    with attacked(limited, limited.port, name, seconds=SECONDS) as attackers:
        seen = send_reviews_during(attackers, limited)
    assert_unharmed(limited, seen)


@pytest.mark.parametrize("name", ON_A_HEALTH_PORT)
def test_an_attack_on_its_health_port_neither_ends_it_nor_fails_a_probe(name: str, limited: Webhook) -> None:
    with attacked(limited, limited.port, name, seconds=SECONDS) as attackers:
        seen = probe_during(attackers, limited)
    assert_unharmed(limited, seen)


@pytest.mark.parametrize("name", ON_A_HEALTH_PORT)
def test_an_attack_on_the_health_port_of_certs_neither_ends_it_nor_fails_a_probe(name: str, tmp_path: Path) -> None:
    with api_server(Cluster()) as api, replicas(api, tmp_path, 1) as (replica,):
        eventually(replica.is_ready)
        with attacked(replica, 0, name, seconds=SECONDS) as attackers:
            seen = probe_during(attackers, replica)
        assert_unharmed(replica, seen)


def test_attacks_that_are_mixed_hold_up_nobody(limited: Webhook, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("ATTACK_SEED", "1"))
    chance = random.Random(seed)
    end = time.monotonic() + MIXED_SECONDS
    longest = 0.0
    while time.monotonic() < end:
        names = chance.sample(sorted(ATTACKS), 3)
        with attacked(limited, limited.port, *names, seconds=SECONDS, seed=chance.randrange(2**31)) as attackers:
            seen = send_reviews_during(attackers, limited)
        assert_unharmed(limited, seen, MOST_BYTES_OF_A_MIXTURE)
        longest = max(longest, seen.longest)
    with capsys.disabled():
        megabytes = peak_bytes(limited.process) / 10**6
        sys.stdout.write(
            f"\nseed {seed}, {MIXED_SECONDS} s: peak {megabytes:.0f} MB, longest answer {longest * 1000:.0f} ms\n"
        )
