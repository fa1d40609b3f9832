#!/usr/bin/env bats
# What gets into an image by copying: !Copy with its filters and attributes, !Container, !Build, hostile links.
load project

# dir/{exe.sh,hello,second,subdir/file} beside the vagga.yaml on standard input.
write_tree() {
    write_project
    mkdir -p dir/subdir
    for f in exe.sh hello second subdir/file; do echo "$f" >"dir/$f"; done
    chmod 755 dir dir/exe.sh dir/subdir
    chmod 644 dir/hello dir/second dir/subdir/file
}

modes() { (cd ".vagga/$1" && stat -c '%a %n' "${@:2}" | tr '\n' ';'); }

@test "Copy: modes follow the umask or the source, times are fixed or kept" {
    write_tree <<'YAML'
containers:
  plain: { setup: [ !EnsureDir /var , !Copy { source: /work/dir, path: /var/dir } ] }
  strict: { setup: [ !Copy { source: /work/dir, path: /dir, umask: 0o077 } ] }
  exact: { setup: [ !Copy { source: /work/dir, path: /dir, preserve-permissions: true, preserve-times: true } ] }
YAML
    chmod 711 dir/subdir; chmod 4750 dir/exe.sh; touch -d @1234567890 dir/hello
    for c in plain strict exact; do vagga _build $c; done
    [ "$(modes plain var/dir var/dir/exe.sh var/dir/hello)" = '775 var/dir;775 var/dir/exe.sh;664 var/dir/hello;' ]
    [ "$(stat -c '%X %Y' .vagga/plain/var/dir/hello)" = '1 1' ]
    [ "$(modes strict dir dir/exe.sh dir/hello)" = '700 dir;700 dir/exe.sh;600 dir/hello;' ]
    [ "$(modes exact dir/subdir dir/exe.sh dir/hello)" = '711 dir/subdir;4750 dir/exe.sh;644 dir/hello;' ]
    [ "$(stat -c %Y .vagga/exact/dir/hello)" = 1234567890 ]
}

# bats test_tags=ids
@test "Copy: another owner keeps the setuid bit" {
    write_tree <<'YAML'
containers:
  owned:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Copy { source: /work/dir, path: /dir, owner-uid: 1, owner-gid: 2, preserve-permissions: true }
    - !Sh "stat -c '%u:%g %a' /dir /dir/exe.sh /dir/subdir/file > /seen"
YAML
    chmod 4755 dir/exe.sh
    vagga _build owned
    [ "$(tr '\n' ' ' <.vagga/owned/seen)" = '1:2 755 1:2 4755 1:2 644 ' ]
}

@test "Copy: regular expressions and rules" {
    write_tree <<'YAML'
containers:
  regex: { setup: [ !Copy { source: /work/dir, path: /dir, include-regex: "(^hello|(^|.*/)file)$" } ] }
  rules: { setup: [ !Copy { source: /work/dir, path: /dir, rules: [/hello, /**/file] } ] }
  fewer: { setup: [ !Copy { source: /work/dir, path: /dir, rules: [/hello, /**/file, "!file"] } ] }
  none: { setup: [ !Copy { source: /work/dir, path: /dir, rules: ["!file"] } ] }
  relative: { setup: [ !Copy { source: /work/dir, path: /dir, rules: [hello] } ] }
  both: { setup: [ !Copy { source: /work/dir, path: /dir, rules: [/hello], ignore-regex: x } ] }
YAML
    for c in regex rules fewer; do vagga _build $c; done
    run vagga _build none
    [ "$status" -eq 0 ]
    contains "$output" "You didn't add any include rules"
    cd .vagga
    for c in regex rules; do [ "$(cd $c/dir && find . -type f | sort | tr '\n' ' ')" = './hello ./subdir/file ' ]; done
    [ "$(ls fewer/dir)" = hello ] && [ -d none/dir ] && [ -z "$(ls none/dir)" ]
    cd ..
    [ "$(vagga _version_hash regex)" = "$(vagga _version_hash rules)" ]
    run vagga _build relative
    [ "$status" -eq 121 ]
    contains "$output" 'only for excluding'
    run vagga _build both
    [ "$status" -ne 0 ]
    contains "$output" 'not both'
}

@test "Copy: version control and backups stay outside, links are copied as they are" {
    write_tree <<'YAML'
containers:
  c: { setup: [ !Copy { source: /work/dir, path: /dir } ] }
YAML
    mkdir dir/.git; touch dir/.git/config dir/.gitignore dir/a~ dir/a.bak dir/a.orig 'dir/#x#'
    ln -s /nowhere dir/dangling; ln -s hello dir/link
    vagga _build c
    [ "$(ls -A .vagga/c/dir | sort | tr '\n' ' ')" = '.gitignore dangling exe.sh hello link second subdir ' ]
    [ "$(readlink .vagga/c/dir/dangling)" = /nowhere ] && [ "$(readlink .vagga/c/dir/link)" = hello ]
}

@test "Copy: missing sources, missing parents, bad names, special files" {
    write_tree <<'YAML'
containers:
  missing: { setup: [ !Copy { source: /work/x, path: /x } ] }
  parent: { setup: [ !Copy { source: /work/dir, path: /no/x } ] }
  dir: { setup: [ !Copy { source: /work/dir, path: /x } ] }
YAML
    run vagga _build missing
    [ "$status" -eq 121 ]
    contains "$output" '/work/x'
    run vagga _version_hash missing
    [ "$status" -eq 29 ]
    run vagga _build parent
    [ "$status" -eq 121 ]
    contains "$output" '"/no" does not exist'
    contains "$output" '!EnsureDir /no'
    touch "$(printf 'dir/bad\377')"
    run vagga _build dir
    [ "$status" -eq 121 ]
    contains "$output" 'bad\xFF'
    rm dir/bad*; mkfifo dir/fifo
    run vagga _build dir
    [ "$status" -eq 121 ]
    contains "$output" 'fifo'
}

@test "links of an image cannot lead a step out of it" {
    write_tree <<'YAML'
containers:
  evil:
    setup:
    - !Tar { url: ./evil.tar }
    - !Text { /out/text: text , /abs/text: text }
    - !Copy { source: /work/dir/hello, path: /out/hello }
    - !EnsureDir /up/ensured
    - !Text { /up/top: text }
    - !Remove /out/victim
    - !EmptyDir /out/keep
YAML
    outside=$BATS_TEST_TMPDIR/outside
    mkdir -p "$outside/keep" root/inside root"$outside"; touch "$outside/victim" "$outside/keep/file"
    ln -s "../../../../../../../../../../../..$outside" root/out; ln -s "$outside" root/abs
    ln -s ../../.. root/up
    tar -C root -cf evil.tar .
    run vagga _build evil
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$(cd "$outside" && find . | sort | tr '\n' ' ')" = '. ./keep ./keep/file ./victim ' ]
    [ "$(cat .vagga/evil/top)" = text ] && [ -d .vagga/evil/ensured ]
}

@test "containers from containers: a chain of ten" {
    chain() {
        echo 'containers:'
        echo '  c0: { setup: [ !Text { /t0: x } ] }'
        for i in 1 2 3 4 5 6 7 8 9; do echo "  c$i: { setup: [ !Container c$((i - 1)) , !Text { /t$i: x } ] }"; done
    }
    write_project < <(chain)
    run vagga _build c9
    [ "$status" -eq 0 ]
    [ "$(cat .vagga/c9/t? | tr -d '\n')" = xxxxxxxxxx ]
}

@test "containers from containers: deep directories, long paths, hard links, odd files" {
    write_project <<'YAML'
containers:
  base:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh |
        way=$(for i in $(seq 300); do printf directory/; done)
        mkdir -p "/deep/$way" "/half/$way"; echo bottom > "/half/$way/file"; mv /half "/deep/$way"
        echo x > /one; ln /one /two; mkfifo /fifo; chmod 4711 /one; chmod 1555 /deep
  copy: { setup: [ !Container base ] }
YAML
    run vagga _build copy
    [ "$status" -eq 0 ]
    cd .vagga/copy
    [ -p fifo ]
    [ "$(stat -c '%a %h' one)" = '4711 2' ] && [ one -ef two ]
    [ "$(stat -c %a deep)" = 1555 ]
    [ "$(find deep -name file -size 7c -printf '%d')" = 602 ]
}

@test "Build: a mount for the time of the build is read-only and leaves nothing, not even the directory made for it" {
    write_project <<'YAML'
containers:
  a: { setup: [ !EnsureDir /d , !Text { /d/f: found } ] }
  b:
    setup:
    - !Tar { url: ./busybox.tar }
    - !EnsureDir /kept
    - !Build { container: a, source: /d, temporary-mount: /kept }
    - !Build { container: a, source: /d, temporary-mount: /m }
    - !Copy { source: /m/f, path: /seen }
    - !Remove /m/f
    - !Sh "! touch /m/x && test -e /m/f"
  c: { setup: [ !Container b , !Sh "! test -e /m && test -d /kept" ] }
YAML
    run vagga _build c
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$(cat .vagga/b/seen)" = found ] && [ ! -e .vagga/b/m ] && [ -d .vagga/b/kept ] && [ -z "$(ls .vagga/b/kept)" ]
    [ "$(cat .vagga/a/d/f)" = found ]
}

@test "removing and emptying spares the project and the caches" {
    write_tree <<'YAML'
containers:
  c:
    setup:
    - !CacheDirs { /var/cache/x: x }
    - !Copy { source: /work/dir/hello, path: /var/cache/x/hello }
    - !EmptyDir /var/cache/x
    - !Remove /var/cache
    - !Remove /work/dir
    - !EmptyDir /work
YAML
    vagga _build c
    [ -e dir/hello ] && [ -e .vagga/.cache/x/hello ]
    [ ! -e .vagga/c/var/cache ]
}
