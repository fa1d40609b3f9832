#!/usr/bin/env bats
# Volumes of commands.
load project

@test "Tmpfs with modes, subdirectories and files" {
    write_project <<'YAML'
containers:
  bb:
    setup: [ !Tar { url: ./busybox.tar } ]
    volumes:
      /tmp: !Tmpfs { subdirs: { x: , y: { mode: 0o700 } }, files: { a: text, y/b: } }
      /run: !Tmpfs { size: 1Gi, subdirs: { shm: } }
YAML
    run --separate-stderr vagga _run bb sh -c 'stat -c "%a %n" /tmp /tmp/x /tmp/y; cat /tmp/a; wc -c < /tmp/y/b; ls -d /run/shm; grep " /run " /proc/self/mounts'
    [ "$status" -eq 0 ]
    contains "$output" '1777 /tmp'
    contains "$output" '755 /tmp/x'
    contains "$output" '700 /tmp/y'
    contains "$output" 'text'
    contains "$output" 'size=1048576k'
}

@test "snapshots are private to a run" {
    write_project <<'YAML'
containers:
  bb:
    setup: [ !Tar { url: ./busybox.tar } , !Text { /etc/f: original } ]
    volumes: { /etc: !Snapshot }
  other: { setup: [ !Tar { url: ./busybox.tar } , !Text { /etc/f: other } ] }
commands:
  write: !Command { container: bb, run: "echo changed > /etc/f; cat /etc/f" }
  read: !Command { container: bb, run: "cat /etc/f" }
  foreign: !Command { container: bb, volumes: { /etc: !Snapshot { container: other } }, run: "cat /etc/f" }
  bound: !Command { container: bb, volumes: { /etc: !BindRW /work/etc }, run: "echo x > /etc/made" }
YAML
    mkdir etc
    run --separate-stderr vagga write
    [ "$output" = changed ]
    run --separate-stderr vagga read
    [ "$output" = original ]
    run --separate-stderr vagga foreign
    [ "$output" = other ]
    vagga bound
    [ "$(cat etc/made)" = x ]
}

# bats test_tags=ids
@test "a snapshot keeps modes and owners" {
    write_project <<'YAML'
containers:
  bb:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh "mkdir /s; echo x > /s/f; chown 1000 /s; chmod 700 /s"
    volumes: { /s: !Snapshot }
YAML
    run --separate-stderr vagga _run bb stat -c '%a %u %n' /s /s/f
    [ "${lines[0]}" = '700 1000 /s' ]
    [ "${lines[1]}" = '644 0 /s/f' ]
}

@test "a snapshot keeps times and special files; owners may be given" {
    write_project <<'YAML'
containers:
  bb:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh "mkdir /s; echo x > /s/f; touch -d @77 /s/f; mkfifo /s/p; ln -s f /s/l; ln /s/f /s/g; mkdir /s/d"
    volumes: { /s: !Snapshot { owner-uid: 0, owner-gid: 0 } }
YAML
    run --separate-stderr vagga _run bb stat -c '%F %u %g %h' /s /s/f /s/p /s/l
    [ "$status" -eq 0 ] || { echo "$stderr"; false; }
    [ "${lines[1]}" = 'regular file 0 0 2' ] && [ "${lines[2]}" = 'fifo 0 0 1' ] && [ "${lines[3]}" = 'symbolic link 0 0 1' ]
    run --separate-stderr vagga _run bb stat -c %Y /s/f
    [ "$output" = 77 ]
}

# bats test_tags=ids
@test "the owner given for a snapshot is that of its directory, too" {
    write_project <<'YAML'
containers:
  bb:
    setup: [ !Tar { url: ./busybox.tar } , !Sh "mkdir /s; echo x > /s/f; chmod 750 /s" ]
    volumes: { /s: !Snapshot { owner-uid: 7, owner-gid: 8 } }
YAML
    run --separate-stderr vagga _run bb stat -c '%a %u %g %n' /s /s/f
    [ "${lines[0]}" = '750 7 8 /s' ] && [ "${lines[1]}" = '644 7 8 /s/f' ]
}

@test "a snapshot costs no copy: its size limits the changes" {
    write_project <<'YAML'
containers:
  bb:
    setup: [ !Tar { url: ./busybox.tar } , !Sh "mkdir -p /s/d /s/e; seq 100000 > /s/f; touch /s/d/old" ]
    volumes: { /s: !Snapshot { size: 64ki } }
YAML
    vagga _build bb
    # Whether the kernel has what that needs shows in the type of the file system.
    run --separate-stderr vagga _run bb stat -f -c %t /s
    [ "$output" = 794c7630 ] || skip "no overlay upon a tmpfs here"
    run --separate-stderr vagga _run bb sh -c 'tail -n1 /s/f; rm -r /s/d; mkdir /s/d; ls -A /s/d; echo new > /s/e/g; cat /s/e/g'
    [ "$status" -eq 0 ]
    [ "$output" = $'100000\nnew' ]
    [ -e .vagga/bb/s/d/old ] && [ ! -e .vagga/bb/s/e/g ]
    run --separate-stderr vagga _run bb sh -c 'dd if=/dev/zero of=/s/big bs=1k count=200'
    [ "$status" -ne 0 ]
    contains "$stderr" 'No space left'
}

@test "where a tmpfs cannot carry an overlay, a snapshot is a copy" {
    [ -x "$(command -v refuse-syscalls)" ] || skip "no refuse-syscalls"
    [ "$VAGGA_MODE" != ranges ] || skip "a filter takes newuidmap its privileges away"
    write_project <<'YAML'
containers:
  bb:
    setup: [ !Tar { url: ./busybox.tar } , !Sh "mkdir -p /s/d; seq 1000 > /s/f; touch -d @77 /s/d/old; chmod 750 /s" ]
    volumes: { /s: !Snapshot { size: 1Mi } }
YAML
    vagga _build bb
    # As a kernel before 6.6: the attribute that tries the tmpfs is not supported.
    run --separate-stderr refuse-syscalls --only fsetxattr,setxattr --errno 95 vagga _run bb sh -c \
        'stat -f -c %t /s; stat -c %a /s; ls -A /s; tail -n1 /s/f; stat -c %Y /s/d/old; echo more >> /s/f; rm -r /s/d; ls /s'
    echo "$output" "$stderr"
    [ "$status" -eq 0 ]
    [ "$output" = $'1021994\n750\nd\nf\n1000\n77\nf' ]
    [ "$(tail -n1 .vagga/bb/s/f)" = 1000 ] && [ -e .vagga/bb/s/d/old ]
}

# The container of the snapshot has users that this one has not.
# bats test_tags=ids
@test "files of owners that do not exist here: seen and removed in a snapshot, but not changed" {
    write_project <<'YAML'
containers:
  wide:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh |
        mkdir -p /s/theirs; echo mine > /s/mine; echo theirs > /s/file; echo in > /s/theirs/in; echo secret > /s/secret
        chmod 600 /s/secret; chown 1000:1000 /s/file /s/secret /s/theirs/in /s/theirs
  bb:
    setup: [ !Tar { url: ./busybox.tar } , !Sh mkdir /s ]
    uids: [0-10]
    gids: [0-10]
    volumes: { /s: !Snapshot { container: wide } }
YAML
    vagga _build wide
    vagga _build bb
    cat > look.sh <<'SH'
cd /s; stat -c '%u %n' mine file; cat file; [ "$1" = copy ] || stat -f -c %t .
{ cat secret || echo unread; echo x >> file || echo unwritten; rm theirs/in || echo kept; chown 0 file || echo theirs; } 2>/dev/null
rm file && echo more >> mine && cat mine; ls
SH
    run --separate-stderr vagga _run bb sh /work/look.sh
    echo "$output" "$stderr"
    [ "$status" -eq 0 ]
    contains "$output" 794c7630 || skip "no overlay upon a tmpfs here"
    [ "$output" = $'0 mine\n65534 file\ntheirs\n794c7630\nunread\nunwritten\nkept\ntheirs\nmine\nmore\nmine\nsecret\ntheirs' ]
    [ "$(cat .vagga/wide/s/mine .vagga/wide/s/file)" = $'mine\ntheirs' ]

    [ -x "$(command -v refuse-syscalls)" ] && [ "$VAGGA_MODE" != ranges ] || return 0
    # A copy is all of the caller's, and what the caller may not read cannot be copied.
    local old=(refuse-syscalls --only "fsetxattr,setxattr" --errno 95)
    run --separate-stderr "${old[@]}" vagga _run bb true
    [ "$status" -eq 124 ]
    contains "$stderr" 'copy "secret": Permission denied'
    contains "$stderr" 'a user that this container does not have, see its `uids`'
    sed -i 's/chmod 600/chmod 644/' vagga.yaml
    vagga _build wide
    run --separate-stderr "${old[@]}" vagga _run bb sh /work/look.sh copy
    echo "$output" "$stderr"
    [ "$output" = $'0 mine\n0 file\ntheirs\nsecret\nmine\nmore\nmine\nsecret\ntheirs' ]
}

@test "a copied snapshot larger than its size is explained" {
    write_project <<'YAML'
containers:
  bb:
    setup: [ !Tar { url: ./busybox.tar } , !Sh "mkdir /s; seq 100000 > /s/f" ]
    volumes: { /s: !Snapshot { size: 64ki, owner-uid: 0 } }
YAML
    run --separate-stderr vagga _run bb true
    [ "$status" -eq 124 ]
    contains "$stderr" 'size'
}

@test "cache directories" {
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } ], volumes: { /home: !CacheDir name } }
commands:
  touch: !Command { container: bb, run: [touch, /home/x] }
  empty: !Command { container: bb, volumes: { /home: !CacheDir "" }, run: [true] }
  absolute: !Command { container: bb, volumes: { /home: !CacheDir /cache }, run: [true] }
YAML
    vagga touch
    [ -e .vagga/.cache/name/x ]
    run --separate-stderr vagga _run bb ls /home
    [ "$output" = x ]
    run --separate-stderr vagga empty
    [ "$status" -eq 124 ]
    contains "${stderr_lines[-1]}" 'mount !CacheDir: path must not be empty'
    run --separate-stderr vagga absolute
    [ "$status" -eq 124 ]
    contains "${stderr_lines[-1]}" 'mount !CacheDir "/cache": path must not be absolute'
}

@test "another container, read-only and with nothing mounted inside" {
    write_project <<'YAML'
containers:
  other: { setup: [ !Tar { url: ./busybox.tar } , !Text { /etc/f: other } ] }
  bb: { setup: [ !Tar { url: ./busybox.tar } ], volumes: { /home: !Container other } }
commands:
  read: !Command { container: bb, run: "cat /home/etc/f; ls /home/proc; touch /home/x" }
YAML
    run --separate-stderr vagga read
    [ "$output" = other ]
    [ "$status" -ne 0 ]
    contains "$stderr" 'Read-only file system'
}

@test "empty, binds, missing mount points, external volumes, VaggaBin" {
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } ] }
commands:
  empty: !Command { container: bb, volumes: { /home: !Empty }, run: "stat -c %a /home; ls -A /home; touch /home/x" }
  ro: !Command { container: bb, volumes: { /home: !BindRO /work/d }, run: "cat /home/f; touch /home/x" }
  rw: !Command { container: bb, volumes: { /home: !BindRW /work/d }, run: "touch /home/made" }
  file: !Command { container: bb, volumes: { /etc/passwd: !BindRO /work/d/f }, run: "cat /etc/passwd" }
  hidden: !Command { container: bb, volumes: { /work/d: !Empty }, run: "ls -A /work/d" }
  missing: !Command { container: bb, volumes: { /nosuch: !Empty }, run: [true] }
  external: !Command { container: bb, volumes: { /home: !BindRO /volumes/ext }, run: "cat /home/f" }
  bin: !Command { container: bb, volumes: { /home: !VaggaBin }, run: "ls /home" }
YAML
    mkdir d && echo content > d/f
    run --separate-stderr vagga empty
    [ "$status" -ne 0 ]
    [ "${lines[0]}" = 0 ]
    [ "${#lines[@]}" -eq 1 ]
    run --separate-stderr vagga ro
    [ "$output" = content ]
    [ "$status" -ne 0 ]
    vagga rw
    [ -e d/made ]
    run --separate-stderr vagga file
    [ "$output" = content ]
    run --separate-stderr vagga hidden
    [ "$status" -eq 0 ] || [ "$status" -eq 1 ]
    [ "$output" = "" ]
    run --separate-stderr vagga missing
    [ "$status" -eq 124 ]
    contains "$stderr" /nosuch
    export VAGGA_SETTINGS="{\"external-volumes\": {\"ext\": \"$PROJECT/d\"}}"
    run --separate-stderr vagga external
    [ "$output" = content ]
    run --separate-stderr vagga bin
    contains "$output" vagga
    # The home directory may be written as in a shell, in the names of sites too.
    run -0 env HOME="$PROJECT" VAGGA_SETTINGS='{"external-volumes": {"ext": "~/d"}}' vagga _run bb true
    run -0 env HOME="$PROJECT" VAGGA_SETTINGS='{"site-settings": {"~": {"external-volumes": {"ext": "~/d"}}}}' vagga _run bb true
    run env HOME="$PROJECT" VAGGA_SETTINGS='{"site-settings": {"~": {"external-volumes": {"ext": "~/nosuch"}}}}' vagga _run bb true
    [ "$status" -ne 0 ]
    contains "$output" "$PROJECT/nosuch"
    export VAGGA_SETTINGS="{\"external-volumes\": {\"ext\": \"$PROJECT/nosuch\"}}"
    run --separate-stderr vagga bin
    [ "$status" -ne 0 ]
    contains "$stderr" nosuch
}

@test "persistent volumes and their init commands" {
    write_project <<'YAML'
containers:
  plain: { setup: [ !Tar { url: ./busybox.tar } ], volumes: { /home: !Persistent plain } }
  again: { setup: [ !Tar { url: ./busybox.tar } ], volumes: { /home: !Persistent plain } }
  init: { setup: [ !Tar { url: ./busybox.tar } ], volumes: { /home: !Persistent { name: filled, init-command: _init } } }
commands:
  write: !Command { container: plain, run: "echo shared > /home/f" }
  read: !Command { container: again, run: [cat, /home/f] }
  use: !Command { container: init, run: [cat, /home/world] }
  _init: !Command { container: init, run: "[ -e /work/go ] || exit 9; ls -A /home; echo world > /home/world; echo initialised" }
YAML
    vagga write
    run --separate-stderr vagga read
    [ "$output" = shared ]
    [ -e .vagga/.volumes/plain/f ]
    run --separate-stderr vagga use
    [ "$status" -eq 9 ]
    [ ! -e .vagga/.volumes/filled ]
    run --separate-stderr vagga --no-prerequisites use
    [ "$status" -eq 124 ]
    contains "$stderr" 'uninitialized volume "filled"'
    run --separate-stderr vagga _run init true
    [ "$status" -eq 124 ]
    touch go
    run --separate-stderr vagga use
    [ "$output" = $'initialised\nworld' ]
    [ ! -e .vagga/.volumes/.tmp.filled ]
    run --separate-stderr vagga use
    [ "$output" = world ]
    run --separate-stderr vagga _init
    [ "$output" = $'world\ninitialised' ]
    vagga _clean --volumes
    [ ! -e .vagga/.volumes/filled ]
    run --separate-stderr vagga use
    [ "$output" = $'initialised\nworld' ]
}
