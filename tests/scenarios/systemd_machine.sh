#!/bin/sh
# Boots systemd as the first process of a machine of its own, made of namespaces: the files of the host, of which
# only copies in memory are written to. Run by systemd_machine.py, in a mount namespace of its own.
#   systemd_machine.sh CGROUP FOLDER PLACE...: the cgroup's name; a folder that is seen at each PLACE, from its
#   subfolder of the same name
set -eu
cgroup=$1 folder=$2
shift 2

if [ -z "${INSIDE-}" ]; then
  mount --make-rprivate /
  mount -t cgroup2 cgroup /sys/fs/cgroup
  mkdir "/sys/fs/cgroup/$cgroup"
  echo $$ >"/sys/fs/cgroup/$cgroup/cgroup.procs"
  INSIDE=yes exec unshare --pid --fork --kill-child --uts --ipc --net --cgroup "$0" "$cgroup" "$folder" "$@"
fi

mount -t tmpfs -o mode=755 tmpfs /run
written_in_memory() {
  mkdir -p "/run/written/$1/upper" "/run/written/$1/work"
  chmod --reference="/$1" "/run/written/$1/upper"
  mount -t overlay -o "lowerdir=/$1,upperdir=/run/written/$1/upper,workdir=/run/written/$1/work" overlay "/$1"
}
for place in etc var opt srv; do
  written_in_memory "$place"
done
for place; do
  mkdir -p "$place"
  mount --bind "$folder$place" "$place"
done
written_in_memory tmp # the last one, for FOLDER may lie there

mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys # the kernel is the host's
mount -t sysfs -o ro sysfs /sys
mount -t cgroup2 cgroup /sys/fs/cgroup
mkdir /run/dev
mount -t tmpfs -o mode=755 tmpfs /run/dev
for device in null zero full random urandom tty; do
  : >"/run/dev/$device"
  mount --bind "/dev/$device" "/run/dev/$device"
done
mkdir /run/dev/pts
mkdir -m 1777 /run/dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts /run/dev/pts
ln -s pts/ptmx /run/dev/ptmx
ln -s /proc/self/fd /run/dev/fd
mount --move /run/dev /dev
mount -o remount,bind,ro /

# Of the host's own services none but the journal: others would mount its disks and tidy up its /tmp.
units=/run/units
mkdir "$units"
for unit in systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket; do
  cp "/usr/lib/systemd/system/$unit" "$units/"
done
for target in sysinit basic multi-user network-online shutdown; do
  printf '[Unit]\nDefaultDependencies=no\n' >"$units/$target.target"
done
printf '[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service\n' >"$units/machine.target"
rm -rf /etc/systemd/system
mkdir -p /etc/systemd/system
rm -f /etc/machine-id
echo 0123456789abcdef0123456789abcdef >/etc/machine-id

mount --make-rshared / # else a service's credentials are mounted where it can't see them
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=mjwatch-test \
  SYSTEMD_UNIT_PATH="/etc/systemd/system:$units" SYSTEMD_GENERATOR_PATH=/run/none \
  /usr/lib/systemd/systemd --system --unit=machine.target --log-target=journal --show-status=0
