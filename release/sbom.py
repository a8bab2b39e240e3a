"""List the packages of the image for each architecture, as CycloneDX 1.6 and SPDX 2.3.

The list is read from the finished root filesystem, so that it says what is there, not what was asked for.
"""

import email
import uuid
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

from release.application import SITE, TARGETS
from release.image import Source


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


def describe(work: Path, source: Source) -> dict[str, dict[str, Any]]:
    """Return the documents for each architecture by the suffix of their files."""
    documents = {}
    for target in TARGETS:
        components = _components(work / f"root-{target.architecture}")
        name = f"{source.url}@{source.revision}-{target.architecture}"
        documents[target.architecture] = {
            "cdx": _cyclonedx(components, source, name),
            "spdx": _spdx(components, source, name),
        }
    return documents


def _components(root: Path) -> list[Component]:
    debian = [email.message_from_string(file.read_text()) for file in (root / "var/lib/dpkg/status.d").iterdir()]
    packages = [
        Component("deb", fields["Package"], fields["Version"], f"?arch={fields['Architecture']}&distro=debian-13")
        for fields in debian
    ]
    packages += [_python(distribution) for distribution in distributions(path=[str(root / SITE)])]
    return sorted(packages)


def _python(distribution: Distribution) -> Component:
    fields = distribution.metadata
    name = fields["Name"].lower().replace("_", "-").replace(".", "-")
    return Component("pypi", name, fields["Version"], license=str(fields["License-Expression"] or ""))


def _cyclonedx(components: list[Component], source: Source, name: str) -> dict[str, Any]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}",
        "version": 1,
        "metadata": {
            "timestamp": source.created,
            "component": {"type": "container", "name": "dind-webhook", "version": source.version, "bom-ref": "image"},
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
        "dependencies": [{"ref": "image", "dependsOn": [component.purl for component in components]}],
    }


def _spdx(components: list[Component], source: Source, name: str) -> dict[str, Any]:
    image = {
        "SPDXID": "SPDXRef-image",
        "name": "dind-webhook",
        "versionInfo": source.version,
        "downloadLocation": source.url,
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "Apache-2.0",
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": "CONTAINER",
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
        {"spdxElementId": image["SPDXID"], "relationshipType": "CONTAINS", "relatedSpdxElement": package["SPDXID"]}
        for package in packages
    ]
    described = {
        "spdxElementId": "SPDXRef-DOCUMENT",
        "relationshipType": "DESCRIBES",
        "relatedSpdxElement": "SPDXRef-image",
    }
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"dind-webhook-{source.version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/dind-webhook-{uuid.uuid5(uuid.NAMESPACE_URL, name)}",
        "creationInfo": {"created": source.created, "creators": ["Tool: dind-webhook-release"]},
        "packages": [image, *packages],
        "relationships": [described, *contained],
    }
