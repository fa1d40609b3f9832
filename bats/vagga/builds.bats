#!/usr/bin/env bats
# The life cycle of a build: results, rebuilds, failures, locks, what is left.
load project

@test "a container of one file" {
    write_project <<'YAML'
containers:
  hello: { setup: [ !Text { /etc/hello: "Hello world!" } ] }
YAML
    run --separate-stderr vagga _build hello
    [ "$status" -eq 0 ]
    [ "$output" = "" ]
    short=$(vagga _version_hash --short hello)
    contains "$stderr" "Container hello ($short) built in"
    [ "$(readlink .vagga/hello)" = ".roots/hello.$short/root" ]
    [ "$(cat .vagga/hello/etc/hello)" = 'Hello world!' ]
    [ "$(stat -c %a .vagga/hello/etc/hello)" = 644 ]
    [ "$(ls .vagga/hello | sort | tr '\n' ' ')" = 'dev etc proc run sys tmp work ' ]
    for dir in dev etc proc run sys work; do [ "$(stat -c %a ".vagga/hello/$dir")" = 755 ]; done
    [ "$(stat -c %a .vagga/hello/tmp)" = 1777 ]
    [ ! -s .vagga/hello/etc/resolv.conf ] && [ -f .vagga/hello/etc/resolv.conf ]
    for file in last_use uid_map gid_map timings.log; do [ -e ".vagga/.roots/hello.$short/$file" ]; done
    grep -q Prepare ".vagga/.roots/hello.$short/timings.log"
    grep -q 'Step: ' ".vagga/.roots/hello.$short/timings.log"
    grep -q Finish ".vagga/.roots/hello.$short/timings.log"
}

@test "a second build prints nothing, --force builds again" {
    write_project <<'YAML'
containers:
  hello: { setup: [ !Text { /etc/hello: "Hello world!" } ] }
YAML
    vagga _build hello 2>/dev/null
    inode=$(stat -Lc %i .vagga/hello)
    run vagga _build hello
    [ "$status" -eq 0 ]
    [ "$output" = "" ]
    [ "$(stat -Lc %i .vagga/hello)" = "$inode" ]
    run vagga _build --force hello
    contains "$output" 'built in'
    [ "$(stat -Lc %i .vagga/hello)" != "$inode" ]
    [ -z "$(ls -d .vagga/.roots/.tmp.hello*.old 2>/dev/null)" ]
}

@test "a failing step is named, with its command, its exit code and where the partial root is" {
    write_project <<'YAML'
containers:
  bad: { setup: [ !Tar { url: ./busybox.tar } , !Sh "touch /made; exit 3" ] }
YAML
    run --separate-stderr vagga _build bad
    [ "$status" -eq 121 ]
    contains "$stderr" 'Sh'
    contains "$stderr" 'exited with code 3'
    contains "$stderr" '.vagga/.roots/.tmp.bad'
    [ ! -e .vagga/bad ]
    [ -e .vagga/.roots/.tmp.bad/root/made ]
    lacks "$stderr" 'TERM='
    VAGGA_DEBUG_CMDENV=1 run --separate-stderr vagga _build bad
    [ "$status" -eq 121 ]
    contains "$stderr" 'exited with code 3; its environment was: '
    contains "$stderr" ' HOME="/tmp" '
    contains "$stderr" ' TERM="dumb"'
    sed -i 's/exit 3/true/' vagga.yaml
    run vagga _build bad
    [ "$status" -eq 0 ]
    [ ! -e .vagga/.roots/.tmp.bad ]
}

@test "unknown containers" {
    write_project <<'YAML'
containers: { c: { setup: [] } }
YAML
    for arguments in "_build nosuch" "_run nosuch ls" "_version_hash nosuch"; do
        run --separate-stderr vagga $arguments
        [ "$status" -eq 121 ]
        contains "$stderr" 'Container "nosuch" not found'
    done
    run vagga _build
    [ "$status" -eq 121 ]
    run vagga _build c extra
    [ "$status" -eq 122 ]
}

@test "environment, standard streams and mounts of a build step" {
    write_project <<'YAML'
containers:
  bb:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh "env; cat; cat /proc/self/mounts"
    - !Env { X: y }
    - !Sh 'test "$X" = y'
YAML
    run --separate-stderr env FOO=1 vagga -E BAR=1 _build bb </etc/passwd
    [ "$status" -eq 0 ]
    [ "$output" = "" ]
    grep -qx 'HOME=/tmp' <<<"$stderr"
    grep -qx 'TERM=dumb' <<<"$stderr"
    lacks "$stderr" 'FOO='
    lacks "$stderr" 'BAR='
    lacks "$stderr" 'nobody:x:65534:65534:nobody:/nonexistent'
    for at in /dev /proc /sys /run /work; do grep -q " $at " <<<"$stderr"; done
    ! grep -q ' /tmp ' <<<"$stderr" || false
    run vagga _run bb env
    lacks "$output" 'X=y'
}

@test "EnsureDir, Remove, EmptyDir, temporary files" {
    write_project <<'YAML'
containers:
  bb:
    setup:
    - !Tar { url: ./busybox.tar }
    - !EnsureDir /a/b/c
    - !Sh "mkdir -p /var/tmp /gone/deep /target && touch /tmp/x /var/tmp/y /file /target/kept && ln -s /target /link && touch /emptied/x 2>/dev/null || true"
    - !Remove /file
    - !Remove /gone
    - !Remove /link
    - !Sh "touch /file; mkdir -p /emptied; touch /emptied/x"
    - !EmptyDir /emptied
  wrong:
    setup: [ !Text { /a: x } , !EnsureDir /a ]
YAML
    vagga _build bb 2>/dev/null
    cd .vagga/bb
    [ "$(stat -c %a a/b/c)" = 755 ]
    [ ! -e file ] && [ ! -e gone ] && [ ! -L link ] && [ -e target/kept ]
    [ -d emptied ] && [ -z "$(ls -A emptied)" ]
    [ -z "$(ls -A tmp)" ] && [ -z "$(ls -A var/tmp)" ]
    cd ../..
    run --separate-stderr vagga _build wrong
    [ "$status" -eq 121 ]
    contains "$stderr" 'not a directory'
}

@test "EnsureDir below a volume is a warning" {
    write_project <<'YAML'
containers:
  v: { setup: [ !EnsureDir /m , !EnsureDir /m/s ], volumes: { /m: !Tmpfs {} } }
YAML
    run --separate-stderr vagga _build v
    contains "$stderr" '"/m/s" directory is in the volume: "/m"'
    lacks "$stderr" '"/m" directory is in'
}

@test "cache directories are kept between builds and empty in the image" {
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } , !CacheDirs { /c: n } , !Sh "echo x >> /c/f" ] }
YAML
    vagga _build bb 2>/dev/null
    [ "$(wc -l < .vagga/.cache/n/f)" -eq 1 ]
    vagga _build --force bb 2>/dev/null
    [ "$(wc -l < .vagga/.cache/n/f)" -eq 2 ]
    [ -d .vagga/bb/c ] && [ -z "$(ls -A .vagga/bb/c)" ]
}

@test "a cache name cannot leave the cache" {
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } , !CacheDirs { /c: ../../escape } , !Sh "touch /c/f" ] }
YAML
    run vagga _build bb
    [ "$status" -ne 0 ]
    [ ! -e escape ] && [ ! -e .vagga/escape ]
}

@test "data-dirs" {
    write_project <<'YAML'
containers:
  data:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh "mkdir -p /var/lib/x /var/local; echo h > /var/local/hello.txt; echo o > /var/local/other; ln -s /var/local/hello.txt /link"
    data-dirs: [/etc, /var/lib, /var/lib/x, /var/local/hello.txt]
YAML
    run --separate-stderr vagga _build data
    [ "$status" -eq 0 ]
    contains "$stderr" '/var/lib/x'
    cd .vagga/data
    [ -d var/lib/x ] && [ -f var/local/hello.txt ] && [ -d etc ]
    [ ! -e bin ] && [ ! -e var/local/other ] && [ ! -L link ]
}

@test "Cmd: missing programs" {
    write_project <<'YAML'
containers:
  a: { setup: [ !Tar { url: ./busybox.tar } , !Cmd [/nonexistent] ] }
  b: { setup: [ !Tar { url: ./busybox.tar } , !Cmd [nope] ] }
  c: { setup: [ !Tar { url: ./busybox.tar } , !EnsureDir /opt , !Text { /opt/mine: "#!/bin/sh\necho mine" } , !Sh "chmod +x /opt/mine" , !Env { PATH: "/opt:/bin" } , !Cmd [mine] ] }
YAML
    run vagga _build a
    [ "$status" -eq 121 ]
    run --separate-stderr vagga _build b
    [ "$status" -eq 121 ]
    contains "$stderr" 'command "nope" not found'
    run vagga _build c
    [ "$status" -eq 0 ]
    contains "$output" mine
}

# bats test_tags=ids
@test "RunAs: users, groups and owners" {
    write_project <<'YAML'
containers:
  bb:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh "mkdir -p -m 777 /made"
    - !RunAs { user-id: 1, group-id: 1, script: "id -u; id -g; touch /made/1.1" }
    - !RunAs { user-id: 0, group-id: 1, script: "touch /made/0.1" }
    - !RunAs { user-id: 1, group-id: 0, supplementary-gids: [501, 502], script: "id -G; touch /made/1.0" }
    - !RunAs { user-id: 1, external-user-id: 0, script: "id -u; touch /made/ext" }
    - !Sh "stat -c 'owner %n %u.%g' /made/*"
YAML
    run vagga _build bb
    [ "$status" -eq 0 ]
    contains "$output" 'owner /made/1.1 1.1'
    contains "$output" 'owner /made/0.1 0.1'
    contains "$output" 'owner /made/1.0 1.0'
    contains "$output" 'owner /made/ext 0.'
    contains "$output" '0 501 502'
}

@test "RunAs without network" {
    write_project <<'YAML'
containers:
  bb:
    setup:
    - !Tar { url: ./busybox.tar }
    - !RunAs { isolate-network: true, script: "ip link | grep -c '^[0-9]' ; ip addr add 10.9.8.7/32 dev lo" }
    - !RunAs { isolate-network: true, script: "ip addr | grep 10.9.8.7" }
    - !Sh "! ip addr | grep 10.9.8.7"
YAML
    run vagga _build bb
    [ "$status" -eq 0 ]
    grep -qx 1 <<<"$output"
}

@test "going back to an older configuration builds nothing" {
    write_project <<'YAML'
containers:
  hello: { setup: [ !Text { /etc/hello: "one" } ] }
YAML
    vagga _build hello 2>/dev/null
    sed -i s/one/two/ vagga.yaml
    vagga _build hello 2>/dev/null
    [ "$(cat .vagga/hello/etc/hello)" = two ]
    sed -i s/two/one/ vagga.yaml
    run vagga _build hello
    [ "$output" = "" ]
    [ "$(cat .vagga/hello/etc/hello)" = one ]
}

@test "auto-clean keeps only the newest version" {
    write_project <<'YAML'
containers:
  hello: { auto-clean: true, setup: [ !Text { /etc/hello: "one" } ] }
YAML
    vagga _build hello 2>/dev/null
    sed -i s/one/two/ vagga.yaml
    VAGGA_SETTINGS='disable-auto-clean: true' vagga _build hello 2>/dev/null
    [ "$(ls -d .vagga/.roots/hello.* | wc -l)" -eq 2 ]
    sed -i s/two/three/ vagga.yaml
    vagga _build hello 2>/dev/null
    [ "$(ls -d .vagga/.roots/hello.* | wc -l)" -eq 2 ]
    [ "$(cat .vagga/hello/etc/hello)" = three ]
}

@test "two builds at once: one fails, or waits when told to" {
    write_project <<'YAML'
containers:
  slow: { setup: [ !Tar { url: ./busybox.tar } , !Sh "touch /work/started; sleep 1" ] }
YAML
    vagga _build slow 2> first &
    for _ in $(seq 100); do [ -e started ] && break; sleep 0.05; done
    run --separate-stderr vagga _build slow
    [ "$status" -eq 121 ]
    contains "$stderr" "Can't lock container build"
    contains "$stderr" 'Aborting'
    wait $!
    vagga _clean --everything
    rm -f started
    vagga _build slow 2> first &
    for _ in $(seq 100); do [ -e started ] && break; sleep 0.05; done
    VAGGA_SETTINGS='build-lock-wait: true' run --separate-stderr vagga _build slow
    [ "$status" -eq 0 ]
    contains "$stderr" 'Waiting'
    lacks "$stderr" 'built in'
    wait $!
}

@test "a killed build is never taken for built and needs no cleaning" {
    write_project <<'YAML'
containers:
  slow: { setup: [ !Tar { url: ./busybox.tar } , !Sh "touch /work/started; [ -e /work/go ] || sleep 4343" ] }
YAML
    vagga _build slow 2>/dev/null &
    pid=$!
    for _ in $(seq 100); do [ -e started ] && break; sleep 0.05; done
    kill -9 $pid
    wait $pid || true
    for _ in $(seq 50); do pgrep -f 'sleep 434[3]' >/dev/null || break; sleep 0.1; done
    ! pgrep -f 'sleep 434[3]' || false
    [ ! -e .vagga/slow ]
    touch go
    run vagga _build slow
    [ "$status" -eq 0 ]
}

@test "Ctrl-C during a build" {
    write_project <<'YAML'
containers:
  slow: { setup: [ !Tar { url: ./busybox.tar } , !Sh "touch /work/started; sleep 4343" ] }
YAML
    vagga _build slow 2>err &
    pid=$!
    for _ in $(seq 100); do [ -e started ] && break; sleep 0.05; done
    kill -TERM $pid
    status=0; wait $pid || status=$?
    [ "$status" -ne 0 ]
    ! pgrep -f 'sleep 434[3]' || false
    [ ! -e .vagga/slow ]
    [ -z "$(ls -d .vagga/.roots/slow.* 2>/dev/null)" ]
}

@test "containers from containers" {
    write_project <<'YAML'
containers:
  base: { setup: [ !Tar { url: ./busybox.tar } , !Env { FROM_BASE: yes } , !Remove /x , !Sh "touch /based" ], environ: { RUN: base } }
  test: { setup: [ !Container base , !Sh 'test "$FROM_BASE" = yes && touch /x' , !Text { /derived: "" } ] }
YAML
    run vagga _build test
    [ "$status" -eq 0 ]
    [ -L .vagga/base ] && [ -L .vagga/test ]
    [ -e .vagga/test/based ] && [ -e .vagga/test/derived ] && [ ! -e .vagga/test/x ]
    run vagga _run test env
    lacks "$output" 'RUN=base'
    run vagga _build --force test
    [ "$(grep -c 'built in' <<<"$output")" -eq 2 ]
}

@test "files of another container: Build" {
    write_project <<'YAML'
containers:
  a: { setup: [ !Tar { url: ./busybox.tar } , !Sh "mkdir -p /d/sub; echo keep > /d/keep; echo drop > /d/sub/drop" ] }
  b:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Build { container: a, source: /d, path: /e }
    - !Build { container: a, source: /d/keep, path: /one }
    - !Build { container: a, source: /d, path: /f, rules: [/keep] }
    - !Build { container: a, source: /d, temporary-mount: /m }
    - !Sh "cat /m/sub/drop > /seen; ! touch /m/x"
YAML
    run vagga _build b
    [ "$status" -eq 0 ]
    cd .vagga/b
    [ "$(cat e/keep e/sub/drop one f/keep seen)" = $'keep\ndrop\nkeep\nkeep\ndrop' ]
    [ ! -e f/sub ] && [ ! -e m ]
    [ "$(stat -c %Y e/keep)" = 1 ]
}

@test "steps of another file: SubConfig" {
    write_project <<'YAML'
containers:
  gen: { setup: [ !Tar { url: ./busybox.tar } , !Text { /generated.yaml: "containers: { main: { setup: [ !Text { /from-gen: g } ] } }\n" } ] }
  c: { setup: [ !Tar { url: ./busybox.tar } , !SubConfig { path: sub/vagga.yaml, container: c } ] }
  d: { setup: [ !SubConfig { source: !Container gen , path: generated.yaml, container: main } ] }
YAML
    run vagga _version_hash c
    [ "$status" -eq 29 ]
    [ "$output" = "" ]
    mkdir sub
    echo 'containers: { c: { setup: [ !Text { /from-sub: one } ] } }' > sub/vagga.yaml
    before=$(vagga _version_hash c)
    vagga _build c 2>/dev/null
    [ "$(cat .vagga/c/from-sub)" = one ]
    sed -i s/one/two/ sub/vagga.yaml
    [ "$(vagga _version_hash c)" != "$before" ]
    vagga _build d 2>/dev/null
    [ "$(cat .vagga/d/from-gen)" = g ]
}

@test "--no-build, --no-version-check, --containers-only" {
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } , !Text { /v: one } ] }
commands:
  x: !Command { container: bb, run: [cat, /v] }
YAML
    run --separate-stderr vagga --no-build x
    [ "$status" -eq 29 ]
    [ -n "$stderr" ]
    [ ! -e .vagga/bb ]
    run --separate-stderr vagga --containers-only x
    [ "$status" -eq 0 ]
    [ "$output" = "" ]
    [ -L .vagga/bb ]
    run vagga --no-build x
    [ "$output" = one ]
    sed -i 's/one/two/' vagga.yaml
    run --separate-stderr vagga --no-build x
    [ "$status" -eq 29 ]
    run --separate-stderr vagga --no-version-check x
    [ "$output" = one ]
    run --separate-stderr vagga _run --no-version-check bb cat /v
    [ "$output" = one ]
    run --separate-stderr vagga x
    [ "$output" = two ]
}

@test "a step that needs a distribution says so; two distributions are refused" {
    write_project <<'YAML'
containers:
  none: { setup: [ !Install [x] ] }
YAML
    run --separate-stderr vagga _build none
    [ "$status" -eq 121 ]
    contains "$stderr" 'linux distribution'
}

@test "an id map that changed since the build: warning and rebuild" {
    write_project <<'YAML'
containers:
  hello: { setup: [ !Text { /etc/hello: "Hello" } ] }
YAML
    vagga _build hello 2>/dev/null
    for map in uid_map gid_map; do
        file=$(readlink -f .vagga/hello/..)/$map
        chmod u+w "$file"
        echo '0 77 1' > "$file"
        run --separate-stderr vagga _build hello
        [ "$status" -eq 0 ]
        contains "$stderr" 'built in'
    done
}

@test "a project on a read-only file system is one clear error" {
    [ "$VAGGA_MODE" != root ] && [ "$VAGGA_MODE" != refused ] && return 0
    write_project <<'YAML'
containers:
  hello: { setup: [ !Text { /etc/hello: "Hello" } ] }
YAML
    run --separate-stderr unshare -m sh -c "mount --bind '$PROJECT' '$PROJECT' && mount -o remount,bind,ro '$PROJECT' && cd '$PROJECT' && vagga _build hello"
    [ "$status" -eq 121 ]
    contains "$stderr" 'Read-only file system'
    [ "${#stderr_lines[@]}" -le 3 ]
}

@test "a full disk is one clear error and nothing is taken for built" {
    [ "$VAGGA_MODE" != root ] && [ "$VAGGA_MODE" != refused ] && return 0
    write_project <<'YAML'
containers:
  full: { setup: [ !Tar { url: ./busybox.tar } , !Tar { url: ./busybox.tar, path: /again } ] }
YAML
    run --separate-stderr unshare -m sh -c "mkdir .vagga && mount -t tmpfs -o size=3M tmpfs .vagga && vagga _build full; code=\$?; ls .vagga/full; exit \$code"
    [ "$status" -eq 121 ]
    contains "$stderr" 'No space left on device'
}

@test "a project mounted noexec, nodev, nosuid" {
    [ "$VAGGA_MODE" != root ] && [ "$VAGGA_MODE" != refused ] && return 0
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } ] }
commands:
  x: !Command { container: bb, run: "echo x > /x" }
  ro: !Command { container: bb, volumes: { /home: !BindRO /work }, run: "echo x > /home/x" }
YAML
    run unshare -m sh -c "mkdir t && mount -t tmpfs -o nodev,nosuid tmpfs t && cp vagga.yaml busybox.tar t/ && cd t && vagga ro"
    [ "$status" -ne 0 ]
    contains "$output" 'Read-only file system'
    lacks "$output" 'remount'
    run --separate-stderr unshare -m sh -c "mkdir n && mount -t tmpfs -o noexec tmpfs n && cp vagga.yaml busybox.tar n/ && cd n && vagga x"
    [ "$status" -eq 124 ] || [ "$status" -eq 121 ]
    contains "$stderr" 'noexec'
}

@test "!EnsureDir through a link into /tmp, which is emptied at the end" {
    write_project <<'YAML'
containers:
  c:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh "ln -s /tmp/made /link; ln -s loop /loop; mkdir -p /a; ln -s ../tmp/other /a/up"
    - !EnsureDir /link/below
    - !EnsureDir /a/up/x/y
  loop: { setup: [ !Container c, !EnsureDir /loop/x ] }
YAML
    run vagga _build c
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ -d .vagga/c/tmp/made/below ] && [ -d .vagga/c/tmp/other/x/y ]
    [ -L .vagga/c/link ] && [ -L .vagga/c/a/up ]
    run vagga _build loop
    [ "$status" -eq 121 ]
    contains "$output" loop
}

# bats test_tags=root
@test "build steps of real root cannot mount, and so not write to the kernel's settings" {
    write_project <<'YAML'
containers:
  c:
    setup:
    - !Tar { url: ./busybox.tar }
    - !EnsureDir /m
    - !Sh |
        for try in 'mount -o remount,bind,rw /sys' 'mount -o remount,bind,rw /proc/sys' 'umount /proc/sys' 'umount -l /sys' \
            'mount -t tmpfs none /m' 'mount -o bind /work /m' 'mount -t proc none /m' \
            'unshare -m mount -o remount,bind,rw /proc/sys' 'unshare -Urm mount -o remount,bind,rw /proc/sys' \
            'unshare -Urm umount /proc/sys' 'chroot /proc/1/root true'; do
            if $try 2>/dev/null; then echo "REACHED: $try"; exit 1; fi
        done
        if echo x 2>/dev/null > /proc/sys/kernel/domainname; then echo REACHED; exit 1; fi
    - !RunAs { user-id: 1, script: "! mount -t tmpfs none /m" }
YAML
    before=$(cat /proc/sys/kernel/domainname)
    run vagga _build c
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ "$(cat /proc/sys/kernel/domainname)" = "$before" ]
}

@test "a tree too deep for paths is hashed and copied" {
    write_project <<'YAML'
containers:
  c: { setup: [ !Copy { source: /work/deep, path: /deep } ] }
YAML
    python3 - <<'PY'
import os
fd = os.open(".", os.O_RDONLY)
for name in ["deep"] + ["d"] * 2100:
    os.mkdir(name, dir_fd=fd)
    inner = os.open(name, os.O_RDONLY, dir_fd=fd)
    os.close(fd)
    fd = inner
os.close(os.open("end", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
PY
    run timeout 300 vagga _build c
    [ "$status" -eq 0 ] || { echo "$output" | cut -c1-500; false; }
    python3 - <<'PY'
import os
fd = os.open(".vagga/c/deep", os.O_RDONLY)
for _ in range(2100):
    inner = os.open("d", os.O_RDONLY, dir_fd=fd)
    os.close(fd)
    fd = inner
os.stat("end", dir_fd=fd)
PY
    rm -rf deep
}
