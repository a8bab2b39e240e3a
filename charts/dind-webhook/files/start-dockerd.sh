# Start dockerd so that the limits of this container hold for its containers too, on cgroup v2.
# The kernel drops signals of process 1 that it does not handle. After exec, the daemon handles SIGTERM itself.
trap 'exit 0' TERM
refuse() {
  echo "$1" > /dev/termination-log
  echo "$1" >&2
  exit 1
}

root=/sys/fs/cgroup cgroup=
while IFS= read -r line; do
  case $line in 0::*) cgroup=${line#0::} ;; esac
done < /proc/self/cgroup
has_volume_below_tmp= storage= files=
while read -r device path type options; do
  case $path in
    /var/lib/docker) storage=$type ;;
    /etc/docker) files=/run/start-dockerd-files ;;
    /tmp/*) has_volume_below_tmp=true ;;
  esac
done < /proc/self/mounts
folder=$root$cgroup
pod=${folder%/*}
# With CRI-O and crun, the container is one cgroup deeper.
case $cgroup in */container) pod=${pod%/*} ;; esac

# Set lowest to the lowest limit in the files $@ of this container and of its pod, or to nothing.
find_lowest_limit() {
  lowest=
  for name; do
    for file in "$folder/$name" "${folder%/*}/$name" "$pod/$name"; do
      limit=
      read -r limit < "$file"
      case $limit in
        max* | '') ;;
        *) [ "$lowest" ] && [ "${lowest% *}" -le "${limit% *}" ] || lowest=$limit ;;
      esac
    done
  done
}

# Print limit $1 less a reserve for the daemon, which must survive containers that take all they can get: 1/16 of the
# limit and $2, but at most half.
less_reserve() { echo $(($1 / 16 + $2 > $1 / 2 ? $1 - $1 / 2 : $1 - $1 / 16 - $2)); }

programs=/run/start-dockerd
# Write a shell script named $1, with the input as its lines. It runs instead of the image's program of that name.
write_program() {
  { echo '#!/bin/sh' && while IFS= read -r line; do printf '%s\n' "$line"; done; } > "$programs/$1"
}
make_executable() { chmod 755 "$programs"/* && [ -x "$programs/$1" ]; }

divide_cgroup() {
  [ "$cgroup" ] && [ -f "$folder/cgroup.procs" ] && mkdir -p "$folder/init" "$folder/docker" "$programs" || return
  # Child cgroups get controllers only if this cgroup has no process, and a probe may start one at any time.
  controllers= tries=0
  read -r available < "$folder/cgroup.controllers" || return
  for controller in $available; do controllers="$controllers+$controller "; done
  until
    while read -r process; do echo "$process" > "$folder/init/cgroup.procs"; done < "$folder/cgroup.procs"
    echo "$controllers" > "$folder/cgroup.subtree_control"
  do
    if [ "$tries" -ge 50 ]; then return 1; fi
    tries=$((tries + 1))
    sleep 0.1 || sleep 1
  done
  # Above memory.high, the kernel slows processes down instead of ending one.
  find_lowest_limit memory.max memory.high
  if [ "$lowest" ]; then less_reserve "$lowest" 134217728 > "$folder/docker/memory.max" || return; fi
  find_lowest_limit pids.max
  if [ "$lowest" ]; then less_reserve "$lowest" 256 > "$folder/docker/pids.max" || return; fi
  find_lowest_limit cpu.max
  if [ "$lowest" ] && [ "${lowest% *}" -ge 2000 ]; then
    echo "$((${lowest% *} * 15 / 16)) ${lowest#* }" > "$folder/docker/cpu.max" || return
  fi
  # The image's wrapper changes the cgroup that it finds at this path. dockerd must find all of them: containerd looks
  # for a container's cgroup at the path in /proc/PID/cgroup.
  dockerd=$(command -v dockerd) || return
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
  make_executable dockerd && mount --bind "$folder" "$root" || return
  export PATH="$programs:$PATH"
}

# Let all containers run in the cgroup of this container: runc needs a config.json without a cgroup and without limits.
share_cgroup() {
  runc=$(command -v runc) && mkdir -p "$programs" && write_program runc << END || return
option=
for argument; do
  if [ "\$option" = --bundle ]; then
    sed -i -e 's|"cgroupsPath":"[^"]*"|"cgroupsPath":""|g' \
      -e 's/"\(cpu\|memory\|pids\)":{[^{}]*}/"\1":{}/g' \
      -e 's/"blockIO":{[^{}]*\({[^{}]*}[^{}]*\)*}/"blockIO":{}/g' "\$argument/config.json"
  fi
  option=\$argument
done
exec "$runc" "\$@"
END
  make_executable runc || return
  export PATH="$programs:$PATH"
  skip_wrapper
}

# The image's wrapper ends where it cannot make the cgroup init. Mount a program over it that only starts dockerd.
skip_wrapper() {
  wrapper=$(command -v dind) && mkdir -p "$programs" && echo 'exec "$@"' | write_program dind || return
  make_executable dind && mount --bind "$programs/dind" "$wrapper"
}

# On overlayfs, the image store of Docker 29 and newer starts, but cannot unpack images. Older ones use another driver.
lacks_volume() {
  [ -z "$DOCKER_DRIVER" ] && [ ! -s /etc/docker/daemon.json ] || return
  case " $*" in
    *' -s'* | *' --storage-driver'* | *' --data-root'* | *' --con'[tf]* | *containerd-snapshotter=false*) return 1 ;;
  esac
  [ "${storage:-overlay}" = overlay ] && mkdir -p /var/lib/docker || return
  [ "$(stat -f -c %t /var/lib/docker)" = 794c7630 ] && dockerd --version | grep -Eq ' (29|[3-9][0-9])\.'
}
if lacks_volume "$@" 2> /dev/null; then
  refuse "Docker 29 and newer cannot store images on overlayfs. Mount a volume at /var/lib/docker (operator: \
settings.injection.storage: true), or use a slow driver: dind.io/dockerd-args: '[\"--storage-driver=native\"]'"
fi

# Root in a user namespace is another user on the node, and may write only cgroups that the container runtime gave it.
in_user_namespace() { read -r _ node_user _ < /proc/self/uid_map && [ "$node_user" != 0 ]; }

# API servers and kubelets without support for hostUsers: false drop it.
if [ "$DIND_ISOLATION" ] && ! in_user_namespace; then
  refuse "isolation $DIND_ISOLATION: this container is not in a user namespace. Every API server and node must support \
hostUsers: false"
fi

# Where layers hide files of those below, they say so by other attributes if dockerd unpacked them in a user namespace
# (`userxattr` of overlayfs). A golden volume has the word of where that was.
own=none
if in_user_namespace; then own=userns; fi
if [ -f /var/lib/docker/golden ] && read -r made < /var/lib/docker/golden && [ "$made" != "$own" ]; then
  echo "the golden volume was made with isolation $made, and this daemon has $own: it starts without its images" >&2
  rm -rf /var/lib/docker/*
fi

# In these cases nested containers are within the limits of the pod already. With a cgroup namespace of its own, a
# container sees / as its cgroup. In Kata and gVisor, the sandbox is the limit, and kata-agent cannot start probes in a
# cgroup with child cgroups. Kata mounts files from its shared file system or, without one, from copies in the virtual
# machine. gVisor has a kernel version of its own.
kata=' - [^ ]+ kataShared | [^ ]*/kata-containers/shared/[^ ]* /etc/(hosts|hostname|resolv\.conf) '
undivided=
if [ ! -f "$root/cgroup.controllers" ]; then
  undivided='no cgroup v2'
elif grep -Eqs "$kata|gvisor|Sun Jan 10 15:06:54 PST 2016" /proc/self/mountinfo /proc/version; then
  undivided='a sandbox of Kata or gVisor'
elif in_user_namespace && ! mkdir -p "$folder/init" 2> /dev/null; then
  undivided='a user namespace without cgroups'
  share_cgroup 2> /dev/null || true
elif [ "$cgroup" = / ] && ! in_user_namespace; then
  undivided='a cgroup namespace'
elif ! divide_cgroup 2> /dev/null; then
  echo "cannot divide the cgroup: the pod's limits do not hold for nested containers" >&2
  mkdir -p "$root/init" 2> /dev/null || skip_wrapper 2> /dev/null || true
fi
[ ! "$undivided" ] || echo "nested containers share the pod's limits with the daemon: $undivided" >&2
# Databases need more open files than the 1024 that many nodes have as the soft limit. With many more than a million,
# programs that go through all of them are slow.
ulimit -S -n 1048576 2> /dev/null || ulimit -S -n "$(ulimit -H -n)" 2> /dev/null || true
# After a crash, /var has old PID files if its directory run is a volume. New processes often get the same IDs, and then
# dockerd does not start, because it takes its own process, or its own containerd, for the old one.
var=/var
for file in "$var/run/docker.pid" "$var/run/docker/containerd/containerd.pid"; do
  if [ -e "$file" ]; then rm -f "$file"; fi
done
# The clients may have any user, and docker login replaces the file. A container that restarts finds it.
if [ "$DIND_CLIENT_CONFIG" ]; then
  configs=${2#--host=unix://}
  configs=${configs%/*}/docker-config
  if ! { [ -e "$configs/config.json" ] || { mkdir -p "$configs" && chmod 777 "$configs" &&
    printf '%s\n' "$DIND_CLIENT_CONFIG" > "$configs/config.json" && chmod 644 "$configs/config.json"; }; }; then
    echo "cannot write $configs/config.json: docker build and docker run do not get the proxy" >&2
  fi
fi

# Put the Docker client where the others mount it: links into an image volume, or copies.
put_client() {
  client=/usr/local/libexec/dind/client image=/usr/local/libexec/dind/image put='ln -sf'
  [ -d "$client" ] || return 0
  # Container runtimes may mount an image volume so that its programs cannot run.
  while read -r _ path _ options; do
    case $path$options in "$image"*noexec*) image= ;; esac
  done < /proc/self/mounts
  if [ ! "$image" ] || [ ! -d "$image" ]; then image= put='cp -f'; fi
  mkdir -p "$client/bin" "$client/cli-plugins" || return
  for directory in usr/local/bin usr/bin bin; do
    if [ -f "$image/$directory/docker" ]; then
      $put "$image/$directory/docker" "$client/bin/docker" || return
      break
    fi
  done
  for directory in usr/libexec usr/lib usr/local/libexec usr/local/lib; do
    for file in "$image/$directory/docker/cli-plugins"/docker-*; do
      if [ -f "$file" ]; then $put "$file" "$client/cli-plugins/${file##*/}" || return; fi
    done
  done
  if [ -e "$client/cli-plugins/docker-compose" ]; then
    ln -sf /usr/local/libexec/docker/cli-plugins/docker-compose "$client/bin/docker-compose" || return
  fi
  [ -e "$client/bin/docker" ]
}
put_client || echo 'cannot give the other containers a Docker client' >&2

certs=/etc/docker/certs.d
# A volume at /etc/docker is read-only. Mount it elsewhere, and make a folder with links to its files.
make_room_for_hosts() {
  [ "$files" ] || return 0
  mkdir -p "$files" && mount --bind /etc/docker "$files" && mount -t tmpfs -o mode=755 tmpfs /etc/docker && link_files
}
# kubelet adds files of ConfigMaps and Secrets that are made later, and removes files.
link_files() {
  for link in /etc/docker/* "$certs"/*/*; do
    if [ -L "$link" ] && [ ! -e "$link" ]; then rm -f "$link"; fi
  done
  for file in "$files"/* "$files"/certs.d/*/*; do
    link=/etc/docker${file#"$files"}
    if [ "$link" != "$certs" ] && [ -e "$file" ] && [ ! -e "$link" ]; then
      mkdir -p "${link%/*}" && ln -s "$file" "$link"
    fi
  done
}

# Call $1 with each registry and the URL of its mirror.
for_each_mirror() {
  items=$DIND_MIRRORS,
  while [ "$items" ]; do
    item=${items%%,*}
    items=${items#*,}
    url=${item#*=}
    case $url in
      *://node | *://node[:/]*)
        node=$DIND_NODE_IP
        case $node in *:*) node="[$node]" ;; esac
        url=${url%%://*}://$node${url#*://node}
        ;;
    esac
    "$1" "${item%%=*}" "$url"
  done
}

# dockerd looks for certificates of a registry in its folder only if that has no hosts.toml.
print_certificates() {
  list= pairs=
  for file in "$1"/*.crt; do
    if [ -e "$file" ]; then list="$list\"$file\", "; fi
  done
  for file in "$1"/*.cert; do
    if [ -e "$file" ]; then pairs="${pairs}[\"$file\", \"${file%cert}key\"], "; fi
  done
  if [ "$list" ]; then echo "ca = [$list]"; fi
  if [ "$pairs" ]; then echo "client = [$pairs]"; fi
}

# dockerd asks the hosts of hosts.toml first, and then the registry itself, because the file names no server.
print_hosts() {
  case $insecure in *" $1 "*) printf 'server = "http://%s"\nskip_verify = true\n' "$1" ;; esac
  print_certificates "$folder"
  if [ "$2" ]; then
    printf '[host."%s"]\ncapabilities = ["pull", "resolve"]\ndial_timeout = "1s"\n' "$2"
    # A path below /v2 is not the one of which the specification says that it ends with /v2.
    case $2 in */v2/?*) echo 'override_path = true' ;; esac
    host=${2#*://}
    print_certificates "$certs/${host%%/*}"
  elif [ "$1" = docker.io ]; then
    # With one host only, dockerd would ask the mirror of --registry-mirror.
    echo '[host."https://registry-1.docker.io"]'
  fi
}

# Let dockerd ask mirror $2 for images of registry $1, or no mirror.
write_hosts() {
  case $1 in '*') folder=$certs/_default ;; *) folder=$certs/$1 ;; esac
  # A folder without hosts.toml hides _default.
  if ! { mkdir -p "$folder" && { [ ! "$2" ] && [ ! -e "$folder/hosts.toml" ] ||
    { print_hosts "$1" "$2" > "$folder/.hosts.toml" && mv -f "$folder/.hosts.toml" "$folder/hosts.toml"; }; }; }; then
    echo "cannot write $folder/hosts.toml: $1 has no mirror" >&2
  fi
}

# Set fault to what is wrong with mirror $1, or to nothing, and asked to its URL if dockerd may ask it, or to nothing.
# dockerd asks the next host after an error, but it waits for an answer for 30 s with each request, and it believes a
# page of something else than a registry. It logs certificates that it refuses; nobody else knows which it trusts.
check_mirror() {
  fault= asked=$1 status= is_registry=
  if [ "$HTTP_PROXY$HTTPS_PROXY$http_proxy$https_proxy" ] || ! command -v wget > /dev/null; then return; fi
  case $1 in
    */v2/?*) url=${1%%/v2/*}/v2/ ;;
    */v2 | */v2/) url=${1%/}/ ;;
    *) url=${1%/}/v2/ ;;
  esac
  # After redirects, the last answer counts.
  while read -r name value _; do
    case "$name $value" in
      HTTP/[0-9]*) status=$value is_registry= ;;
      *[Aa][Pp][Ii]-[Vv]ersion:\ registry/* | *application/json* | [Cc]ontent-[Ll]ength:\ 0*) is_registry=true ;;
    esac
  done << END
$(timeout 3 wget -S -O /dev/null --no-check-certificate "$url" 2>&1)
END
  until_then='until it does, images come from the registry itself'
  case $status in
    401) ;;
    200) [ "$is_registry" ] || fault="answers 200, but not as a registry: $until_then" asked= ;;
    [1-9][0-9][0-9]) fault="answers $status: images that it does not send come from the registry itself" ;;
    *) fault="does not answer: $until_then" asked= ;;
  esac
}

# As long as the daemon runs, into which this shell turns. A process that has ended may be there, without its program.
is_running() { [ -e "/proc/${$}/exe" ]; }
watch_mirror() {
  reported=
  while is_running; do
    check_mirror "$2"
    [ "$fault" = "$reported" ] || echo "the mirror of $1, $2, ${fault:-works again}" >&2
    reported=$fault
    write_hosts "$1" "$asked" 2> /dev/null
    sleep 30
  done
}
# Each by itself: none waits for another one that is slow.
start_watch() {
  if [ "$2" ]; then watch_mirror "$1" "$2" < /dev/null & fi
}
watch_files() {
  while is_running; do
    sleep 30
    link_files
  done
}

if [ "$DIND_MIRRORS" ]; then
  insecure=' '
  for argument; do
    case $argument in
      --insecure-registry=*/*) ;;
      --insecure-registry=*) insecure="$insecure${argument#*=} " ;;
    esac
  done
  if make_room_for_hosts; then
    for_each_mirror write_hosts
    # Of registries without TLS, _default would ask for TLS.
    for registry in $insecure; do mkdir -p "$certs/$registry"; done
    for_each_mirror start_watch
    if [ "$files" ]; then watch_files < /dev/null & fi
  else
    echo "cannot write $certs: registries have no mirrors" >&2
  fi
fi
# The image's wrapper mounts a tmpfs on /tmp unless something is mounted there. It would hide volumes below /tmp.
if [ "$has_volume_below_tmp" ]; then mount --rbind /tmp /tmp || true; fi
if command -v dockerd-entrypoint.sh > /dev/null; then set -- dockerd-entrypoint.sh "$@"; fi
exec "$@"
