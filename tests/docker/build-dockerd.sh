#!/usr/bin/env bash
# build-dockerd.sh: prints the path of the newest dockerd that is published as a Go module, whose checksum Go verifies.
# Builds dockerd unless it is cached, which takes four minutes on two cores. PYTHON is a Python with pip.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
release=29.8.1
# The name of that release in releases/versions.yaml of the module
module=v2.0.0-beta.24
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dind-webhook
target=$cache/bin/dockerd-$release/dockerd

if [ ! -x "$target" ]; then
  echo "building dockerd $release" >&2
  go=$("$here/../chart/install-go.sh")
  source=$cache/modules/dockerd-$release
  mkdir -p "$source" "$(dirname "$target")"
  printf 'module example.invalid/dockerd\n\ngo 1.26.3\n\nrequire github.com/moby/moby/v2 %s\n' $module > "$source/go.mod"
  cd "$source"
  CGO_ENABLED=0 GOWORK=off GOFLAGS="-mod=mod -buildvcs=false" "$go" build -o "$target.unfinished" \
    -tags netgo,osusergo,exclude_graphdriver_btrfs \
    -ldflags "-s -w -X github.com/moby/moby/v2/dockerversion.Version=$release" github.com/moby/moby/v2/cmd/dockerd >&2
  mv "$target.unfinished" "$target"
fi
echo "$target"
