"""The manifest that most of these tests vary."""

from pathlib import Path

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: ci
  annotations:
    dind.io/inject: sidecar
spec:
  containers:
    - name: build
      image: registry.example/ci/build:7
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path
