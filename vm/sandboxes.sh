# shellcheck shell=dash
#
# Sourced inside the virtual machine: an image and the files of two sandboxes.
#
# make_image            /images/v1: busybox, the directories that lithos mounts on, two container files
# make_sandbox NAME CONTAINER_FILE   both files of a sandbox with one container, NAME/web.0

make_image() {
    mkdir -p /images/v1/bin /images/v1/config /images/v1/dev /images/v1/sys /images/v1/proc /images/v1/tmp
    cp /bin/busybox /images/v1/bin/
    cat >/images/v1/config/sleep.yaml <<'YAML'
kind: Daemon
user-id: 1000
group-id: 1000
memory-limit: 64Mi
cpu-shares: 512
cpu-quota: 50
pids-limit: 20
kill-timeout: 2
executable: /bin/busybox
arguments: [sleep, "100000"]
YAML
    # Takes more memory than it may have, after a second.
    cat >/images/v1/config/greedy.yaml <<'YAML'
kind: Daemon
user-id: 1000
group-id: 1000
memory-limit: 16Mi
restart-timeout: 3
executable: /bin/busybox
arguments: [sh, -c, "sleep 1; a=x; while :; do a=$a$a; done"]
YAML
    cat >/images/v1/config/job.yaml <<'YAML'
kind: Command
user-id: 1000
group-id: 1000
executable: /bin/busybox
arguments: [sleep, "2"]
YAML
    mkdir -p /var/lib/lithos/dev/pts /var/log
    for device in null:3 zero:5 full:7 random:8 urandom:9; do
        mknod -m 666 "/var/lib/lithos/dev/${device%:*}" c 1 "${device#*:}"
    done
    mkdir -p /etc/lithos/sandboxes /etc/lithos/processes
    : >/etc/lithos/master.yaml
    echo "log-level: info" >/etc/lithos/master.yaml
    printf '127.0.0.1 localhost\n' >/etc/hosts
    : >/etc/resolv.conf
}

make_sandbox() {
    cat >"/etc/lithos/sandboxes/$1.yaml" <<'YAML'
image-dir: /images
allow-users: [1000]
allow-groups: [1000]
YAML
    printf 'web:\n  image: v1\n  config: /config/%s.yaml\n  instances: 1\njob: {image: v1, config: /config/job.yaml, kind: Command}\n' "$2" >"/etc/lithos/processes/$1.yaml"
}

instance() {
    printf '{"instances":1,"image":"v1","config":"/config/%s.yaml","kind":"Daemon"}' "$1"
}
