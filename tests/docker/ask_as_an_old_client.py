"""Print the daemon's response to a client of Docker 18.06: `ask_as_an_old_client.py FOLDER dockerd FLAG...`."""

import sys
from pathlib import Path

from newest_dockerd import running_daemon


def main() -> None:
    """Ask for the version with API 1.38."""
    folder, *command = sys.argv[1:]
    with running_daemon(command, Path(folder)) as connection:
        connection.request("GET", "/v1.38/version")
        sys.stdout.write(connection.getresponse().read().decode())


if __name__ == "__main__":
    main()
