"""`dind-webhook settings`."""

import os
from pathlib import Path

import orjson

from dind_webhook.cli.output import SettingsOutput, print_json, print_line
from dind_webhook.settings import list_namespace_settings, list_settings, load_settings


def run_settings(config: Path | None, namespace: str | None, output: SettingsOutput) -> int:
    """Print every setting with its effective value and its origin; return the exit code.

    With a namespace, print the settings of injection that are in force there.
    """
    loaded = load_settings(config, os.environ, {})
    settings = list(list_namespace_settings(loaded, namespace) if namespace else list_settings(loaded))
    if output is SettingsOutput.JSON:
        tree = {name: {"value": value, "origin": origin} for name, value, origin in settings}
        print_json(tree)
        return 0
    rows = [("SETTING", "VALUE", "ORIGIN")]
    rows += [(name, orjson.dumps(value).decode(), origin) for name, value, origin in settings]
    # Limited, so that a long list does not push all origins to the right.
    widths = [max(len(row[0]) for row in rows), min(40, max(len(row[1]) for row in rows))]
    for name, value, origin in rows:
        print_line(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}")
    return 0
