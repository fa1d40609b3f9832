#!/usr/bin/env bats
# Finished images: their indexes, shared files, archives, ready images from elsewhere, builds alike to the byte.
load project

inode() { stat -c %i "$1"; }

# Containers that share a text of 12 bytes and the two empty files in /etc.
greetings() {
    write_project <<'YAML'
containers:
  hello: { setup: [ !Text { /etc/hello.txt: "Hello world!" } ] }
  both: { setup: [ !Text { /etc/hello.txt: "Hello world!", /etc/bye.txt: "Good bye!" } ] }
YAML
}

@test "a new image is linked with those before it, if the settings say so" {
    greetings
    export VAGGA_SETTINGS='{ index-all-images: true, hard-link-identical-files: true }'
    vagga _build hello
    run vagga _build both
    [ "$status" -eq 0 ]
    contains "$output" 'Found and linked 3 (12B) identical files from other containers'
    [ "$(inode .vagga/hello/etc/hello.txt)" = "$(inode .vagga/both/etc/hello.txt)" ]
    [ "$(inode .vagga/hello/etc/hosts)" = "$(inode .vagga/both/etc/hosts)" ]
    run vagga _verify both
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    # What was changed in place is not spread.
    printf 'Hello mould!' > .vagga/hello/etc/hello.txt
    run vagga _build --force both
    contains "$output" 'Found and linked 2 (0B)'
    [ "$(cat .vagga/both/etc/hello.txt)" = 'Hello world!' ]
}

@test "nothing is indexed or linked without the settings" {
    greetings
    vagga _build hello
    run vagga _build both
    lacks "$output" 'linked'
    [ ! -e .vagga/both/../index.ds1 ]
    [ "$(inode .vagga/hello/etc/hello.txt)" != "$(inode .vagga/both/etc/hello.txt)" ]
    [ ! .vagga/hello/etc/hello.txt -nt vagga.yaml ]
}

@test "_hardlink links what is there, once" {
    greetings
    vagga _build hello
    run vagga _hardlink
    [ "$status" -eq 0 ]
    contains "$output" 'Found and linked 0'
    vagga _build both
    run vagga _hardlink
    contains "$output" 'Found and linked 3 (12B) identical files'
    [ "$(inode .vagga/hello/etc/hello.txt)" = "$(inode .vagga/both/etc/hello.txt)" ]
    run vagga _hardlink
    contains "$output" 'Found and linked 0'
    run vagga _hardlink --global
    [ "$status" -eq 124 ]
    contains "$output" 'storage-dir'
}

@test "_hardlink leaves alone what is not as its index says" {
    greetings
    vagga _build hello
    vagga _hardlink 2>/dev/null
    printf 'Hello mould!' > .vagga/hello/etc/hello.txt
    touch -d @1767225600 .vagga/hello/etc/hello.txt
    vagga _build both
    run vagga _hardlink
    contains "$output" 'Found and linked 2 (0B)'
    contains "$output" 'Mismatch file hash'
    [ "$(cat .vagga/hello/etc/hello.txt)" = 'Hello mould!' ]
    [ "$(cat .vagga/both/etc/hello.txt)" = 'Hello world!' ]
}

@test "files that differ in mode, owner or time are not linked" {
    write_project <<'YAML'
containers:
  a: { setup: [ !Tar { url: ./busybox.tar } , !Sh "cd /root; echo 1 | tee m t x >x2; touch -d @5 t" ] }
  b: { setup: [ !Tar { url: ./busybox.tar } , !Sh "cd /root; echo 1 | tee m t x >x2; chmod 600 m; touch -d @6 t" ] }
YAML
    vagga _build a 2>/dev/null && vagga _build b 2>/dev/null
    run vagga _hardlink
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    for name in bin/busybox root/x; do
        [ "$(inode .vagga/a/$name)" = "$(inode .vagga/b/$name)" ] || { echo "$name: $output"; false; }
    done
    for name in m t; do [ "$(inode .vagga/a/root/$name)" != "$(inode .vagga/b/root/$name)" ]; done
}

@test "a program that writes in its copy of a shared image changes no other" {
    greetings
    sed -i 's/setup: \[/setup: [ !Tar { url: .\/busybox.tar },/' vagga.yaml
    vagga _build hello 2>/dev/null && vagga _build both 2>/dev/null
    vagga _hardlink 2>/dev/null
    run --separate-stderr vagga _run -W both sh -c 'echo changed > /etc/hello.txt; cat /etc/hello.txt'
    [ "$output" = changed ]
    run --separate-stderr vagga _run hello cat /etc/hello.txt
    [ "$output" = 'Hello world!' ]
    run vagga _verify hello
    [ "$status" -eq 0 ]
}

@test "links between projects of a storage directory" {
    storage=$BATS_TEST_TMPDIR/storage
    mkdir "$storage"
    export VAGGA_SETTINGS="{ storage-dir: $storage, index-all-images: true, hard-link-identical-files: true }"
    greetings
    vagga _build hello 2>/dev/null
    mkdir "$BATS_TEST_TMPDIR/other" && cp vagga.yaml "$BATS_TEST_TMPDIR/other/" && cd "$BATS_TEST_TMPDIR/other"
    run vagga _build both
    lacks "$output" 'Found and linked 3'
    run vagga _hardlink
    contains "$output" 'Found and linked 0'
    run vagga _hardlink --global
    [ "$status" -eq 0 ]
    contains "$output" 'Found and linked 3 (12B)'
    vagga _clean --everything
    VAGGA_SETTINGS="{ storage-dir: $storage, index-all-images: true, hard-link-identical-files: true, hard-link-between-projects: true }" \
        run vagga _build both
    contains "$output" 'Found and linked 3 (12B)'
    [ "$(inode .vagga/both/etc/hello.txt)" = "$(inode "$PROJECT/.vagga/hello/etc/hello.txt")" ]
    vagga _clean --everything
}

@test "_verify tells what is missing, extra and corrupted" {
    greetings
    run --separate-stderr vagga _verify hello
    [ "$status" -eq 124 ]
    VAGGA_SETTINGS='index-all-images: true' vagga _build hello
    vagga _build both
    run --separate-stderr vagga _verify both
    [ "$status" -eq 124 ]
    contains "$stderr" 'index'
    vagga _hardlink
    run --separate-stderr vagga _verify hello
    [ "$status" -eq 0 ]
    contains "${lines[0]}" 'Checking container: "'
    [ "${lines[1]}" = Ok ]
    printf 'Hello mould!' > .vagga/both/etc/hello.txt
    rm .vagga/both/etc/bye.txt
    echo > .vagga/both/etc/bonjour.txt
    run --separate-stderr vagga _verify both
    [ "$status" -eq 1 ]
    expected=$'Container is corrupted\nMissing paths:\n\t/etc/bye.txt\nExtra paths:\n\t/etc/bonjour.txt\nCorrupted paths:\n\t/etc/hello.txt'
    [ "${output#*$'\n'}" = "$expected" ] || { echo "$output"; false; }
    # The other name of the same file is damaged with it.
    run --separate-stderr vagga _verify hello
    [ "$status" -eq 1 ]
    [ "${lines[2]}" = 'Corrupted paths:' ] && [ "${#lines[@]}" -eq 4 ]
}

@test "_verify sees modes and times, which the index format leaves out" {
    greetings
    VAGGA_SETTINGS='index-all-images: true' vagga _build hello
    chmod 600 .vagga/hello/etc/hello.txt
    run --separate-stderr vagga _verify hello
    [ "$status" -eq 1 ]
    contains "$output" 'Modes, owners, times'
    chmod 644 .vagga/hello/etc/hello.txt
    touch -d @5 .vagga/hello/etc/hello.txt
    run --separate-stderr vagga _verify hello
    [ "$status" -eq 1 ]
}

@test "broken indexes are explained" {
    greetings
    VAGGA_SETTINGS='index-all-images: true' vagga _build hello
    index=$(readlink -f .vagga/hello/..)/index.ds1
    head -n 1 "$index" | grep -q '^DIRSIGNATURE.v1 blake2b/256 block_size=32768'
    sed -i s/hello/hallo/ "$index"
    run --separate-stderr vagga _verify hello
    [ "$status" -eq 124 ]
    contains "$stderr" 'changed or cut off'
    run vagga _hardlink
    [ "$status" -eq 0 ]
    run --separate-stderr vagga _verify hello
    [ "$status" -eq 0 ]
    run --separate-stderr vagga _verify --against nosuch hello
    [ "$status" -eq 124 ]
    run --separate-stderr vagga _verify --against vagga.yaml hello
    [ "$status" -eq 124 ]
    run --separate-stderr vagga _verify nosuch
    [ "$status" -eq 124 ]
}

# Everything that could tell two builds apart: times, generated files, links, odd names.
reproducible() {
    cat <<'YAML'
containers:
  c:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Text { /etc/text: "text", "/etc/a b\\c": "odd" }
    - !Copy { source: /work/src, path: /src }
    - !Sh |
        mkdir -p /srv/a/b /var/cache/ldconfig
        date +%N > /var/cache/ldconfig/aux-cache
        dd if=/dev/urandom bs=16 count=1 2>/dev/null | od -An -tx1 | tr -d ' ' > /etc/machine-id
        echo "$SOURCE_DATE_EPOCH" > /srv/epoch
        ln -s /nowhere /srv/link; ln /srv/epoch /srv/a/again; mkfifo /srv/fifo
        touch -d @1000 /srv/old; chmod 4755 /srv/old; chmod 711 /
        seq 20000 > /srv/long
    - !Sh "rm /etc/text; mkdir /srv/c"
YAML
}

@test "two builds of one container are alike to the byte" {
    write_project < <(reproducible)
    mkdir src && date > src/file
    other=$BATS_TEST_TMPDIR/other
    cp -r "$PROJECT" "$other"
    export VAGGA_SETTINGS='index-all-images: true'
    vagga _build c 2>/dev/null
    vagga _pack_image c > one.tar
    (cd "$other" && sleep 1.1 && vagga _build c 2>/dev/null && vagga _pack_image c > two.tar)
    cmp one.tar "$other/two.tar"
    cmp .vagga/c/../index.ds1 "$other/.vagga/c/../index.ds1"
    run --separate-stderr vagga _verify c --against "$other/.vagga/c/../index.ds1"
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    # Built without layers, and again, it is the same.
    VAGGA_SETTINGS='layers: false' vagga _build --force c 2>/dev/null
    vagga _pack_image c | cmp - one.tar
    run --separate-stderr vagga _verify c --against "$other/.vagga/c/../index.ds1"
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ "$(cat .vagga/c/srv/epoch)" = 1767225600 ]
    [ "$(stat -c %Y .vagga/c/srv/old)" = 1000 ] && [ "$(stat -c %Y .vagga/c/srv/long)" = 1767225600 ]
    [ ! -e .vagga/c/var/cache/ldconfig/aux-cache ]
    grep -qx '[0-9a-f]\{32\}' .vagga/c/etc/machine-id
    # Another content is noticed.
    (cd "$other" && date +%N > src/file && vagga _build c 2>/dev/null)
    run --separate-stderr vagga _verify c --against "$other/.vagga/c/../index.ds1"
    [ "$status" -eq 1 ]
    contains "$output" $'differs from the index\nCorrupted paths:\n\t/src/file'
    (cd "$other" && vagga _clean --everything)
}

@test "source-date-epoch is a setting of the user's and the project's" {
    greetings
    echo 'source-date-epoch: 1000000000' > .vagga.settings.yaml
    vagga _build hello
    [ "$(stat -c %Y .vagga/hello/etc/hello.txt)" = 1000000000 ]
    [ "$(stat -c %Y .vagga/hello/)" = 1000000000 ]
}

@test "packed images: formats, names, the same bytes every time" {
    write_project < <(reproducible)
    mkdir src && date > src/file
    vagga _build c 2>/dev/null
    run --separate-stderr vagga _pack_image c -f i.tar
    [ "$status" -eq 0 ] && [ -z "$output$stderr" ]
    vagga _pack_image c > j.tar
    cmp i.tar j.tar
    tar tf i.tar > list
    [ "$(head -n 1 list)" = ./ ]
    grep -qx './etc/hosts' list
    ! grep -qv '^\./' list || false
    [ "$(tar tvf i.tar --numeric-owner ./srv/old | cut -c1-14)" = '-rwsr-xr-x 0/0' ]
    tar tvf i.tar | grep -qE 'link to \./srv/a/again|link to \./srv/epoch'
    for option in -z:gzip -j:bzip2 -J:xz --zstd:zstd; do
        run --separate-stderr vagga _pack_image "${option%%:*}" --file packed c
        [ "$status" -eq 0 ]
        contains "$stderr" 'compressing'
        "${option##*:}" -dc < packed | cmp - i.tar
    done
    # Relative to the current directory, as everywhere.
    mkdir -p sub && cd sub
    vagga _pack_image c -f here.tar
    [ -e here.tar ]
    run --separate-stderr vagga _pack_image c -f nosuch/here.tar
    [ "$status" -eq 121 ]
    contains "$stderr" 'nosuch/.here.tar'
    run --separate-stderr vagga _pack_image nosuch
    [ "$status" -eq 121 ]
    [ -z "$output" ]
}

# bats test_tags=ids
@test "packed images carry the ids of the container" {
    write_project <<'YAML'
containers:
  c: { setup: [ !Tar { url: ./busybox.tar } , !Sh "echo > /root/f; chown 1:2 /root/f; chmod 6755 /root/f" ] }
YAML
    vagga _build c 2>/dev/null
    vagga _pack_image c -f i.tar
    [ "$(tar tvf i.tar --numeric-owner ./root/f | cut -c1-14)" = '-rwsr-sr-x 1/2' ]
}

# A project with container c, whose image was pushed to img/ and is not there any more.
pushed() {
    write_project <<YAML
containers:
  c:
    image-cache-url: ${1-./img}/\${container_name}.\${short_hash}.tar.xz
    setup: [ !Tar { url: ./busybox.tar } , !Sh "echo built >> /work/log; echo x > /root/f; chmod 4711 /root/f; touch -d @77 /root/f" ]
YAML
    mkdir img
    name=c.$(vagga _version_hash -s c)
    VAGGA_SETTINGS='push-image-script: "cp \"$image_path\" img/$container_name.$short_hash.tar.xz"' \
        vagga _push_image --no-image-download c 2>/dev/null
    [ -s "img/$name.tar.xz" ]
    [ ! -e ".vagga/.roots/$name/image.tar.xz" ]
    index=$BATS_TEST_TMPDIR/index.ds1
    vagga _hardlink 2>/dev/null && cp ".vagga/.roots/$name/index.ds1" "$index"
    vagga _clean --everything
    rm log
}

serve() { # serves $1 on $PORT until stop
    "$VAGGA_BATS/fixtures/serve" "$1" "$BATS_TEST_TMPDIR/port" 3>&- &
    SERVER=$!
    for _ in $(seq 200); do [ -s "$BATS_TEST_TMPDIR/port" ] && break; sleep 0.05; done
    PORT=$(cat "$BATS_TEST_TMPDIR/port")
}

stop() { kill "$SERVER"; wait "$SERVER" 2>/dev/null || true; }

@test "push and pull: the same image, no step is run" {
    pushed
    VAGGA_SETTINGS='index-all-images: true' run vagga _build c
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    contains "$output" 'Unpacking image'
    [ ! -e log ]
    [ "$(readlink .vagga/c)" = ".roots/$name/root" ]
    [ "$(stat -c '%a %Y' .vagga/c/root/f)" = '4711 77' ]
    run vagga _verify c --against "$index"
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    run --separate-stderr vagga _run c cat /root/f
    [ "$output" = x ]
    [ -z "$(find .vagga/.roots -name 'image.*')" ]
}

@test "missing, corrupt and forbidden ready images mean a build" {
    pushed
    run vagga --no-image-download _build c
    [ "$status" -eq 0 ] && [ -e log ]
    lacks "$output" 'Unpacking'
    vagga _clean --everything; rm log
    vagga _build c 2>/dev/null
    run vagga _build --force c
    lacks "$output" 'Unpacking'
    vagga _clean --everything; rm -f log
    truncate -s -100 "img/$name.tar.xz"
    run vagga _build c
    [ "$status" -eq 0 ] && [ -e log ]
    contains "$output" 'Error when unpacking image'
    contains "$output" 'Will clean and build it locally'
    vagga _clean --everything; rm log
    rm -r img
    run vagga _build c
    [ "$status" -eq 0 ] && [ -e log ]
    contains "$output" 'Will clean and build it locally'
}

@test "a hostile archive writes nothing outside and leaves no image" {
    pushed
    mkdir evil && cd evil && echo bad > f
    tar -cJPf "../img/$name.tar.xz" --transform='s,^f,../../../../../../../../..'"$BATS_TEST_TMPDIR"'/escaped,' f
    cd ..
    run vagga _build c
    [ "$status" -eq 0 ] && [ -e log ]
    contains "$output" 'leaves the archive'
    [ ! -e "$BATS_TEST_TMPDIR/escaped" ]
    [ -e .vagga/c/bin/busybox ]
}

@test "plain http needs a digest or a signature" {
    pushed http://127.0.0.1:1
    serve img
    sed -i "s,127.0.0.1:1/,127.0.0.1:$PORT/," vagga.yaml
    run vagga _build c
    contains "$output" 'plain http'
    [ -e log ]
    vagga _clean --everything; rm log
    VAGGA_SETTINGS='image-cache-unsigned: always' run vagga _build c
    contains "$output" 'Unpacking image'
    [ ! -e log ] && [ "$(stat -c %a .vagga/c/root/f)" = 4711 ]
    [ ! -e .vagga/.cache/downloads ] || [ -z "$(ls -A .vagga/.cache/downloads)" ]
    vagga _clean --everything
    digest=$(sha256sum "img/$name.tar.xz" | cut -d' ' -f1)
    sed -i "s,^    setup:,    image-cache-sha256: $digest\n    setup:," vagga.yaml
    run vagga _build c
    [ ! -e log ] || { echo "$output"; false; }
    vagga _clean --everything
    echo >> "img/$name.tar.xz"
    run vagga _build c
    contains "$output" 'Hashsum mismatch: expected'
    [ -e log ]
    vagga _clean --everything; rm log
    stop
    run vagga _build c
    contains "$output" 'Will clean and build it locally'
    [ "$status" -eq 0 ] && [ -e log ]
}

@test "signed manifests" {
    command -v gpg >/dev/null && command -v gpgv >/dev/null || skip "gpg is not installed"
    write_project <<'YAML'
containers:
  c:
    image-cache-url: ./img/${container_name}.${short_hash}.tar.xz
    image-cache-keyring: team.gpg
    setup: [ !Tar { url: ./busybox.tar } , !Sh "echo built >> /work/log" ]
  d:
    image-cache-url: ./img/${container_name}.${short_hash}.tar.xz
    image-cache-keyring: team.gpg
    setup: [ !Tar { url: ./busybox.tar } , !Sh "echo built >> /work/log; echo d > /d" ]
YAML
    export GNUPGHOME=$BATS_TEST_TMPDIR/gnupg
    mkdir -m 700 "$GNUPGHOME" && mkdir img
    gpg --batch --quiet --passphrase '' --quick-generate-key team@example.org ed25519 sign never 2>/dev/null
    gpg --export > team.gpg
    script='cp "$image_path" img/$container_name.$short_hash.tar.xz; gpg --batch --yes --clearsign -o img/$container_name.$short_hash.tar.xz.asc "$manifest_path"'
    for container in c d; do
        VAGGA_SETTINGS="push-image-script: '$script'" vagga --no-image-download _push_image $container 2>/dev/null
    done
    gpgconf --kill all
    grep -q "^container: c" img/c.*.asc
    vagga _clean --everything; rm log
    refused() {
        rm -f log
        run vagga _build c
        [ "$status" -eq 0 ] && [ -e log ]
        contains "$output" "$1"
        vagga _clean --everything
    }
    run vagga _build c
    [ ! -e log ] || { echo "$output"; false; }
    vagga _clean --everything
    # The archive of another container, with its own good signature.
    c=$(echo img/c.*.xz) d=$(echo img/d.*.xz)
    cp "$c" kept && cp "$c.asc" kept.asc
    cp "$d" "$c" && cp "$d.asc" "$c.asc"
    refused 'the signed manifest is that of d.'
    cp kept.asc "$c.asc"
    refused 'Hashsum mismatch'
    cp kept "$c" && sed -i 's/^size: ./size: 9/' "$c.asc"
    refused 'not accepted'
    rm "$c.asc"
    refused "can't read"
    cp kept.asc "$c.asc" && mv team.gpg other.gpg
    refused 'the keyring'
}

# bats test_tags=ids
@test "a pulled image is the packed one: top, owners, attributes" {
    write_project <<'YAML'
containers:
  c:
    image-cache-url: ./i.tar
    setup: [ !Tar { url: ./busybox.tar } , !Sh "chown 1:2 / /root; chmod 2751 / /root; mkfifo -m 620 /root/p; touch -d @7 /root" ]
YAML
    vagga --no-image-download _build c 2>/dev/null
    vagga _pack_image c -f i.tar
    vagga _hardlink 2>/dev/null && cp .vagga/c/../index.ds1 one.ds1
    vagga _clean --everything
    run vagga _build c
    contains "$output" 'Unpacking image'
    lacks "$output" 'Error'
    run --separate-stderr vagga _verify --against one.ds1 c
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ "$(vagga _pack_image c | sha256sum)" = "$(sha256sum < i.tar)" ]
    # An index may come through a pipe, but an image's own is a file.
    run --separate-stderr vagga _verify c --against <(cat one.ds1)
    [ "$status" -eq 0 ]
    mkfifo .vagga/c/../index.ds1
    run --separate-stderr timeout 20 vagga _verify c
    [ "$status" -eq 124 ]
    rm .vagga/c/../index.ds1
    run vagga --no-build _pack_image c -f again.tar
    [ "$status" -eq 0 ]
    vagga _clean --everything
    run vagga --no-build _pack_image c -f again.tar
    [ "$status" -eq 29 ]
}

@test "_push_image without a script, with one that fails" {
    greetings
    run --separate-stderr vagga _push_image hello
    [ "$status" -eq 121 ]
    contains "$stderr" push-image-script
    [ ! -e .vagga/hello ]
    VAGGA_SETTINGS='push-image-script: "false"' run --separate-stderr vagga _push_image hello
    [ "$status" -eq 121 ]
    [ -z "$(find .vagga/.roots -name 'image.*')" ]
    VAGGA_SETTINGS='push-image-script: "test -s $image_path; echo $container_name $short_hash $image_sha256 > out"' vagga _push_image hello 2>/dev/null
    [[ "$(cat out)" =~ ^hello\ [0-9a-f]{8}\ [0-9a-f]{64}$ ]]
}

@test "two pulls at once" {
    pushed
    export VAGGA_SETTINGS='build-lock-wait: true'
    vagga _build c 2>one & first=$!
    vagga _build c 2>two
    wait $first
    [ ! -e log ]
    [ "$(stat -c %a .vagga/c/root/f)" = 4711 ]
    ! ls -d .vagga/.roots/.tmp.c 2>/dev/null || false
}

@test "systems made of packages are alike, too" {
    command -v gpg >/dev/null && command -v gpgv >/dev/null || skip "gpg is not installed"
    write_project </dev/null
    "$VAGGA_BATS/fixtures/debian-repository" "$PROJECT/repo" fix
    cat > vagga.yaml <<YAML
containers:
  d:
    setup:
    - !DebianRelease { codename: fix, mirror: "file:$PROJECT/repo", keyring: repo/key.asc }
    - !Install [hello]
    - !Sh "mkdir -p /var/log/apt; date > /var/log/dpkg.log; date > /var/log/apt/history.log"
YAML
    vagga _build d 2>/dev/null
    vagga _pack_image d -f one.tar
    vagga _hardlink 2>/dev/null && cp .vagga/d/../index.ds1 one.ds1
    sleep 1.1
    VAGGA_SETTINGS='layers: false' vagga _build --force d 2>/dev/null
    run --separate-stderr vagga _verify d --against one.ds1
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    vagga _pack_image d | cmp - one.tar
}

# bats test_tags=network,slow
@test "two builds of a real Debian with packages and PyPI are alike to the byte" {
    export VAGGA_SETTINGS="{ index-all-images: true, cache-dir: ${VAGGA_FIXTURES%/fixtures}/cache.$VAGGA_MODE }"
    write_project <<'YAML'
containers:
  d: { setup: [ !Debian trixie , !Install [python3-yaml, less], !Py3Install [six] ] }
YAML
    vagga _build d 2>/dev/null
    vagga _pack_image d -f one.tar
    cp .vagga/d/../index.ds1 one.ds1
    vagga _build --force d 2>/dev/null
    run --separate-stderr vagga _verify d --against one.ds1
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    vagga _pack_image d | cmp - one.tar
    run vagga _run d python3 -c 'import six, yaml'
    [ "$status" -eq 0 ]
}
