"""List the packages of the image and of the kubectl plugin for each platform, as CycloneDX 1.6 and SPDX 2.3.

The lists are read from the finished root filesystem and from the wheels in the plugin, so that they say what is there,
not what was asked for.
"""

import email
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

from release.application import SITE
from release.image import Source
from release.unused import canonical_name


@dataclass(frozen=True, order=True)
class Component:
    """A package in the image. `license` is an SPDX expression, or empty if the package has none."""

    type: str
    name: str
    version: str
    qualifiers: str = ""
    license: str = ""

    @property
    def purl(self) -> str:
        """Return the package URL: https://github.com/package-url/purl-spec."""
        namespace = "deb/debian" if self.type == "deb" else self.type
        return f"pkg:{namespace}/{self.name}@{quote(self.version, safe='')}{self.qualifiers}"


@dataclass(frozen=True)
class Subject:
    """A released file with packages in it: its name, and what it is in CycloneDX's terms."""

    name: str
    type: str


def describe(subject: Subject, source: Source, components: Iterable[Component]) -> dict[str, dict[str, Any]]:
    """Return the document in each format by the suffix of its file."""
    ordered = sorted(set(components))
    name = f"{source.url}@{source.revision}-{subject.name}"
    return {"cdx": _cyclonedx(subject, ordered, source, name), "spdx": _spdx(subject, ordered, source, name)}


def packages_of_image(root: Path) -> list[Component]:
    """Return the packages of a root filesystem."""
    debian = [email.message_from_string(file.read_text()) for file in (root / "var/lib/dpkg/status.d").iterdir()]
    packages = [
        Component("deb", fields["Package"], fields["Version"], f"?arch={fields['Architecture']}&distro=debian-13")
        for fields in debian
    ]
    packages += [_python(distribution) for distribution in distributions(path=[str(root / SITE)])]
    return packages


def packages_in_wheels(folder: Path) -> list[Component]:
    """Return the packages whose wheels are in a folder."""
    wheels = [str(path) for path in folder.glob("*.whl")]
    return [_python(distribution) for distribution in distributions(path=wheels)]


def _python(distribution: Distribution) -> Component:
    fields = distribution.metadata
    return Component(
        "pypi", canonical_name(fields["Name"]), fields["Version"], license=str(fields["License-Expression"] or "")
    )


def _cyclonedx(subject: Subject, components: list[Component], source: Source, name: str) -> dict[str, Any]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}",
        "version": 1,
        "metadata": {
            "timestamp": source.created,
            "component": {
                "type": subject.type,
                "name": subject.name,
                "version": source.version,
                "bom-ref": subject.name,
            },
        },
        "components": [
            {
                "type": "library",
                "bom-ref": component.purl,
                "name": component.name,
                "version": component.version,
                "purl": component.purl,
                **({"licenses": [{"expression": component.license}]} if component.license else {}),
            }
            for component in components
        ],
        "dependencies": [{"ref": subject.name, "dependsOn": [component.purl for component in components]}],
    }


def _spdx(subject: Subject, components: list[Component], source: Source, name: str) -> dict[str, Any]:
    described = {
        "SPDXID": f"SPDXRef-{subject.name}",
        "name": subject.name,
        "versionInfo": source.version,
        "downloadLocation": source.url,
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "Apache-2.0",
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": subject.type.upper(),
    }
    packages = [
        {
            "SPDXID": f"SPDXRef-{component.type}-{component.name.replace('+', '-')}",
            "name": component.name,
            "versionInfo": component.version,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": component.license or "NOASSERTION",
            "copyrightText": "NOASSERTION",
            "externalRefs": [
                {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": component.purl}
            ],
        }
        for component in components
    ]
    contained = [
        {"spdxElementId": described["SPDXID"], "relationshipType": "CONTAINS", "relatedSpdxElement": package["SPDXID"]}
        for package in packages
    ]
    describes = {
        "spdxElementId": "SPDXRef-DOCUMENT",
        "relationshipType": "DESCRIBES",
        "relatedSpdxElement": described["SPDXID"],
    }
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{subject.name}-{source.version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/{subject.name}-{uuid.uuid5(uuid.NAMESPACE_URL, name)}",
        "creationInfo": {"created": source.created, "creators": ["Tool: dind-webhook-release"]},
        "packages": [described, *packages],
        "relationships": [describes, *contained],
    }
