#!/usr/bin/env bats
# Acceptance scenarios of containers, builds and storage that no other file has; SCENARIOS.md tells where each one is tested.
load project

teardown() {
    [ -z "${server:-}" ] || kill "$server" 2>/dev/null || true
    clean_project
}

version() { vagga _version_hash --short "${1:-c}"; }

fails() { # fails CONTAINER PART…: the build ends with 121 and says PART
    run --separate-stderr vagga _build "$1"
    [ "$status" -eq 121 ] || { echo "$1: $status $stderr"; return 1; }
    for part in "${@:2}"; do contains "$stderr" "$part"; done
}

@test "keys with an underscore, cycles in any order, names of options with dashes and without (A.3, A.6, A.8)" {
    write_project <<'YAML'
containers: { c: { setup: [ !Copy { source: /work/a, path: /b, _colour: red } ] } }
YAML
    run --separate-stderr vagga _list
    [ "$status" -eq 0 ] && [ -z "$stderr" ]
    for names in "a b c" "c b a" "b c a" "b a c"; do
        set -- $names
        printf 'containers:\n  %s: { setup: [ !Container %s ] }\n  %s: { setup: [ !Container %s ] }\n  %s: { setup: [ !Container %s ] }\n' \
            "$1" "$2" "$2" "$3" "$3" "$2" > vagga.yaml
        run --separate-stderr vagga
        [ "$status" -eq 126 ]
        contains "${stderr_lines[-1]}" 'has cyclic dependency'
    done
    cat > vagga.yaml <<'YAML'
containers:
  dash: { setup: [ !ComposerConfig { keep-composer: true } ] }
  underscore: { setup: [ !ComposerConfig { keep_composer: true } ] }
  without: { setup: [ !ComposerConfig {} ] }
YAML
    [ "$(version dash)" = "$(version underscore)" ] && [ "$(version dash)" != "$(version without)" ]
}

@test "version hashes of every kind of step are those of the original (B.1, B.2, B.13)" {
    digest=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    cat > "$BATS_TEST_TMPDIR/vectors" <<'TEXT'
4f6b3d28 []
86210ade [!Alpine v3.15]
a9b71d29 [!Alpine v3.20]
09b41fd9 [!Alpine v3.20, !Install [bash, make]]
13b56d80 [!Ubuntu noble]
dec9ba66 [!UbuntuRelease {codename: noble}]
54221543 [!Sh "echo hi"]
286ccf48 [!Cmd [/bin/true, --x]]
a508fb37 [!Env {B: two, A: "1"}]
41937103 [!Text {/etc/motd: "hello\n"}]
97ddd6e7 [!EnsureDir /srv/data]
8ba5300a [!EmptyDir /var/cache]
95ee1bb2 [!Remove /usr/share/man]
3a5bbc9f [!CacheDirs {/root/.m2: maven}]
e23d7ad0 [!Download {url: "http://example.org/tool.bin", path: /usr/bin/tool}]
98f8d868 [!Download {url: "http://example.org/tool.bin", path: /usr/bin/tool, sha256: DIGEST, mode: 0o755}]
650b4be2 [!Tar {url: "http://example.org/a.tar.gz"}]
4e728daa [!Tar {url: "http://example.org/a.tar.gz", sha256: DIGEST, path: /opt/a, subdir: a-1.0}]
0570f7cc [!Unzip {url: ./a.zip}]
f4483c39 [!TarInstall {url: "http://example.org/a.tar.gz"}]
30e09b89 [!Git {url: "https://example.org/r.git", path: /opt/r}]
f914720a [!GitInstall {url: "https://example.org/r.git", revision: abc123, script: make install}]
f11580df [!RunAs {user-id: 1, script: id}]
6b269338 [!BuildDeps [gcc]]
899b8d87 [!Repo community]
624ec303 [!AlpineRepo {branch: edge, repo: testing, tag: testing}]
1825f338 [!UbuntuRepo {url: "http://example.org/deb", suite: noble, components: [main, extra]}]
ac573723 [!AptTrust {keys: [ABCD1234]}]
fcd88762 [!UbuntuPPA team/ppa]
00c5ee26 [!UbuntuUniverse ]
514324e4 [!PipConfig {}]
8db42105 [!Py3Install [flask==3.0.0]]
3e5148e7 [!Py3Requirements r.txt]
d2b92e58 [!NpmConfig {}]
bb178fb5 [!NpmInstall [webpack]]
00c46f70 [!NpmDependencies ]
d71053be [!GemConfig {}]
73ca1e40 [!GemInstall [rake]]
6eeed7e4 [!ComposerConfig {}]
b5938a05 [!ComposerInstall [x/y]]
5abd5479 [!ComposerDependencies ]
25948bf2 [!GitDescribe /version.txt]
b7374682 [!Container base]
03f5a407 [!Build {container: base, source: /x, path: /y}]
26bc6b6b [!Alpine v3.20], uids: [0-1000, 65534]
a1b31895 [!Alpine v3.20], data-dirs: [/srv/data]
d300e580 [!Copy {source: /work/hello.txt, path: /etc/hello.txt}]
89e40473 [!Depends hello.txt]
75aec31a [!Copy {source: /work/d, path: /d}]
794866f0 [!Copy {source: /tmp/a, path: /b}]
TEXT
    { echo 'containers:'; echo '  base: { setup: [!Alpine v3.20, !Install [bash, make]] }'
      sed -E "s/DIGEST/$digest/; s/^(.{8}) (.*)/  \"c\1\": { setup: \2 }/" "$BATS_TEST_TMPDIR/vectors"; } > "$BATS_TEST_TMPDIR/yaml"
    write_project < "$BATS_TEST_TMPDIR/yaml"
    printf 'flask==3.0.0\n# comment\n\njinja2\n' > r.txt
    echo '{"dependencies":{"z":{},"a":"^1.0"},"devDependencies":{"jest":"29"}}' > package.json
    echo '{"require":{"php":">=8.1"}}' > composer.json
    echo hi > hello.txt; chmod 644 hello.txt
    mkdir d; ln -s x d/l; echo '#!/bin/sh' > d/x; chmod 755 d/x
    git init -q . && git -c user.name=t -c user.email=t@t commit -q --allow-empty -m one
    git -c user.name=t -c user.email=t@t tag -a v1.2.3 -m v1.2.3
    while read -r hash rest; do
        run --separate-stderr vagga _version_hash --short "c$hash"
        [ "$status" -eq 0 ] && [ "$output" = "$hash" ] || { echo "$hash $rest: $status $output $stderr"; false; }
    done < "$BATS_TEST_TMPDIR/vectors"
    [ "$(grep -c . "$BATS_TEST_TMPDIR/vectors")" -eq 50 ]
    full=$(vagga _version_hash c54221543)
    [[ "$full" =~ ^[0-9a-f]{128}$ ]] && [ "${full:0:8}" = 54221543 ]
}

@test "order and text of steps count, order of variables does not; equal containers; what is dumped is what is hashed (B.3 to B.5, B.12)" {
    write_project <<'YAML'
containers:
  a: { setup: [ !Text { /x: x }, !Text { /y: y } ] }
  twin: { setup: [ !Text { /x: x }, !Text { /y: y } ] }
  other: { setup: [ !Text { /y: y }, !Text { /x: x } ] }
  text: { setup: [ !Text { /x: x }, !Text { /y: z } ] }
  e1: { setup: [ !Env { B: 2, A: 1 } ] }
  e2: { setup: [ !Env { A: 1, B: 2 } ] }
YAML
    [ "$(version a)" = "$(version twin)" ] && [ "$(version e1)" = "$(version e2)" ]
    [ "$(version a)" != "$(version other)" ] && [ "$(version a)" != "$(version text)" ]
    vagga _build a 2>/dev/null && vagga _build twin 2>/dev/null
    [ "$(readlink .vagga/a)" = ".roots/a.$(version a)/root" ] && [ "$(readlink .vagga/twin)" = ".roots/twin.$(version a)/root" ]
    vagga _version_hash --dump-version-data a > data
    [ "$(python3 -c 'import hashlib; print(hashlib.blake2b(open("data", "rb").read()).hexdigest())')" = "$(vagga _version_hash a)" ]
}

@test "files of an image's directory, empty files in /etc, the environment of steps, a step that fails (C.3 to C.6, C.8)" {
    write_project <<'YAML'
containers:
  bare: { setup: [ !Tar { url: ./tmp.tar } ] }
  bb: { setup: [ !Tar { url: ./busybox.tar }, !Sh env, !EnsureDir /x ] }
  bad: { setup: [ !Tar { url: ./busybox.tar }, !Sh "false" ] }
YAML
    mkdir tmp && tar -cf tmp.tar tmp
    vagga _build bare 2>/dev/null
    [ "$(ls -A .vagga/bare | tr '\n' ' ')" = 'dev etc proc run sys tmp work ' ]
    [ "$(stat -c %a .vagga/bare/{dev,etc,proc,run,sys,work,tmp} | tr '\n' ' ')" = '755 755 755 755 755 755 1777 ' ]
    for name in hosts resolv.conf; do [ -f .vagga/bare/etc/$name ] && [ ! -s .vagga/bare/etc/$name ]; done
    run --separate-stderr vagga _build bb
    grep -qx 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' <<<"$stderr"
    dir=$(readlink -f .vagga/bb/..)
    for name in root uid_map gid_map last_use timings.log; do [ -e "$dir/$name" ]; done
    [ "$(grep -oE 'Start|Prepare|Step|Finish' "$dir/timings.log" | tr '\n' ' ')" = 'Start Prepare Step Step Step Finish ' ] || { cat "$dir/timings.log"; false; }
    fails bad Sh 'exited with code 1'
    [ ! -L .vagga/bad ] && [ -z "$(ls -d .vagga/.roots/bad.* 2>/dev/null)" ] && [ -d .vagga/.roots/.tmp.bad ]
}

# bats test_tags=ids
@test "RunAs: all combinations of root and others; files of the external user are the caller's (C.18, C.19)" {
    write_project <<'YAML'
containers:
  bb:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh "mkdir -p -m 777 /made"
    - !RunAs { user-id: 1, group-id: 1, script: &script "echo ids $(id -u) $(id -g); touch /made/$(id -u).$(id -g)" }
    - !RunAs { user-id: 1, group-id: 0, script: *script }
    - !RunAs { user-id: 0, group-id: 1, script: *script }
    - !RunAs { user-id: 0, group-id: 0, script: *script }
    - !RunAs { user-id: 1, external-user-id: 0, script: "echo external $(id -u); touch /made/ext" }
    - !Sh "for f in /made/*.*; do stat -c 'owner %n %u.%g' $f; done"
YAML
    run vagga _build bb
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    for ids in '1 1' '1 0' '0 1' '0 0'; do
        grep -qx "ids $ids" <<<"$output"
        grep -qx "owner /made/${ids/ /.} ${ids/ /.}" <<<"$output"
    done
    grep -qx 'external 1' <<<"$output"
    [ -O .vagga/bb/made/ext ] && [ -O .vagga/bb/made/0.0 ]
    [ "$(id -u)" -eq 0 ] || [ ! -O .vagga/bb/made/1.1 ]
}

@test "Copy: times count, directories of a filter do not; from outside of the project (D.4, D.5, D.12)" {
    write_project <<'YAML'
containers:
  plain: { setup: [ !Copy { source: /work/dir, path: /dir } ] }
  times: { setup: [ !Copy { source: /work/dir, path: /dir, preserve-times: true } ] }
  regex: { setup: [ !Copy { source: /work/dir, path: /dir, include-regex: "(^hello|(^|.*/)file)$" } ] }
  subdir: { setup: [ !Copy { source: /work/dir, path: /dir, include-regex: "(^hello|^subdir|(^|.*/)file)$" } ] }
  made: &made
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh "mkdir -m 700 /made; echo one > /made/f; chmod 600 /made/f; touch /made/x; chmod 700 /made/x"
    - !Copy { source: /made, path: /copy }
    - !Copy { source: /made, path: /exact, preserve-permissions: true }
YAML
    mkdir -p dir/subdir && touch -d @5 dir/hello dir/subdir/file dir/second
    [ "$(version plain)" != "$(version times)" ]
    [ "$(version regex)" = "$(version subdir)" ]
    vagga _build times 2>/dev/null && vagga _build subdir 2>/dev/null && vagga _build made 2>/dev/null
    [ "$(stat -c %Y .vagga/times/dir/hello)" = 5 ]
    [ "$(cd .vagga/subdir/dir && find . -type f | sort | tr '\n' ' ')" = './hello ./subdir/file ' ]
    [ "$(stat -c %a .vagga/made/{copy,copy/f,copy/x,exact,exact/f,exact/x} | tr '\n' ' ')" = '775 664 775 700 600 700 ' ]
    before=$(version made)
    sed -i 's/echo one/echo two/' vagga.yaml
    [ "$(version made)" != "$before" ]
}

@test "Tar: directories above an entry, long names, an archive that leaves its place (E.1, E.4, E.6)" {
    write_project <<'YAML'
containers:
  one: { setup: [ !Tar { url: ./one.tar.gz, path: /opt } ] }
  long: { setup: [ !Tar { url: ./long.tar.gz, path: /opt } ] }
  evil: { setup: [ !Tar { url: ./evil.tar, path: /opt } ] }
YAML
    python3 - <<'PY'
import io, tarfile
def make(name, kind, *entries, format=tarfile.GNU_FORMAT):
    with tarfile.open(name, kind, format=format) as tar:
        for path, type, link, mode in entries:
            info = tarfile.TarInfo(path)
            info.type, info.linkname, info.mode = type, link, mode
            info.size = 4 if type == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(b"text") if info.size else None)
make("one.tar.gz", "w:gz", ("tmp/test/", tarfile.DIRTYPE, "", 0o775))
make("evil.tar", "w", ("../../evil", tarfile.REGTYPE, "", 0o644))
long = "n" * 120
make("long.tar.gz", "w:gz", (f"d/{long}", tarfile.REGTYPE, "", 0o644), (f"d/hard-{long}", tarfile.LNKTYPE, f"d/{long}", 0o644),
    ("d/soft", tarfile.SYMTYPE, long, 0o777), ("d/far", tarfile.SYMTYPE, "/x/" + "y" * 300, 0o777))
PY
    vagga _build one 2>/dev/null
    [ "$(stat -c %a .vagga/one/opt .vagga/one/opt/tmp .vagga/one/opt/tmp/test | tr '\n' ' ')" = '755 755 775 ' ]
    vagga _build long 2>/dev/null
    cd .vagga/long/opt/d
    name=$(printf 'n%.0s' $(seq 120))
    [ "$(cat "$name" soft)" = texttext ] && [ "$name" -ef "hard-$name" ]
    [ "$(readlink far)" = "/x/$(printf 'y%.0s' $(seq 300))" ]
    cd "$PROJECT"
    fails evil ../../evil 'leaves'
    [ ! -e evil ] && [ -z "$(find .vagga -name evil -type f)" ]
}

@test "Unzip: every way to write a directory (E.8)" {
    write_project <<'YAML'
containers:
  all: { setup: [ !Unzip { url: ./a.zip, path: /z } ] }
  dot: { setup: [ !Unzip { url: ./a.zip, path: /z, subdir: "." } ] }
  dir: { setup: [ !Unzip { url: ./a.zip, path: /z, subdir: dir } ] }
  slash: { setup: [ !Unzip { url: ./a.zip, path: /z, subdir: dir/ } ] }
YAML
    mkdir dir && echo content > dir/f && printf '#!/bin/sh\n' > dir/run && chmod 755 dir/run && zip -qr a.zip dir
    for name in all dot dir slash; do vagga _build $name 2>/dev/null; done
    for at in all/z/dir dot/z/dir dir/z slash/z; do [ "$(cat .vagga/$at/f)" = content ] && [ -x .vagga/$at/run ] || { echo $at; false; }; done
    [ "$(ls .vagga/dot/z)" = dir ]
}

@test "Download: local and external files, names in the cache, nothing of what failed (E.9, E.11 to E.13)" {
    write_project </dev/null
    mkdir www "$BATS_TEST_TMPDIR/ext" && echo payload > www/tool.bin && echo outside > "$BATS_TEST_TMPDIR/ext/f"
    "$VAGGA_BATS/fixtures/serve" www "$BATS_TEST_TMPDIR/port" 3>&- &
    server=$!
    for _ in $(seq 100); do [ -s "$BATS_TEST_TMPDIR/port" ] && break; sleep 0.05; done
    url=http://127.0.0.1:$(cat "$BATS_TEST_TMPDIR/port")
    digest=$(sha256sum < www/tool.bin | cut -d' ' -f1)
    cat > vagga.yaml <<YAML
containers:
  local: { setup: [ !EnsureDir /usr/bin, !Download { url: ./www/tool.bin, path: /usr/bin/f, mode: 0o755 } ] }
  parent: { setup: [ !Download { url: ./www/tool.bin, path: /none/f } ] }
  digest: { setup: [ !Download { url: "$url/tool.bin", path: /f, sha256: $digest } ] }
  none: { setup: [ !Download { url: "$url/missing", path: /f } ] }
  external: { setup: [ !Tar { url: /volumes/ext/a.tar }, !Download { url: /volumes/ext/f, path: /f } ] }
YAML
    tar -C "$BATS_TEST_TMPDIR/ext" -cf "$BATS_TEST_TMPDIR/ext/a.tar" --transform 's/^f/unpacked/' f
    vagga _build local 2>/dev/null
    [ "$(stat -c %a .vagga/local/usr/bin/f)" = 755 ] && [ "$(cat .vagga/local/usr/bin/f)" = payload ]
    fails parent /none
    vagga _build digest 2>/dev/null
    [ "$(ls .vagga/.cache/downloads | grep -v '\.lock$')" = "${digest:0:8}-tool.bin" ]
    fails none "$url/missing" 404
    [ -z "$(find .vagga/.cache -name '*.part')" ]
    VAGGA_SETTINGS="external-volumes: { ext: $BATS_TEST_TMPDIR/ext }" vagga _build external 2>/dev/null
    [ "$(cat .vagga/external/f .vagga/external/unpacked)" = $'outside\noutside' ]
}

@test "Build: the hash of the content needs the other image (F.8)" {
    write_project <<'YAML'
containers:
  a: { setup: [ !Copy { source: /work/dir, path: /d } ] }
  b: { setup: [ !Build { container: a, source: /d, path: /e, rules: [/keep], content-hash: true } ] }
YAML
    mkdir dir && echo one > dir/keep && echo one > dir/drop
    run vagga _version_hash b
    [ "$status" -eq 29 ] && [ -z "$output" ]
    run vagga _build b
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ "$(ls .vagga/b/e)" = keep ]
    before=$(version b)
    # Only what is copied counts.
    echo two > .vagga/a/d/drop
    [ "$(version b)" = "$before" ]
    echo two > .vagga/a/d/keep
    [ "$(version b)" != "$before" ]
}

@test "a fragment without a base system goes on with the one before it (F.11)" {
    command -v openssl >/dev/null || skip "openssl is not installed"
    write_project <<'YAML'
containers:
  c:
    setup:
    - !Alpine v3.20
    - !SubConfig { path: fragment.yaml, container: packages }
YAML
    echo 'containers: { packages: { setup: [ !Repo community, !Install [calc] ] } }' > fragment.yaml
    "$VAGGA_BATS/fixtures/alpine-repository" "$PROJECT/repo"
    "$VAGGA_BATS/fixtures/alpine-repository" "$PROJECT/repo" --repo community --set extra
    mkdir -p .vagga
    printf 'alpine-mirror: "file:%s/repo"\nalpine-keys: repo/fixture-5f3c.rsa.pub\n' "$PROJECT" > .vagga/settings.yaml
    run vagga _build c
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ "$(vagga _run c calc)" = 'calc 1.07.1-r4' ]
}

@test "use of an image is noted: by builds on it, by commands, which protects it (F.12, G.6)" {
    write_project <<'YAML'
containers:
  base: { setup: [ !Tar { url: ./busybox.tar } ] }
  test: { setup: [ !Container base, !Text { /x: one } ] }
YAML
    vagga _build test 2>/dev/null
    base=$(readlink -f .vagga/base/..) test=$(readlink -f .vagga/test/..)
    old='2020-01-01'
    touch -d $old "$base/last_use"
    sed -i s/one/two/ vagga.yaml
    vagga _build test 2>/dev/null
    [ "$(date -r "$base/last_use" +%Y)" -gt 2020 ]
    # The older version is run once more, and not removed therefore.
    ln -sfn ".roots/${test##*/}/root" .vagga/test
    touch -d $old "$test/last_use"
    vagga --no-version-check _run test true
    [ "$(date -r "$test/last_use" +%Y)" -gt 2020 ]
    vagga _build test 2>/dev/null
    vagga _clean --unused --at-least 1h
    [ -d "$test" ]
    touch -d $old "$test/last_use"
    vagga _clean --unused --at-least 1h
    [ ! -e "$test" ] && [ -d "$base" ] && [ -d .vagga/test/. ]
}

@test "_clean --old leaves what links lead to; names of builds in progress; another map is said (G.7, G.15, G.16)" {
    write_project <<'YAML'
containers:
  hello: { setup: [ !Text { /etc/hello: one } ] }
  bad: { setup: [ !Tar { url: ./busybox.tar }, !Sh "touch /work/started; false" ] }
YAML
    vagga _build hello 2>/dev/null
    old=$(readlink -f .vagga/hello/..)
    sed -i s/one/two/ vagga.yaml
    vagga _build hello 2>/dev/null
    run vagga _clean --old
    [ "$status" -eq 0 ]
    [ ! -e "$old" ] && [ "$(cat .vagga/hello/etc/hello)" = two ]
    VAGGA_SETTINGS='versioned-build-dir: true' run vagga _build bad
    [ "$status" -eq 121 ]
    [ -d ".vagga/.roots/.tmp.bad.$(version bad)" ] && [ ! -e .vagga/.roots/.tmp.bad ]
    file=$(readlink -f .vagga/hello/..)/uid_map
    chmod u+w "$file"
    echo '0 77 1' > "$file"
    run --separate-stderr vagga _build hello
    [ "$status" -eq 0 ]
    contains "$stderr" 'warning'
    contains "$stderr" 'was built with other user or group ids'
    contains "$stderr" 'built in'
}

@test "linked files have two names, others one (H.1, H.4)" {
    for how in settings command; do
        write_project <<'YAML'
containers:
  hello: { setup: [ !Text { /etc/hello.txt: "Hello world!" } ] }
  both: { setup: [ !Text { /etc/hello.txt: "Hello world!", /etc/bye.txt: "Good bye!" } ] }
YAML
        export VAGGA_SETTINGS="{ index-all-images: true, layers: false }"
        [ $how = command ] || VAGGA_SETTINGS="{ index-all-images: true, hard-link-identical-files: true, layers: false }"
        vagga _build hello 2>/dev/null
        run vagga _build both
        [ $how = settings ] || run vagga _hardlink
        contains "$output" 'Found and linked 3 (12B) identical files'
        [ "$(stat -c %h .vagga/both/etc/hello.txt .vagga/hello/etc/hello.txt .vagga/both/etc/bye.txt | tr '\n' ' ')" = '2 2 1 ' ]
        vagga _clean --everything
    done
}

# bats test_tags=ids
@test "files of different owners are not linked (H.10)" {
    write_project <<'YAML'
containers:
  a: { setup: [ !Tar { url: ./busybox.tar }, !Sh "echo 1 > /root/same; echo 1 > /root/owned; chown 1 /root/owned" ] }
  b: { setup: [ !Tar { url: ./busybox.tar }, !Sh "echo 1 > /root/same; echo 1 > /root/owned; chown 2 /root/owned" ] }
YAML
    vagga _build a 2>/dev/null && vagga _build b 2>/dev/null
    run vagga _hardlink
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ .vagga/a/root/same -ef .vagga/b/root/same ]
    [ ! .vagga/a/root/owned -ef .vagga/b/root/owned ]
}

@test "a ready image that the server does not have means a build (I.6)" {
    write_project </dev/null
    mkdir www
    "$VAGGA_BATS/fixtures/serve" www "$BATS_TEST_TMPDIR/port" 3>&- &
    server=$!
    for _ in $(seq 100); do [ -s "$BATS_TEST_TMPDIR/port" ] && break; sleep 0.05; done
    cat > vagga.yaml <<YAML
containers:
  c:
    image-cache-url: http://127.0.0.1:$(cat "$BATS_TEST_TMPDIR/port")/\${container_name}.\${short_hash}.tar.xz
    setup: [ !Text { /x: x } ]
YAML
    VAGGA_SETTINGS='image-cache-unsigned: always' run vagga _build c
    [ "$status" -eq 0 ] && [ "$(cat .vagga/c/x)" = x ]
    contains "$output" 404
    contains "$output" 'Will clean and build it locally'
}

@test "builds and commands share a cache directory (J.3)" {
    write_project <<'YAML'
containers:
  bb:
    setup: [ !Tar { url: ./busybox.tar }, !CacheDirs { /c: n }, !Sh "echo build >> /c/f" ]
    volumes: { /home: !CacheDir n }
YAML
    run --separate-stderr vagga _run bb sh -c 'cat /home/f; echo run >> /home/f'
    [ "$output" = build ]
    vagga _build --force bb 2>/dev/null
    [ "$(cat .vagga/.cache/n/f)" = $'build\nrun\nbuild' ]
}

@test "Git: one clone for several containers, --force follows the branch (K.20)" {
    write_project <<'YAML'
containers:
  one: { setup: [ !Git { url: ./repo, branch: main, path: /opt/r } ] }
  two: { setup: [ !Git { url: ./repo, branch: main, path: /opt/other } ] }
YAML
    commit() { echo $1 > repo/f; git -C repo add f; git -C repo -c user.name=n -c user.email=e@x commit -qm $1; }
    git init -q -b main repo; commit one
    vagga _build one 2>/dev/null
    clone=$(stat -c %i .vagga/.cache/git/.%2Frepo)
    vagga _build two 2>/dev/null
    [ "$(stat -c %i .vagga/.cache/git/.%2Frepo)" = "$clone" ]
    commit two
    vagga _build --force one 2>/dev/null
    [ "$(cat .vagga/one/opt/r/f)" = two ] && [ ! -e .vagga/one/opt/r/.git ]
    [ "$(cat .vagga/two/opt/other/f)" = one ]
    [ "$(stat -c %i .vagga/.cache/git/.%2Frepo)" = "$clone" ]
}

@test "npm without a base system begins with Alpine; a release that is too old is refused (K.15)" {
    command -v openssl >/dev/null || skip "openssl is not installed"
    write_project <<'YAML'
containers:
  implicit: { setup: [ !NpmInstall [x] ] }
  old: { setup: [ !Alpine v3.8, !NpmInstall [x] ] }
YAML
    for branch in v3.8 v3.23; do "$VAGGA_BATS/fixtures/alpine-repository" "$PROJECT/repo" --branch $branch; done
    mkdir -p .vagga
    printf 'alpine-mirror: "file:%s/repo"\nalpine-keys: repo/fixture-5f3c.rsa.pub\n' "$PROJECT" > .vagga/settings.yaml
    fails old 'Vagga does not support npm on Alpine v3.8 (use >= v3.9)'
    # The little repository has no node, which shows how far it came.
    fails implicit nodejs
    [ "$(cat .vagga/.roots/.tmp.implicit/root/etc/apk/repositories | head -n 1)" = "file:$PROJECT/repo/v3.23/main" ]
}

@test "a dependency that is added for yarn makes another version (K.17)" {
    write_project <<'YAML'
containers: { c: { setup: [ !YarnDependencies {} ] } }
YAML
    echo '{"dependencies": {"a": "^1"}}' > package.json
    printf '"a@^1":\n  version "1"\n' > yarn.lock
    before=$(version)
    echo '{"dependencies": {"a": "^1", "b": "^1"}}' > package.json
    printf '"a@^1":\n  version "1"\n"b@^1":\n  version "1"\n' > yarn.lock
    [ "$(version)" != "$before" ]
}

# bats test_tags=network,slow
@test "a requirement of a git repository: installed, and git is not in the image (K.14)" {
    mkdir -p "${VAGGA_FIXTURES%/fixtures}/cache.$VAGGA_MODE"
    export VAGGA_SETTINGS="cache-dir: ${VAGGA_FIXTURES%/fixtures}/cache.$VAGGA_MODE"
    write_project <<'YAML'
containers:
  d:
    setup:
    - !Debian bookworm
    - !Install [python3-minimal]
    - !Py3Install ["git+file:///work/greet"]
YAML
    mkdir greet && cd greet
    echo 'from setuptools import setup; setup(name="greet", version="1.0.2", py_modules=["greet"])' > setup.py
    echo 'WORD = "hello"' > greet.py
    git init -q . && git add . && git -c user.name=n -c user.email=e@x commit -qm one
    cd ..
    run vagga _build d
    [ "$status" -eq 0 ] || { echo "$output" | tail -n 30; false; }
    run --separate-stderr vagga _run d python3 -c 'import greet; print(greet.WORD)'
    [ "$output" = hello ]
    run vagga _run d git --version
    [ "$status" -eq 124 ]
    grep -q greet "$(readlink -f .vagga/d)/../pip3-freeze.txt"
}
