# Sourced by the tests that need a machine of their own, with the paths that lithos has by default; after lithos.bash.
#
# on_machine COMMAND…   runs it as root of a private view of this machine: file systems, processes and network are its own; /etc, /var,
#                       /run, /srv and the programs of lithos may be changed. What it leaves running ends with it.
# setup_machine         before; skips the test where a lithos runs already
# remove_slices         removes the control groups, for teardown; fails when they stay

# The control groups are those of the real machine, and their default name is used: one test at a time, the lock is the test's.
setup_machine() {
    W=$BATS_TEST_TMPDIR/machine
    [ -n "$(find /sys/fs/cgroup -maxdepth 2 -name cgroup.procs -print -quit 2>/dev/null)" ] || skip 'no control groups here'
    exec 8< /sys/fs/cgroup
    flock 8
    [ -z "$(slices)" ] || skip 'lithos runs on this machine, or has left control groups'
    MINE=1
}

slices() { find /sys/fs/cgroup -maxdepth 6 -type d -name lithos.slice 2>/dev/null; }

# The kernel removes none as long as somebody is in it.
removed_slices() {
    local dir
    for dir in $(slices); do rmdir "$dir"/* "$dir" 2>/dev/null || true; done
    [ -z "$(slices)" ]
}
remove_slices() { [ -z "${MINE:-}" ] || eventually removed_slices; }

# shellcheck disable=SC2016 # The inner shell expands it.
on_machine() {
    mkdir -p "$W"/{etc,lib,log,run,srv,bin}
    cp -a /etc/. "$W/etc/"
    rm -rf "$W/etc/lithos" "$W/etc/resolv.conf"
    cp -L /etc/resolv.conf "$W/etc/" 2>/dev/null || : > "$W/etc/resolv.conf"
    cp "${VAGGA_BATS%/*}"/bin/lithos_* "$W/bin/"
    # The shell reaps what a tree leaves behind when it is killed.
    unshare --mount --propagation private --pid --fork --kill-child --mount-proc --net bash -euc '
        W=$1; shift
        for dir in etc:/etc lib:/var/lib log:/var/log run:/run srv:/srv bin:/usr/local/bin; do
            mount --bind "$W/${dir%%:*}" "${dir#*:}"
        done
        ip link set lo up
        export PATH=/usr/local/bin:$PATH
        status=0; "$@" || status=$?
        exit "$status"' - "$W" "$@" 8<&-
}

# needs PROGRAM…: skips the test without them.
needs() {
    local program
    [ -x /usr/bin/python3 ] || skip 'no /usr/bin/python3'
    for program in "$@"; do command -v "$program" > /dev/null || skip "no $program"; done
}
