"""List the packages of the image and of the kubectl plugin for each platform, as CycloneDX 1.6 and SPDX 2.3.

The lists are read from the finished root file system and from the wheels in the plugin, so that they say what is there,
not what was asked for.
"""

import email
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import Distribution, PackageMetadata, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

from release.application import SITE
from release.image import Source
from release.unused import canonical_name


@dataclass(frozen=True, order=True)
class Component:
    """A package in the image or in the kubectl plugin.

    `license` is an SPDX expression; a package without one may have a `license_name`.
    """

    type: str
    name: str
    version: str
    qualifiers: str = ""
    license: str = ""
    license_name: str = ""

    @property
    def purl(self) -> str:
        """Return the package URL: https://github.com/package-url/purl-spec."""
        namespace = "deb/debian" if self.type == "deb" else self.type
        return f"pkg:{namespace}/{quote(self.name, safe='')}@{quote(self.version, safe='')}{self.qualifiers}"

    @property
    def licenses(self) -> list[dict[str, Any]]:
        """Return the license as in CycloneDX."""
        if self.license:
            return [{"expression": self.license}]
        return [{"license": {"name": self.license_name}}] if self.license_name else []


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
    """Return the packages of a root file system."""
    debian = [email.message_from_string(file.read_text("utf-8")) for file in (root / "var/lib/dpkg/status.d").iterdir()]
    packages = [_debian(fields) for fields in debian]
    packages += [_python(distribution) for distribution in distributions(path=[str(root / SITE)])]
    return packages


def packages_in_wheels(folder: Path) -> list[Component]:
    """Return the packages whose wheels are in a folder."""
    wheels = [str(path) for path in folder.glob("*.whl")]
    return [_python(distribution) for distribution in distributions(path=wheels)]


def _debian(fields: Message) -> Component:
    qualifiers = f"?arch={fields['Architecture']}&distro=debian-13"
    # Debian's security tracker names source packages.
    if source := fields["Source"]:
        name, _, version = str(source).partition(" ")
        upstream = f"{name}@{version.strip('()')}" if version else name
        qualifiers += f"&upstream={quote(upstream, safe='')}"
    return Component("deb", fields["Package"], fields["Version"], qualifiers)


def _python(distribution: Distribution) -> Component:
    fields = distribution.metadata
    expression = str(fields["License-Expression"] or "")
    name = canonical_name(fields["Name"])
    return Component("pypi", name, fields["Version"], "", expression, "" if expression else _license_name(fields))


def _license_name(fields: PackageMetadata) -> str:
    """Return what a package names as its license, or what PyPI's classifiers name."""
    name, _, text = str(fields["License"] or "").partition("\n")
    classifiers = [word for word in fields.get_all("Classifier") or [] if word.startswith("License :: ")]
    # Some packages have the text of the license there.
    return name if name and not text else ", ".join(word.rpartition(" :: ")[2] for word in classifiers)


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
                **({"licenses": component.licenses} if component.licenses else {}),
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
