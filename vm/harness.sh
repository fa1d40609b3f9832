# shellcheck shell=dash
#
# Sourced by the tests of vm/tests inside the virtual machine.
#
# it "does something" COMMAND…   runs the command (usually a function, with -e) and prints a line of TAP
# mount_all                      what a system that has booted has
# finish                         says that the tests are complete and turns the machine off; never returns
export PATH=/bin:/usr/bin
count=0

it() {
    text=$1; shift
    count=$((count + 1))
    # Not in the condition itself, where -e would mean nothing.
    (set -e; "$@") >/tmp/output 2>&1
    # shellcheck disable=SC2181
    if [ $? -eq 0 ]; then
        echo "ok $count - $text"
    else
        echo "not ok $count - $text"
        sed 's/^/#   /' /tmp/output
    fi
}

mount_all() {
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t devtmpfs dev /dev
    mount -t tmpfs run /run
    mount -t tmpfs -o mode=1777 tmp /tmp
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    ip link set lo up
}

# Prints the first argument that is a number greater than the second; fails otherwise.
above() { [ "$1" -gt "$2" ] || { echo "$1 is not above $2"; return 1; }; }

equal() { [ "$1" = "$2" ] || { echo "is:        $1"; echo "should be: $2"; return 1; }; }

# Waits up to thirty seconds for a command to succeed: the emulator is slow, and slower on a busy machine.
until_ok() {
    n=0
    until "$@" 2>/dev/null; do
        n=$((n + 1))
        [ $n -lt 300 ] || { echo "still not: $*"; return 1; }
        sleep 0.1
    done
}

finish() {
    echo "machine: complete"
    sync
    poweroff -f
    sleep 60
}
