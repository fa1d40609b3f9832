#!/usr/bin/env bats
# One container by hand: what the process sees, how its end becomes an exit code, what remains.
# bats file_tags=root,young
load lithos.bash

setup() { setup_lithos; }

@test "environment is what the files say and nothing of the host (A-41, A-42, A-43)" {
    script env 'secret-environ: {}' <<< 'env | grep -v "^\(PWD\|SHLVL\|PATH\)="; echo "pid $$"'
    HOSTVAR=leak TERM=xterm run inside env
    [ "$status" -eq 0 ]
    contains "$output" "TERM=xterm"
    contains "$output" "LITHOS_NAME=app/cmd.env.1"
    contains "$output" "LITHOS_CONFIG=/config/env.yaml"
    contains "$output" "pid 2"
    [ "$(grep -c = <<< "$output")" -eq 3 ]
}

@test "built-in variables and arguments of the command line" {
    container v <<'YAML'
kind: Command
interactive: true
executable: /bin/sh
arguments: ["-c", 'echo "$P $N [$*]"', "@{lithos:name}"]
environ: {P: "@{lithos:pid}", N: "@{lithos:config_filename}", LITHOS_NAME: x}
YAML
    run inside v -- one '@{x}'
    [ "$output" = "2 /config/v.yaml [one @{x}]" ]
}

@test "mounts: read-only root, dev and sys, own proc, pts, volumes (A-44, A-46, A-47)" {
    mkdir "$L/host/ro"
    echo text > "$L/host/ro/f"
    sandbox <<< "readonly-paths: {/ro: $L/host/ro}"
    script m 'volumes: {/tmp: !Tmpfs {}, /data: !Readonly /ro}' <<'SH'
cat /proc/self/mountinfo | while read a b c root point flags rest; do echo "$point $flags $rest"; done
for f in /x /etc/x /dev/x /sys/x /data/x /proc/sys/kernel/hostname; do (echo > $f) 2>/dev/null && echo "wrote $f"; done
echo > /tmp/x && echo "tmp is writable"
stat -c "%a" /tmp
cat /data/f /etc/hosts
df -m /tmp | tail -1
SH
    run inside m
    contains "$output" "tmp is writable"
    lacks "$output" "wrote "
    contains "$output" $'\n777\n'
    contains "$output" "text"
    contains "$output" "localhost"
    grep -q '^/ ro,nosuid,nodev' <<< "$output"
    grep -q '^/dev ro,nosuid,noexec' <<< "$output"
    grep -q '^/sys ro,nosuid,nodev,noexec' <<< "$output"
    grep -q '^/tmp rw,nosuid,nodev' <<< "$output"
    grep -q '^/data ro,nosuid,nodev' <<< "$output"
    grep -q '^/etc/hosts ro,' <<< "$output"
    grep -q '^/dev/pts .*ptmxmode=666' <<< "$output"
    lacks "$output" "$L"
}

@test "ids inside and outside; nothing of the starter's groups (A-45)" {
    script ids 'user-id: 1' <<< 'id -u; id -g; id -G; grep ^Cap /proc/self/status; echo ready; sleep 30'
    setpriv --groups 4,27 -- "$(command -v lithos_knot)" --name app/cmd.ids.1 --master "$L/master.yaml" \
        --config "$(instance ids)" > "$L/out" 2>&1 < /dev/null &
    eventually grep ready "$L/out"
    pid=$(pgrep -f "^sleep 30")
    [ "$(stat -c %u:%g "/proc/$pid")" = 10001:10000 ]
    kill "$!"
    wait "$!" || true
    [ "$(sed -n 1,3p "$L/out" | tr '\n' ' ')" = "1 0 0 " ]
    [ "$(grep -c 0000000000000000 "$L/out")" -eq 5 ]
}

@test "persistent volumes: made once with mapped owner and mode (A-48, A-49, A-50)" {
    mkdir "$L/host/db"
    sandbox <<< "writable-paths: {/db: $L/host/db}"
    script p 'volumes: {/data: !Persistent {path: /db/sub, mkdir: true, user: 1, group: 1, mode: 0o700}}' <<< 'echo x > /data/f'
    run inside p
    [ "$status" -eq 0 ]
    [ "$(stat -c %u:%g:%a "$L/host/db/sub")" = 10001:10001:700 ]
    [ "$(cat "$L/host/db/sub/f")" = x ]
    script p 'volumes: {/data: !Persistent {path: /db/sub, mkdir: true, mode: 0o755}}' <<< 'exit 0'
    inside p
    [ "$(stat -c %a "$L/host/db/sub")" = 700 ]
    script p 'volumes: {/data: !Persistent {path: /elsewhere}}' <<< 'exit 0'
    run inside p
    [ "$status" -eq 1 ]
    contains "$output" /elsewhere
}

@test "state directory: there while it runs, fresh and gone afterwards (A-51, A-163)" {
    script s 'volumes: {/state: !Statedir {path: /my, user: 1, mode: 0o750}}' <<'SH'
ls -A /state
echo x > /state/f; ln -s /nowhere /state/dangling
echo started; sleep 30
SH
    start s
    dir=$L/run/state/app/cmd.s.1
    [ "$(stat -c %u:%a "$dir/my")" = 10001:750 ]
    [ -e "$dir/my/f" ] && [ -e "$dir/hosts" ]
    stop
    [ ! -e "$L/run/state/app" ]
}

@test "the name of a host that has IPv6 only, and of one that has both" {
    script h 'hosts-file: {copy-from-host: false, localhost: false}' <<< 'cat /etc/hosts'
    # The name and the resolver's file of this test alone.
    named() {
        lithos_name=$L/name.sh
        printf '%s\n' 'mount --bind "$1" /etc/hosts && echo six.example > /proc/sys/kernel/hostname || exit 77; shift; exec "$@"' > "$lithos_name"
        unshare -mu --propagation private sh "$lithos_name" "$@"
    }
    printf '%s\n' 'fe80::9 six.example' '2001:db8::7 six.example' '2001:db8::8 six.example' > "$L/hosts"
    named "$L/hosts" true || skip 'no name of its own here'
    run named "$L/hosts" lithos_knot --name app/cmd.h.1 --master "$L/master.yaml" --config "$(instance h)" < /dev/null
    [ "$output" = '2001:db8::7 six.example' ] || { echo "$output"; false; }
    echo '192.0.2.5 six.example' >> "$L/hosts"
    run named "$L/hosts" lithos_knot --name app/cmd.h.1 --master "$L/master.yaml" --config "$(instance h)" < /dev/null
    [ "$output" = '192.0.2.5 six.example' ] || { echo "$output"; false; }
}

@test "hosts and resolv.conf (A-52 to A-55)" {
    sandbox <<< 'additional-hosts: {db.internal: 10.20.0.7}'
    script h <<< 'cat /etc/hosts'
    run inside h
    contains "$output" $'\n10.20.0.7 db.internal'
    sandbox < /dev/null
    script h 'hosts-file: {copy-from-host: false, public-hostname: false}' <<< 'cat /etc/hosts'
    run inside h
    [ "$output" = "127.0.0.1 localhost.localdomain localhost" ]
    script h 'hosts-file: {copy-from-host: false, localhost: false, public-hostname: false}' <<< 'wc -c < /etc/hosts'
    run inside h
    [ "$output" = 0 ]
    rm "$IMAGE/etc/hosts"; ln -s /tmp/h "$IMAGE/etc/hosts"
    script h <<< 'cat /etc/hosts'
    run inside h
    [ "$status" -eq 2 ]
    script h 'hosts-file: {mount: true}' <<< 'exit 0'
    run inside h
    [ "$status" -eq 1 ]
    contains "$output" /etc/hosts
}

@test "output: between markers in the sandbox' log, or a file inside (A-56, A-122)" {
    script o 'interactive: false' <<< 'echo visible; echo error >&2'
    sed -i '0,/interactive: true/{//d}' "$IMAGE/config/o.yaml"
    run inside o
    [ -z "$output" ]
    log=$(cat "$L/log/stderr/app.log")
    [[ "$log" == *'----- Starting "app/cmd.o.1": "/bin/sh" "/config/o.sh" -----'*visible*error*'----- Process "app/cmd.o.1" exited with code 0, uptime 0s -----'* ]]
    script o 'stdout-stderr-file: /tmp/out' 'volumes: {/tmp: !Tmpfs {}}' <<< 'echo inside; cat /tmp/out > /proc/1/fd/1 2>/dev/null; grep -q inside /tmp/out'
    sed -i '/^interactive/d' "$IMAGE/config/o.yaml"
    rm -f /tmp/out
    run inside o
    [ "$status" -eq 0 ]
    [ ! -e /tmp/out ]
}

@test "failures of the set-up exit with 1 and name the step (A-57, A-58)" {
    container f <<< $'kind: Command\nexecutable: /bin/missing'
    run inside f
    [ "$status" -eq 1 ]
    contains "$(cat "$L/log/app.log")" 'execute "/bin/missing": No such file'
    script f <<< 'exit 0'
    rmdir "$IMAGE/sys"
    run inside f
    [ "$status" -eq 1 ]
    contains "$(cat "$L/log/app.log")" "/sys"
    [ ! -e "$L/run/state/app" ]
}

@test "limit of open files, soft and hard (A-59)" {
    script n 'fileno-limit: 2k' <<< 'ulimit -Sn; ulimit -Hn'
    run inside n
    [ "$output" = $'2000\n2000' ]
}

@test "exit codes of daemons and commands (A-63 to A-66)" {
    script e <<< 'exit ${1:-0}'
    run inside e; [ "$status" -eq 0 ]
    run inside e -- 7; [ "$status" -eq 2 ]
    run knot app/e.0 "$(instance e Daemon)" < /dev/null; [ "$status" -eq 2 ]
    script e 'normal-exit-codes: [200]' <<< 'exit ${1:-0}'
    run inside e -- 200; [ "$status" -eq 0 ]
    contains "$(cat "$L/log/stderr/app.log")" "exited with code 200"
    run inside e; [ "$status" -eq 2 ]
    script e <<< 'kill -$1 $$'
    run knot app/e.0 "$(instance e Daemon)" -- TERM < /dev/null; [ "$status" -eq 0 ]
    run knot app/e.0 "$(instance e Daemon)" -- KILL < /dev/null; [ "$status" -eq 2 ]
    contains "$(cat "$L/log/app.log")" "killed by signal SIGKILL[9]"
    run lithos_knot --name app/e.0 --master "$L/master.yaml"; [ "$status" -eq 2 ]
}

@test "a process that ignores TERM is killed in its time, exit 3 (A-67)" {
    script t 'kill-timeout: 1' <<< 'trap "" TERM; echo started; while :; do sleep 1; done'
    start t
    begin=$SECONDS
    stop
    [ "$code" -eq 3 ]
    [ $((SECONDS - begin)) -le 4 ]
    contains "$(cat "$L/log/stderr/app.log")" "did not respond to SIGTERM in 1s"
}

@test "a request to stop is passed on with the configured signal, exit 0" {
    script t 'stop-signal: USR1' <<< 'trap "echo got; exit 5" USR1; echo started; while :; do sleep 0.1; done'
    start t
    stop
    [ "$code" -eq 0 ]
    grep -q got "$L/out"
}

@test "what the process leaves behind ends with it; orphans are reaped (A-68, A-69)" {
    script d <<'SH'
(sleep 31 &)
for n in 1 2 3 4 5; do (true &); done
sleep 0.2
ps | grep -c '[[]true' || true
SH
    run inside d
    [ "$status" -eq 0 ]
    [ "$output" = 0 ]
    ! pgrep -f '^sleep 31' || false
}

@test "restart-process-only: same container, memory kept, at the throttle (A-70)" {
    script r 'restart-process-only: true' 'volumes: {/tmp: !Tmpfs {}}' <<'SH'
n=$(cat /tmp/n 2>/dev/null || echo 0); n=$((n + 1)); echo $n > /tmp/n
echo "run $n pid $$"; [ $n -ge 3 ] && echo started; [ $n -ge 3 ] && sleep 30; exit 5
SH
    begin=$(date +%s)
    start r Daemon
    [ $(($(date +%s) - begin)) -ge 1 ]
    stop
    [ "$code" -eq 0 ]
    [ "$(grep -c "exited with code 5" "$L/log/stderr/app.log")" -eq 2 ]
}

@test "sockets: chosen numbers, backlog, standard input, IPv6, activation (A-100, A-101, A-105, A-107, A-108)" {
    sandbox <<< 'allow-tcp-ports: [17000-17099]'
    script s 'tcp-ports: {17061: {fd: 5}, 17062: {fd: 0, host: 127.0.0.1, listen-backlog: 7}, 17063: {fd: 9, host: "::1"}}' <<< 'ls -l /proc/self/fd; echo started; exec sleep 30'
    start s
    [ "$(grep -cE ' (0|5|9) -> socket:' "$L/out")" -eq 3 ]
    (exec 3<>/dev/tcp/127.0.0.1/17061)
    (exec 3<>/dev/tcp/127.0.0.1/17062)
    (exec 3<>/dev/tcp/::1/17063)
    stop
    script s 'variables: {b_port: !TcpPort {activation: systemd}, a_port: !TcpPort {activation: systemd}}' <<< 'env | grep LISTEN; echo $$; ls -l /proc/self/fd | grep -c socket'
    config='{"instances":1,"image":"img.v1","config":"/config/s.yaml","variables":{"a_port":"17021","b_port":"17022"},"kind":"Command"}'
    run knot app/cmd.s.1 "$config" < /dev/null
    contains "$output" LISTEN_FDS=2
    contains "$output" LISTEN_FDNAMES=a_port:b_port
    contains "$output" LISTEN_PID=2
    script s 'tcp-ports: {17064: {fd: 1}}' <<< 'exit 0'
    run inside s
    [ "$status" -eq 1 ]
}

@test "no more than 400 system calls for one start" {
    command -v strace > /dev/null || skip "no strace"
    script c <<< 'exit 0'
    strace -f -qq -o "$L/trace" lithos_knot --name app/cmd.c.1 --master "$L/master.yaml" --config "$(instance c)" < /dev/null || true
    # Up to the execution of the service. A debug build asks F_GETFD before each close, a released one does not.
    count=$(awk '/execve\("\/bin\/sh"/ { print n; exit } !/F_GETFD\)/ { n++ }' "$L/trace")
    echo "system calls: $count"
    [ -n "$count" ] && [ "$count" -le 400 ]
}
