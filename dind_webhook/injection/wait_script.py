"""The shell script that waits for a daemon."""


def wait_script(docker: str, seconds: int, pause: str, on_timeout: str, socket: str = "") -> str:
    """Return a shell script that waits until a daemon answers, or runs `on_timeout` after `seconds`.

    `docker` is the command line of the client. `pause` is the time between two tries in seconds. The script always
    tries once. It runs `docker version`: `docker info` also starts each plugin of the client for its metadata. Before
    the file `socket` exists, it runs no client, which would take time from the daemon.
    """
    condition = f"[ -S {socket} ] && " if socket else ""
    return (
        f"end=$(($(date +%s) + {seconds})); "
        f"until {condition}timeout 5 {docker} version >/dev/null 2>&1; do "
        f'if [ "$(date +%s)" -ge "$end" ]; then {on_timeout}; fi; sleep {pause}; done'
    )
