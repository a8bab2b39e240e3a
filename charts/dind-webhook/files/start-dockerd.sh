# Start dockerd so that the limits of this container hold for its containers too, on cgroup v2.
root=/sys/fs/cgroup
own=$(sed -n 's/^0:://p' /proc/self/cgroup)
here=$root$own

# Print the limit of this container or that of its pod, the lower of the two, or nothing. With crun, the container is
# one cgroup deeper.
lowest() { cat "$here/$1" "${here%/*}/$1" "${here%/*/*}/$1" | grep -v '^max' | sort -n | head -n 1; }

# Print limit $1 less a reserve for the daemon, which must survive containers that take all they can get: 1/16 of the
# limit and $2, but at most half.
less_reserve() { echo $(($1 / 16 + $2 > $1 / 2 ? $1 - $1 / 2 : $1 - $1 / 16 - $2)); }

ours=/run/start-dockerd
# Write a shell script named $1, with the input as its lines. It runs instead of the image's program of that name.
program() { { echo '#!/bin/sh' && cat; } > "$ours/$1" && chmod 755 "$ours/$1"; }

nest() {
  [ -f "$here/cgroup.procs" ] && mkdir -p "$here/init" "$here/docker" || return
  # Child cgroups get controllers only if this cgroup has no process, and a probe may start one at any time.
  controllers=$(sed 's/[^ ]*/+&/g' "$here/cgroup.controllers") tries=0
  until
    while read -r process; do echo "$process" > "$here/init/cgroup.procs"; done < "$here/cgroup.procs"
    echo "$controllers" > "$here/cgroup.subtree_control"
  do
    if [ "$tries" -ge 50 ]; then return 1; fi
    tries=$((tries + 1))
    sleep 0.1 || sleep 1
  done
  memory=$(lowest memory.max) cpu=$(lowest cpu.max) pids=$(lowest pids.max)
  if [ "$memory" ]; then less_reserve "$memory" 134217728 > "$here/docker/memory.max" || return; fi
  if [ "$pids" ]; then less_reserve "$pids" 256 > "$here/docker/pids.max" || return; fi
  if [ "${cpu% *}" ] && [ "${cpu% *}" -ge 2000 ]; then
    echo "$((${cpu% *} * 15 / 16)) ${cpu#* }" > "$here/docker/cpu.max" || return
  fi
  # The image's wrapper changes the cgroup that it finds at this path. dockerd must find all of them: containerd looks
  # for a container's cgroup at the path in /proc/PID/cgroup.
  dockerd=$(command -v dockerd) && mkdir -p "$ours" || return
  program dockerd << END || return
[ -d "$here" ] || umount "$root"
exec "$dockerd" "\$@" "--cgroup-parent=$own/docker"
END
  # Clients can ask for another cgroup: buildx asks for /docker/buildx. Change it to one below the own cgroup, in the
  # file with which runc creates the container.
  json=$(printf '%s\n' "$own/docker/" | sed 's/\\/\\\\/g')
  replacement=$(printf '%s\n' "$json" | sed 's/[\\&|]/\\&/g')
  if runc=$(command -v runc); then
    program runc << END || return
option=
for argument; do
  if [ "\$option" = --bundle ] && ! grep -qF '"cgroupsPath":"$json' "\$argument/config.json"; then
    sed -i 's|"cgroupsPath":"/*\(docker/\)*|"cgroupsPath":"$replacement|' "\$argument/config.json"
  fi
  option=\$argument
done
exec "$runc" "\$@"
END
  fi
  mount --bind "$here" "$root" || return
  export PATH="$ours:$PATH"
}

# On overlayfs, the image store of Docker 29 and newer starts, but cannot unpack images. Older ones use another driver.
lacks_volume() {
  case "$*" in *--storage-driver* | *--data-root* | *containerd-snapshotter=false*) return 1 ;; esac
  [ "$(stat -f -c %t /var/lib/docker)" = 794c7630 ] && dockerd --version | grep -Eq ' (29|[3-9][0-9])\.'
}
if lacks_volume "$@" 2> /dev/null; then
  echo "Docker 29 and newer cannot store images on overlayfs: mount a volume at /var/lib/docker" \
    "(settings.injection.storage: true), or set dind.io/dockerd-args: '[\"--storage-driver=native\"]', which is slow" |
    tee /dev/termination-log >&2
  exit 1
fi

# With a cgroup namespace of its own, a container sees / here, and its containers are within its limits already. In a
# virtual machine of Kata, the machine is the limit, and kata-agent cannot start probes in a cgroup with child cgroups.
if [ -f "$root/cgroup.controllers" ] && [ "$own" != / ] && ! grep -q ^kataShared /proc/self/mounts; then
  nest 2> /dev/null || echo "cannot divide the cgroup: the pod's limits do not hold for nested containers" >&2
fi
# Databases need more open files than the 1024 that many nodes have as the soft limit. With many more than a million,
# programs that go through all of them are slow.
files=$(ulimit -H -n)
[ "$files" -le 1048576 ] 2> /dev/null || files=1048576
ulimit -S -n "$files" 2> /dev/null || true
# After a crash, /var has old PID files if its directory run is a volume. New processes often get the same IDs, and then
# dockerd does not start, because it takes its own process, or its own containerd, for the old one.
(cd /var && rm -f run/docker.pid run/docker/containerd/containerd.pid) 2> /dev/null
# The image's wrapper mounts a tmpfs on /tmp unless something is mounted there. It would hide volumes below /tmp.
if grep -q ' /tmp/' /proc/self/mounts; then mount --rbind /tmp /tmp || true; fi
entrypoint=$(command -v dockerd-entrypoint.sh)
exec ${entrypoint:+"$entrypoint"} "$@"
