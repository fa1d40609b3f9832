#!/usr/bin/env bats
# Archives, downloads and copies.
load project

archive() { # makes a.tar from directory p-1.0
    mkdir -p p-1.0/sub
    echo content > p-1.0/sub/file; chmod 750 p-1.0/sub; printf '#!/bin/sh\n' > p-1.0/run; chmod 755 p-1.0/run
    ln p-1.0/run p-1.0/hard; ln -s sub/file p-1.0/link
    touch -d '2001-02-03 04:05:06 UTC' p-1.0/sub/file
    tar -cf a.tar p-1.0
}

@test "all compressions give the same tree, modes and times are kept" {
    write_project <<'YAML'
containers:
  plain: { setup: [ !Tar { url: ./a.tar, path: /opt } ] }
  gz: { setup: [ !Tar { url: ./a.tar.gz, path: /opt } ] }
  bz2: { setup: [ !Tar { url: ./a.tar.bz2, path: /opt } ] }
  xz: { setup: [ !Tar { url: ./a.tar.xz, path: /opt } ] }
  zst: { setup: [ !Tar { url: ./a.tar.zst, path: /opt } ] }
  members: { setup: [ !Tar { url: ./members.tar.gz, path: /opt } ] }
YAML
    archive
    gzip -k a.tar; bzip2 -k a.tar; xz -k a.tar; zstd -q a.tar
    { head -c 1000 a.tar | gzip; tail -c +1001 a.tar | gzip; } > members.tar.gz
    for kind in plain gz bz2 xz zst members; do
        vagga _build $kind 2>/dev/null
        ( cd ".vagga/$kind/opt/p-1.0" && [ "$(cat sub/file link)" = $'content\ncontent' ] && [ run -ef hard ] &&
          [ "$(stat -c '%a %Y' sub/file)" = '644 981173106' ] && [ "$(stat -c %a sub run)" = $'750\n755' ] ) || { echo $kind; false; }
    done
}

@test "subdir, and one that is not there" {
    write_project <<'YAML'
containers:
  sub: { setup: [ !Tar { url: ./a.tar, path: /opt/x, subdir: p-1.0 } ] }
  none: { setup: [ !Tar { url: ./a.tar, subdir: nosuch } ] }
YAML
    archive
    vagga _build sub 2>/dev/null
    [ "$(ls .vagga/sub/opt/x | tr '\n' ' ')" = 'hard link run sub ' ]
    run --separate-stderr vagga _build none
    [ "$status" -eq 121 ]
    contains "$stderr" '"nosuch" is not found in archive'
}

@test "hostile archives write nothing outside" {
    write_project <<'YAML'
containers:
  dots: { setup: [ !Tar { url: ./dots.tar, path: /opt } ] }
  link: { setup: [ !Tar { url: ./link.tar, path: /opt } ] }
  hard: { setup: [ !Tar { url: ./hard.tar, path: /opt } ] }
  device: { setup: [ !Tar { url: ./device.tar, path: /opt } ] }
YAML
    echo secret > secret
    python3 - "$PROJECT" <<'PY'
import io, sys, tarfile
project = sys.argv[1]
def entry(name, kind=tarfile.REGTYPE, link="", data=b"evil"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.size = len(data) if kind == tarfile.REGTYPE else 0
    return info, io.BytesIO(data) if kind == tarfile.REGTYPE else None
def make(name, *entries):
    with tarfile.open(name, "w", format=tarfile.GNU_FORMAT) as tar:
        for info, data in entries:
            tar.addfile(info, data)
make("dots.tar", entry("../../../../../../../../.." + project + "/evil1"), entry("/evil-root"))
make("link.tar", entry("l", tarfile.SYMTYPE, project), entry("l/evil2"), entry("m", tarfile.SYMTYPE, "../../../../../../.." + project), entry("m/evil3"))
make("hard.tar", entry("h", tarfile.LNKTYPE, "../../../../../../.." + project + "/secret"), entry("h"))
device = tarfile.TarInfo("disk"); device.type = tarfile.BLKTYPE; device.devmajor, device.devminor = 8, 0
make("device.tar", (device, None))
PY
    for name in dots link hard device; do vagga _build $name > "$name.out" 2>&1 || true; done
    [ ! -e evil1 ] && [ ! -e evil2 ] && [ ! -e evil3 ] && [ ! -e /evil-root ]
    [ "$(cat secret)" = secret ] && [ "$(stat -c %h secret)" = 1 ]
    [ ! -b .vagga/device/opt/disk ]
}

@test "digests" {
    write_project <<'YAML'
containers:
  wrong: { setup: [ !Tar { url: ./a.tar, sha256: 0000000000000000000000000000000000000000000000000000000000000000 } ] }
  right: { setup: [ !Tar { url: ./a.tar, sha256: DIGEST } ] }
YAML
    archive
    sed -i "s/DIGEST/$(sha256sum a.tar | cut -d' ' -f1 | tr a-f A-F)/" vagga.yaml
    run --separate-stderr vagga _build wrong
    [ "$status" -eq 121 ]
    contains "$stderr" 'Hashsum mismatch: expected 0000'
    run vagga _build right
    [ "$status" -eq 0 ]
}

@test "TarInstall" {
    write_project <<'YAML'
containers:
  one: { setup: [ !Tar { url: ./busybox.tar } , !TarInstall { url: ./a.tar, script: "pwd; cp run /usr/bin/installed" } ] }
  two: { setup: [ !Tar { url: ./busybox.tar } , !TarInstall { url: ./two.tar, script: pwd } ] }
  dot: { setup: [ !Tar { url: ./busybox.tar } , !TarInstall { url: ./two.tar, subdir: ".", script: "ls > /seen" } ] }
  empty: { setup: [ !Tar { url: ./busybox.tar } , !TarInstall { url: ./empty.tar, script: pwd } ] }
YAML
    archive
    mkdir x y && tar -cf two.tar x y && tar -cf empty.tar -T /dev/null
    run vagga _build one
    [ "$status" -eq 0 ]
    contains "$output" '/p-1.0'
    [ -x .vagga/one/usr/bin/installed ]
    run --separate-stderr vagga _build two
    [ "$status" -eq 121 ]
    contains "$stderr" 'subdir'
    vagga _build dot 2>/dev/null
    [ "$(cat .vagga/dot/seen)" = $'x\ny' ]
    run --separate-stderr vagga _build empty
    [ "$status" -eq 121 ]
    contains "$stderr" 'empty'
}

@test "Unzip" {
    write_project <<'YAML'
containers:
  all: { setup: [ !Unzip { url: ./a.zip, path: /z } ] }
  sub: { setup: [ !Unzip { url: ./a.zip, path: /z, subdir: p-1.0/ } ] }
  none: { setup: [ !Unzip { url: ./a.zip, path: /z, subdir: ./p-1.0 } ] }
YAML
    archive
    zip -qry a.zip p-1.0
    vagga _build all 2>/dev/null
    [ -x .vagga/all/z/p-1.0/run ] && [ "$(readlink .vagga/all/z/p-1.0/link)" = sub/file ]
    vagga _build sub 2>/dev/null
    [ "$(cat .vagga/sub/z/sub/file)" = content ]
    run --separate-stderr vagga _build none
    [ "$status" -eq 121 ]
    contains "$stderr" 'is not found in archive'
    [ ! -e .vagga/.cache/downloads ] || [ -z "$(ls -A .vagga/.cache/downloads)" ]
}

serve() { # serves $1 on $PORT until the test ends
    python3 - "$1" <<'PY' &
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
handler.log_message = lambda *a: None
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
open("port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
    SERVER=$!
    for _ in $(seq 100); do [ -s port ] && break; sleep 0.05; done
    PORT=$(cat port)
}

@test "downloads are cached under the digest of their URL and used without network" {
    write_project </dev/null
    mkdir www && echo payload > www/tool.bin
    serve www 2>/dev/null
    echo "containers: { c: { setup: [ !EnsureDir /usr/bin , !Download { url: 'http://127.0.0.1:$PORT/tool.bin', path: /usr/bin/tool, mode: 0o755 } ] } }" > vagga.yaml
    run vagga _build c
    kill $SERVER
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ "$(cat .vagga/c/usr/bin/tool)" = payload ] && [ "$(stat -c %a .vagga/c/usr/bin/tool)" = 755 ]
    name=$(printf %s "http://127.0.0.1:$PORT/tool.bin" | sha256sum | cut -c1-8)-tool.bin
    [ -e ".vagga/.cache/downloads/$name" ]
    wait $SERVER 2>/dev/null || true
    run vagga _build --force c
    [ "$status" -eq 0 ]
}

@test "a download that fails names the URL and leaves nothing" {
    write_project <<'YAML'
containers: { c: { setup: [ !Download { url: 'http://127.0.0.1:9/x', path: /x } ] } }
YAML
    run --separate-stderr vagga _build c
    [ "$status" -eq 121 ]
    contains "$stderr" 'http://127.0.0.1:9/x'
    [ -z "$(ls .vagga/.cache/downloads/*.part 2>/dev/null)" ]
}

tree() {
    mkdir -p dir/subdir dir/.git && printf '#!/bin/sh\n' > dir/exe.sh && chmod 755 dir/exe.sh
    echo h > dir/hello; echo s > dir/second; echo f > dir/subdir/file
    touch dir/.git/x dir/a~ dir/a.bak dir/a.orig dir/.gitignore 'dir/#x#'
    chmod 644 dir/hello dir/second dir/subdir/file; chmod 755 dir dir/subdir
}

@test "Copy: modes, times, default filter" {
    write_project <<'YAML'
containers:
  c: { setup: [ !EnsureDir /var , !Copy { source: /work/dir, path: /var/dir } ] }
  umask: { setup: [ !EnsureDir /var , !Copy { source: /work/dir, path: /var/dir, umask: 0o077 } ] }
  exact: { setup: [ !EnsureDir /var , !Copy { source: /work/dir, path: /var/dir, preserve-permissions: true, preserve-times: true } ] }
YAML
    tree
    touch -d '2001-02-03 04:05:06 UTC' dir/hello
    vagga _build c 2>/dev/null; cd .vagga/c/var/dir
    [ "$(stat -c %a . hello exe.sh subdir | tr '\n' ' ')" = '775 664 775 775 ' ]
    [ "$(stat -c '%X %Y' hello)" = '1 1' ]
    [ "$(ls -A | tr '\n' ' ')" = '.gitignore exe.sh hello second subdir ' ]
    cd "$PROJECT"
    vagga _build umask 2>/dev/null; cd .vagga/umask/var/dir
    [ "$(stat -c %a . hello exe.sh | tr '\n' ' ')" = '700 600 700 ' ]
    cd "$PROJECT"
    vagga _build exact 2>/dev/null; cd .vagga/exact/var/dir
    [ "$(stat -c %a . hello exe.sh | tr '\n' ' ')" = '755 644 755 ' ]
    [ "$(stat -c %Y hello)" = 981173106 ]
}

@test "Copy: rules" {
    write_project <<'YAML'
containers:
  both: { setup: [ !Copy { source: /work/dir, path: /dir, rules: ["/hello", "/**/file"] } ] }
  regex: { setup: [ !Copy { source: /work/dir, path: /dir, include-regex: "(^hello|(^|.*/)file)$" } ] }
  excluded: { setup: [ !Copy { source: /work/dir, path: /dir, rules: ["/hello", "/**/file", "!file"] } ] }
  nothing: { setup: [ !Copy { source: /work/dir, path: /dir, rules: ["!file"] } ] }
  relative: { setup: [ !Copy { source: /work/dir, path: /dir, rules: ["hello"] } ] }
  mixed: { setup: [ !Copy { source: /work/dir, path: /dir, rules: ["/hello"], ignore-regex: x } ] }
  missing: { setup: [ !Copy { source: /work/nosuch, path: /dir } ] }
YAML
    tree
    vagga _build both 2>/dev/null
    [ "$(cd .vagga/both/dir && find . -type f | sort | tr '\n' ' ')" = './hello ./subdir/file ' ]
    [ "$(vagga _version_hash both)" = "$(vagga _version_hash regex)" ]
    vagga _build excluded 2>/dev/null
    [ "$(ls .vagga/excluded/dir)" = hello ]
    run --separate-stderr vagga _build nothing
    [ "$status" -eq 0 ]
    contains "$stderr" "You didn't add any include rules"
    run --separate-stderr vagga _build relative
    [ "$status" -ne 0 ]
    contains "$stderr" 'allowed only for excluding'
    run --separate-stderr vagga _build mixed
    [ "$status" -ne 0 ]
    run vagga _version_hash missing
    [ "$status" -eq 29 ]
}

@test "Copy: names that are not UTF-8" {
    write_project <<'YAML'
containers: { c: { setup: [ !Copy { source: /work/dir, path: /dir } ] } }
YAML
    mkdir dir && touch "dir/$(printf 'bad\377name')"
    run --separate-stderr vagga _build c
    [ "$status" -ne 0 ]
    contains "$stderr" 'xFF'
}

# bats test_tags=ids
@test "Copy: owners, set-uid bits" {
    write_project <<'YAML'
containers:
  c: { setup: [ !Tar { url: ./busybox.tar } , !Copy { source: /work/dir, path: /dir, owner-uid: 1, owner-gid: 2, preserve-permissions: true } , !Sh "stat -c 'owner %u:%g %a %n' /dir /dir/exe.sh" ] }
YAML
    tree; chmod 4755 dir/exe.sh
    run vagga _build c
    contains "$output" 'owner 1:2 755 /dir'
    contains "$output" 'owner 1:2 4755 /dir/exe.sh'
}

@test "an archive that unpacks to more than the limit ends the build, not the disk" {
    write_project <<'YAML'
containers:
  tar: { setup: [ !Tar { url: ./bomb.tar.gz } ] }
  zip: { setup: [ !Unzip { url: ./bomb.zip } ] }
  oci: { setup: [ !FromImage ./img ] }
  holes: { setup: [ !Tar { url: ./holes.tar.gz } ] }
YAML
    python3 - <<'PY'
import hashlib, io, json, os, tarfile, zipfile
lines, zeros = b"y\n" * (1 << 19), bytes(1 << 20)
def tar(name, block, blocks):
    with tarfile.open(name, "w:gz") as t:
        for n in range(3):
            entry = tarfile.TarInfo(f"f{n}")
            entry.size = len(block) * blocks
            t.addfile(entry, io.BytesIO(block * blocks))
tar("bomb.tar.gz", lines, 4)
tar("holes.tar.gz", zeros, 20)
with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for n in range(3):
        z.writestr(f"f{n}", lines * 4)
# Two layers, each of which would fit.
os.makedirs("img/blobs/sha256")
def blob(data):
    digest = hashlib.sha256(data).hexdigest()
    open(f"img/blobs/sha256/{digest}", "wb").write(data)
    return {"digest": "sha256:" + digest, "size": len(data)}
layers, diffs = [], []
for n in range(2):
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as t:
        entry = tarfile.TarInfo(f"l{n}")
        entry.size = 6 << 20
        t.addfile(entry, io.BytesIO(lines * 6))
    layers.append(blob(plain.getvalue()) | {"mediaType": "application/vnd.oci.image.layer.v1.tar"})
    diffs.append(layers[-1]["digest"])
config = blob(json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diffs}}).encode())
kind = "application/vnd.oci.image.manifest.v1+json"
manifest = blob(json.dumps({"schemaVersion": 2, "mediaType": kind, "layers": layers,
    "config": config | {"mediaType": "application/vnd.oci.image.config.v1+json"}}).encode())
open("img/index.json", "w").write(json.dumps({"schemaVersion": 2, "manifests": [manifest | {"mediaType": kind}]}))
open("img/oci-layout", "w").write('{"imageLayoutVersion": "1.0.0"}')
PY
    for container in tar zip oci; do
        VAGGA_SETTINGS='max-unpacked-size: 10Mi' run --separate-stderr vagga _build $container
        [ "$status" -eq 121 ]
        contains "$stderr" 'larger than the setting `max-unpacked-size` allows'
        [ ! -e .vagga/$container ]
        [ "$(du -sm .vagga | cut -f1)" -le 50 ]
        vagga _build $container 2>/dev/null
    done
    # Zeros take no space.
    VAGGA_SETTINGS='max-unpacked-size: 10Mi' vagga _build holes 2>/dev/null
    [ "$(stat -c %s .vagga/holes/f2)" = $((20 << 20)) ]
    # It is nothing that a project may change.
    echo 'max-unpacked-size: 100Gi' > .vagga.settings.yaml
    run --separate-stderr vagga _build tar
    [ "$status" -ne 0 ]
    contains "$stderr" max-unpacked-size
}
