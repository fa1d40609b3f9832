#!/usr/bin/env bats
# The operator's guide is done from its first line to its last: docs/lithos.md, on a machine that is a private view of this one.
# bats file_tags=root,young

load lithos.bash
load machine.bash

setup() {
    PAGE=$VAGGA_DOCS/lithos.md
    setup_machine
}

teardown() { remove_slices; }

# bats test_tags=root
@test "the guide, from nothing to a rolling upgrade and back" {
    needs ssh-keygen curl ip
    run on_machine "$VAGGA_BATS/fixtures/guide" run "$PAGE"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ "$output" =~ ^[0-9]+\ blocks$ ]]
}

@test "every block of the guide is run, and a block that nothing would run is a mistake" {
    "$VAGGA_BATS/fixtures/guide" blocks "$PAGE" > "$BATS_TEST_TMPDIR/blocks"
    [ "$(wc -l < "$BATS_TEST_TMPDIR/blocks")" -eq "$(grep -c '^```[a-z]\|^<!-- run' "$PAGE")" ]
    printf '```yaml\na: b\n```\n' > "$BATS_TEST_TMPDIR/page.md"
    run "$VAGGA_BATS/fixtures/guide" blocks "$BATS_TEST_TMPDIR/page.md"
    [ "$status" -eq 1 ] && contains "$output" 'page.md:1: nothing runs this block'
    printf '```console\n# true\n```\n' > "$BATS_TEST_TMPDIR/page.md"
    run "$VAGGA_BATS/fixtures/guide" blocks "$BATS_TEST_TMPDIR/page.md"
    [ "$status" -eq 1 ] && contains "$output" 'expects nothing'
    printf '```sh\ntrue\n```\n```console\n# echo a; exit 3\nb\n[exit 3]\n```\n' > "$BATS_TEST_TMPDIR/page.md"
    run "$VAGGA_BATS/fixtures/guide" run "$BATS_TEST_TMPDIR/page.md"
    [ "$status" -eq 1 ] && contains "$output" 'page.md:4: # echo a'
}

@test "the messages of the troubleshooting table are those of the programs" {
    local text n=0
    while read -r text; do
        grep -rqF -- "$text" "$VAGGA_SOURCE/src" || { echo "nobody says: $text"; return 1; }
        n=$((n + 1))
    done < <(awk '/^\| message /{ table = 1; next } !/^\|/{ table = 0 } table && /^\| `/' "$PAGE" |
        sed -E 's/^\| (``?)(.*)\1 \|.*\|.*\|$/\2/; s/"$/{:?}/')
    [ "$n" -ge 20 ]
}
