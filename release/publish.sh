#!/usr/bin/env bash
# publish.sh DIST: pushes the image and the chart that `make release` made to the registry of DIST/image.txt, and signs both.
# A version that is there already, with other content, is an error; after a failure, run it again.
# CRANE, COSIGN and HELM are paths of the tools, if they are not on the PATH. COSIGN_FLAGS has flags for signing; it may be unset
# only in a workflow of GitHub, whose signatures need no key. PLAIN_HTTP=1 is for a registry without TLS. With HELM_KEY and
# HELM_KEYRING, the name of a key of GnuPG and the file with it, the chart gets a provenance file for `helm verify`, and helm
# pushes it too.
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

CRANE=${CRANE:-crane} COSIGN=${COSIGN:-cosign} HELM=${HELM:-helm}
for tool in "$CRANE" "$COSIGN" "$HELM"; do
  [ -n "$(type -P "$tool")" ] || fail "$tool is not there: install it, or set CRANE, COSIGN and HELM to the paths of the tools"
done

crane() { command "$CRANE" "$@" ${PLAIN_HTTP:+--insecure}; }
sign() { "$COSIGN" sign --yes "${flags[@]}" "$1"; }

# Prints what crane prints about a reference, or nothing if the registry answers that it does not have that. With any other
# answer, or none, a version may be there that must not be replaced.
look_up() {
  local output
  if output=$(crane "$@" 2> "$scratch/answer"); then
    echo "$output"
  elif ! sed -n 's/^Error: //p' "$scratch/answer" | grep -qE 'MANIFEST_UNKNOWN: |NAME_UNKNOWN: |unexpected status code 404 '; then
    fail "the registry does not say whether it has $2: $(cat "$scratch/answer")"
  fi
}

(cd "$dist" && sha256sum --check --quiet SHA256SUMS)
published=$(look_up digest "$tagged")
[ -z "$published" ] || [ "$published" = "$digest" ] || fail "the registry has another $tagged, $published: a version is never changed"
# The manifest of a chart has the time of the push; what must be the same is the package.
published_chart=$(look_up manifest "$charts/dind-webhook:$version")
checksum=$(sha256sum < "$package" | cut -d' ' -f1)
[ -z "$published_chart" ] || grep -q "sha256:$checksum" <<< "$published_chart" ||
  fail "the registry has another $charts/dind-webhook:$version: a version is never changed"

if [ -n "${HELM_KEY:-}" ]; then
  # The same bytes again: helm signs only what it packs.
  mkdir "$scratch/chart" && tar -xz -C "$scratch/chart" -f "$package"
  "$HELM" package "$scratch/chart/dind-webhook" --destination "$scratch/chart" \
    --sign --key "$HELM_KEY" --keyring "$HELM_KEYRING"
  cmp "$scratch"/chart/*.tgz "$package"
  cp "$scratch"/chart/*.prov "$dist"
fi

# The image has its tag, and is found, when it is signed.
mkdir "$scratch/image" && tar -x -C "$scratch/image" -f "$dist"/*-image.tar
crane push "$scratch/image" "$repository@$digest"
sign "$repository@$digest"
for packages in "$dist/dind-webhook-$version"-*.cdx.json; do
  architecture=${packages##*-} architecture=${architecture%.cdx.json}
  built=$(crane digest --platform "linux/$architecture" "$repository@$digest")
  "$COSIGN" attest --yes "${flags[@]}" --type cyclonedx \
    --predicate "$packages" "$repository@$built"
done
crane tag "$repository@$digest" "$version"
# The chart is last, because users install it. helm pushes tags only.
[ -n "$published_chart" ] || "$HELM" push "$package" "oci://$charts" ${PLAIN_HTTP:+--plain-http}
sign "$charts/dind-webhook@$(crane digest "$charts/dind-webhook:$version")"
