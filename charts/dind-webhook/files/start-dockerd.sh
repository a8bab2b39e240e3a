# Start dockerd so that the limits of this container hold for its containers too, on cgroup v2.
root=/sys/fs/cgroup
own=$(sed -n 's/^0:://p' /proc/self/cgroup)
here=$root$own

# Print the lower one of the limits of this container and of its pod, or nothing.
lowest() { cat "$here/$1" "${here%/*}/$1" | grep -v '^max' | sort -n | head -n 1; }

nest() {
  mkdir -p "$here/init" "$here/docker" || return
  # Only a cgroup without processes can pass controllers on, and `kubectl exec` may start a process at any time.
  controllers=$(sed 's/[^ ]*/+&/g' "$here/cgroup.controllers") tries=0
  until
    while read -r process; do echo "$process" > "$here/init/cgroup.procs"; done < "$here/cgroup.procs"
    echo "$controllers" > "$here/cgroup.subtree_control"
  do
    if [ "$tries" -ge 100 ]; then return 1; fi
    tries=$((tries + 1))
  done
  # The rest is for the daemon: it must survive containers that take all they can get.
  memory=$(lowest memory.max) cpu=$(lowest cpu.max) pids=$(lowest pids.max)
  if [ "$memory" ]; then
    reserve=$((memory / 16 + 134217728))
    if [ "$reserve" -gt $((memory / 2)) ]; then reserve=$((memory / 2)); fi
    echo $((memory - reserve)) > "$here/docker/memory.max" || return
  fi
  if [ "${cpu% *}" ] && [ "${cpu% *}" -ge 2000 ]; then
    echo "$((${cpu% *} * 15 / 16)) ${cpu#* }" > "$here/docker/cpu.max" || return
  fi
  if [ "$pids" ]; then echo $((pids * 15 / 16)) > "$here/docker/pids.max" || return; fi
  # The image's wrapper changes the cgroup that it finds at this path. dockerd must find all of them: containerd looks
  # for a container's cgroup at the path in /proc/PID/cgroup.
  dockerd=$(command -v dockerd) && mkdir -p /run/start-dockerd || return
  printf '#!/bin/sh\numount %s\nexec %s "$@" --cgroup-parent=%s\n' "$root" "$dockerd" "$own/docker" \
    > /run/start-dockerd/dockerd && chmod 755 /run/start-dockerd/dockerd || return
  mount --bind "$here" "$root" || return
  PATH=/run/start-dockerd:$PATH
}

# With a cgroup namespace of its own, a container sees / here, and its containers are within its limits already.
if [ -f "$root/cgroup.controllers" ] && [ "$own" != / ]; then
  { nest; } 2> /dev/null || echo "cannot divide the cgroup: the pod's limits do not hold for nested containers" >&2
fi
# Databases need more open files than the 1024 that many nodes have as the soft limit.
ulimit -n "$(ulimit -H -n)" 2> /dev/null || true
# The image's wrapper mounts a tmpfs on /tmp unless something is mounted there. It would hide volumes below /tmp.
if grep -q ' /tmp/' /proc/self/mounts; then mount --rbind /tmp /tmp || true; fi
entrypoint=$(command -v dockerd-entrypoint.sh)
exec ${entrypoint:+"$entrypoint"} "$@"
