# shellcheck shell=dash
#
# sys::cgroup on real control groups of version 2 with every controller: the library's own tests, which make real
# groups where they can, as the program `unit-tests`.
. /test/harness.sh
mount_all

units() {
    # Without groups of their own they would have nothing to test: here that is a failure.
    ORCHESTRATION_NEEDS_CGROUPS=1 unit-tests --test-threads=1 --nocapture "$1" >/tmp/units 2>&1 || { cat /tmp/units; return 1; }
    grep -q ' 0 failed' /tmp/units
    above "$(sed -n 's/.*ok\. \([0-9]*\) passed.*/\1/p' /tmp/units)" 0
}

has_every_controller() {
    for controller in cpuset cpu io memory pids; do
        grep -qw "$controller" /sys/fs/cgroup/cgroup.controllers || { echo "no $controller"; return 1; }
    done
}

leaves_nothing() {
    equal "$(find /sys/fs/cgroup -mindepth 1 -type d)" ""
}

it "the machine has version 2 with every controller" has_every_controller
it "texts of /proc, limits as values, fabricated trees" units sys::cgroup::
it "groups are limited, filled, killed and removed" units sys::cgroup::tests::real::a_real_
it "a tree in a delegated unit" units sys::cgroup::tests::real::a_tree_
it "nothing is left" leaves_nothing
finish
