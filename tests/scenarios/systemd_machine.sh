#!/bin/sh
# Boot systemd as the first process of a machine made of namespaces. The machine has the files of the host, but writes
# only to copies in memory. systemd_machine.py runs this script in a new mount namespace.
#   systemd_machine.sh CGROUP FOLDER PATH...: the name of the cgroup; a folder whose subfolders are mounted at each PATH
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
write_in_memory() {
  mkdir -p "/run/overlays/$1/upper" "/run/overlays/$1/work"
  chmod --reference="/$1" "/run/overlays/$1/upper"
  mount -t overlay -o "lowerdir=/$1,upperdir=/run/overlays/$1/upper,workdir=/run/overlays/$1/work" overlay "/$1"
}
for folder_name in etc var opt srv; do
  write_in_memory "$folder_name"
done
for path; do
  mkdir -p "$path"
  mount --bind "$folder$path" "$path"
done
write_in_memory tmp # last, because FOLDER may be below /tmp

mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys # the kernel is that of the host
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

# The only service of the host is the journal: others would mount its disks and clean up its /tmp.
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

mount --make-rshared / # otherwise the credentials of a service are mounted where it cannot see them
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=mjwatch-test \
  SYSTEMD_UNIT_PATH="/etc/systemd/system:$units" SYSTEMD_GENERATOR_PATH=/run/none \
  /usr/lib/systemd/systemd --system --unit=machine.target --log-target=journal --show-status=0
