#!/usr/bin/env bash
# Becomes the first process of a small machine: a real systemd in namespaces of its own, on an overlay of this one's root.
# usage (root): boot.sh DIRECTORY NAME [SOURCE:TARGET ...]     DIRECTORY: on a tmpfs. Each SOURCE is shown, read-only, at TARGET; one
# that ends in a slash may be written to. $LOWER: another root than this machine's.
set -euo pipefail
directory=$1 name=$2
shift 2
root=$directory/root
mkdir -p "$root" "$directory/upper" "$directory/work"

# Inside the new namespaces, still in the old root.
mount -t overlay overlay -o "lowerdir=${LOWER:-/},upperdir=$directory/upper,workdir=$directory/work" "$root"
for pair in "$@"; do
  mkdir -p "$root/${pair#*:}"
  mount --bind "${pair%%:*}" "$root/${pair#*:}"
  [[ ${pair%%:*} = */ ]] || mount -o remount,bind,ro "$root/${pair#*:}"
done
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for place in run tmp dev; do mount -t tmpfs -o mode=1777 tmpfs "$root/$place"; done
chmod 755 "$root/run" "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/run/lock" "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

# What the machine that lends its root would start has no place here.
rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/systemd/system/*.service
for unit in getty.target console-getty.service systemd-logind.service systemd-networkd.service systemd-resolved.service \
  systemd-timesyncd.service; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
rm -f "$root/usr/sbin/policy-rc.d" # of a container image: no package may start or restart anything
rm -f "$root/etc/machine-id"
touch "$root/etc/machine-id"
hostname "$name"
ip link set lo up

mkdir "$root/.outside"
cd "$root"
pivot_root . .outside
umount -l /.outside
# As systemd expects to find it in a container: what a service mounts (its credentials) is seen by others.
mount --make-rshared /
exec env -i container=namespace PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
  /lib/systemd/systemd --unit=multi-user.target --log-target=journal --show-status=false </dev/null >/dev/null 2>&1
