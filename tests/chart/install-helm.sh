#!/usr/bin/env bash
# install-helm.sh: builds helm 3, helm 4, helm-docs and kustomize for the tests of the chart, from Go modules, whose
# checksums Go verifies. The path of each tool contains its version. The first build takes minutes; later runs build
# nothing. Prints `NAME=PATH` for each tool. With --paths, only prints.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=${DIND_WEBHOOK_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/dind-webhook/bin}
tools=(
  helm3=helm.sh/helm/v3/cmd/helm@v3.22.0
  helm4=helm.sh/helm/v4/cmd/helm@v4.3.1
  helm-docs=github.com/norwoodj/helm-docs/cmd/helm-docs@v1.14.2
  kustomize=sigs.k8s.io/kustomize/kustomize/v5@v5.8.1 # that of kubectl 1.37
)

for tool in "${tools[@]}"; do
  name=${tool%%=*} module=${tool#*=}
  target=$folder/$name-${module##*@}
  if [ "${1:-}" != --paths ] && [ ! -x "$target" ]; then
    go=$("$here/install-go.sh")
    echo "building $name ${module##*@}" >&2
    scratch=$(mktemp -d)
    # helm 3 learns only when it is linked which Kubernetes it stands for where there is no cluster.
    kubernetes=helm.sh/helm/v3/pkg/chartutil.k8sVersion
    # Static, so that it runs wherever the cache is mounted.
    CGO_ENABLED=0 GOBIN=$scratch "$go" install -trimpath \
      -ldflags="-s -w -X ${kubernetes}Major=1 -X ${kubernetes}Minor=37" "$module"
    mkdir -p "$folder"
    mv "$scratch"/* "$target" && rm -rf "$scratch"
  fi
  echo "$name=$target"
done
