"""The command lines of the processes of a cluster that run beside its nodes."""

from dataclasses import dataclass
from pathlib import Path

from cluster.binaries import Binaries
from cluster.configs import SERVICE_NETWORK
from cluster.paths import State
from cluster.pki import Pki

Command = list[str | Path]

API_PORT = 6443
# The first address of the Service network
_API_SERVICE = "10.96.0.1"


@dataclass(frozen=True)
class ControlPlaneCommands:
    """The commands of the control plane, in start order."""

    etcd: Command
    apiserver: Command
    controller_manager: Command
    scheduler: Command


def control_plane_commands(binaries: Binaries, state: State, address: str, pki: Pki) -> ControlPlaneCommands:
    public, private = pki.service_account_keys()
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")
    certificate, key = pki.server("apiserver", address, _API_SERVICE, "127.0.0.1", *names)
    to_kubelet, to_kubelet_key = pki.client("apiserver-kubelet", "kube-apiserver", "system:masters")
    issuer = "https://kubernetes.default.svc.cluster.local"
    return ControlPlaneCommands(
        # Data may be lost in a crash: the cluster is temporary.
        ["etcd", f"--data-dir={state.root / 'etcd'}", "--unsafe-no-fsync"],
        [
            binaries.kubernetes / "kube-apiserver",
            "--etcd-servers=http://127.0.0.1:2379",
            f"--advertise-address={address}",
            f"--secure-port={API_PORT}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={pki.ca}",
            f"--kubelet-client-certificate={to_kubelet}",
            f"--kubelet-client-key={to_kubelet_key}",
            "--kubelet-preferred-address-types=InternalIP",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--service-account-issuer={issuer}",
            f"--service-account-key-file={public}",
            f"--service-account-signing-key-file={private}",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            "--allow-privileged=true",
        ],
        [
            binaries.kubernetes / "kube-controller-manager",
            f"--kubeconfig={pki.kubeconfig('controller-manager', 'system:kube-controller-manager', 'system')}",
            f"--service-account-private-key-file={private}",
            f"--root-ca-file={pki.ca}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
        ],
        [
            binaries.kubernetes / "kube-scheduler",
            f"--kubeconfig={pki.kubeconfig('scheduler', 'system:kube-scheduler', 'system')}",
            "--leader-elect=false",
        ],
    )


def registry(config: Path) -> Command:
    return ["docker-registry", "serve", config]


def dns(program: Path, config: Path) -> Command:
    return [program, f"-conf={config}"]
