# shellcheck shell=dash
#
# Containers on control groups of version 2: limits, use, kills for want of memory, the end. No tree is needed: whoever
# starts a knot makes the groups.
. /test/harness.sh
. /test/sandboxes.sh
mount_all
make_image
insmod /lib/modules/loop.ko
make_sandbox one sleep
# A disk, of which each container may write a mebibyte in a second.
dd if=/dev/zero of=/tmp/disk bs=1M count=8 2>/dev/null
losetup /dev/loop0 /tmp/disk
cat >>/etc/lithos/sandboxes/one.yaml <<'YAML'
max-io:
  /dev/loop0: {write-bytes: 1Mi, read-operations: 500}
  /no/such/disk: {write-bytes: 1Mi}
YAML
make_sandbox two greedy
slice=/sys/fs/cgroup/lithos.slice
one=$slice/one:web.0.scope
two=$slice/two:web.0.scope

start() {
    lithos_knot --name one/web.0 --master /etc/lithos/master.yaml --config "$(instance sleep)" </dev/null >/tmp/knot 2>&1 &
    echo $! >/tmp/pid
    until_ok grep -qs 'populated 1' $one/cgroup.events || { logs; return 1; }
}

is_limited() {
    equal "$(cat $one/memory.max)" 67108864
    equal "$(cat $one/memory.swap.max)" 0
    equal "$(cat $one/cpu.weight)" 20
    equal "$(cat $one/cpu.max)" "50000 100000"
    equal "$(cat $one/pids.max)" 20
}

disk_is_limited() {
    equal "$(cat $one/io.max)" "7:0 rbps=max wbps=1048576 riops=500 wiops=max"
    grep -q 'limits of the disk of /no/such/disk' /var/log/lithos/one.log || { logs; return 1; }
}

# write_in GROUP: seconds that it takes a process there to write three mebibytes, past the page cache.
write_in() {
    before=$(date +%s)
    # shellcheck disable=SC2016
    sh -c 'echo $$ >"$1/cgroup.procs" && exec dd if=/dev/zero of=/dev/loop0 bs=256k count=12 oflag=direct 2>/dev/null' sh "$1" || return 1
    echo $(($(date +%s) - before))
}

disk_is_slow() {
    mkdir /sys/fs/cgroup/free
    free=$(write_in /sys/fs/cgroup/free)
    limited=$(write_in $one)
    rmdir /sys/fs/cgroup/free
    above "$limited" "$free"
    above "$limited" 1
}

two_members() { [ "$(wc -l <$one/cgroup.procs)" -eq 2 ]; }
has_members() { until_ok two_members || { logs; return 1; }; }
logs() { cat /tmp/knot /var/log/lithos/*.log; }

# Nobody can see the groups of others from inside: the namespace has its root at the scope.
sees_only_itself() {
    pid=$(head -n 1 $one/cgroup.procs)
    [ "$(readlink "/proc/$pid/ns/cgroup")" != "$(readlink /proc/1/ns/cgroup)" ]
}

ends() {
    kill -TERM "$(cat /tmp/pid)"
    until_ok not kill -0 "$(cat /tmp/pid)"
    until_ok not grep -qs 'populated 1' $one/cgroup.events
}

not() { ! "$@" 2>/dev/null; }

is_killed_for_want_of_memory() {
    lithos_knot --name two/web.0 --master /etc/lithos/master.yaml --config "$(instance greedy)" </dev/null >/tmp/knot 2>&1 || code=$?
    equal "${code:-0}" 2 || { logs; return 1; }
    above "$(sed -n 's/^oom_kill //p' $two/memory.events)" 0
    grep -qi 'memory' /var/log/lithos/two.log || { cat /var/log/lithos/two.log; return 1; }
}

it "a container starts in its group" start
it "its limits are in force" is_limited
it "its disk is limited, and a path on no disk is told" disk_is_limited
it "writing to that disk is slow" disk_is_slow
it "the knot and the service are in it" has_members
it "its namespace of groups is its own" sees_only_itself
it "it ends" ends
it "a kill for want of memory is reported as such" is_killed_for_want_of_memory
finish
