#!/usr/bin/env bash
# install.sh: installs the missing Debian packages that a cluster of tests/e2e/cluster needs. Run it as root.
set -euo pipefail

packages=(
  bc bison busybox-static ca-certificates containernetworking-plugins debootstrap docker.io docker-registry e2fsprogs
  etcd-server flex gcc iproute2 iptables libc6-dev libseccomp-dev make mount openssh-client patch pkg-config runc skopeo
  tini util-linux xz-utils
)
missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat '${db:Status-Status}' "$package" 2> /dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit
echo "installing ${missing[*]}"
# Do not start the services of the packages: the cluster starts its own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
