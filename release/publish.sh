#!/usr/bin/env bash
# publish.sh DIST: pushes the image and the chart that `make release` made to the registry of DIST/image.txt, and signs both.
# A version that is there already, with other content, is an error; after a failure, run it again.
# CRANE, COSIGN and HELM are paths of the tools. COSIGN_FLAGS has flags for signing; it may be unset only in a workflow of
# GitHub, whose signatures need no key. PLAIN_HTTP=1 is for a registry without TLS. With HELM_KEY and HELM_KEYRING, the name of a
# key of GnuPG and the file with it, the chart gets a provenance file for `helm verify`, and helm pushes it too.
set -euo pipefail

fail() {
  echo "error: $*" >&2
  exit 1
}

[ $# -eq 1 ] || fail "usage: publish.sh DIST"
if [ -z "${COSIGN_FLAGS+set}" ] && [ -z "${GITHUB_ACTIONS:-}" ]; then
  fail "set COSIGN_FLAGS, for example to '--key cosign.key'; empty signs with your account, whose e-mail address becomes public"
fi
dist=$1
image=$(cat "$dist/image.txt")
digest=${image#*@} tagged=${image%@*}
repository=${tagged%:*} version=${tagged##*:}
charts=${repository%/*}/charts
package=$(echo "$dist"/dind-webhook-[0-9]*.tgz)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
read -ra flags <<< "${COSIGN_FLAGS:-}"

crane() { "${CRANE:-crane}" "$@" ${PLAIN_HTTP:+--insecure}; }
sign() { "${COSIGN:-cosign}" sign --yes "${flags[@]}" "$1"; }

(cd "$dist" && sha256sum --check --quiet SHA256SUMS)
published=$(crane digest "$tagged" 2> /dev/null || true)
[ -z "$published" ] || [ "$published" = "$digest" ] || fail "the registry has another $tagged, $published: a version is never changed"
# The manifest of a chart has the time of the push; what must be the same is the package.
published_chart=$(crane manifest "$charts/dind-webhook:$version" 2> /dev/null || true)
checksum=$(sha256sum < "$package" | cut -d' ' -f1)
[ -z "$published_chart" ] || grep -q "sha256:$checksum" <<< "$published_chart" ||
  fail "the registry has another $charts/dind-webhook:$version: a version is never changed"

if [ -n "${HELM_KEY:-}" ]; then
  # The same bytes again: helm signs only what it packs.
  mkdir "$scratch/chart" && tar -xz -C "$scratch/chart" -f "$package"
  "${HELM:-helm}" package "$scratch/chart/dind-webhook" --destination "$scratch/chart" \
    --sign --key "$HELM_KEY" --keyring "$HELM_KEYRING"
  cmp "$scratch"/chart/*.tgz "$package"
  cp "$scratch"/chart/*.prov "$dist"
fi

# The image has its tag, and is found, when it is signed.
mkdir "$scratch/image" && tar -x -C "$scratch/image" -f "$dist"/*-image.tar
crane push "$scratch/image" "$repository@$digest"
sign "$repository@$digest"
for architecture in amd64 arm64; do
  built=$(crane digest --platform "linux/$architecture" "$repository@$digest")
  "${COSIGN:-cosign}" attest --yes "${flags[@]}" --type cyclonedx \
    --predicate "$dist/dind-webhook-$version-$architecture.cdx.json" "$repository@$built"
done
crane tag "$repository@$digest" "$version"
# The chart is last, because users install it. helm pushes tags only.
[ -n "$published_chart" ] || "${HELM:-helm}" push "$package" "oci://$charts" ${PLAIN_HTTP:+--plain-http}
sign "$charts/dind-webhook@$(crane digest "$charts/dind-webhook:$version")"
