"""Write the README.md of the chart with helm-docs, and the policies of two overlays with helm."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from helm import CHART, ROOT, helm, tool

from dind_webhook.settings import Settings

# The chart sets these itself.
DECIDED = {
    "injection.host_path",
    "injection.image_pull_policy",
    "server.port",
    "server.health_port",
    "server.tls_cert_file",
    "server.tls_key_file",
    "server.tls_server_name",
    "server.client_ca_file",
    "server.client_names",
}


def open_settings(group: str) -> list[str]:
    """Return the settings of a group that the values may set."""
    return [field for field in type(getattr(Settings(), group)).model_fields if f"{group}.{field}" not in DECIDED]


def settings_table(group: str) -> str:
    """Return a Markdown table of the settings of a group that the values may set."""
    # Sets have no order, so they are sorted below.
    defaults = getattr(Settings(), group).model_dump(mode="json")
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for field in open_settings(group):
        value = defaults[field]
        shown = ", ".join(sorted(value)) if isinstance(value, list) else json.dumps(value)
        if field == "modes":
            shown = "sidecar"
        description = " ".join((type(getattr(Settings(), group)).model_fields[field].description or "").split())
        rows.append(f"| `{field}` | {f'`{shown}`' if shown else 'none'} | {description} |")
    return "\n".join(rows)


def readme() -> str:
    """Return the contents of README.md."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("Chart.yaml", "values.yaml"):
            shutil.copy(CHART / name, folder)
        template = (CHART / "README.md.gotmpl").read_text()
        for group in ("injection", "server", "log"):
            template = template.replace(f"<!-- settings.{group} -->", settings_table(group))
        Path(folder, "README.md.gotmpl").write_text(template)
        subprocess.run(
            # Keep the order of the file, which begins with the most common values.
            [tool("helm-docs"), "--chart-search-root", folder, "--sort-values-order", "file", "--log-level", "error"],
            check=True,
        )
        return Path(folder, "README.md").read_text()


OVERLAYS = ROOT / "deploy" / "overlays"
# The value of the chart that adds the policies of an overlay
POLICY_VALUES = {"strict": "policy.strict", "advisory": "policy.advisory.enabled"}
# The overlay and the name of each file with a policy or its binding
POLICY_FILES = tuple(
    (overlay, f"validatingadmissionpolicy{binding}-{name}.yaml")
    for overlay, name in (("strict", "strict"), ("strict", "certs"), ("advisory", "advisory"))
    for binding in ("", "binding")
)


def overlay_policy(overlay: str, file: str) -> str:
    """Return the contents of a file of an overlay. It has too much CEL to be written by hand."""
    # The chart knows the version of its cluster; deploy/ does not.
    values = ["--set=settings.injection.image_volumes=false", f"--set={POLICY_VALUES[overlay]}=true"]
    flags = ["--namespace=dind-webhook", *values, f"--show-only=templates/{file}"]
    rendered = helm("helm4", "template", "dind-webhook", CHART, *flags).stdout.partition(f"templates/{file}\n")[2]
    # Remove all labels but one: kustomize adds them.
    own = re.sub(r"^    (app\.kubernetes\.io/(?!component)|helm\.sh/).*\n", "", rendered, flags=re.MULTILINE)
    return own.rstrip() + "\n"


if __name__ == "__main__":
    (CHART / "README.md").write_text(readme())
    for overlay, file in POLICY_FILES:
        (OVERLAYS / overlay / file).write_text(overlay_policy(overlay, file))
    sys.exit()
