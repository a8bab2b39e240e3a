"""`python write_pex.py WHEELS FILE CONSTRAINT EXCLUDED…`: write the kubectl plugin as one executable file.

The file has the wheels of a folder. EXCLUDED are packages that these require, and that are not there.

It runs in the sandbox, on locked tools. The command `pex` would resolve the requirements again, with a pip that it
downloads; its classes take wheels as they are.
"""

import sys
from pathlib import Path

from pex.interpreter_constraints import InterpreterConstraint, InterpreterConstraints
from pex.pex_builder import PEXBuilder
from pex.pex_info import PexInfo
from pex.targets import Targets


def main(wheels: Path, file: Path, constraint: str, excluded: list[str]) -> None:
    info = PexInfo.default()
    # The first run unpacks the wheels for the Python that it finds into a virtual environment in the user's cache.
    info.venv = True
    info.deps_are_wheel_files = True
    info.interpreter_constraints = InterpreterConstraints((InterpreterConstraint.parse(constraint),))
    info.add_requirement("dind-webhook")
    for name in excluded:
        info.add_exclude(name)
    builder = PEXBuilder(pex_info=info)
    for wheel in sorted(wheels.glob("*.whl")):
        builder.add_dist_location(str(wheel))
    builder.set_script("kubectl-dind")
    builder.freeze(bytecode_compile=False)
    # /bin/sh looks for a Python that fits: `python3` is often an older one.
    builder.set_sh_boot_script("kubectl-dind", Targets(), None)
    builder.build(str(file), deterministic=True, bytecode_compile=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
