#!/usr/bin/env bats
# Capsule commands: outside of any container, with vagga inside.
load project

capsule() {
    { cat <<'YAML'
containers:
  bb:
    setup:
    - !Tar { url: ./busybox.tar }
commands:
  vagga: !CapsuleCommand { run: [vagga] }
  sh: !CapsuleCommand { accepts-arguments: true, run: 'eval "$@"' }
  environ: !CapsuleCommand { run: [env], environ: { MINE: yes } }
YAML
    } > "$BATS_TEST_TMPDIR/yaml"
    write_project < "$BATS_TEST_TMPDIR/yaml"
}

@test "vagga in a capsule lists, builds and runs; the host uses what was built" {
    capsule
    run -127 --separate-stderr vagga vagga
    [ "$status" -eq 127 ]
    contains "$stderr" 'environ'
    run --separate-stderr vagga vagga _capsule build bb
    echo "$stderr"
    [ "$status" -eq 0 ]
    contains "$stderr" 'Container bb ('
    contains "$stderr" 'built'
    run --separate-stderr vagga vagga _capsule build --print-version bb
    [ "$status" -eq 0 ]
    [ "$output" = "bb.$(vagga _version_hash -s bb)" ]
    run --separate-stderr vagga _build bb
    [ "$status" -eq 0 ]
    lacks "$stderr" built
    run --separate-stderr vagga vagga _capsule run bb sh -c 'cat; id -u' < <(echo 1+2)
    echo "$stderr"
    [ "$status" -eq 0 ]
    [ "$output" = $'1+2\n0' ]
    run --separate-stderr vagga vagga _capsule run bb sh -c 'exit 33'
    [ "$status" -eq 33 ]
    run -127 --separate-stderr vagga vagga _capsule melt
    [ "$status" -eq 127 ]
    contains "$stderr" 'Unknown command "melt"'
    run --separate-stderr vagga vagga _capsule build
    [ "$status" -eq 122 ]
}

@test "scripts and downloads" {
    capsule
    printf '#!/bin/sh\necho "$(vagga _capsule run bb sh -c "echo \\$(($1))")"\n' > script.sh
    run --separate-stderr vagga vagga _capsule script ./script.sh 33+27
    echo "$output" "$stderr"
    [ "$status" -eq 0 ]
    [ "${lines[-1]}" = 60 ]
    run --separate-stderr vagga vagga _capsule download ./script.sh
    [ "$output" = /work/script.sh ]
    run --separate-stderr vagga vagga _capsule download --sha256 0123456789 ./script.sh
    [ "$status" -eq 121 ]
    contains "$stderr" 'Hashsum mismatch'
}

@test "the capsule shows the project, vagga and nothing of the host" {
    capsule
    run --separate-stderr vagga environ
    [ "$status" -eq 0 ]
    contains "$output" 'PATH=/vagga/bin:/bin'
    contains "$output" 'MINE=yes'
    grep '^VAGGA_SETTINGS=' <<<"$output" | cut -d= -f2- | python3 -m json.tool >/dev/null
    run --separate-stderr vagga sh 'id -u; ls / | tr "\n" " "; ls /home /root 2>/dev/null; echo > /work/made; ls /vagga'
    [ "$status" -eq 0 ]
    contains "$output" '0'
    lacks "$output" home
    contains "$output" cache
    [ -e made ]
}

# A server for the files of $PROJECT/served, as $url.
serve() {
    mkdir -p served
    "$VAGGA_BATS/fixtures/serve" served "$BATS_TEST_TMPDIR/port" 3>&- &
    server=$!
    for _ in $(seq 100); do [ -e "$BATS_TEST_TMPDIR/port" ] && break; sleep 0.05; done
    url=http://127.0.0.1:$(cat "$BATS_TEST_TMPDIR/port")
}

teardown() {
    [ -z "${server:-}" ] || kill "$server" || true
    clean_project
}

# The name of the cached file: 8 digits of the hash given, or of the hash of the address, and its last part.
cached() {
    printf '/vagga/cache/downloads/%s-%s\n' "$(printf %s "${2:-$1}" | { [ -n "${2:-}" ] && cat || sha256sum; } | cut -c1-8)" "${1##*/}"
}

@test "downloads by address: once, again with --refresh, checked by hash" {
    capsule
    serve
    echo first > served/data.txt
    run --separate-stderr vagga vagga _capsule download "$url/data.txt"
    [ "$status" -eq 0 ] || { echo "$stderr"; false; }
    [ "$output" = "$(cached "$url/data.txt")" ]
    file=.vagga/.cache/downloads/${output##*/}
    [ "$(cat "$file")" = first ]
    echo second > served/data.txt
    run --separate-stderr vagga vagga _capsule download "$url/data.txt"
    [ "$status" -eq 0 ]
    [ "$(cat "$file")" = first ]
    run --separate-stderr vagga vagga _capsule download --refresh "$url/data.txt"
    [ "$status" -eq 0 ]
    [ "$(cat "$file")" = second ]
    hash=$(sha256sum < served/data.txt | cut -d' ' -f1)
    run --separate-stderr vagga vagga _capsule download --sha256 "$hash" "$url/data.txt"
    [ "$status" -eq 0 ]
    [ "$output" = "$(cached "$url/data.txt" "$hash")" ]
    run --separate-stderr vagga vagga _capsule download --sha256 "${hash:0:12}" --refresh "$url/data.txt"
    [ "$status" -eq 0 ]
    run --separate-stderr vagga vagga _capsule download --sha256 0123456789 "$url/data.txt"
    [ "$status" -eq 121 ]
    contains "$stderr" 'Hashsum mismatch'
    [ ! -e ".vagga/.cache/downloads/01234567-data.txt" ]
    run --separate-stderr vagga vagga _capsule download "$url/missing"
    [ "$status" -eq 121 ]
    contains "$stderr" 404
    [ -z "$(find .vagga/.cache/downloads -name '*-missing' -o -name '*.part')" ]
}

@test "a failed --refresh does not lose what was there" {
    capsule
    serve
    echo first > served/data.txt
    run --separate-stderr vagga vagga _capsule download "$url/data.txt"
    [ "$status" -eq 0 ]
    file=.vagga/.cache/downloads/${output##*/}
    rm served/data.txt
    run --separate-stderr vagga vagga _capsule download --refresh "$url/data.txt"
    [ "$status" -eq 121 ]
    [ "$(cat "$file")" = first ]
}

@test "scripts by address run with their arguments, in the capsule" {
    capsule
    serve
    printf '#!/bin/sh\necho "args: $*; $(vagga _capsule run bb sh -c "echo in bb")"; exit 5\n' > served/tool
    hash=$(sha256sum < served/tool | cut -d' ' -f1)
    for options in "" "--sha256 $hash" "--refresh"; do
        run --separate-stderr vagga vagga _capsule script $options "$url/tool" one "two words"
        [ "$status" -eq 5 ] || { echo "$stderr"; false; }
        [ "$output" = 'args: one two words; in bb' ]
    done
}

@test "with storage-dir and cache-dir of the host" {
    capsule
    serve
    echo data > served/data.txt
    mkdir "$BATS_TEST_TMPDIR/storage" "$BATS_TEST_TMPDIR/cache"
    export VAGGA_SETTINGS="{storage-dir: $BATS_TEST_TMPDIR/storage, cache-dir: $BATS_TEST_TMPDIR/cache}"
    run --separate-stderr vagga vagga _capsule build --print-version bb
    [ "$status" -eq 0 ] || { echo "$stderr"; false; }
    version=$output
    [ "$version" = "bb.$(vagga _version_hash -s bb)" ]
    [ -d "$BATS_TEST_TMPDIR/storage/project/.roots/$version/root" ]
    run --separate-stderr vagga _build bb
    [ "$status" -eq 0 ]
    lacks "$stderr" built
    run --separate-stderr vagga vagga _capsule run bb sh -c 'echo inside'
    [ "$output" = inside ] || { echo "$stderr"; false; }
    run --separate-stderr vagga vagga _capsule download "$url/data.txt"
    [ "$status" -eq 0 ]
    [ "$(cat "$BATS_TEST_TMPDIR/cache/downloads/${output##*/}")" = data ]
    [ ! -e .vagga/.cache/downloads ]
    vagga _clean --everything
    [ ! -e "$BATS_TEST_TMPDIR/storage/project" ]
}
