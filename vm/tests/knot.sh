# shellcheck shell=dash
#
# Containers on control groups of version 2: limits, use, kills for want of memory, the end. No tree is needed: whoever
# starts a knot makes the groups.
. /test/harness.sh
. /test/sandboxes.sh
mount_all
make_image
make_sandbox one sleep
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
it "the knot and the service are in it" has_members
it "its namespace of groups is its own" sees_only_itself
it "it ends" ends
it "a kill for want of memory is reported as such" is_killed_for_want_of_memory
finish
