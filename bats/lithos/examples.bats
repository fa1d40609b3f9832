#!/usr/bin/env bats
# Every example of docs/lithos-config.md is started under lithos_tree; a unit test of the configuration sees to it that every key of
# all four files is in one of them. What cannot be started word by word is in the list at the top of fixtures/examples, with the reason.
# bats file_tags=root,young

load lithos.bash
load machine.bash

setup() {
    PAGE=$VAGGA_DOCS/lithos-config.md
    setup_machine
}

teardown() { remove_slices; }

bridges() { unshare --net ip link add br0 type bridge 2>/dev/null; }

# bats test_tags=root
@test "every example of every key starts, and stays" {
    needs ssh-keygen ip
    bridges || skip 'no bridges here'
    run on_machine "$VAGGA_BATS/fixtures/examples" "$PAGE"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ "$output" == "$(grep -c '^```yaml' "$PAGE") examples ran, "* ]]
}

# bats test_tags=root
@test "an example that does not start fails the test" {
    needs ssh-keygen ip
    bridges || skip 'no bridges here'
    sed '0,/^executable: .*/s||executable: /usr/bin/nothing|' "$PAGE" > "$BATS_TEST_TMPDIR/page.md"
    run on_machine "$VAGGA_BATS/fixtures/examples" "$BATS_TEST_TMPDIR/page.md"
    [ "$status" -eq 1 ]
    contains "$output" 'containers/c1.0'
}
