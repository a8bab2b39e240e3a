"""The newest Docker starts on copies of a storage that another daemon has filled."""

import json
import subprocess
import sys
from pathlib import Path

import trustme
from newest_dockerd import HERE, NAMESPACES


def test_copies_of_a_filled_storage_need_no_registry_and_do_not_know_each_other(dockerd: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("registry-1.docker.io")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "certificate")
    certificate.private_key_pem.write_to_path(tmp_path / "key")
    authority.cert_pem.write_to_path(tmp_path / "ca")
    files = [tmp_path, tmp_path / "certificate", tmp_path / "key"]
    trusting = ["env", f"SSL_CERT_FILE={tmp_path / 'ca'}"]
    command = [*NAMESPACES, *trusting, sys.executable, HERE / "copy_storage.py", *files, dockerd]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=240).stdout
    found = json.loads(output.splitlines()[-1])
    assert "Downloaded newer image" in found["pulled"]["status"]
    assert found["requests"][0] >= 3
    assert found["requests"][1:] == [0, 0]
    for copy in found["copies"]:
        assert copy["tags"] == ["alpine:latest"]
        assert copy["containers_before"] == 0
        assert copy["created"]
    assert len({found["id"], *(copy["id"] for copy in found["copies"])}) == 3
