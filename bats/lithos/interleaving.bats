# Reloads, deaths of tree, knots and processes, and changes of the configuration, in random order, against a model.
# bats file_tags=root,young

setup() {
    load lithos.bash
    load world.bash
    setup_lithos
}

# Nothing is left to this one but what the driver could not end.
teardown() { TREE=; stop_tree; }

# bats test_tags=root
@test "random interleavings for half a minute: what should run runs, exactly once, nothing else" {
    run python3 "$VAGGA_BATS/fixtures/interleaving.py" "$L" 1000 30
    echo "$output"
    [ "$status" -eq 0 ]
    # How many steps that were.
    echo "# $output" >&3
}

# bats test_tags=root,long
@test "1,000 random interleavings" {
    run python3 "$VAGGA_BATS/fixtures/interleaving.py" "$L" 1000 3600
    echo "$output"
    [ "$status" -eq 0 ]
    echo "# $output" >&3
}
