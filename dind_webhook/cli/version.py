"""`dind-webhook version`."""

import platform

from dind_webhook import __version__
from dind_webhook.cli.output import VersionOutput, print_exactly, print_json, print_line


def run_version(output: VersionOutput) -> int:
    """Print the version, Python's and the platform; return the exit code."""
    system = f"{platform.system().lower()}/{platform.machine()}"
    tree = {"version": __version__, "python": platform.python_version(), "platform": system}
    match output:
        case VersionOutput.TEXT:
            print_line(f"dind-webhook {__version__} (Python {tree['python']}, {system})")
        case VersionOutput.SHORT:
            print_line(__version__)
        case VersionOutput.JSON:
            print_json(tree)
        case VersionOutput.YAML:
            from dind_webhook.manifests import dump_yaml

            print_exactly(dump_yaml(tree))
    return 0
