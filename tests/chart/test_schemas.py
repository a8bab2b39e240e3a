"""Each rendered object is valid for the oldest and the newest supported version of Kubernetes."""

import kubernetes_validate
import pytest
from helm import CUSTOM, SCENARIOS, render


@pytest.mark.parametrize("version", ["1.30", "1.37"])
@pytest.mark.parametrize("scenario", [path.read_text() for path in SCENARIOS], ids=[p.stem for p in SCENARIOS])
def test_each_object_is_valid(scenario: str, version: str) -> None:
    for o in render(scenario):
        is_newer = o["kind"].startswith("MutatingAdmissionPolicy") and version == "1.30"
        if o["kind"] not in CUSTOM and not is_newer:
            kubernetes_validate.validate(o, version, strict=True)
