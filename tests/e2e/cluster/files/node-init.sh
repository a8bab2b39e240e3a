#!/bin/sh
# node-init.sh: the init process of the node. It mounts file systems, configures the network, and starts the services.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root

mount -o remount,noatime /
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t mqueue mqueue /dev/mqueue
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/lock
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t securityfs securityfs /sys/kernel/security
mount -t bpf -o mode=700 bpf /sys/fs/bpf
# The mount options of systemd
mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
mount --make-rshared /
# The limits of systemd, with which containerd runs since 2.1.5
ulimit -H -n 524288
ulimit -S -n 1024
ulimit -l unlimited

# The second disk is an archive of the files of this node.
tar -xf /dev/ubdb -C /
. /etc/node/environment

hostname "$NODE_NAME"
ip link set lo up
ip link set vec0 name eth0
ip address add "$NODE_ADDRESS/30" dev eth0
ip link set eth0 up
ip route add default via "$GATEWAY"
sysctl -q -w net.ipv4.ip_forward=1 fs.inotify.max_user_instances=1024 fs.inotify.max_user_watches=524288

# In cgroup v2, only leaves may have processes if controllers are enabled.
for name in init containerd kubelet kube-proxy; do mkdir -p "/sys/fs/cgroup/system/$name"; done
echo $$ > /sys/fs/cgroup/system/init/cgroup.procs
controllers=$(sed 's/[^ ]*/+&/g' /sys/fs/cgroup/cgroup.controllers)
echo "$controllers" > /sys/fs/cgroup/cgroup.subtree_control
echo "$controllers" > /sys/fs/cgroup/system/cgroup.subtree_control

start() { # start NAME LINE COMMAND...: start a service in its own cgroup, with its output on a serial line
  name=$1 line=/dev/ttyS$2
  shift 2
  stty -F "$line" -opost
  (
    echo 0 > "/sys/fs/cgroup/system/$name/cgroup.procs"
    exec setsid "$@"
  ) < /dev/null > "$line" 2>&1 &
}

dropbear -R -s -E -r /etc/dropbear/host_key
start containerd 0 containerd --config /etc/node/containerd.toml
start kube-proxy 2 kube-proxy --config=/etc/node/kube-proxy.yaml --hostname-override="$NODE_NAME"
# kubelet needs the clock speed in /proc/cpuinfo, and user-mode Linux does not write it. Mount a changed file only for
# kubelet: with a mount below the node's /proc, processes in user namespaces may not mount proc.
sed 's/^processor.*/&\ncpu MHz\t\t: 2000.000/' /proc/cpuinfo > /run/cpuinfo
until ctr version > /dev/null 2>&1; do sleep 0.1; done
# shellcheck disable=SC2016 # the inner shell expands it
start kubelet 1 unshare --mount --propagation unchanged sh -c '
  mount --make-private /proc && mount --bind /run/cpuinfo /proc/cpuinfo && exec "$@"' sh \
  kubelet --config=/etc/node/kubelet.yaml --kubeconfig=/etc/node/kubelet.kubeconfig \
  --hostname-override="$NODE_NAME" --node-ip="$NODE_ADDRESS"

# Reap orphaned processes.
while :; do
  sleep 3600 &
  wait
done
