# Sourced by every .bats file of this folder: the machine of the specification's scenarios, in a scratch directory.
#
# setup_lithos         $L with master.yaml, the sandbox `app` (ids 0-99 are 10000-10099 outside), the image img.v1
# container NAME       standard input becomes /config/NAME.yaml of the image
# processes            standard input becomes the processes file of `app`
# knot NAME CONFIG [OPTION…] [-- ARG…]   runs lithos_knot by hand, no tree
bats_require_minimum_version 1.5.0

setup_lithos() {
    L=$BATS_TEST_TMPDIR/l
    IMAGE=$L/images/img.v1
    mkdir -p "$L"/{sandboxes,processes,run,log,images,host}
    chmod 755 "$BATS_TEST_TMPDIR" "$L" "$L/images"
    cat > "$L/master.yaml" <<YAML
runtime-dir: $L/run
default-log-dir: $L/log
config-log-dir: $L/log/config
stdio-log-dir: $L/log/stderr
devfs-dir: $L/dev
cgroup-name: null
YAML
    sandbox < /dev/null
    devices "$L/dev"
    make_image "$IMAGE"
}

# The sandbox file; standard input is added.
sandbox() {
    { cat <<YAML
image-dir: $L/images
allow-users: [0-100]
allow-groups: [0-100]
default-user: 1
uid-map: [{inside: 0, outside: 10000, count: 100}]
gid-map: [{inside: 0, outside: 10000, count: 100}]
YAML
    cat; } > "$L/sandboxes/app.yaml"
}

# A minimal /dev, as lithos_mkdev makes it.
devices() {
    mkdir -p "$1"/{pts,shm}
    local name
    for name in null:3 zero:5 full:7 random:8 urandom:9; do
        mknod -m 666 "$1/${name%:*}" c 1 "${name#*:}"
    done
    mknod -m 666 "$1/tty" c 5 0
    ln -s pts/ptmx "$1/ptmx"
    ln -s /proc/self/fd "$1/fd"
    ln -s /proc/self/fd/0 "$1/stdin"
    ln -s /proc/self/fd/1 "$1/stdout"
    ln -s /proc/self/fd/2 "$1/stderr"
}

make_image() {
    mkdir -p "$1"/{bin,dev,sys,proc,tmp,etc,config,data,state,mnt}
    cp "$(command -v busybox)" "$1/bin/busybox"
    local name
    for name in $("$1/bin/busybox" --list); do
        [ "$name" = busybox ] || ln -s busybox "$1/bin/$name"
    done
    : > "$1/etc/hosts"; : > "$1/etc/resolv.conf"
    chmod 755 "$1"
}

container() { cat > "$IMAGE/config/$1.yaml"; }
processes() { cat > "$L/processes/app.yaml"; }

# A shell script as a command: shell_command NAME [KEYS…] < script
script() {
    local name=$1; shift
    { echo "kind: CommandOrDaemon"; echo "executable: /bin/sh"
      echo "arguments: [/config/$name.sh]"; echo "interactive: true"
      echo "environ: {PATH: /bin:/usr/bin}"
      printf '%s\n' "$@"; } > "$IMAGE/config/$name.yaml"
    cat > "$IMAGE/config/$name.sh"
}

instance() {
    local kind=${2:-Command}
    printf '{"instances":1,"image":"img.v1","config":"/config/%s.yaml","kind":"%s"}' "$1" "$kind"
}

knot() {
    local name=$1 config=$2; shift 2
    lithos_knot --name "$name" --master "$L/master.yaml" --config "$config" "$@"
}

# Runs the script NAME as a command in a container.
inside() {
    local name=$1; shift
    knot "app/cmd.$name.1" "$(instance "$name")" "$@" < /dev/null
}

# start NAME [KIND]: runs it in the background as $pid, output in $L/out, and waits for the line `started`.
start() {
    local name="app/cmd.$1.1"
    [ "${2:-Command}" = Command ] || name="app/$1.0"
    lithos_knot --name "$name" --master "$L/master.yaml" --config "$(instance "$1" "${2:-Command}")" \
        < /dev/null > "$L/out" 2>&1 &
    pid=$!
    eventually grep started "$L/out" || { cat "$L/out"; return 1; }
}

# stop: asks it to stop; its exit code is $code.
stop() { kill -TERM "$pid"; code=0; wait "$pid" || code=$?; pid=; }

teardown() {
    [ -z "${pid:-}" ] || kill -TERM "$pid" 2>/dev/null || true
    local left
    for left in $(pgrep -f "^lithos_knot .*${L:-/nowhere}/"); do kill -KILL "$left" 2>/dev/null || true; done
}

# eventually COMMAND…: until it succeeds, at most ten seconds.
eventually() {
    for _ in $(seq 200); do "$@" > /dev/null 2>&1 && return; sleep 0.05; done
    echo "never succeeded: $*"
    return 1
}

# contains TEXT PART: fails with both shown.
contains() {
    [[ "$1" == *"$2"* ]] || { printf 'expected to contain: %s\nbut was:\n%s\n' "$2" "$1"; return 1; }
}

lacks() {
    [[ "$1" != *"$2"* ]] || { printf 'expected not to contain: %s\nbut was:\n%s\n' "$2" "$1"; return 1; }
}
