#!/usr/bin/env bash
# install.sh: installs from Debian what a cluster of tests/e2e/cluster needs and this machine does not have. As root.
set -euo pipefail

packages=(
  busybox-static containernetworking-plugins debootstrap docker.io docker-registry etcd-server iproute2 iptables mount
  runc skopeo util-linux
)
missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat '${db:Status-Status}' "$package" 2> /dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit
echo "installing ${missing[*]}"
# Their services are not wanted here: the cluster starts its own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
