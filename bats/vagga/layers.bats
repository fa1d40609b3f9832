#!/usr/bin/env bats
# Layers: a build begins behind the last step that is the same; images are plain directories all the same.
load project

# A container whose steps write their names to /work/log when they run.
steps() {
    write_project <<'YAML'
containers:
  c:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Env { A: from-env }
    - !Sh "echo one >> /work/log; mkdir /d; echo 1 > /d/one; echo 1 > /gone"
    - !Sh "echo two >> /work/log; echo $A > /d/two; rm /gone"
    - !Sh "echo last >> /work/log; echo v1 > /d/last"
YAML
    : > log
}

# The steps that ran since the last call.
ran() {
    tr '\n' ' ' < log
    : > log
}

build() {
    vagga _build "${1:-c}" 2>build.log || { cat build.log; false; }
}

kept() { ls .vagga/.layers 2>/dev/null | wc -l; }

@test "only the last step runs again when it is changed" {
    steps
    build
    [ "$(ran)" = 'one two last ' ]
    sed -i 's/v1/v2/' vagga.yaml
    build
    [ "$(ran)" = 'last ' ]
    [ "$(cat .vagga/c/d/one .vagga/c/d/two .vagga/c/d/last)" = $'1\nfrom-env\nv2' ]
    [ ! -e .vagga/c/gone ]
    lacks "$(cat build.log)" '!Tar'
    contains "$(cat build.log)" 'c [5/5] !Sh'
    sed -i 's/echo one/echo  one/' vagga.yaml
    build
    [ "$(ran)" = 'one two last ' ]
}

@test "going back to an earlier text runs nothing but the end" {
    steps
    build
    sed -i 's/v1/v2/' vagga.yaml
    build
    sed -i 's/v2/v1/' vagga.yaml
    rm -r .vagga/.roots/c.*
    ran
    build
    [ "$(ran)" = '' ]
    [ "$(cat .vagga/c/d/last)" = v1 ]
}

@test "--force runs every step again" {
    steps
    build
    ran
    vagga _build --force c 2>/dev/null
    [ "$(ran)" = 'one two last ' ]
    sed -i 's/v1/v2/' vagga.yaml
    build
    [ "$(ran)" = 'last ' ]
}

@test "layers: false builds without them, as does a file system that cannot" {
    steps
    echo 'layers: false' > .vagga.settings.yaml
    build
    [ "$(ran)" = 'one two last ' ]
    [ ! -e .vagga/.layers ]
    sed -i 's/v1/v2/' vagga.yaml
    build
    [ "$(ran)" = 'one two last ' ]
    [ "$(cat .vagga/c/d/last)" = v2 ]
}

@test "whiteouts, replaced directories, hard links, setuid bits, times and attributes come out right" {
    write_project <<'YAML'
containers:
  c:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh |
        mkdir -p /d/sub /keep /swap
        echo 1 > /d/f; echo 1 > /d/sub/g; echo 1 > /keep/old; ln -s nowhere /swap/link; echo 1 > /swap/file; mkdir /swap/dir
        echo x > /keep/a; ln /keep/a /keep/b; chmod 4755 /keep/a; touch -d @981173106 /keep/a
    - !Sh |
        rm -r /d; mkdir /d; echo 2 > /d/new; rm /keep/old; chmod 2750 /keep
        rm /swap/link /swap/file; rmdir /swap/dir; mkdir /swap/link; echo 2 > /swap/link/x; ln -s /etc /swap/dir; mkdir /swap/file
        ln /keep/a /keep/c
    - !Sh "echo v1; chmod 711 /"
YAML
    check() {
        [ "$(cd .vagga/c && find d keep swap | sort | tr '\n' ' ')" = \
            'd d/new keep keep/a keep/b keep/c swap swap/dir swap/file swap/link swap/link/x ' ]
        [ "$(stat -c '%a %Y' .vagga/c/keep/a)" = '4755 981173106' ]
        [ "$(stat -c %a .vagga/c/keep .vagga/c/ .vagga/c/tmp)" = $'2750\n711\n1777' ]
        [ "$(readlink .vagga/c/swap/dir)" = /etc ] && [ -d .vagga/c/swap/file ] && [ ! -L .vagga/c/swap/link ]
        [ .vagga/c/keep/a -ef .vagga/c/keep/c ]
        [ -z "$(find .vagga/c/ -type c 2>/dev/null)" ]
    }
    build
    check
    sed -i 's/v1/v2/' vagga.yaml
    build
    contains "$(cat build.log)" '[4/4]'
    lacks "$(cat build.log)" '[3/4]'
    check
    [ "$(ls -A .vagga/c/etc/resolv.conf)" ] && [ ! -s .vagga/c/etc/resolv.conf ] && [ ! -s .vagga/c/etc/hosts ]
    ! getfattr -Rdm - .vagga/c/ 2>/dev/null | grep overlay || false
    vagga _run c sh -c 'echo ok > /tmp/x && cat /d/new'
}

# bats test_tags=ids
@test "owners are those of the container" {
    write_project <<'YAML'
containers:
  c:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh "mkdir /o; echo 1 > /o/f; chown 5:6 /o /o/f; touch /o/g; chown 7:0 /o/g"
    - !Sh "chown 8:9 /o/g; echo v1"
YAML
    build
    sed -i 's/v1/v2/' vagga.yaml
    build
    [ "$(vagga _run c stat -c '%u:%g' /o /o/f /o/g | tr '\n' ' ')" = '5:6 5:6 8:9 ' ]
}

@test "what earlier steps have set up is there for a step that runs alone" {
    write_project <<'YAML'
containers:
  base: { setup: [ !Tar { url: ./busybox.tar } , !Sh "mkdir /out; echo data > /out/file" ] }
  c:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Env { GREETING: hello }
    - !CacheDirs { /var/cache/x: x }
    - !Build { container: base, source: /out, temporary-mount: /mnt }
    - !EnsureDir /srv/later
    - !EmptyDir /scratch
    - !Remove /removed
    - !Sh "mkdir -p /scratch; echo cached > /var/cache/x/f; echo 1 > /removed; echo 1 > /scratch/f"
    - !Sh |
        : v1; echo "$GREETING $(cat /var/cache/x/f) $(cat /mnt/file) $(cat /removed) $(cat /scratch/f)" > /result
        [ -w /run ] && rm -r /srv/later
YAML
    for version in v1 v2 v3; do
        sed -i "s/: v[0-9];/: $version;/" vagga.yaml
        build
        [ "$(cat .vagga/c/result)" = 'hello cached data 1 1' ]
        [ -d .vagga/c/srv/later ] && [ ! -e .vagga/c/removed ] && [ ! -e .vagga/c/mnt ] && [ -z "$(find .vagga/c/{scratch,var/cache/x} -mindepth 1)" ]
    done
    lacks "$(cat build.log)" '[8/9]'
}

@test "a derived container begins on the layers of its base" {
    write_project <<'YAML'
containers:
  base:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Env { FROM: base }
    - !Remove /gone
    - !Sh "echo base >> /work/log; echo 1 > /file; echo 1 > /other; chmod 750 /"
  derived: { setup: [ !Container base, !Sh 'echo derived >> /work/log; echo $FROM > /from; rm /other; echo 1 > /gone' ] }
  third: { setup: [ !Container derived, !Sh 'echo third >> /work/log; cat /from; echo 3 >> /file' ] }
  late: { setup: [ !Text { /before: x }, !Container base ] }
YAML
    : > log
    build third
    [ "$(ran)" = 'base derived third ' ]
    [ "$(cat .vagga/third/from .vagga/third/file .vagga/base/file)" = $'base\n1\n3\n1' ]
    [ ! -e .vagga/third/other ] && [ -e .vagga/base/other ] && [ ! -e .vagga/third/gone ]
    [ "$(stat -c %a .vagga/third/)" = 750 ]
    [ .vagga/derived/bin/busybox -ef .vagga/base/bin/busybox ] || [ "$(df --output=fstype . | tail -1)" != ext4 ]
    vagga _layers derived > list
    contains "$(cat list)" 'base: !Tar ./busybox.tar'
    # Merged with what is there already: by a copy.
    build late
    [ "$(cat .vagga/late/before)" = x ] && [ -e .vagga/late/file ]
    # A base that was built without layers is copied.
    VAGGA_SETTINGS='layers: false' vagga _build --force base 2>/dev/null
    sed -i 's/derived >>/derived2 >>/' vagga.yaml
    ran
    build derived
    [ "$(ran)" = 'derived2 ' ]
    [ "$(cat .vagga/derived/from)" = base ] && [ ! -e .vagga/derived/gone ]
}

@test "killed while a layer is written: nothing of it is ever used" {
    write_project <<'YAML'
containers:
  c:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh "echo one >> /work/log; echo 1 > /one"
    - !Sh "echo two >> /work/log; echo half > /two; [ -e /work/go ] || { touch /work/reached; sleep 60; }; echo whole > /two"
YAML
    : > log
    setsid vagga _build c >/dev/null 2>&1 3>&- &
    for _ in $(seq 100); do [ -e reached ] && break; sleep 0.1; done
    kill -9 $!
    wait $! || true
    touch go
    for _ in $(seq 50); do flock -n .vagga/.layers/.lock true && break; sleep 0.1; done
    build
    [ "$(ran)" = 'one two two ' ]
    [ "$(cat .vagga/c/two)" = whole ]
    [ -z "$(ls -d .vagga/.layers/.tmp.* 2>/dev/null)" ]
}

@test "killed at any time: the next build is right" {
    steps
    for delay in 0.01 0.02 0.03 0.05 0.08; do
        sed -i "s/echo v.* >/echo v$delay >/" vagga.yaml
        setsid vagga _build c >/dev/null 2>&1 3>&- &
        sleep "$delay"
        kill -9 $! 2>/dev/null || true
        wait $! || true
        for _ in $(seq 50); do flock .vagga/.roots/.tmp.c.lock true && break; sleep 0.1; done
        build
        [ "$(cat .vagga/c/d/one .vagga/c/d/two .vagga/c/d/last)" = $'1\nfrom-env\nv'"$delay" ]
    done
}

@test "two builds at once of containers with the same beginning" {
    write_project <<'YAML'
containers:
  a: { setup: [ !Tar { url: ./busybox.tar }, !Sh "sleep 0.3; date +%N > /stamp", !Sh "cp /stamp /copy; echo a" ] }
  b: { setup: [ !Tar { url: ./busybox.tar }, !Sh "sleep 0.3; date +%N > /stamp", !Sh "cp /stamp /copy; echo b" ] }
YAML
    vagga _build a >a.log 2>&1 3>&- &
    vagga _build b >b.log 2>&1 3>&-
    wait $!
    for name in a b; do [ "$(cat .vagga/$name/stamp)" = "$(cat .vagga/$name/copy)" ]; done
    # Whichever was second took the layer of the first for what follows.
    sed -i 's/echo a/echo 2/; s/echo b/echo 2/' vagga.yaml
    build a
    build b
    [ "$(cat .vagga/a/stamp)" = "$(cat .vagga/b/stamp)" ]
    for name in a b; do [ "$(cat .vagga/$name/stamp)" = "$(cat .vagga/$name/copy)" ]; done
    [ -z "$(ls -d .vagga/.layers/.tmp.* 2>/dev/null)" ] || { vagga _clean --tmp; [ -z "$(ls -d .vagga/.layers/.tmp.* 2>/dev/null)" ]; }
}

@test "a file of an image edited in place does not get into other images" {
    steps
    build
    ran
    echo edited >> .vagga/c/d/one
    sed -i 's/v1/v2/' vagga.yaml
    build
    [ "$(cat .vagga/c/d/one)" = 1 ]
    [ "$(ran)" = 'one two last ' ] || [ "$(df --output=fstype . | tail -1)" != ext4 ]
    sed -i 's/v2/v3/' vagga.yaml
    build
    [ "$(ran)" = 'last ' ]
}

@test "a writable copy of an image changes neither image nor layers" {
    steps
    build
    vagga _run -W c sh -c 'echo more >> /d/one; rm /d/two; chmod 777 /bin/busybox'
    [ "$(cat .vagga/c/d/one)" = 1 ] && [ -e .vagga/c/d/two ]
    ran
    sed -i 's/v1/v2/' vagga.yaml
    build
    [ "$(ran)" = 'last ' ]
}

@test "files of the project: changed ones run the step again, also when they change during the build" {
    write_project <<'YAML'
containers:
  c:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh "echo one >> /work/log"
    - !Copy { source: /work/src, path: /src }
    - !Sh "echo two >> /work/log; [ ! -e /work/touch ] || echo changed > /work/src/f"
    - !Copy { source: /work/src, path: /again }
    - !Sh "echo last v1 >> /work/log"
YAML
    : > log
    mkdir src && echo 1 > src/f
    build
    [ "$(ran)" = 'one two last v1 ' ]
    echo 2 > src/f
    build
    [ "$(ran)" = 'two last v1 ' ]
    [ "$(cat .vagga/c/src/f)" = 2 ]
    # The second copy is not what its version says: the next build does not believe it.
    touch touch
    echo 3 > src/f
    build
    [ "$(cat .vagga/c/src/f .vagga/c/again/f)" = $'3\nchanged' ]
    rm touch
    echo 3 > src/f
    sed -i 's/v1/v2/' vagga.yaml
    ran
    build
    [ "$(cat .vagga/c/src/f .vagga/c/again/f)" = $'3\n3' ]
    [ "$(ran)" = 'last v2 ' ]
}

@test "steps whose files other steps make: layers from then on, and nothing is skipped that makes them" {
    write_project <<'YAML'
containers:
  c:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh "echo one >> /work/log; cat /work/source > /work/made"
    - !Copy { source: /work/made, path: /made }
    - !Sh "echo two >> /work/log; echo v1 > /last"
YAML
    : > log
    echo 1 > source
    run vagga _version_hash c
    [ "$status" -eq 29 ]
    build
    [ "$(ran)" = 'one two ' ]
    # The first build has kept all its steps.
    sed -i 's/v1/v2/' vagga.yaml
    build
    [ "$(ran)" = 'two ' ]
    [ "$(cat .vagga/c/made .vagga/c/last)" = $'1\nv2' ]
    contains "$(vagga _layers c)" '!Copy'
    # Without the file nobody knows which layers are right: what makes it runs, what comes before does not.
    rm made
    echo 2 > source
    build
    [ "$(ran)" = 'one two ' ]
    lacks "$(cat build.log)" '!Tar'
    [ "$(cat made .vagga/c/made)" = $'2\n2' ]
}

@test "a failed step leaves its root to look at, and the steps before it are kept" {
    steps
    sed -i 's/echo last/mkdir \/made; false; echo last/' vagga.yaml
    run --separate-stderr vagga _build c
    [ "$status" -eq 121 ]
    contains "$stderr" '.vagga/.roots/.tmp.c'
    [ -d .vagga/.roots/.tmp.c/root/made ] && [ "$(cat .vagga/.roots/.tmp.c/root/d/two)" = from-env ]
    [ ! -e .vagga/.roots/.tmp.c/root/gone ]
    sed -i 's/false; //' vagga.yaml
    ran
    build
    [ "$(ran)" = 'last ' ]
    [ -d .vagga/c/made ] && [ ! -e .vagga/.roots/.tmp.c ]
}

@test "_layers tells what is kept and why; _clean removes what no image needs" {
    steps
    run vagga _layers
    [ "$status" -eq 0 ]
    contains "$output" '0 layers'
    build
    first=c.$(vagga _version_hash -s c)
    sed -i 's/v1/v2/' vagga.yaml
    build
    second=c.$(vagga _version_hash -s c)
    vagga _layers c > list
    grep -q "part of .*$first" list && grep -q "part of .*$second" list
    contains "$(cat list)" 'c: !Tar ./busybox.tar'
    [ "$(vagga _layers --json | grep -c '"key"')" = "$(grep -c 'part of' list)" ]
    run vagga _layers nosuch
    [ "$status" -eq 121 ]
    # Nothing is superfluous as long as both images are there.
    [ -z "$(vagga _clean --layers -n)" ]
    run vagga _clean --unused -n
    [ "$(grep -c '/.layers/' <<<"$output")" = 2 ]
    before=$(kept)
    vagga _clean --unused
    [ "$(kept)" = $((before - 2)) ]
    lacks "$(vagga _layers)" "$first"
    ran
    sed -i 's/v2/v3/' vagga.yaml
    build
    [ "$(ran)" = 'last ' ]
}

@test "_clean removes layers by age and size, and leftovers; images stay" {
    steps
    build
    [ -z "$(vagga _clean --layers --at-least 1h -n)" ]
    [ -z "$(vagga _clean --layers --max-size 100M -n)" ]
    [ "$(vagga _clean --layers --at-least 0s -n | wc -l)" = "$(kept)" ]
    touch -d '3 hours ago' .vagga/.layers/*/layer.json
    vagga _clean --layers --at-least 1h
    [ "$(kept)" = 0 ]
    [ "$(vagga _run c cat /d/one)" = 1 ]
    ran
    sed -i 's/v1/v2/' vagga.yaml
    build
    [ "$(ran)" = 'one two last ' ]
    vagga _clean --layers --max-size 100
    [ "$(vagga _layers --json | awk '/"bytes"/ { n += $2 } END { print (n <= 100) }')" = 1 ]
    mkdir .vagga/.layers/.tmp.7
    vagga _clean --tmp
    [ ! -e .vagga/.layers/.tmp.7 ]
    for bad in '--unused --max-size 1G' '--layers --max-size much' '--layers --global'; do
        run vagga _clean $bad
        [ "$status" -ne 0 ]
    done
}

@test "nothing is removed while a build goes on" {
    write_project <<'YAML'
containers:
  c: { setup: [ !Tar { url: ./busybox.tar }, !Sh "touch /work/reached; while [ ! -e /work/go ]; do sleep 0.05; done" ] }
YAML
    vagga _build c >/dev/null 2>&1 3>&- &
    for _ in $(seq 100); do [ -e reached ] && break; sleep 0.1; done
    before=$(kept)
    run vagga _clean --layers
    contains "$output" 'in use by a build'
    [ "$(kept)" = "$before" ]
    touch go
    wait $!
}

# bats test_tags=root
@test "layers of another user are not used" {
    steps
    build
    ran
    for layer in .vagga/.layers/*/; do
        [ -e "$layer/diff/d/one" ] && chown 4321 "$layer"
    done
    sed -i 's/v1/v2/' vagga.yaml
    build
    [ "$(ran)" = 'one two last ' ]
    chown 4321 .vagga/.layers
    sed -i 's/v2/v3/' vagga.yaml
    RUST_LOG=info run vagga _build c
    [ "$status" -eq 0 ]
    contains "$output" 'belongs to another user'
    [ "$(ran)" = 'one two last ' ]
    [ "$(cat .vagga/c/d/last)" = v3 ]
}

# bats test_tags=root
@test "a storage that overlays cannot write to" {
    steps
    mkdir lower upper work where
    cat > inner <<'SH'
set -e
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work where
export VAGGA_SETTINGS="storage-dir: $PWD/where"
vagga _build c
sed -i s/v1/v2/ vagga.yaml
RUST_LOG=info vagga _build c
cat .vagga/c/d/last
ls -A where/project/.layers
vagga _clean --everything
SH
    run unshare --mount --propagation private sh inner
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ "$(ran)" = 'one two last one two last ' ]
    contains "$output" 'building without layers'
    contains "$output" v2
}

@test "more layers than a mount takes are made into one" {
    {
        printf 'containers:\n  c:\n    setup:\n    - !Tar { url: ./busybox.tar }\n'
        for n in $(seq 70); do echo "    - !Sh \"echo $n > /file; mkdir -p /d; rm -f /d/$((n - 1)); echo $n > /d/$n\""; done
        printf '    - !Sh "echo v1 > /last"\n  e: { setup: [ !Container c, !Sh "cat /file /last; ls /d" ] }\n'
    } > "$BATS_TEST_TMPDIR/many"
    write_project < "$BATS_TEST_TMPDIR/many"
    build
    [ "$(cat .vagga/c/file)" = 70 ] && [ "$(ls .vagga/c/d)" = 70 ]
    contains "$(vagga _layers c)" 'layers made into one'
    sed -i 's/v1/v2/' vagga.yaml
    build
    lacks "$(cat build.log)" '[71/72]'
    [ "$(cat .vagga/c/file .vagga/c/last)" = $'70\nv2' ] && [ "$(ls .vagga/c/d)" = 70 ]
    build e
    contains "$(cat build.log)" $'70\nv2\n+ ls /d\n70'
}

@test "--force of one container leaves the layers of others alone" {
    write_project <<'YAML'
containers:
  a: { setup: [ !Tar { url: ./busybox.tar }, !Sh "echo a" ] }
  b: { setup: [ !Sh "echo none" ] }
YAML
    sed -i 's/!Sh "echo none"/!Text { \/x: y }, !Text { \/z: v1 }/' vagga.yaml
    build a
    build b
    vagga _build --force a 2>/dev/null
    sed -i 's/v1/v2/' vagga.yaml
    build b
    contains "$(cat build.log)" 'b [1/2] as before'
}

@test "a layer that was made anew is another one, even if it looks the same" {
    write_project <<'YAML'
containers:
  a: { setup: [ !Tar { url: ./busybox.tar }, !Sh "date +%N > /stamp" ] }
  b: { setup: [ !Tar { url: ./busybox.tar }, !Sh "date +%N > /stamp", !Sh "cp /stamp /copy", !Sh "echo v1" ] }
YAML
    build b
    build a
    [ "$(cat .vagga/a/stamp)" = "$(cat .vagga/b/stamp)" ]
    vagga _build --force a 2>/dev/null
    sed -i 's/v1/v2/' vagga.yaml
    build b
    [ "$(cat .vagga/b/stamp)" = "$(cat .vagga/b/copy)" ] && [ "$(cat .vagga/a/stamp)" = "$(cat .vagga/b/stamp)" ]
}

@test "a deep tree" {
    write_project <<'YAML'
containers:
  c:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh "set +x; i=0; mkdir /deep; cd /deep; while [ $i -lt 1500 ]; do mkdir d; cd d; i=$((i + 1)); done; echo 1 > bottom"
    - !Sh "echo v1"
YAML
    build
    sed -i 's/v1/v2/' vagga.yaml
    build
    contains "$(cat build.log)" 'c [1-2/3] as before'
    [ "$(cd .vagga/c/deep && find . -name bottom | wc -l)" = 1 ]
}
