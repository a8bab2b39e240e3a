#!/usr/bin/env bash
# install.sh: installs the missing Debian packages that a cluster of tests/e2e/cluster needs. Run it as root.
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
# Do not start the services of the packages: the cluster starts its own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
