#!/usr/bin/env bash
# publish.sh DIST: pushes the image and the chart that `make release` made to the registry of DIST/image.txt, and signs both.
# CRANE, COSIGN and HELM are paths of the tools. COSIGN_FLAGS has flags for signing: none for a keyless signature in a
# workflow. PLAIN_HTTP=1 is for a registry without TLS. With HELM_KEY and HELM_KEYRING, the name of a key of GnuPG and the
# file with it, the chart gets a provenance file for `helm verify`, and helm pushes it too.
set -euo pipefail

dist=$1
image=$(cat "$dist/image.txt")
digest=${image#*@} tagged=${image%@*}
owner=${tagged%/*}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
read -ra flags <<< "${COSIGN_FLAGS:-}"

(cd "$dist" && sha256sum --check --quiet SHA256SUMS)
if [ -n "${HELM_KEY:-}" ]; then
  # The same bytes again: helm signs only what it packs.
  mkdir "$scratch/chart" && tar -xz -C "$scratch/chart" -f "$dist"/dind-webhook-[0-9]*.tgz
  "${HELM:-helm}" package "$scratch/chart/dind-webhook" --destination "$scratch/chart" \
    --sign --key "$HELM_KEY" --keyring "$HELM_KEYRING"
  cmp "$scratch"/chart/*.tgz "$dist"/dind-webhook-[0-9]*.tgz
  cp "$scratch"/chart/*.prov "$dist"
fi
mkdir "$scratch/image" && tar -x -C "$scratch/image" -f "$dist"/*-image.tar
"${CRANE:-crane}" push "$scratch/image" "$tagged" ${PLAIN_HTTP:+--insecure}
pushed=$("${CRANE:-crane}" digest "$tagged" ${PLAIN_HTTP:+--insecure})
[ "$pushed" = "$digest" ] || { echo "error: the registry has $pushed, DIST/image.txt has $digest" >&2; exit 1; }
"${HELM:-helm}" push "$dist"/dind-webhook-[0-9]*.tgz "oci://$owner/charts" ${PLAIN_HTTP:+--plain-http} 2>&1 | tee "$scratch/push"
chart=$(sed -n 's/^Digest: //p' "$scratch/push")
for signed in "${tagged%:*}@$digest" "$owner/charts/dind-webhook@$chart"; do
  "${COSIGN:-cosign}" sign --yes "${flags[@]}" "$signed"
done
