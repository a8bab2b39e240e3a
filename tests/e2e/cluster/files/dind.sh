#!/bin/sh
# dind.sh: replaces the wrapper `dind` of docker:*-dind, with the same effects: it prepares a privileged container for a
# daemon, and starts the daemon.
set -eu

# With this variable, dockerd uses AppArmor for its containers too.
export container=docker

is_mounted() { grep -q " $1 " /proc/self/mounts; }

if [ -d /sys/kernel/security ] && ! is_mounted /sys/kernel/security; then
  mount -t securityfs none /sys/kernel/security || echo "securityfs cannot be mounted: AppArmor may not work" >&2
fi

# The tmpfs hides files of the image and volumes below /tmp, unless /tmp itself is a volume.
is_mounted /tmp || mount -t tmpfs none /tmp

cgroups=/sys/fs/cgroup
if [ -f $cgroups/cgroup.controllers ]; then
  # Only leaves may have processes if controllers are enabled. Repeat until no process is left: `kubectl exec` may start
  # one in the meantime.
  mkdir -p $cgroups/init
  until sed 's/[^ ]*/+&/g' $cgroups/cgroup.controllers > $cgroups/cgroup.subtree_control; do
    while read -r process; do
      echo "$process" > $cgroups/init/cgroup.procs || true
    done < $cgroups/cgroup.procs
  done 2> /dev/null
fi

mount --make-rshared /
exec "$@"
