#!/usr/bin/env bash
# install.sh: installs the Debian packages that `make release` needs. Run it as root.
set -euo pipefail

apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
  apt bubblewrap ca-certificates debian-archive-keyring dpkg git gpg make python3 python3-venv qemu-user-static tar > /dev/null
