#!/usr/bin/env bats
# Rows of docs/differences.md that no other file shows; each test names the row.
load project

@test "commands 4: version-check: false runs what is built" {
    commands <<'YAML'
hello: !Command { container: bb, run: cat /etc/word }
YAML
    sed -i 's|- !EnsureDir /data|- !Text { /etc/word: old }|' vagga.yaml
    vagga _build bb 2>/dev/null
    sed -i 's|word: old|word: new|' vagga.yaml
    VAGGA_SETTINGS='version-check: false' run --separate-stderr vagga hello
    [ "$output" = old ]
    run --separate-stderr vagga hello
    [ "$output" = new ]
}

@test "commands 7: ~ is the home, in external volumes and names of sites" {
    commands <<'YAML'
look: !Command { container: bb, volumes: { /data: !BindRO /volumes/mine }, run: "cat /data/f; echo $WORD" }
YAML
    mkdir -p "$BATS_TEST_TMPDIR/home/vol"
    echo there > "$BATS_TEST_TMPDIR/home/vol/f"
    mv "$PROJECT" "$BATS_TEST_TMPDIR/home/site"
    PROJECT=$BATS_TEST_TMPDIR/home/site
    cd "$PROJECT"
    printf 'external-volumes: { mine: ~/vol }\nsite-settings: { ~/site: { propagate-environ: [WORD] } }\n' > ../.vagga.yaml
    HOME=$BATS_TEST_TMPDIR/home WORD=seen run --separate-stderr vagga look
    echo "$stderr"
    [ "$output" = $'there\nseen' ]
}

@test "commands 10: banners of children are shown; _check warns of what belongs to the group" {
    commands <<'YAML'
group: !Supervise
  mode: wait-all-successful
  banner: GROUP
  children:
    a: !Command { container: bb, banner: CHILD, run: "sleep 0.5" }
    late: !Command { container: bb, banner: LATE, banner-delay: 60, run: "sleep 0.3" }
    b: !Command { container: bb, epilog: bye, accepts-arguments: true, run: "true" }
YAML
    run --separate-stderr vagga group
    [ "$status" -eq 0 ]
    contains "$stderr" GROUP
    contains "$stderr" CHILD
    lacks "$stderr" LATE
    lacks "$output" bye
    run vagga _check
    [ "$status" -eq 0 ]
    contains "$output" '`epilog` of child "b" of command "group" has no effect: it is a matter of the group'
    contains "$output" '`accepts-arguments` of child "b"'
}

@test "commands 36 and 42: networked children have their own users, the bridge its own host name" {
    commands <<'YAML'
group: !Supervise
  mode: wait-all-successful
  children:
    a: !Command { container: bb, network: { ip: 172.23.0.1, hostname: named }, user-id: 0, run: "hostname; stat -c %u /bin" }
    boss: !BridgeCommand { container: bb, run: hostname }
YAML
    run --separate-stderr vagga group
    echo "$stderr"
    [ "$(sort <<<"$output")" = "$(printf '%s\n' 0 named "$(hostname)" | sort)" ]
}

# bats test_tags=ids
@test "commands 41 and 42: gids: [0] is enough, and a networked child may be another user" {
    write_project <<'YAML'
containers:
  narrow: { setup: [ !Tar { url: ./busybox.tar } ], gids: [0] }
  wide: { setup: [ !Tar { url: ./busybox.tar } , !Sh "touch /f; chown 7 /f" ] }
commands:
  group: !Supervise
    children:
      a: !Command { container: wide, network: { ip: 172.23.0.1 }, user-id: 7, run: "id -u; stat -c %u /f" }
YAML
    run --separate-stderr vagga _run narrow id -g
    echo "$stderr"
    [ "$output" = 0 ]
    run --separate-stderr vagga group
    [ "${lines[0]}${lines[1]}" = 77 ] || { echo "$output" "$stderr"; false; }
}

@test "commands 54: each of both helps describes its own command" {
    cd "$BATS_TEST_TMPDIR" && touch vagga.yaml
    run vagga _create_netns --help
    contains "$output" _create_netns
    lacks "$output" emove
    run vagga _destroy_netns --help
    contains "$output" _destroy_netns
    contains "$output" emove
}

@test "containers 10: zip archives of the large format, with links" {
    write_project <<'YAML'
containers:
  c: { setup: [ !Tar { url: ./busybox.tar } , !Unzip { url: ./a.zip, path: /a } ] }
YAML
    python3 - <<'PY'
import zipfile
with zipfile.ZipFile("a.zip", "w") as z:
    with z.open("large", "w", force_zip64=True) as f:
        f.write(b"content")
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    z.writestr(link, "large")
PY
    run --separate-stderr vagga _run c sh -c 'cat /a/large; readlink /a/link'
    [ "$output" = contentlarge ] || { echo "$output" "$stderr"; false; }
}

@test "containers 11: a work tree of git has its version, too" {
    command -v git >/dev/null || skip "git is not installed"
    export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
    write_project <<'YAML'
containers:
  c: { setup: [ !Tar { url: ./busybox.tar } , !GitDescribe ] }
YAML
    git init -q . && git add vagga.yaml busybox.tar && git commit -qm first && git tag -a -m one v1
    hash=$(vagga _version_hash c)
    git worktree add -q tree
    cd tree
    run --separate-stderr vagga _version_hash c
    [ "$status" -eq 0 ] && [ "$output" = "$hash" ] || { echo "$output" "$stderr"; false; }
    cd ..
}

@test "commands 57: wrong arguments are 122 everywhere" {
    cd "$BATS_TEST_TMPDIR" && touch vagga.yaml
    for line in "_list --nosuch" "_dump_config --nosuch" "_init_storage_dir --nosuch" "_clean --nosuch" "_build --nosuch" "--nosuch"; do
        run vagga $line
        [ "$status" -eq 122 ] || { echo "$line: $status"; false; }
    done
}
