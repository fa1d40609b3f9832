#!/usr/bin/env bats
# Running one command: arguments, exit codes, mounts, working directory, users.
load project

@test "arguments of list and string commands" {
    commands <<'YAML'
list: !Command { container: bb, run: [echo, -n] }
fixed: !Command { container: bb, run: [echo, hi], accepts-arguments: false }
text: !Command { container: bb, run: "echo hi" }
args: !Command { container: bb, run: 'echo "$0 $1 $#"', accepts-arguments: true }
YAML
    run vagga list x y
    [ "$output" = "x y" ]
    run --separate-stderr vagga text x
    [ "$status" -eq 122 ]
    contains "$stderr" 'Unexpected argument x'
    run vagga fixed x
    [ "$status" -eq 122 ]
    run vagga args a b
    [ "$output" = "-- a 2" ]
    run vagga list --help -x -- y
    [ "$output" = "--help -x -- y" ]
}

@test "exit codes and signals of the program are passed through" {
    commands <<'YAML'
code: !Command { container: bb, run: "exit 77" }
killed: !Command { container: bb, run: "kill -9 $$" }
missing: !Command { container: bb, run: [nosuchprogram] }
YAML
    run vagga code
    [ "$status" -eq 77 ]
    run vagga killed
    [ "$status" -eq 137 ]
    run --separate-stderr vagga missing
    [ "$status" -eq 124 ]
    contains "$stderr" 'not found in'
    run vagga _run bb nosuchprogram
    [ "$status" -eq 124 ]
    run vagga _run bb sh -c 'exit 7'
    [ "$status" -eq 7 ]
}

@test "working directory" {
    commands <<'YAML'
here: !Command { container: bb, run: [pwd] }
docs: !Command { container: bb, run: [pwd], work-dir: docs }
tmp: !Command { container: bb, run: [pwd], work-dir: /tmp }
nosuch: !Command { container: bb, run: [pwd], work-dir: nosuch }
YAML
    mkdir -p sub/dir docs
    run vagga docs
    [ "$output" = /work/docs ]
    run vagga tmp
    [ "$output" = /tmp ]
    run vagga nosuch
    [ "$status" -eq 124 ]
    cd sub/dir
    run vagga here
    [ "$output" = /work/sub/dir ]
}

@test "the image is read-only, /tmp and /work are not" {
    commands <<'YAML'
image: !Command { container: bb, run: "echo x > /x" }
other: !Command { container: bb, run: "echo x > /tmp/x && echo x > /work/x && cat /tmp/x" }
YAML
    run vagga image
    [ "$status" -ne 0 ]
    contains "$output" 'Read-only file system'
    run vagga other
    [ "$output" = x ]
    [ -O x ]
}

@test "a writable copy is private and is removed" {
    commands <<'YAML'
write: !Command { container: bb, write-mode: transient-hard-link-copy, run: "echo x > /x && cat /x && echo changed >> /etc/passwd" }
YAML
    before=$(cat .vagga/bb/etc/passwd)
    run vagga write
    [ "$status" -eq 0 ]
    [ "$output" = x ]
    [ ! -e .vagga/bb/x ]
    [ "$(cat .vagga/bb/etc/passwd)" = "$before" ]
    [ -z "$(ls -A .vagga/.transient 2>/dev/null)" ]
    run vagga _run -W bb sh -c 'echo y > /new; cat /new'
    [ "$output" = y ]
    run vagga _run --writable bb sh -c 'ls /new'
    [ "$status" -ne 0 ]
}

@test "two writable copies at once do not disturb each other" {
    commands <<'YAML'
long: !Command { container: bb, write-mode: transient-hard-link-copy, run: "echo a > /a; touch /work/started; while [ ! -e /work/go ]; do sleep 0.05; done; cat /a" }
short: !Command { container: bb, write-mode: transient-hard-link-copy, run: "true" }
YAML
    vagga long > out 2>&1 &
    for _ in $(seq 100); do [ -e started ] && break; sleep 0.05; done
    vagga short
    vagga _clean --transient
    touch go
    wait $!
    [ "$(cat out)" = a ]
}

# bats test_tags=ids
@test "users and groups" {
    commands <<'YAML'
ids: !Command { container: bb, user-id: 1, group-id: 1, supplementary-gids: [3, 4], run: "id -u; id -g; id -G" }
YAML
    run vagga ids
    [ "$output" = $'1\n1\n1 3 4' ]
}

@test "user-id with external-user-id: files belong to the invoking user" {
    commands <<'YAML'
ids: !Command { container: bb, user-id: 1, external-user-id: 0, run: "id -u; touch /work/made" }
YAML
    run vagga ids
    [ "$output" = 1 ]
    [ -O made ]
}

@test "a user id outside of the map" {
    commands <<'YAML'
ids: !Command { container: bb, user-id: 70000, run: "id -u" }
YAML
    run --separate-stderr vagga ids
    [ "$status" -eq 124 ]
    contains "$stderr" 70000
}

@test "epilog only after success" {
    commands <<'YAML'
good: !Command { container: bb, run: "echo out", epilog: "The end\n" }
bad: !Command { container: bb, run: "exit 5", epilog: "The end\n" }
YAML
    run vagga good
    contains "$output" 'out'
    contains "$output" 'The end'
    run vagga bad
    [ "$status" -eq 5 ]
    lacks "$output" 'The end'
}

@test "default-shell with \$cmdline" {
    write_project <<'YAML'
containers:
  bb:
    default-shell: [/bin/sh, -ec, $cmdline, me]
    setup: [ !Tar { url: ./busybox.tar } ]
commands:
  x: !Command { container: bb, accepts-arguments: true, run: "echo $0 $@; false; echo no" }
YAML
    run --separate-stderr vagga x x
    [ "$status" -eq 1 ]
    [ "$output" = "me x" ]
}

@test "background processes die with the command; it is not PID 1" {
    commands <<'YAML'
leave: !Command { container: bb, run: "sleep 4242 & echo $$" }
YAML
    run timeout 20 vagga leave
    [ "$status" -eq 0 ]
    [ "${lines[-1]}" != 1 ]
    ! pgrep -f 'sleep 424[2]' || false
}

@test "pid1mode" {
    commands <<'YAML'
exec: !Command { container: bb, pid1mode: exec, run: "echo $$" }
all: !Command { container: bb, pid1mode: wait-all-children, run: "(sleep 0.3; echo late) & exit 0" }
first: !Command { container: bb, pid1mode: wait, run: "(sleep 0.3; echo late) & exit 0" }
YAML
    run vagga exec
    [ "$output" = 1 ]
    run vagga all
    [ "$output" = late ]
    run vagga first
    [ "$output" = "" ]
}

@test "an undefined container" {
    commands <<'YAML'
x: !Command { container: nowhere, run: [true] }
YAML
    run --separate-stderr vagga x
    [ "$status" -eq 121 ]
    contains "$stderr" 'Container "nowhere" not found'
}

@test "a data container is refused clearly" {
    write_project <<'YAML'
containers:
  data: { setup: [ !Tar { url: ./busybox.tar } ], data-dirs: [/etc] }
commands:
  x: !Command { container: data, run: [true] }
YAML
    run --separate-stderr vagga x
    [ "$status" -ne 0 ]
    contains "$stderr" 'data'
}

@test "the second run builds nothing; build output never reaches stdout" {
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } , !Sh "echo from the build" ] }
commands:
  x: !Command { container: bb, run: [echo, hello] }
YAML
    vagga x > out 2> err
    [ "$(cat out)" = hello ]
    contains "$(cat err)" 'from the build'
    contains "$(cat err)" 'built in'
    vagga x > out 2> err
    [ "$(cat out)" = hello ]
    [ ! -s err ]
}

@test "an inotify limit that cannot be met is a warning" {
    commands <<'YAML'
x: !Command { container: bb, run: [echo, hi], expect-inotify-limit: 99999999 }
YAML
    run --separate-stderr vagga x
    [ "$status" -eq 0 ]
    [ "$output" = hi ]
    contains "$stderr" 'fs.inotify.max_user_watches=99999999'
}

@test "what is mounted" {
    commands <<'YAML'
mounts: !Command { container: bb, run: "cat /proc/self/mounts" }
dev: !Command { container: bb, run: "echo x > /dev/null && head -c 4 /dev/zero | wc -c && head -c 4 /dev/urandom | wc -c" }
host: !Command { container: bb, run: "hostname" }
resolv: !Command { container: bb, run: "cat /etc/resolv.conf" }
YAML
    run vagga mounts
    for at in / /work /tmp /run /proc /dev /dev/pts /sys /etc/resolv.conf /etc/hosts; do
        grep -q " $at " <<<"$output" || { echo "$at is not mounted:"; echo "$output"; false; }
    done
    grep ' /tmp tmpfs ' <<<"$output" | grep -q 'size=102400k'
    lacks "$output" "$HOME"
    run vagga dev
    [ "$status" -eq 0 ]
    run vagga host
    [ "$output" = "$(hostname)" ]
    run vagga resolv
    [ "$output" = "$(cat /etc/resolv.conf)" ]
}

@test "the host's resolv.conf cannot be written from inside" {
    commands <<'YAML'
write: !Command { container: bb, run: "echo x >> /etc/resolv.conf" }
YAML
    before=$(cat /etc/resolv.conf)
    run vagga write
    [ "$status" -ne 0 ]
    contains "$output" "can't create /etc/resolv.conf"
    [ "$(cat /etc/resolv.conf)" = "$before" ]
}

@test "the host's devices keep their modes, whatever a build or a command does" {
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } , !Sh "chmod 600 /dev/null || true; echo written > /dev/null" ] }
commands:
  x: !Command { container: bb, run: "chmod 600 /dev/null; chown 1 /dev/null; echo written > /dev/null && echo usable" }
YAML
    before=$(stat -c '%a %u' /dev/null)
    run --separate-stderr vagga x
    [ "$output" = usable ]
    [ "$(stat -c '%a %u' /dev/null)" = "$before" ]
}

@test "resolv-conf-path null and elsewhere" {
    write_project <<'YAML'
containers:
  none: { setup: [ !Tar { url: ./busybox.tar } ], resolv-conf-path: ~ }
  state:
    setup:
    - !Tar { url: ./busybox.tar }
    - !EnsureDir /state
    - !Sh "rm -f /etc/resolv.conf; ln -s /state/resolv.conf /etc/resolv.conf"
    resolv-conf-path: /state/resolv.conf
    volumes: { /state: !Tmpfs { size: 1Mi } }
commands:
  none: !Command { container: none, run: "cat /etc/resolv.conf" }
  state: !Command { container: state, run: "cat /etc/resolv.conf" }
YAML
    run --separate-stderr vagga none
    [ "$status" -eq 0 ]
    [ "$output" = "" ]
    run --separate-stderr vagga state
    [ "$output" = "$(cat /etc/resolv.conf)" ]
}

@test "descriptors of the caller do not leak into the container" {
    commands <<'YAML'
fds: !Command { container: bb, run: "ls /proc/self/fd | wc -l" }
YAML
    run --separate-stderr vagga fds
    count=$output
    exec 7</etc/passwd 9</etc/passwd
    run --separate-stderr vagga fds
    exec 7<&- 9<&-
    [ "$output" = "$count" ]
}

@test "a program that is not in the image, but on the host, is not found" {
    commands <<'YAML'
x: !Command { container: bb, run: [python3, -c, "1"] }
YAML
    run vagga x
    [ "$status" -eq 124 ]
}
