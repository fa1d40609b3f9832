# shellcheck shell=dash
#
# A machine whose first process is lithos_tree: nothing is mounted before, two sandboxes run, a reload touches nothing,
# what dies starts again, and in the end the machine is turned off. The operator is a process that nobody has announced to
# the tree.
. /test/harness.sh
. /test/sandboxes.sh
slice=/sys/fs/cgroup/lithos.slice
one=$slice/one:web.0.scope
two=$slice/two:web.0.scope

logs() { cat /var/log/lithos/*.log; }

mounts_are_there() {
    for path in /proc /sys /dev /dev/pts /dev/shm /run /sys/fs/cgroup; do
        grep -q " $path " /proc/mounts || { echo "nothing on $path"; return 1; }
    done
}

is_first() { grep -q lithos_tree /proc/1/comm; }

# Knot and service are there, and the process that has made the container is not any more.
runs() {
    [ "$(wc -l <"$1/cgroup.procs")" -eq 2 ] || return 1
    grep -q busybox "/proc/$(sort -n "$1/cgroup.procs" | tail -n 1)/comm"
}
# Knot and service, in this order, as long as they live.
members() { sort -n "$1/cgroup.procs" | tr '\n' ' '; }

both_run() {
    { until_ok runs $one && until_ok runs $two; } || { logs; return 1; }
    members $one >/tmp/one
    members $two >/tmp/two
}

tree_is_supervisor() { equal "$(cat /proc/1/cgroup)" "0::/lithos.slice/supervisor"; }

is_limited() {
    equal "$(cat $one/memory.max)" 67108864
    equal "$(cat $one/cpu.weight)" 20
    equal "$(cat $one/pids.max)" 20
}

same_as_before() {
    equal "$(members $one)" "$(cat /tmp/one)"
    equal "$(members $two)" "$(cat /tmp/two)"
}

# [F33]: a tree that is the first process finds itself in its own group at each reload.
reload_nests_nothing() {
    groups=$(find /sys/fs/cgroup -mindepth 1 -type d | sort)
    for signal in HUP QUIT HUP; do
        kill -$signal 1
        sleep 1
        is_first
    done
    tree_is_supervisor
    equal "$(find /sys/fs/cgroup -mindepth 1 -type d | sort)" "$groups"
    same_as_before || { logs; return 1; }
}

# The second half of [F33]: neither the operator (us) nor an adopted process is ended by a reload.
orphan_survives() {
    kill -0 "$(cat /tmp/orphan)"
    equal "$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$(cat /tmp/orphan)/status")" 1
}

orphan_is_reaped() {
    kill -KILL "$(cat /tmp/orphan)"
    until_ok not test -e "/proc/$(cat /tmp/orphan)"
}

not() { ! "$@"; }

changed() { runs $one && [ "$(members $one)" != "$(cat /tmp/one)" ]; }
what_dies_starts_again() {
    echo 1 >$one/cgroup.kill
    until_ok changed || { logs; return 1; }
    equal "$(members $two)" "$(cat /tmp/two)"
}

# Seconds since the boot, which no step of the wall clock changes.
now() { cut -d. -f1 /proc/uptime; }

# Hours forwards, twice as far back, and to the truth: nobody is ended by it, and who ends is started again at once.
clock_is_nobodys_business() {
    for step in 18000 -36000 18000; do
        members $one >/tmp/one
        members $two >/tmp/two
        began=$(date +%s)
        date -s "@$((began + step))"
        above $((step * ($(date +%s) - began))) 0
        sleep 1
        same_as_before || { logs; return 1; }
        kill -HUP 1
        sleep 1
        same_as_before || { logs; return 1; }
        since=$(now)
        echo 1 >$one/cgroup.kill
        until_ok changed || { logs; return 1; }
        above 5 $(($(now) - since))
        equal "$(members $two)" "$(cat /tmp/two)"
    done
}

# One that ignores the request to stop is killed after its 2 seconds, not after hours.
no_kill_is_delayed() {
    kill -STOP "$(sort -n $one/cgroup.procs | tail -n 1)"
    since=$(now)
    mv /etc/lithos/processes/one.yaml /tmp/one.yaml
    : >/etc/lithos/processes/one.yaml
    kill -HUP 1
    sleep 1
    date -s "@$(($(date +%s) - 18000))"
    until_ok not test -e $one || { logs; return 1; }
    above 9 $(($(now) - since))
    date -s "@$(($(date +%s) + 18000))"
    mv /tmp/one.yaml /etc/lithos/processes/one.yaml
    kill -HUP 1
    until_ok runs $one || { logs; return 1; }
}

# The group of a command is beside those of the tree, wherever lithos_cmd is run, and goes with it.
command_has_a_group() {
    lithos_cmd one job </dev/null &
    job=$slice/one:cmd.job.$!.scope
    until_ok runs "$job" || { logs; return 1; }
    wait $!
    [ ! -e "$job" ] || { echo "$job is still there"; return 1; }
    same_as_before
}

gone() { ! grep -qs 'populated 1' $two/cgroup.events; }
removal_retires() {
    : >/etc/lithos/processes/two.yaml
    kill -HUP 1
    until_ok gone || { logs; return 1; }
    until_ok not test -e $two
}

operator() {
    until [ -e /proc/self/stat ]; do sleep 0.1; done
    # Forked twice: its parent is the first process.
    (sleep 100000 & echo $! >/tmp/orphan)
    it "the tree is the first process and has mounted what was missing" eval "until_ok is_first; until_ok mounts_are_there || { logs; false; }"
    it "two sandboxes run" both_run
    it "the tree has a group of its own" tree_is_supervisor
    it "limits are in force" is_limited
    it "three reloads nest no group and touch nothing" reload_nests_nothing
    it "they end no adopted orphan" orphan_survives
    it "an orphan that ends is reaped" orphan_is_reaped
    it "what dies starts again" what_dies_starts_again
    it "a step of the wall clock by hours ends nobody and delays no start" clock_is_nobodys_business
    it "nor a kill" no_kill_is_delayed
    members $one >/tmp/one
    it "a command is in a group beside them, which goes with it" command_has_a_group
    it "what is removed ends, its group goes" removal_retires
    echo "machine: complete"
    # Turns the machine off: nothing else does here.
    kill -TERM 1
    sleep 1000
}

make_image
make_sandbox one sleep
make_sandbox two sleep
(operator) &
exec lithos_tree --log-stderr </dev/null
