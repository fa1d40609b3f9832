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
    run --separate-stderr vagga vagga
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
    run --separate-stderr vagga vagga _capsule melt
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
