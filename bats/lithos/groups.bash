# Sourced by the tests of lithos that use control groups: groups of a name of the test's own, so that nothing of other tests, or of a
# lithos of this machine, is touched.
#
# own_groups           the master file names them; skips the test where there are no control groups
# groups               their directories, one in each hierarchy
# scopes               those of containers
# remove_groups        kills what is in them and removes them, for teardown; fails when they stay

own_groups() {
    [ -n "$(find /sys/fs/cgroup -maxdepth 2 -name 'cgroup.procs' -print -quit 2>/dev/null)" ] || skip 'no control groups here'
    SLICE=bats-$$-$BATS_TEST_NUMBER.slice
    sed -i "s/^cgroup-name:.*/cgroup-name: $SLICE/" "$L/master.yaml"
}

# Deep enough for machines that are containers themselves.
groups() { [ -z "${SLICE:-}" ] || find /sys/fs/cgroup -maxdepth 6 -type d -name "$SLICE" 2>/dev/null; }
scopes() { groups | while read -r dir; do find "$dir" -name '*.scope'; done; }

removed() {
    groups | while read -r dir; do
        cat "$dir"/*/cgroup.procs 2>/dev/null | xargs -r kill -KILL 2>/dev/null || true
        rmdir "$dir"/* 2>/dev/null || true
        rmdir "$dir" 2>/dev/null || true
    done
    [ -z "$(groups)" ]
}
remove_groups() { eventually removed; }
