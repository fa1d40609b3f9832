#!/usr/bin/env bats
# Acceptance scenarios of commands that no other file has; SCENARIOS.md tells where each one is tested.
load project

# bats test_tags=root
@test "the table of scenarios names tests that exist, and every scenario" {
    run /usr/bin/python3 "$VAGGA_BATS/fixtures/scenarios.py" "$VAGGA_BATS/vagga" "$VAGGA_SOURCE" \
        C=01-30 M=01-08 L=01-13 R=01-32 E=01-19 O=01-10 P=01-17 V=01-16 S=01-16 N=01-13 B=01-31 T=01-10 U=01-10 J=01-08 K=01-08 \
        COMPLETION.=1-15 \
        CTR.A.=1-10 CTR.B.=1-13 CTR.C.=1-25 CTR.D.=1-16 CTR.E.=1-13 CTR.F.=1-12 CTR.G.=1-16 CTR.H.=1-10 CTR.I.=1-6 CTR.J.=1-9 \
        CTR.K.=1-21 CTR.L.=1-5 CTR.M.=1-7
    [ "$status" -eq 0 ] || { echo "$output"; false; }
}

dumped() { vagga _dump_config | python3 -c "import json, sys; c = json.load(sys.stdin); print($1)"; }

@test "a hint, an empty line, a position, numbers, a tag with its position (C01, C05, C08, C17, C20, A.1)" {
    cd "$BATS_TEST_TMPDIR"
    run --separate-stderr vagga
    [ "$status" -eq 126 ]
    contains "$stderr" 'Config not found in path'
    contains "$stderr" 'vagga.yaml'
    write_project </dev/null
    [ "$(vagga _relative_work_dir | od -An -c | tr -d ' ')" = '\n' ]
    run --separate-stderr vagga _list
    [ "$status" -eq 0 ] && [ -z "$output" ]
    cat > vagga.yaml <<'YAML'
containers: { c: { setup: [], volumes: { /a: !Tmpfs { size: 1_000 ki }, /b: !Tmpfs { size: 1M, mode: 0o755 } } } }
YAML
    [ "$(dumped '[v["Tmpfs"][k] for v, k in zip([c["containers"]["c"]["volumes"][p] for p in ("/a", "/b", "/b")], ("size", "size", "mode"))]')" = '[1024000, 1000000, 493]' ]
    printf 'containers:\n  c:\n\t  setup: []\n' > vagga.yaml
    run --separate-stderr vagga
    [ "$status" -eq 126 ]
    contains "$stderr" 'Tokenizer Error'
    contains "$stderr" 'vagga.yaml:3:1'
    echo 'containers: { c: { setup: [ !Frobnicate x ] } }' > vagga.yaml
    run --separate-stderr vagga _list
    [ "$status" -eq 126 ]
    contains "$stderr" 'Frobnicate'
}

@test "merged mappings: a key of one's own wins, then the earlier mapping (C29)" {
    write_project <<'YAML'
_a: &a { auto-clean: true, environ: { FROM: a } }
_b: &b { environ: { FROM: b }, default-shell: [b] }
_c: &c { environ: { FROM: c }, default-shell: [c], uids: [0-5] }
containers:
  merged: { <<: [ *a, *b, *c ], setup: [] }
  own: { <<: [ *b, *c ], environ: { FROM: own }, setup: [] }
YAML
    [ "$(dumped '[(lambda x: (x["auto_clean"], x["environ"]["FROM"], x["default_shell"]))(c["containers"][n]) for n in ("merged", "own")]')" = \
        "[(True, 'a', ['b']), (False, 'own', ['b'])]" ]
    [ "$(dumped 'c["containers"]["own"]["uids"]')" = "[{'start': 0, 'end': 6}]" ]
}

@test "a mixin for a newer vagga: the container of the main file is built (M03, M04)" {
    write_project <<'YAML'
mixins: [new.yaml, missing.yaml]
containers: { test: { setup: [ !Tar { url: ./busybox.tar } ] } }
commands: { x: !Command { container: test, run: [echo, ran] } }
YAML
    printf 'minimum-vagga: 9999.0.0\ncontainers: { n: { setup: [ !FutureStep x ] } }\n' > new.yaml
    run vagga _build test
    [ "$status" -eq 0 ]
    [ "$(grep -c 'Please upgrade vagga' <<<"$output")" -eq 1 ]
    lacks "$output" FutureStep
    run --separate-stderr vagga x
    [ "$output" = ran ]
    [ "$(grep -c missing.yaml <<<"$stderr")" -eq 1 ]
}

@test "hidden commands run, by their aliases too; a command's name is stronger than an alias (L04 to L06)" {
    commands <<'YAML'
build: !Command { container: bb, run: [echo, command] }
test: !Command { container: bb, run: [echo, alias], aliases: [build] }
_hidden: !Command { container: bb, run: [echo, hidden], aliases: [seen] }
YAML
    [ "$(vagga _hidden)" = hidden ] && [ "$(vagga seen)" = hidden ] && [ "$(vagga build)" = command ]
    run vagga _list
    [ "$(tr -d ' ' <<<"$output" | tr '\n' ' ')" = 'build test ' ]
    run -127 --separate-stderr vagga
    lacks "$stderr" hidden
    lacks "$stderr" seen
    lacks "$stderr" alias
    run vagga _list -A
    contains "$output" _hidden
}

@test "--help describes every option, _help shows the usage (L10, L11)" {
    write_project <<'YAML'
containers: { c: { setup: [] } }
commands: { build: !Command { container: c, run: [a], description: Compile everything } }
YAML
    run --separate-stderr vagga --help
    [ "$status" -eq 0 ] && [ -z "$stderr" ]
    for option in -h --help -V --version -E --env --environ -e --use-env --ignore-owner-check --no-prerequisites \
        --containers-only --isolate-network --no-network --no-net --no-image-download --no-build --no-version-check -m --run-multi; do
        grep -qE -- "(^|[ ,])$option([ ,=]|$)" <<<"$output" || { echo "$option"; echo "$output"; false; }
    done
    run --separate-stderr vagga _help build
    [ "$status" -eq 0 ]
    contains "$output" 'Compile everything'
    contains "$output" 'Usage:'
    contains "$output" 'vagga build <OPTIONS>'
}

# Containers that use the programs of this host: its /usr is a volume.
host_programs() {
    mkdir -p "$BATS_TEST_TMPDIR/links/etc" "$BATS_TEST_TMPDIR/links/usr"
    for dir in bin lib lib64; do ln -s usr/$dir "$BATS_TEST_TMPDIR/links/$dir"; done
    { cat <<'YAML'
containers:
  host:
    setup: [ !Tar { url: ./links.tar } ]
    volumes: { /usr: !BindRO /volumes/usr }
    environ: { PATH: /usr/bin }
    default-shell: [/bin/bash, -c, $cmdline, "--"]
commands:
YAML
    sed 's/^/  /'; } > "$BATS_TEST_TMPDIR/yaml"
    write_project < "$BATS_TEST_TMPDIR/yaml"
    tar -C "$BATS_TEST_TMPDIR/links" --owner 0 --group 0 -cf links.tar .
    export VAGGA_SETTINGS='external-volumes: { usr: /usr }'
    vagga _build host 2>/dev/null
}

@test "bash as the shell of a container quotes as it does (R19)" {
    host_programs <<'YAML'
quote: !Command { container: host, run: "printf '%q' '\"hello\"'" }
YAML
    run --separate-stderr vagga quote
    [ "$status" -eq 0 ] || { echo "$stderr"; false; }
    [ "$output" = '\"hello\"' ]
}

@test "who connects to the listening socket is answered: of a command and of a child (S14)" {
    host_programs <<'YAML'
one: !Command
  container: host
  pass-tcp-socket: "127.0.0.1:18475"
  run: &serve
  - /usr/bin/python3
  - -c
  - "import socket; s = socket.socket(fileno=3); open('/work/started', 'w'); c, _ = s.accept(); c.sendall(c.recv(100).upper()); c.close()"
group: !Supervise
  mode: wait-all-successful
  children:
    server: !Command { container: host, pass-tcp-socket: "18475", run: *serve }
    client: !Command
      container: host
      run: [/usr/bin/python3, -c, "import socket; c = socket.create_connection(('127.0.0.1', 18475)); c.sendall(b'hello'); print(c.recv(100).decode())"]
YAML
    begin one
    run /usr/bin/python3 -c "import socket; c = socket.create_connection(('127.0.0.1', 18475)); c.sendall(b'hello'); print(c.recv(100).decode())"
    [ "$output" = HELLO ]
    wait "$pid"
    run --separate-stderr timeout 30 vagga group
    [ "$status" -eq 0 ] || { echo "$stderr"; false; }
    [ "$output" = HELLO ]
}

# bats test_tags=root
@test "volumes of a project on nodev and nosuid: read-only without warnings (R11, J.9)" {
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar }, !EnsureDir /data ] }
commands:
  ro: !Command { container: bb, volumes: { /home: !BindRO /work, /data: !Empty }, run: "ls -A /data; echo x > /home/x" }
YAML
    run --separate-stderr unshare -m sh -c "mkdir t && mount -t tmpfs -o nodev,nosuid tmpfs t && cp vagga.yaml busybox.tar t/ && cd t && vagga _build bb 2>/dev/null && vagga ro"
    [ "$status" -ne 0 ]
    [ -z "$output" ]
    contains "$stderr" 'Read-only file system'
    [ "${#stderr_lines[@]}" -eq 1 ] || { echo "$stderr"; false; }
}

@test "deep trees in writable copies are as in the image (R14, F.2)" {
    write_project <<'YAML'
containers:
  bb:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh |
        way=$(for i in $(seq 300); do printf d/; done)
        mkdir -p "/deep/$way" "/half/$way"; echo bottom > "/half/$way/file"; mv /half "/deep/$way"
commands:
  copy: !Command { container: bb, write-mode: transient-hard-link-copy, run: "touch /new; find /deep -type f -exec cat {} + ; find /deep | wc -l" }
YAML
    vagga _build bb 2>/dev/null
    run --separate-stderr vagga copy
    [ "$status" -eq 0 ] || { echo "$stderr"; false; }
    [ "$output" = $'bottom\n603' ] || { echo "$output"; false; }
    run --separate-stderr vagga _run -W bb sh -c 'find /deep -type f -exec cat {} +'
    [ "$output" = bottom ]
    [ -z "$(ls -A .vagga/.transient 2>/dev/null)" ] && [ ! -e .vagga/bb/new ]
}

@test "ids of a command, sizes of what is mounted, resolv.conf elsewhere (R15, R28, R30)" {
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } ] }
  state:
    setup:
    - !Tar { url: ./busybox.tar }
    - !EnsureDir /state
    - !Sh "rm -f /etc/resolv.conf; ln -s /state/resolv.conf /etc/resolv.conf"
    resolv-conf-path: /state/resolv.conf
    volumes: { /state: !Tmpfs }
commands:
  ids: !Command { container: bb, user-id: 1, external-user-id: 0, run: "echo $(id -u) $(id -g); touch /work/made" }
  mounts: !Command { container: bb, run: "grep -E ' /(tmp|run) ' /proc/self/mounts" }
  state: !Command { container: state, run: "cat /etc/resolv.conf" }
YAML
    run --separate-stderr vagga ids
    [ "$output" = '1 0' ]
    [ -O made ]
    run --separate-stderr vagga mounts
    [ "$(grep -c 'tmpfs.*size=102400k' <<<"$output")" -eq 2 ]
    run --separate-stderr vagga state
    [ "$output" = "$(cat /etc/resolv.conf)" ]
    [ "$(readlink .vagga/state/etc/resolv.conf)" = /state/resolv.conf ]
    [ -d .vagga/state/state ] && [ ! -s .vagga/state/state/resolv.conf ]
}

@test "the user's settings reach _run too; -e with a value is explained (E03, E09)" {
    commands <<'YAML'
env: !Command { container: bb, environ: { EDITOR: vim }, run: [env] }
YAML
    export HOME=$BATS_TEST_TMPDIR/home
    mkdir -p "$HOME"
    echo 'environ: { EDITOR: nvi }' > "$HOME/.vagga.yaml"
    for command in env "_run bb env"; do
        run --separate-stderr vagga $command
        grep -qx 'EDITOR=nvi' <<<"$output"
    done
    run --separate-stderr vagga -e key=value env
    [ "$status" -eq 126 ] && [ -z "$output" ]
    for part in --use-env "can't contain equals" --environ; do contains "$stderr" "$part"; done
}

@test "options of a group with values, -h, too many arguments, empty lists (O01, O03, O05 to O07)" {
    commands <<'YAML'
group: !Supervise
  mode: wait-all-successful
  options: |
    Usage: vagga group [options]

    Options:
      -F, --first <x>   The first
      --second <x>      The second
  children:
    a: !Command { container: bb, run: 'echo "a $VAGGAOPT_FIRST"' }
    b: !Command { container: bb, run: 'echo "b $VAGGAOPT_SECOND"' }
args: !Command
  container: bb
  options: |
    Usage: vagga args [--name=<x>] [<files>...]
  run: 'echo "[$VAGGAOPT_NAME][$VAGGACLI_NAME][$VAGGAOPT_FILES][$VAGGACLI_FILES]"; touch /work/ran'
broken: !Command { container: bb, options: "Usage: vagga broken [<x>", run: "true" }
plain: !Command { container: bb, options: "Usage: vagga plain [options]", run: "touch /work/ran" }
YAML
    run --separate-stderr vagga group -Fhello --second world
    [ "$(sort <<<"$output")" = $'a hello\nb world' ]
    run --separate-stderr vagga group --first=xxx
    [ "$(sort <<<"$output")" = $'a xxx\nb ' ]
    for option in -h --help; do
        run --separate-stderr vagga plain $option
        [ "$status" -eq 0 ]
        contains "$output" 'Usage: vagga plain [options]'
        [ ! -e ran ]
    done
    run --separate-stderr vagga plain extra
    [ "$status" -eq 121 ]
    contains "$stderr" 'Usage: vagga plain [options]'
    [ ! -e ran ]
    run --separate-stderr vagga args
    [ "$output" = '[][][][]' ]
    run --separate-stderr vagga args --name '' ''
    [ "$output" = "[][--name ''][][ '']" ] || { echo "$output"; false; }
    run --separate-stderr vagga args --name 'a_b' 'x y' 'z'
    [ "$output" = "[a_b][--name 'a_b'][x y z][ 'x y' z]" ] || { echo "$output"; false; }
    run --separate-stderr vagga args --name "it's" 'é'
    [ "$output" = "[it's][--name 'it'\"'\"'s'][é][ 'é']" ] || { echo "$output"; false; }
    run vagga broken
    [ "$status" -eq 121 ]
}

@test "an init command that fails half-way begins again with an empty volume (P14)" {
    commands <<'YAML'
use: !Command { container: bb, volumes: { /data: !Persistent { name: v, init-command: _init } }, run: [cat, /data/world] }
_init: !Command { container: bb, volumes: { /data: !Persistent { name: v, init-command: _init } }, run: "ls -A /data; echo half > /data/half; [ -e /work/go ] || exit 9; echo world > /data/world" }
YAML
    for _ in 1 2; do
        run --separate-stderr vagga use
        [ "$status" -eq 9 ] && [ -z "$output" ]
        [ ! -e .vagga/.volumes/v ]
    done
    touch go
    run --separate-stderr vagga use
    [ "$status" -eq 0 ] && [ "$output" = world ]
}

# bats test_tags=ids
@test "a persistent volume belongs to the owner it is given (P16)" {
    commands <<'YAML'
use: !Command { container: bb, volumes: { /data: !Persistent { name: v, owner-uid: 1, owner-gid: 2 } }, run: "stat -c '%u %g' /data" }
YAML
    for _ in 1 2; do
        run --separate-stderr vagga use
        [ "$output" = '1 2' ]
    done
}

@test "volumes of children, empty files, files from outside (V04, V09, V12)" {
    commands <<'YAML'
group: !Supervise
  mode: wait-all-successful
  children:
    a: !Command { container: snap, volumes: { /etc: !BindRW /work/etc }, run: "echo x > /etc/made" }
files: !Command { container: bb, volumes: { /tmp: !Tmpfs { subdirs: { d: }, files: { a: text, b: , d/c: deep } } }, run: "cat /tmp/a /tmp/d/c; wc -c < /tmp/b" }
ro: !Command { container: bb, volumes: { /etc/passwd: !BindRO /volumes/file }, run: "cat /etc/passwd; echo y >> /etc/passwd" }
rw: !Command { container: bb, volumes: { /etc/passwd: !BindRW /volumes/file, /home: !BindRW /volumes/dir }, run: "echo y >> /etc/passwd; touch /home/made" }
YAML
    sed -i 's/^commands:/  snap: { setup: [ !Container bb ], volumes: { \/etc: !Snapshot } }\n&/' vagga.yaml
    mkdir etc "$BATS_TEST_TMPDIR/dir"
    echo x > "$BATS_TEST_TMPDIR/dir/file"
    export VAGGA_SETTINGS="external-volumes: { file: $BATS_TEST_TMPDIR/dir/file, dir: $BATS_TEST_TMPDIR/dir }"
    run --separate-stderr vagga group
    [ "$status" -eq 0 ] || { echo "$stderr"; false; }
    [ "$(cat etc/made)" = x ]
    run --separate-stderr vagga files
    [ "$output" = 'textdeep0' ] || { echo "$output"; false; }
    run --separate-stderr vagga ro
    [ "$status" -ne 0 ] && [ "$output" = x ]
    [ "$(cat "$BATS_TEST_TMPDIR/dir/file")" = x ]
    vagga rw
    [ "$(cat "$BATS_TEST_TMPDIR/dir/file")" = $'x\ny' ] && [ -e "$BATS_TEST_TMPDIR/dir/made" ]
}

@test "a program that reads the terminal beside a counter: Ctrl-C is its own, its end stops the counter (S16)" {
    commands <<'YAML'
group: !Supervise
  children:
    repl: !Command { container: bb, environ: { PS1: "REPL> " }, run: [sh, -i] }
    counter: !Command { container: bb, run: "while true; do echo tick; sleep 0.3; done" }
YAML
    play <<'PY'
import time
start("vagga", "group")
expect("REPL> ")
expect("tick")
send("sleep 20\n")
time.sleep(0.7)
send("\x03")
expect("REPL> ")
send("echo status=$?\n")
expect("status=130")
expect("tick")
send("exit 4\n")
assert end() == 4
PY
}

@test "isolated children have one interface (N01, N02)" {
    commands <<'YAML'
group: !Supervise
  mode: wait-all-successful
  isolate-network: true
  children:
    a: !Command { container: bb, run: &count "ip -o link | wc -l" }
plain: !Supervise
  mode: wait-all-successful
  children:
    a: !Command { container: bb, run: *count }
    b: !Command { container: bb, run: *count }
YAML
    run --separate-stderr vagga group
    [ "$output" = 1 ]
    run --separate-stderr vagga --no-net plain
    [ "$output" = $'1\n1' ]
}

@test "the default path prefers /usr/local, a new version of a writable root is nobody else's (B03, B04, B05)" {
    write_project <<'YAML'
containers:
  bb:
    setup:
    - !Tar { url: ./busybox.tar }
    - !EnsureDir /usr/local/bin
    - !EnsureDir /usr/bin
    - !Sh |
        for at in /usr/bin /usr/local/bin; do printf '#!/bin/sh\necho %s\n' $at > $at/hello; chmod 755 $at/hello; done
YAML
    vagga _build bb 2>/dev/null
    run --separate-stderr vagga _run bb hello
    [ "$output" = /usr/local/bin ]
    run --separate-stderr vagga _run -W bb sh -c 'echo x > /new; cat /new'
    [ "$output" = x ]
    run --separate-stderr vagga _run bb ls /new
    [ "$status" -ne 0 ]
    for command in "_run --no-build bb true" "--no-build _run bb true"; do
        run vagga $command
        [ "$status" -eq 0 ] && [ -z "$output" ]
    done
    run vagga _run bb sh -c 'kill -TERM $$'
    [ "$status" -eq 143 ]
}

@test "_clean --unused-volumes keeps what the file names, --volumes nothing (B14, G.9)" {
    commands <<'YAML'
a: !Command { container: bb, volumes: { /data: !Persistent kept }, run: "touch /data/x" }
b: !Command { container: bb, volumes: { /data: !Persistent gone }, run: "touch /data/x" }
YAML
    vagga -m a b
    sed -i '/gone/d' vagga.yaml
    run vagga _clean --unused-volumes
    [ "$status" -eq 0 ]
    [ "$(ls .vagga/.volumes)" = kept ]
    vagga _clean --volumes
    [ -z "$(ls .vagga/.volumes 2>/dev/null)" ]
    vagga a
}

@test "_dump_config: names of keys, kinds, defaults (B30)" {
    write_project <<'YAML'
minimum-vagga: 0.1.0
containers: { c: { setup: [ !Alpine v3.20 ], uids: [0-5] } }
commands:
  shell: !Command { container: c, run: "echo hi", work-dir: x }
  list: !Command { container: c, run: [a, b] }
  capsule: !CapsuleCommand { run: [a] }
  group: !Supervise { children: { one: !Command { container: c, run: [a] } } }
YAML
    [ "$(dumped 'sorted(c)')" = "['commands', 'containers', 'minimum_vagga', 'mixins']" ]
    [ "$(dumped '[(k, *v) for k, v in sorted(c["commands"].items())]')" = \
        "[('capsule', 'CapsuleCommand'), ('group', 'Supervise'), ('list', 'Command'), ('shell', 'Command')]" ]
    [ "$(dumped '(lambda x: (x["run"], x["work_dir"], x["write_mode"], x["user_id"], x["environ"]))(c["commands"]["shell"]["Command"])')" = \
        "({'Shell': 'echo hi'}, 'x', 'read_only', 0, {})" ] || { vagga _dump_config --pretty; false; }
    [ "$(dumped 'c["commands"]["list"]["Command"]["run"]')" = "{'Command': ['a', 'b']}" ]
    [ "$(dumped 'c["containers"]["c"]["uids"]')" = "[{'start': 0, 'end': 6}]" ]
}

@test "unknown keys in every file of settings (T01)" {
    write_project <<< 'containers: { c: { setup: [] } }'
    export HOME=$BATS_TEST_TMPDIR/home
    mkdir -p "$HOME/.config/vagga" "$HOME/.vagga" .vagga
    for file in "$HOME/.config/vagga/settings.yaml" "$HOME/.vagga.yaml" "$HOME/.vagga/settings.yaml" .vagga.settings.yaml .vagga/settings.yaml; do
        echo 'nosuch: 1' > "$file"
        run --separate-stderr vagga _build c
        [ "$status" -eq 126 ] || { echo "$file: $status"; false; }
        contains "$stderr" "${file##*/}"
        contains "$stderr" nosuch
        rm "$file"
    done
    run vagga _build c
    [ "$status" -eq 0 ]
}

@test "a pager goes on when vagga is interrupted, and nothing is left (J06)" {
    command -v less >/dev/null || skip "less is not installed"
    commands <<'YAML'
count: !Command { container: bb, run: "i=0; while true; do i=$((i+1)); echo count $i; sleep 0.1; done # 4547" }
YAML
    play <<'PY'
import os, time
os.environ.update(TERM="xterm", LESS="")
shell()
send("vagga count | less\n")
expect("count 3")
time.sleep(3)
send("\x03")
time.sleep(1)
assert os.system("pgrep -f '# 454[7]' > /dev/null") != 0, "the counter still runs"
send("q")
expect("PROMPT> ")
send("jobs; echo none\n")
expect("none\r\n")
expect("PROMPT> ")
send("exit\n")
end()
PY
}

# bats test_tags=root
@test "_create_netns: a resolver of this host is reached by three rules (N06, N07)" {
    export XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR
    write_project <<< 'containers: {}'
    echo 'nameserver 127.0.0.53' > resolv
    dry() { run --separate-stderr unshare -m --propagation private sh -c 'mount --bind resolv /etc/resolv.conf && exec vagga _create_netns --dry-run "$@"' _ "$@"; }
    dry
    [ "$status" -eq 0 ]
    [ "$(grep -cE '(tcp|udp) dport 53 dnat to 127.0.0.53:53|ip daddr 127.0.0.53/32 accept' <<<"$output")" -eq 3 ]
    dry --no-iptables
    [ "$status" -eq 0 ]
    lacks "$output" 127.0.0.53
    [ ! -e vagga ] && [ ! -e "$XDG_RUNTIME_DIR/vagga" ]
}

# As user 34567, who has subordinate ids.
# bats test_tags=root
@test "somebody else's project is a warning; without newuidmap there is one id, or too few (U05, U07)" {
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } ] }
  huge: { setup: [ !Tar { url: ./busybox.tar } ], uids: [0-1000000000] }
YAML
    chmod 777 .
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/* "$BATS_TEST_TMPDIR"
    echo 'idtest:400000:65536' > "$BATS_TEST_TMPDIR/ids"
    { cat /etc/passwd; echo 'idtest:x:34567:34567::/:/bin/sh'; } > "$BATS_TEST_TMPDIR/passwd"
    : > "$BATS_TEST_TMPDIR/none"
    as_idtest() {
        run --separate-stderr unshare --mount --propagation private sh -c '
            for f in subuid subgid; do mount --bind "$1/ids" /etc/$f || exit 99; done
            mount --bind "$1/passwd" /etc/passwd || exit 99
            [ "$2" = with ] || for f in newuidmap newgidmap; do mount --bind "$1/none" "$(command -v $f)" || exit 99; done
            shift 2
            exec setpriv --reuid 34567 --regid 34567 --clear-groups "$@"' _ "$BATS_TEST_TMPDIR" "$@"
        [ "$status" -ne 99 ]
    }
    command -v newuidmap >/dev/null || skip "newuidmap is not installed"
    as_idtest with vagga _build bb
    [ "$status" -eq 0 ]
    contains "$stderr" 'which is different from the owner'
    rm -rf .vagga
    as_idtest without vagga _build bb
    [ "$status" -eq 0 ] || { echo "$stderr"; false; }
    contains "$stderr" newuidmap
    as_idtest without vagga _build huge
    [ "$status" -eq 121 ]
    contains "$stderr" newuidmap
    rm -rf .vagga
}
