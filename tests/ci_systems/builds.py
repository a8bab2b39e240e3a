"""Scripts of jobs, and the modes in which they run. Tekton, whose jobs have several steps, has a build of its own."""

import pytest

BOTH_MODES = pytest.mark.parametrize("mode", ["sidecar", "daemonset"])

# $TAG is the name of the test's namespace: in daemonset mode, all pods of a node have the same images and containers.
BUILD = """\
docker pull --quiet busybox
mkdir /tmp/context
cd /tmp/context
printf 'FROM busybox\\nRUN echo made by RUN >/mark\\n' >Dockerfile
docker build --quiet --tag "$TAG" .
docker run --rm "$TAG" cat /mark
cat >compose.yaml <<END
services: {client: {image: $TAG, command: [echo, made by compose]}}
END
docker compose --project-name "$TAG" up --exit-code-from client
docker compose --project-name "$TAG" down
docker image rm "$TAG"
"""
# What the log of `BUILD` has, beside the output of Docker
MARKS = ("made by RUN", "made by compose")
# Starts a container that runs until the job is cancelled, and ignores SIGTERM, as a shell that is process 1.
LONG = "docker run --rm --label \"job=$TAG\" busybox sh -c 'echo started; sleep 600'\n"
# Leaves a container to the daemon.
FAILING = 'docker run --detach --label "job=$TAG" busybox sleep 600\nexit 7\n'
