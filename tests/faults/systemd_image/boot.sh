#!/bin/sh
# The first process: hands over to systemd, which wants one tree of cgroups that it may write.
# Where the machine outside still has cgroup v1, the engine mounts that, and newer ones refuse it.
set -eu
if [ ! -e /sys/fs/cgroup/cgroup.procs ]; then
    umount --recursive /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
exec /usr/lib/systemd/systemd
