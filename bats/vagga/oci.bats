#!/usr/bin/env bats
# Images from OCI layouts, archives and registries.
load project

# Runs the Python text of standard input with the fixture's names.
make_images() {
    PYTHONPATH=$VAGGA_BATS/fixtures PYTHONDONTWRITEBYTECODE=1 python3 -c "
from oci import *
$(cat)"
}

# The registry of the layout in ./img, its port as $port. $1: how it wants to know us.
serve() {
    rm -f port port.log
    python3 "$VAGGA_BATS/fixtures/oci.py" serve "$PWD/img" "$PWD/port" "$@" 3>&- &
    server=$!
    for _ in $(seq 100); do [ -e port ] && break; sleep 0.05; done
    port=$(cat port)
}

teardown_server() { [ -z "${server:-}" ] || { kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; }; }
teardown() { teardown_server; cd /; [ -z "${short:-}" ] || rm -rf "$short"; [ ! -d "$PROJECT/.vagga" ] || (cd "$PROJECT" && vagga _clean --everything) >/dev/null 2>&1 || true; }

# Two layers: the second changes, hides and replaces what the first has.
two_layers() {
    make_images <<'PY'
base = layer([
    directory("opt"), directory("opt/a"), entry("opt/a/keep", b"1"), entry("opt/a/gone", b"1"), entry("opt/a/changed", b"1"),
    directory("opt/b"), entry("opt/b/old", b"1"), directory("opt/c", mode=0o700), entry("opt/c/x", b"1"),
    directory("opt/was-dir"), entry("opt/was-dir/x", b"1"), entry("opt/was-file", b"1"),
    directory("opt/real"), entry("opt/link", kind=tarfile.SYMTYPE, link="real"), entry("opt/suid", b"x", mode=0o4755),
], base="busybox.tar")
top = layer([
    entry("opt/a/changed", b"2"), entry("opt/a/.wh.gone"),
    entry("opt/b/new", b"2"), entry("opt/b/.wh..wh..opq"), directory("opt/c", mode=0o755),
    entry("opt/was-dir", b"2"), directory("opt/was-file"), entry("opt/was-file/x", b"2"),
    directory("opt/link"), entry("opt/link/inside", b"2"), entry("opt/.wh.nosuch"), entry("opt/hard", kind=tarfile.LNKTYPE, link="opt/a/keep"),
])
Layout("img").image([base, top], env=["PATH=/opt/bin:/bin", "COLOR=blue"], tag="one")
PY
}

check_two_layers() {
    ( cd ".vagga/$1/opt"
      [ "$(ls a | tr '\n' ' ')" = 'changed keep ' ] && [ "$(cat a/keep a/changed)" = 12 ] &&
      [ "$(ls b)" = new ] && [ "$(stat -c %a c)" = 755 ] && [ -e c/x ] && [ -f was-dir ] && [ "$(cat was-file/x)" = 2 ] &&
      [ ! -L link ] && [ "$(ls link)" = inside ] && [ -z "$(ls real)" ] && [ hard -ef a/keep ] && [ "$(stat -c %a suid)" = 4755 ] &&
      [ -z "$(find . -name '.wh.*')" ] ) || { ls -lR ".vagga/$1/opt"; false; }
}

@test "layers change, hide and replace what is below them; variables reach commands and derived containers" {
    write_project <<'YAML'
containers:
  a: { setup: [ !FromImage ./img, !Sh 'echo "$COLOR $PATH" > /step' ] }
  derived: { setup: [ !Container a, !Sh 'echo "$COLOR" > /derived' ], environ: { COLOR: red } }
YAML
    two_layers
    vagga _build a
    check_two_layers a
    [ "$(cat .vagga/a/step)" = 'blue /opt/bin:/bin' ]
    [ "$(vagga _run a /bin/sh -c 'echo $COLOR $PATH')" = 'blue /opt/bin:/bin' ]
    [ "$(vagga _run derived /bin/sh -c 'cat /derived; echo $COLOR')" = $'blue\nred' ]
    before=$(vagga _version_hash a)
    echo ' ' >> img/index.json
    [ "$(vagga _version_hash a)" != "$before" ]
}

@test "archives: of a layout, of docker save, compressed, with a digest" {
    write_project <<'YAML'
containers:
  oci: { setup: [ !FromImage ./oci.tar ] }
  gz: { setup: [ !FromImage { image: ./oci.tar.gz, tag: one } ] }
  docker: { setup: [ !FromImage { image: ./docker.tar, tag: 'app:x' } ] }
  wrong: { setup: [ !FromImage { image: ./oci.tar, sha256: 0000000000000000 } ] }
  notag: { setup: [ !FromImage { image: ./oci.tar, tag: two } ] }
  none: { setup: [ !FromImage ./busybox.tar ] }
YAML
    two_layers
    tar -C img -cf oci.tar . ; gzip -k oci.tar
    mkdir d
    make_images <<'PY'
base, top = [layer([], base="busybox.tar"), layer([entry("saved", b"yes")])]
config = {"architecture": "amd64", "os": "linux", "config": {"Env": None}, "rootfs": {"type": "layers", "diff_ids": [sha256(base), sha256(top)]}}
for name, data in [("c.json", json.dumps(config).encode()), ("1.tar", base), ("2.tar", top)]:
    open("d/" + name, "wb").write(data)
json.dump([{"Config": "c.json", "RepoTags": ["example/app:x"], "Layers": ["1.tar", "2.tar"]}], open("d/manifest.json", "w"))
PY
    tar -C d -cf docker.tar .
    for c in oci gz; do vagga _build $c; check_two_layers $c; done
    vagga _build docker
    [ "$(vagga _run docker cat /saved)" = yes ]
    for case in 'wrong|Hashsum mismatch' 'notag|no image with the tag "two", only: "one"' 'none|neither an OCI layout'; do
        run --separate-stderr vagga _build "${case%%|*}"
        [ "$status" -eq 121 ]
        contains "$stderr" "${case#*|}"
    done
    [ -z "$(find .vagga/.cache -name 'tmp.*')" ]
}

@test "a registry: tags, digests, platforms, blobs are kept" {
    write_project <<'YAML'
containers: { x: { setup: [] } }
YAML
    two_layers
    make_images <<'PY'
l = Layout("img"); l.manifests = json.load(open("img/index.json"))["manifests"]
other = l.image([layer([entry("arch", b"arm64")], base="busybox.tar")], arch="arm64", add=False)
mine = l.image([layer([entry("arch", b"mine")], base="busybox.tar")], add=False)
import platform
me = {"x86_64": "amd64", "aarch64": "arm64v9"}.get(platform.machine(), platform.machine())
index = l.blob(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
    {**other, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
    {**mine, "platform": {"os": "linux", "architecture": me}}]}).encode(), INDEX)
l.add(index, "multi")
open("digest", "w").write(mine["digest"])
PY
    serve
    cat > vagga.yaml <<YAML
containers:
  tag: { setup: [ !FromImage '127.0.0.1:$port/app:one' ] }
  again: { setup: [ !FromImage '127.0.0.1:$port/app:one', !Env { A: b } ] }
  multi: { setup: [ !FromImage '127.0.0.1:$port/app:multi' ] }
  arm: { setup: [ !FromImage { image: '127.0.0.1:$port/app:multi', platform: linux/arm64 } ] }
  s390: { setup: [ !FromImage { image: '127.0.0.1:$port/app:multi', platform: linux/s390x } ] }
  pinned: { setup: [ !FromImage '127.0.0.1:$port/app@$(cat digest)' ] }
  missing: { setup: [ !FromImage '127.0.0.1:$port/app:nosuch' ] }
  unnamed: { setup: [ !FromImage 'app:one' ] }
YAML
    vagga _build tag
    check_two_layers tag
    grep -c /blobs/ port.log > before
    vagga _build --force again
    [ "$(grep -c /blobs/ port.log)" -le "$(($(cat before) + 1))" ]
    vagga _build multi; [ "$(vagga _run multi cat /arch)" = mine ]
    vagga _build pinned; [ "$(vagga _run pinned cat /arch)" = mine ]
    vagga _build arm; [ "$(cat .vagga/arm/arch)" = arm64 ]
    for case in 's390|there is no image for linux/s390x, only for: linux/arm64/v8' 'missing|the registry does not have it' 'unnamed|names no registry'; do
        run --separate-stderr vagga _build "${case%%|*}"
        [ "$status" -eq 121 ]
        contains "$stderr" "${case#*|}"
    done
    sed -i 's/^containers:/&\n  named: { setup: [ !FromImage "app:one" ] }/' vagga.yaml
    mkdir -p "$HOME"; echo "image-registry: 127.0.0.1:$port" > "$BATS_TEST_TMPDIR/s.yaml"
    mkdir -p "$BATS_TEST_TMPDIR/home"; cp "$BATS_TEST_TMPDIR/s.yaml" "$BATS_TEST_TMPDIR/home/.vagga.yaml"
    HOME=$BATS_TEST_TMPDIR/home vagga _build named
    check_two_layers named
}

@test "a registry that wants a token, or a name and a password" {
    write_project <<'YAML'
containers: { x: { setup: [] } }
YAML
    two_layers
    serve token
    printf 'containers:\n  a: { setup: [ !FromImage "127.0.0.1:%s/app:one" ] }\n' "$port" > vagga.yaml
    vagga _build a
    check_two_layers a
    teardown_server
    serve password
    printf 'containers:\n  b: { setup: [ !FromImage "127.0.0.1:%s/app:one" ] }\n' "$port" > vagga.yaml
    run --separate-stderr vagga _build b
    [ "$status" -eq 121 ]
    contains "$stderr" "does not let us read it"
    contains "$stderr" "skopeo login 127.0.0.1:$port"
    printf '{"auths":{"127.0.0.1:%s":{"auth":"%s"}}}' "$port" "$(printf bob:secret | base64)" > auth.json
    REGISTRY_AUTH_FILE=$PWD/auth.json vagga _build b
    check_two_layers b
    # The password goes to the token server only.
    [ -z "$(grep Basic port.log | grep -v '^/token')" ]
}

@test "a registry that lies, a cache that somebody changed" {
    write_project <<'YAML'
containers: { x: { setup: [] } }
YAML
    make_images <<'PY'
l = Layout("img")
good = layer([entry("good", b"1")], base="busybox.tar")
l.image([good], tag="good")
l.image([good], diff_ids=[sha256(b"other")], tag="diffid")
l.image([good, good], diff_ids=[sha256(good)], tag="count")
m = l.image([layer([entry("x", b"y")])], tag="blob")
layers = json.load(open("img/blobs/sha256/" + m["digest"][7:]))["layers"]
open("img/blobs/sha256/" + layers[0]["digest"][7:], "ab").write(b"more")
m = l.image([layer([entry("x", b"z")])], tag="config")
config = json.load(open("img/blobs/sha256/" + m["digest"][7:]))["config"]
open("img/blobs/sha256/" + config["digest"][7:], "ab").write(b" ")
broken = l.blob(b'{"schemaVersion":2,"config":{"digest":"sha256:../../../x","size":1},"layers":[]}', MANIFEST)
l.add(broken, "path")
l.add(l.blob(b"[" * 200000, MANIFEST), "deep")
l.add(l.blob(b"{" + b" " * (5 << 20) + b"}", MANIFEST), "large")
PY
    serve
    { echo containers:; for t in good diffid count blob config path deep large; do echo "  $t: { setup: [ !FromImage '127.0.0.1:$port/app:$t' ] }"; done; } > vagga.yaml
    for case in 'diffid|layer 1: digest mismatch' 'count|has 2 layers, but its configuration speaks of 1' 'blob|larger than' \
        'config|digest mismatch' 'path|64 lower-case' 'deep|manifest is not right' 'large|larger than'; do
        run --separate-stderr vagga _build "${case%%|*}"
        [ "$status" -eq 121 ] || { echo "$case: $stderr"; false; }
        contains "$stderr" "${case#*|}"
        [ ! -e ".vagga/${case%%|*}" ]
    done
    vagga _build good
    for blob in .vagga/.cache/oci/sha256/*; do printf 'damage' | dd of="$blob" bs=1 seek=100 conv=notrunc 2>/dev/null; done
    run --separate-stderr vagga _build --force good
    [ "$status" -eq 0 ]
    contains "$stderr" "is damaged, it is fetched again"
}

@test "hostile layers stay in the root" {
    write_project <<'YAML'
containers:
  dots: { setup: [ !FromImage { image: ./img, tag: dots } ] }
  mounts: { setup: [ !FromImage { image: ./img, tag: mounts } ] }
  names: { setup: [ !FromImage { image: ./img, tag: names } ] }
  tar: { setup: [ !Tar { url: ./evil.tar } ] }
YAML
    make_images <<'PY'
l = Layout("img")
base = layer([], base="busybox.tar")
up = entry("up", kind=tarfile.SYMTYPE, link="../../../../../../..")
work = entry("w", kind=tarfile.SYMTYPE, link="/work")
l.image([base, layer([entry("../.wh.victim"), ])], tag="dots")
l.image([layer([work, up], base="busybox.tar"),
         layer([entry("work/.wh.vagga.yaml"), entry("w/.wh.busybox.tar"), entry("up/work/.wh.img"), entry("work/.wh..wh..opq"),
                entry("work/evil", b"x"), entry("w/evil2", b"x"), entry(".wh.work")])], tag="mounts")
l.image([base, layer([entry("x/.wh...")])], tag="names")
open("evil.tar", "wb").write(layer([work, entry("work/evil3", b"x"), entry("w/evil4", b"x")], base="busybox.tar"))
PY
    for case in 'dots|leaves the archive' 'names|a whiteout of nothing'; do
        run --separate-stderr vagga _build "${case%%|*}"
        [ "$status" -eq 121 ]
        contains "$stderr" "${case#*|}"
    done
    vagga _build mounts || true
    vagga _build tar || true
    [ -e vagga.yaml ] && [ -e busybox.tar ] && [ -e img/index.json ]
    [ -z "$(ls -d evil[234]* 2>/dev/null | grep -v evil.tar)" ] && [ ! -e evil ]
}

# Names, modes, owners, sizes, links of a tree.
tree() { (cd "$1" && find . -printf '%p %m %U %G %s %l %n\n' | sort); }

exported_project() {
    write_project <<'YAML'
containers:
  a:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh "mkdir -p /opt/d /opt/gone; echo 1 > /opt/d/x; echo 1 > /opt/gone/f; echo 1 > /opt/f; chown 5:6 /opt/f || true"
    - !Sh "rm -r /opt/gone /opt/d; mkdir /opt/d; echo 2 > /opt/d/y; ln /opt/f /opt/g; rm /bin/vi; chmod u+s /opt/g"
    environ: { COLOR: blue }
  dir: { setup: [ !FromImage ./a.oci ] }
  tar: { setup: [ !FromImage { image: ./a.tar, tag: one } ] }
YAML
}

@test "what is exported comes back whole, with its layers, the same bytes every time" {
    exported_project
    vagga _export_oci a 2>/dev/null
    vagga _export_oci --zstd --tag one -o a.tar a
    vagga _export_oci -o again a
    diff -r a.oci again
    # Nothing of this machine's name resolution is in any layer.
    for blob in a.oci/blobs/sha256/*; do
        [ -z "$(tar -xzOf "$blob" ./etc/resolv.conf 2>/dev/null; tar -xzOf "$blob" ./etc/hosts 2>/dev/null)" ]
    done
    for c in dir tar; do
        vagga _build $c
        diff <(tree .vagga/a) <(tree ".vagga/$c")
        [ "$(vagga _run $c /bin/sh -c 'echo $COLOR')" = blue ]
    done
    run --separate-stderr vagga _export_oci a
    [ "$status" -eq 121 ]
    contains "$stderr" "a.oci exists already"
    # Without the layers it is one layer, and the same tree.
    rm -rf .vagga/.layers 2>/dev/null || vagga _clean --layers --at-least 0s
    vagga _export_oci -o flat a
    [ "$(ls flat/blobs/sha256 | wc -l)" -le 3 ] || [ -d .vagga/.layers ]
    [ -z "$(ls -d .tmp.* 2>/dev/null)" ]
}

# bats test_tags=root
@test "skopeo and podman read what we write; we read what they write; a real registry" {
    exported_project
    command -v skopeo podman docker-registry >/dev/null || skip "skopeo, podman or docker-registry is not installed"
    echo '{"default":[{"type":"insecureAcceptAnything"}]}' > policy.json
    vagga _export_oci --tag one a 2>/dev/null
    vagga _export_oci --tag one -o a.tar a
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    cat > registry.yml <<YAML
version: 0.1
storage: { filesystem: { rootdirectory: $PWD/registry } }
http: { addr: "127.0.0.1:$port" }
YAML
    docker-registry serve registry.yml >registry.log 2>&1 3>&- &
    server=$!
    for _ in $(seq 100); do curl -fs "http://127.0.0.1:$port/v2/" >/dev/null && break; sleep 0.05; done
    skopeo --policy policy.json copy -q --dest-tls-verify=false oci:a.oci:one "docker://127.0.0.1:$port/team/a:1"
    skopeo --policy policy.json copy -q oci:a.oci:one docker-archive:skopeo.tar:team/a:one
    short=$(mktemp -d /tmp/vagga-p.XXXX)
    podman() { command podman --root "$short/p" --runroot "$short/r" --tmpdir "$short/t" --storage-driver vfs --cgroup-manager cgroupfs --events-backend none "$@"; }
    podman pull -q --signature-policy policy.json oci-archive:a.tar >id
    mounted=$(podman image mount "$(cat id)")
    diff <(tree .vagga/a | sed 's/ [0-9]*$//') <(tree "$mounted" | sed 's/ [0-9]*$//')
    podman image umount -a >/dev/null
    podman save -q --signature-policy policy.json --format oci-archive -o podman.tar "$(cat id)"
    cat >> vagga.yaml <<YAML
  registry: { setup: [ !FromImage '127.0.0.1:$port/team/a:1' ] }
  skopeo: { setup: [ !FromImage ./skopeo.tar ] }
  podman: { setup: [ !FromImage ./podman.tar ] }
YAML
    for c in registry skopeo podman; do
        vagga _build $c
        diff <(tree .vagga/a) <(tree ".vagga/$c")
    done
    podman rmi -f "$(cat id)" >/dev/null
    rm -rf "$short"
}
