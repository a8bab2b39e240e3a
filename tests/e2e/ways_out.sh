# Ways from a privileged container of the daemon to the node. Run by `docker run --privileged -v /:/dind`. Prints for each
# way whether it is open or closed. Nothing here harms the node: what is written is what is there already.
try() {
  name=$1
  shift
  if timeout 10 sh -c "$*" > /dev/null 2>&1; then echo "$name: open"; else echo "$name: closed"; fi
}
# The disk of the test's node; elsewhere the first disk
for disk in /dind/dev/ubda /dind/dev/vda /dind/dev/sda /dind/dev/nvme0n1 /dev/ubda; do [ ! -b "$disk" ] || break; done
cgroups=/dind/sys/fs/cgroup
mkdir -p /mnt/disk /mnt/proc

try "read the node's disk" "dd if=$disk of=/dev/null bs=512 count=1"
try "mount the node's disk" "mount -t ext4 $disk /mnt/disk && ls /mnt/disk/var/lib/kubelet"
try "make a device of the node's disk" "mknod /tmp/disk b 98 0 && dd if=/tmp/disk of=/dev/null bs=512 count=1"
try "make a character device" "mknod /tmp/null c 1 3"
try "read the node's memory" "dd if=/dev/mem of=/dev/null bs=1 count=1"
try "read the kernel's memory" "dd if=/proc/kcore of=/dev/null bs=1 count=1"
for file in kernel/core_pattern kernel/panic kernel/printk kernel/modprobe vm/overcommit_memory; do
  try "set the sysctl $file" "cat /proc/sys/$file > /tmp/value && cat /tmp/value > /proc/sys/$file"
done
try "open the SysRq trigger" ": >> /proc/sysrq-trigger"
try "set the handler of device events" "cat /sys/kernel/uevent_helper > /tmp/value && cat /tmp/value > /sys/kernel/uevent_helper"
try "make a cgroup of the node" "ls -d $cgroups/kubepods* && mkdir $cgroups/way-out && rmdir $cgroups/way-out"
try "freeze other processes of the node" "for file in $cgroups/system*/kubelet*/cgroup.freeze; do : >> \$file; done"
try "change the limits of pods" "for file in $cgroups/kubepods*/memory.max $cgroups/kubepods*/*/memory.max; do cat \$file > /tmp/value && cat /tmp/value > \$file && exit; done; exit 1"
try "use a loop device" "dd if=/dev/zero of=/tmp/file bs=1024 count=64 && losetup /dev/loop3 /tmp/file && losetup -d /dev/loop3"
try "set the clock" "! date -s @\$(date +%s) 2>&1 | grep -q 'set date'"
try "be spared by the OOM killer" "echo -900 > /proc/self/oom_score_adj"
