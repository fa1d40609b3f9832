# Sourced by every .bats file of this folder: a fresh copy of a small project for each test.
#
# setup_project NAME   copies vagga-tests/NAME to $PROJECT, changes there; busybox.tar is put beside vagga.yaml
# Everything below $PROJECT is removed after the test, whoever owns it.
bats_require_minimum_version 1.5.0

setup_project() {
    PROJECT=$BATS_TEST_TMPDIR/$1
    cp -r "$VAGGA_TESTS/$1" "$PROJECT"
    ln -f "$VAGGA_FIXTURES/busybox.tar" "$PROJECT/busybox.tar" 2>/dev/null || cp -f "$VAGGA_FIXTURES/busybox.tar" "$PROJECT/"
    cd "$PROJECT" || return 1
}

# A project made of the vagga.yaml on standard input.
write_project() {
    PROJECT=$BATS_TEST_TMPDIR/project
    mkdir -p "$PROJECT"
    cat >"$PROJECT/vagga.yaml"
    ln -f "$VAGGA_FIXTURES/busybox.tar" "$PROJECT/busybox.tar" 2>/dev/null || cp -f "$VAGGA_FIXTURES/busybox.tar" "$PROJECT/"
    cd "$PROJECT" || return 1
}

# A project with the container bb and the commands of standard input; bb is built.
commands() {
    { cat <<'YAML'
containers:
  bb:
    setup:
    - !Tar { url: ./busybox.tar }
    - !EnsureDir /etc/mount
    - !EnsureDir /data
commands:
YAML
    sed 's/^/  /'; } > "$BATS_TEST_TMPDIR/yaml"
    write_project < "$BATS_TEST_TMPDIR/yaml"
    vagga _build bb 2>/dev/null
}

# Starts vagga with these arguments in the background as $pid, waits for the file `started` in the project.
begin() {
    rm -f started
    vagga "$@" > out 2> err &
    pid=$!
    for _ in $(seq 200); do [ -e started ] && return; sleep 0.05; done
    cat out err
    return 1
}

# Plays the Python text of standard input on a terminal.
play() {
    cat > play.py
    run timeout 60 python3 "$VAGGA_BATS/fixtures/terminal.py" play.py
    [ "$status" -eq 0 ] || { echo "$output"; false; }
}

teardown() { clean_project; }

clean_project() {
    cd /
    # Files of subordinate ids can only be removed through vagga itself.
    if [ -n "${PROJECT:-}" ] && [ -d "$PROJECT/.vagga" ]; then
        (cd "$PROJECT" && vagga _clean --everything) >/dev/null 2>&1 || true
    fi
}

# contains TEXT PART: fails with both shown.
contains() {
    [[ "$1" == *"$2"* ]] || { printf 'expected to contain: %s\nbut was:\n%s\n' "$2" "$1"; return 1; }
}

lacks() {
    [[ "$1" != *"$2"* ]] || { printf 'expected not to contain: %s\nbut was:\n%s\n' "$2" "$1"; return 1; }
}
