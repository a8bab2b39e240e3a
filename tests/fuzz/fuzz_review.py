"""Fuzz decode_review -> decide_review -> encode_review for a while: `fuzz_review.py --seconds 20`.

The exit code is 0 if nothing is found. Otherwise it is 1, and the output names the file with the input;
`fuzz_review.py THAT_FILE` runs the input again.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).parent
# The same folders as in pytest's pythonpath: the target uses the checks of the other tests.
_SHARED = [str(_HERE.parent / name) for name in ("golden", "property", "server", "unit")]
_MAX_INPUT_BYTES = 16_384
# The process itself takes about 300 MB with its instrumentation. An input of this length needs at most about ten more.
_MAX_MEGABYTES = 400
_FINDING_LINES = 60


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz the path from an AdmissionReview to its answer.")
    parser.add_argument("--seconds", type=int, default=20, help="how long (20)")
    parser.add_argument("--seed", type=int, default=0, help="libFuzzer's seed; 0 for a new one each time (0)")
    parser.add_argument("inputs", nargs="*", type=Path, help="check these files instead")
    arguments = parser.parse_args()
    if arguments.inputs:
        return _run_target([str(path) for path in arguments.inputs]).returncode and 1
    return _fuzz(arguments.seconds, arguments.seed)


def _fuzz(seconds: int, seed: int) -> int:
    findings = Path(tempfile.mkdtemp(prefix="dind-webhook-fuzz-"))
    with tempfile.TemporaryDirectory() as corpus:
        result = _run_target(
            [
                corpus,
                f"-max_total_time={seconds}",
                f"-seed={seed}",
                f"-max_len={_MAX_INPUT_BYTES}",
                f"-artifact_prefix={findings}/",
                "-timeout=10",
                f"-rss_limit_mb={_MAX_MEGABYTES}",
                "-print_final_stats=1",
            ]
        )
    statistics = re.search(r"Done (\d+) runs in (\d+) second", result.stdout)
    if result.returncode == 0 and statistics:
        findings.rmdir()
        _print_line(f"fuzz_review: {statistics[1]} executions in {statistics[2]} s, nothing found")
        return 0
    units = re.search(r"number_of_executed_units: *(\d+)", result.stdout)
    _print_line("\n".join(result.stdout.splitlines()[-_FINDING_LINES:]))
    input_names = (
        ", ".join(map(str, sorted(findings.iterdir()))) or "no input was kept, it may be the target that is broken"
    )
    _print_line(f"fuzz_review: FOUND after {units[1] if units else 'no'} executions: {input_names}")
    return 1


def _run_target(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the target in a separate process, because libFuzzer ends its process."""
    path = os.pathsep.join([*_SHARED, *filter(None, [os.environ.get("PYTHONPATH")])])
    replay = not arguments[-1].startswith("-")
    return subprocess.run(
        [sys.executable, str(_HERE / "target.py"), *arguments],
        env={**os.environ, "PYTHONPATH": path},
        # One stream: libFuzzer writes to stderr, atheris the traceback to stdout.
        stdout=None if replay else subprocess.PIPE,
        stderr=None if replay else subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def _print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
