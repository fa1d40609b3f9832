#!/usr/bin/env bats
# Users and id maps.
load project

bb() {
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } ] }
  few: { setup: [ !Tar { url: ./busybox.tar } ], uids: [0-10, 100, 200-300], gids: [0-10] }
  huge: { setup: [ !Tar { url: ./busybox.tar } ], uids: [0-1000000000] }
  hugegids: { setup: [ !Tar { url: ./busybox.tar } ], gids: [0-1000000000] }
YAML
}

@test "more ids than allowed" {
    [ "$VAGGA_MODE" = ranges ] || return 0
    bb
    run --separate-stderr vagga _build huge
    [ "$status" -eq 121 ]
    contains "$stderr" 'Number of allowed subuids is too small'
    run --separate-stderr vagga _build hugegids
    [ "$status" -eq 121 ]
    contains "$stderr" 'Number of allowed subgids is too small'
}

@test "subordinate ids are mapped in order" {
    [ "$VAGGA_MODE" = ranges ] || return 0
    bb
    run --separate-stderr vagga _run bb cat /proc/self/uid_map
    [ "$(awk '{print $1, $2, $3}' <<<"$output")" = $'0 '$(id -u)$' 1\n1 200000 65535' ]
    run --separate-stderr vagga _run few cat /proc/self/uid_map
    [ "$(awk '{print $1, $2, $3}' <<<"$output")" = $'0 '$(id -u)$' 1\n1 200000 10\n100 200010 1\n200 200011 101' ]
}

@test "files of other ids belong to subordinate ids outside and can be cleaned" {
    [ "$VAGGA_MODE" = ranges ] || return 0
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } , !Sh "mkdir -m 700 /mine && touch /mine/x && chown -R 5:5 /mine" ] }
YAML
    vagga _build bb 2>/dev/null
    [ "$(stat -Lc %u .vagga/bb/mine)" = 200004 ]
    run vagga _clean --everything
    [ "$status" -eq 0 ]
    [ ! -e .vagga ]
}

@test "a single id: a warning, and simple containers run" {
    [ "$VAGGA_MODE" = single ] || return 0
    bb
    run --separate-stderr vagga _run bb sh -c 'cat /proc/self/uid_map; id -u; touch /work/made'
    [ "$status" -eq 0 ]
    contains "$stderr" 'Could not find the user'
    contains "$output" 0
    [ -O made ]
    run vagga _clean --everything
    [ ! -e .vagga ]
}

@test "a single id: chown in a build has no effect and does no harm" {
    [ "$VAGGA_MODE" = single ] || return 0
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } , !Sh "touch /x && chown 5:5 /x && stat -c 'owner %u' /x" ] }
YAML
    run vagga _build bb
    [ "$status" -eq 0 ]
    contains "$output" 'owner 0'
}

# Runs vagga as an ordinary user whose /etc/subuid is $1.
with_subuid() {
    local text=$1; shift
    [ "$VAGGA_MODE" = root ] || return 0
    bb
    chown -R 34567:34567 "$PROJECT"
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/* "$BATS_TEST_TMPDIR"
    printf '%s' "$text" > "$BATS_TEST_TMPDIR/subuid"
    { cat /etc/passwd; echo 'idtest:x:34567:34567::/:/bin/sh'; } > "$BATS_TEST_TMPDIR/passwd"
    run --separate-stderr unshare --mount --propagation private sh -c '
        for f in subuid subgid; do mount --bind "$1/subuid" /etc/$f || exit 99; done
        mount --bind "$1/passwd" /etc/passwd || exit 99
        shift
        exec setpriv --reuid 34567 --regid 34567 --clear-groups "$@"' _ "$BATS_TEST_TMPDIR" "$@"
    [ "$status" -ne 99 ]
}

@test "malformed lines and ranges with the user's own id" {
    [ "$VAGGA_MODE" = root ] || return 0
    [ -e /etc/subuid ] || return 0
    with_subuid $'# fine\nidtest:abc:65536\n' vagga _build bb
    [ "$status" -eq 121 ]
    contains "$stderr" '/etc/subuid:2: Bad syntax'
    with_subuid $'idtest:34000:568\n' vagga _build bb
    [ "$status" -eq 121 ]
    contains "$stderr" 'includes original id'
    with_subuid $'idtest:400000:65536\n' vagga _run bb id -u
    [ "$status" -eq 0 ]
    [ "$output" = 0 ]
}

@test "root on somebody else's project" {
    [ "$VAGGA_MODE" = root ] || return 0
    bb
    chown 34567:34567 "$PROJECT"
    run --separate-stderr vagga _build bb
    [ "$status" -eq 122 ]
    contains "$stderr" 'You should not run vagga as root'
    run vagga --ignore-owner-check _build bb
    [ "$status" -eq 0 ]
    chown 0:0 "$PROJECT"
}

@test "vagga inside of a vagga container" {
    [ "$VAGGA_MODE" = single ] && return 0
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } ], volumes: { /home: !VaggaBin } }
commands:
  nested: !Command { container: bb, run: "cd /work/inner && /home/vagga _run bb sh -c 'echo deep; id -u'" }
YAML
    mkdir inner && cp busybox.tar inner/ && cat > inner/vagga.yaml <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } , !Sh "echo built inside" ] }
YAML
    run --separate-stderr vagga nested
    [ "$status" -eq 0 ] || { echo "$output$stderr"; false; }
    [ "$output" = $'deep\n0' ]
}
