"""The shell script that starts dockerd in both modes. docs/compatibility.md describes its effects."""

import re

# Decisions 0026 and 0028 have the reasons. It needs only POSIX sh and busybox. `$@` are the container's arguments.
COMMENTED_SCRIPT = r"""# Start dockerd so that the limits of this container hold for its containers too, on cgroup v2.
root=/sys/fs/cgroup
cgroup=$(sed -n 's/^0:://p' /proc/self/cgroup)
folder=$root$cgroup
pod=${folder%/*}
# With CRI-O and crun, the container is one cgroup deeper.
case $cgroup in */container) pod=${pod%/*} ;; esac

# Print the lowest limit in the files $@ of this container and of its pod, or nothing.
lowest_limit() {
  for file; do cat "$folder/$file" "${folder%/*}/$file" "$pod/$file"; done | grep -v '^max' | sort -n | head -n 1
}

# Print limit $1 less a reserve for the daemon, which must survive containers that take all they can get: 1/16 of the
# limit and $2, but at most half.
less_reserve() { echo $(($1 / 16 + $2 > $1 / 2 ? $1 - $1 / 2 : $1 - $1 / 16 - $2)); }

programs=/run/start-dockerd
# Write a shell script named $1, with the input as its lines. It runs instead of the image's program of that name.
write_program() {
  { echo '#!/bin/sh' && cat; } > "$programs/$1" && chmod 755 "$programs/$1" && [ -x "$programs/$1" ]
}

divide_cgroup() {
  [ "$cgroup" ] && [ -f "$folder/cgroup.procs" ] && mkdir -p "$folder/init" "$folder/docker" || return
  # Child cgroups get controllers only if this cgroup has no process, and a probe may start one at any time.
  controllers=$(sed 's/[^ ]*/+&/g' "$folder/cgroup.controllers") tries=0
  [ "$controllers" != + ] || return
  until
    while read -r process; do echo "$process" > "$folder/init/cgroup.procs"; done < "$folder/cgroup.procs"
    echo "$controllers" > "$folder/cgroup.subtree_control"
  do
    if [ "$tries" -ge 50 ]; then return 1; fi
    tries=$((tries + 1))
    sleep 0.1 || sleep 1
  done
  # Above memory.high, the kernel slows processes down instead of ending one.
  memory=$(lowest_limit memory.max memory.high) cpu=$(lowest_limit cpu.max) pids=$(lowest_limit pids.max)
  if [ "$memory" ]; then less_reserve "$memory" 134217728 > "$folder/docker/memory.max" || return; fi
  if [ "$pids" ]; then less_reserve "$pids" 256 > "$folder/docker/pids.max" || return; fi
  if [ "${cpu% *}" ] && [ "${cpu% *}" -ge 2000 ]; then
    echo "$((${cpu% *} * 15 / 16)) ${cpu#* }" > "$folder/docker/cpu.max" || return
  fi
  # The image's wrapper changes the cgroup that it finds at this path. dockerd must find all of them: containerd looks
  # for a container's cgroup at the path in /proc/PID/cgroup.
  dockerd=$(command -v dockerd) && mkdir -p "$programs" || return
  write_program dockerd << END || return
[ -d "$folder" ] || umount "$root"
exec "$dockerd" "\$@" "--cgroup-parent=$cgroup/docker"
END
  # Clients can ask for another cgroup: buildx asks for /docker/buildx. Change it to one below that of the daemon, and
  # without "..". The callers of runc are programs in Go, which write config.json as one line without spaces.
  # The escaped path is a regular expression, and a replacement too.
  below=$(printf '%s\n' "$cgroup/docker/" | sed 's/\\/\\\\/g; s/[][\\.*^$&]/\\&/g')
  if runc=$(command -v runc); then
    write_program runc << END || return
option=
for argument; do
  if [ "\$option" = --bundle ]; then
    sed -i -e :again -e 's|\("cgroupsPath":"\([^"]*/\)\{0,1\}\)\.\.\([/"]\)|\1.\3|; t again' \
      -e 's|"cgroupsPath":"$below|"cgroupsPath":"|g' \
      -e 's|"cgroupsPath":"\(\.\{0,1\}/\)*\(docker/\)*|"cgroupsPath":"$below|g' "\$argument/config.json"
  fi
  option=\$argument
done
exec "$runc" "\$@"
END
  fi
  mount --bind "$folder" "$root" || return
  export PATH="$programs:$PATH"
}

# The image's wrapper ends where it cannot make a cgroup. Mount a program over it that only starts dockerd.
skip_wrapper() {
  wrapper=$(command -v dind) && mkdir -p "$programs" && echo 'exec "$@"' | write_program dind || return
  mount --bind "$programs/dind" "$wrapper"
}

# On overlayfs, the image store of Docker 29 and newer starts, but cannot unpack images. Older ones use another driver.
lacks_volume() {
  [ -z "$DOCKER_DRIVER" ] && [ ! -s /etc/docker/daemon.json ] || return
  case " $*" in
    *' -s'* | *' --storage-driver'* | *' --data-root'* | *' --con'[tf]* | *containerd-snapshotter=false*) return 1 ;;
  esac
  mkdir -p /var/lib/docker
  [ "$(stat -f -c %t /var/lib/docker)" = 794c7630 ] && dockerd --version | grep -Eq ' (29|[3-9][0-9])\.'
}
if lacks_volume "$@" 2> /dev/null; then
  sentence="Docker 29 and newer cannot store images on overlayfs. Mount a volume at /var/lib/docker (operator: \
settings.injection.storage: true), or use a slow driver: dind.io/dockerd-args: '[\"--storage-driver=native\"]'"
  echo "$sentence" > /dev/termination-log
  echo "$sentence" >&2
  exit 1
fi

# In these cases nested containers are within the limits of the pod already. With a cgroup namespace of its own, a
# container sees / as its cgroup. In Kata and gVisor, the sandbox is the limit, and kata-agent cannot start probes in a
# cgroup with child cgroups. Kata mounts files from its shared file system or, without one, from copies in the virtual
# machine. gVisor has a kernel version of its own.
kata=' - [^ ]+ kataShared | [^ ]*/kata-containers/shared/[^ ]* /etc/(hosts|hostname|resolv\.conf) '
undivided=
if [ ! -f "$root/cgroup.controllers" ]; then
  undivided='no cgroup v2'
elif [ "$cgroup" = / ]; then
  undivided='a cgroup namespace'
elif grep -Eqs "$kata|gvisor|Sun Jan 10 15:06:54 PST 2016" /proc/self/mountinfo /proc/version; then
  undivided='a sandbox of Kata or gVisor'
elif ! divide_cgroup 2> /dev/null; then
  echo "cannot divide the cgroup: the pod's limits do not hold for nested containers" >&2
  test -w "$root" || skip_wrapper 2> /dev/null || true
fi
[ ! "$undivided" ] || echo "nested containers share the pod's limits with the daemon: $undivided" >&2
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
"""

# Pods have the script without its comments but the first, because people read their manifests.
START_SCRIPT = re.sub(r"\n *#[^\n]*", "", COMMENTED_SCRIPT)


def start_command() -> list[str]:
    """Return the command of a container whose arguments begin with dockerd."""
    return ["sh", "-c", START_SCRIPT, "start-dockerd"]
