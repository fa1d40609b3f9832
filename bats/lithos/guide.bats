#!/usr/bin/env bats
# The operator's guide is done from its first line to its last: docs/lithos.md, on a machine that is a private view of this one.
# bats file_tags=root,young

load lithos.bash

setup() {
    PAGE=$VAGGA_DOCS/lithos.md
    W=$BATS_TEST_TMPDIR/machine
    OTHERS=$(slices)
}

teardown() { eventually no_slice; }

slices() { find /sys/fs/cgroup -maxdepth 6 -type d -name lithos.slice 2>/dev/null; }

# Control groups that were not there before the test, which the kernel cannot remove as long as somebody is in them.
ours() { slices | grep -vxF -- "$OTHERS"; }

no_slice() {
    local dir
    for dir in $(ours); do rmdir "$dir"/* "$dir" 2>/dev/null || true; done
    [ -z "$(ours)" ]
}

# on_machine COMMAND…: with file systems, processes and a network of its own; /etc, /var, /run, /srv and the programs of lithos
# may be changed there. What it leaves running ends with it.
on_machine() {
    mkdir -p "$W"/{etc,lib,log,run,srv,bin}
    cp -a /etc/. "$W/etc/"
    rm -rf "$W/etc/lithos" "$W/etc/resolv.conf"
    cp -L /etc/resolv.conf "$W/etc/" 2>/dev/null || : > "$W/etc/resolv.conf"
    cp "${VAGGA_BATS%/*}"/bin/lithos_* "$W/bin/"
    # The shell reaps what the tree leaves behind when it is killed.
    unshare --mount --propagation private --pid --fork --kill-child --mount-proc --net bash -euc '
        W=$1; shift
        for dir in etc:/etc lib:/var/lib log:/var/log run:/run srv:/srv bin:/usr/local/bin; do
            mount --bind "$W/${dir%%:*}" "${dir#*:}"
        done
        ip link set lo up
        export PATH=/usr/local/bin:$PATH
        status=0; "$@" || status=$?
        exit "$status"' - "$W" "$@"
}

# bats test_tags=root
@test "the guide, from nothing to a rolling upgrade and back" {
    [ -x /usr/bin/python3 ] || skip 'no /usr/bin/python3'
    local tool
    for tool in ssh-keygen curl ip; do command -v $tool > /dev/null || skip "no $tool"; done
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
