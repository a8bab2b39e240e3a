"""Pack the chart with the published image as its default, and render install.yaml from it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # its stubs are a package of their own

from release import programs
from release.errors import ReleaseError
from release.links import with_absolute_links

_NAMESPACE = "dind-webhook"
# helm runs without the user's configuration.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}


@dataclass(frozen=True)
class Publication:
    """The names of a release: owner and name of the repository on GitHub, the image without tag, and its digest."""

    version: str
    repository: str
    image: str
    digest: str

    @property
    def url(self) -> str:
        return f"https://github.com/{self.repository}"


def stamp(chart: Path, publication: Publication, changes: list[tuple[str, str]]) -> None:
    """Write the image and the addresses of a release into a copy of the chart."""
    values = chart / "values.yaml"
    registry, _, path = publication.image.partition("/")
    text = values.read_text("utf-8")
    head, image, rest = _split(text, "image")
    image = _set(image, "defaultRegistry", registry)
    image = _set(image, "repository", path)
    image = _set(image, "digest", publication.digest)
    # The chart in the repository names no published image.
    image = re.sub(r"(?<=  # -- Path of the image\.).*", "", image)
    values.write_text(head + image + rest, "utf-8")
    _describe(chart / "Chart.yaml", publication, changes)
    _address_readme(chart / "README.md", publication)


def _address_readme(file: Path, publication: Publication) -> None:
    """Write the account, the published image and absolute links into the README, which Artifact Hub shows."""
    registry, _, path = publication.image.partition("/")
    charts = f"oci://{publication.image.rpartition('/')[0]}/charts"
    text = with_absolute_links(
        file.read_text("utf-8"), publication.repository, publication.version, "charts/dind-webhook"
    )
    text, count = re.subn(r"oci://ghcr\.io/\$OWNER/charts", charts, text)
    text, others = re.subn(r"^`OWNER` is .*?\. (?=The chart of a release)", "", text, flags=re.MULTILINE)
    if not count or others != 1:
        raise ReleaseError("README.md of the chart does not say what OWNER is, or installs nothing from a registry")
    for key, value in (("defaultRegistry", registry), ("repository", path), ("digest", publication.digest)):
        text, count = re.subn(
            rf'^(\| image\.{key} \| string \|) `"[^"]*"` ', rf'\1 `"{value}"` ', text, flags=re.MULTILINE
        )
        if count != 1:
            raise ReleaseError(f"README.md of the chart has no image.{key}")
    file.write_text(text, "utf-8")


def _describe(file: Path, publication: Publication, changes: list[tuple[str, str]]) -> None:
    text = file.read_text("utf-8")
    content = yaml.safe_load(text)
    images = yaml.safe_load(content["annotations"]["artifacthub.io/images"])
    pages = f"{publication.url}/blob/v{publication.version}"
    annotations = {
        "artifacthub.io/images": [
            {"name": "dind-webhook", "image": f"{publication.image}:{publication.version}@{publication.digest}"},
            *images,
        ],
        "artifacthub.io/links": [
            {"name": "Documentation", "url": f"{pages}/docs/index.md"},
            {"name": "Changelog", "url": f"{pages}/CHANGELOG.md"},
            {"name": "Report a vulnerability", "url": f"{publication.url}/security/advisories/new"},
        ],
        "artifacthub.io/changes": [{"kind": kind, "description": description} for kind, description in changes],
    }
    content["home"] = publication.url
    content["sources"] = [publication.url]
    content["maintainers"] = [{**one, "url": publication.url} for one in content["maintainers"]]
    content["icon"] = (
        f"https://raw.githubusercontent.com/{publication.repository}/v{publication.version}/docs/assets/logo.svg"
    )
    for name, value in annotations.items():
        content["annotations"][name] = _dump(value)
    file.write_text(_dump(content), "utf-8")


def pack(helm: Path, chart: Path, dist: Path, time: int) -> None:
    """Write the .tgz of a chart."""
    # helm writes the times of the files into the archive.
    for path in chart.rglob("*"):
        os.utime(path, (time, time))
    _run(helm, "package", chart, "--destination", dist)


def install_yaml(helm: Path, chart: Path) -> str:
    """Return the objects of the chart with its defaults, and their namespace, for `kubectl apply -f`."""
    rendered = _run(helm, "template", "dind-webhook", chart, "--namespace", _NAMESPACE, "--no-hooks", "--include-crds")
    namespace = _dump({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}})
    return f"---\n{namespace}{rendered}"


def _split(values: str, key: str) -> tuple[str, str, str]:
    """Return the text of the values before a top-level key, of the key, and after it."""
    match = re.search(rf"^{key}:\n(?:(?:  .*)?\n)+", values, re.MULTILINE)
    if not match:
        raise ReleaseError(f"values.yaml has no {key}")
    return values[: match.start()], match[0], values[match.end() :]


def _set(block: str, key: str, value: str) -> str:
    changed, count = re.subn(rf"^(  {key}:) .*$", rf"\1 {value}", block, flags=re.MULTILINE)
    if count != 1:
        raise ReleaseError(f"values.yaml has no image.{key}")
    return changed


def _dump(value: Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000)
    return text


def _run(helm: Path, *arguments: str | Path) -> str:
    return programs.run([helm, *arguments], environment=_ENVIRONMENT).decode()
