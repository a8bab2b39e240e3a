"""The programs of Apache Airflow, with a database and settings of their own."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

_SECONDS = 300


@dataclass(frozen=True)
class Airflow:
    """The programs of Airflow, a folder with its database, a folder with DAGs, and settings as variables."""

    programs: Path
    home: Path
    dags: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def command(self) -> Path:
        return self.programs / "airflow"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            **self.settings,
        }

    def make_database(self, **variables: str) -> None:
        """Make the database, with the DAGs in it: Airflow runs no others. `variables` are those that the DAGs read."""
        for arguments in (("db", "migrate"), ("dags", "reserialize")):
            done = self.run(*arguments, **variables)
            assert done.returncode == 0, done.stdout

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of Airflow until it ends. Errors are in its output too."""
        return subprocess.run(
            [self.command, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**self.environment, **variables},
            timeout=_SECONDS,
            check=False,
        )
