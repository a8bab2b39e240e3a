"""The volumes of a pod that its daemon mounts too, on a node with cgroup v2 and with the entrypoint of the image."""

import pytest
import workloads
from kube import Namespace
from workloads import container

SEES = "echo from the pod >in; docker run --rm -v $PWD:/w busybox sh -c 'cat /w/in; echo back >/w/out'; cat out"


def workspace(script: str, path: str = "/workspace", **options: str) -> dict[str, object]:
    """Return a pod that runs a script in a volume at a path. Names of options have _ instead of -."""
    spelt = {name.replace("_", "-"): value for name, value in options.items()}
    mounts = [{"name": "workspace", "mountPath": path}]
    build = container(script, volumeMounts=mounts, workingDir=path)
    return workloads.pod(build, options=spelt, volumes=[{"name": "workspace", "emptyDir": {}}])


@pytest.mark.parametrize("path", ["/workspace", "/tmp", "/tmp/build/workspace"])
def test_docker_run_sees_the_files_of_the_workspace(ci: Namespace, path: str) -> None:
    """The wrapper of the image mounts a tmpfs on /tmp, which must not hide the volume."""
    pod = ci.run(workspace(SEES, path)).succeeds()
    assert pod.log("build").splitlines()[-2:] == ["from the pod", "back"]


def test_only_volumes_that_are_named_are_shared(ci: Namespace) -> None:
    names = ("first", "second")
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in names]
    script = """\
touch /first/seen /second/unseen
docker run --rm -v /first:/first -v /second:/second busybox ls -A /first /second
"""
    one = container(script, volumeMounts=mounts)
    volumes = [{"name": name, "emptyDir": {}} for name in names]
    log = ci.run(workloads.pod(one, options={"share-volumes": "first"}, volumes=volumes)).succeeds().log("build")
    assert "seen" in log.splitlines()
    assert "unseen" not in log


def test_without_sharing_it_sees_an_empty_directory(ci: Namespace) -> None:
    script = "echo from the pod >in; docker run --rm -v $PWD:/w busybox ls -A /w | wc -l"
    pod = ci.run(workspace(script, share_volumes="false")).succeeds()
    assert pod.log("build").splitlines()[-1].strip() == "0"
