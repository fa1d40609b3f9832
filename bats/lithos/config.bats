# Files of configuration as users write them and as nobody should: the examples of the manual and damaged files.
bats_require_minimum_version 1.5.0

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

# split LEVEL: the examples of the manual's page as LEVEL.1.yaml, LEVEL.2.yaml…
split() {
    awk -v level="$1" '/^```yaml /{ if ($2 == level) file = level "." ++n ".yaml"; next }
        /^```/{ file = "" } file{ print > file }' "$PAGE"
}

page() {
    PAGE=${VAGGA_DOCS:-$BATS_TEST_DIRNAME/../../docs}/lithos-config.md
    [ -f "$PAGE" ] || skip "the manual is not here"
}

@test "examples of container files pass" {
    page
    split container
    local file n=0
    for file in container.*.yaml; do
        run lithos_check --check-container "$file"
        [ "$status" -eq 0 ] && [ -z "$output" ] || { cat "$file"; echo "$output"; false; }
        n=$((n + 1))
    done
    [ "$n" -ge 12 ]
}

@test "the other examples pass on a machine that has what they name" {
    page
    local level file
    for level in master sandbox processes; do split "$level"; done
    mkdir -p bin sandboxes processes dev/pts "images/web.2026-11-23"/{dev,sys,proc,tmp,config,data}
    cp "$(command -v lithos_check)" bin/
    : > bin/lithos_tree; : > bin/lithos_knot
    # The directory of devices is this test's; everything else is as in the manual.
    grep -v '^devfs-dir\|^sandboxes-dir\|^processes-dir' master.1.yaml > master.yaml
    printf 'devfs-dir: %s\n' "$PWD/dev" >> master.yaml
    # Of paths on disks that are not here the check warns.
    cat sandbox.*.yaml | sed '/^max-io:/,/^[^ ]/{/^max-io:\|^ /d}' | grep -v '^image-dir:\|^  bridge:\|^output-\|^config-file' |
        sed "s|^bridged-network:|&\n  bridge: lo|" > sandboxes/shop.yaml
    echo "image-dir: $PWD/images" >> sandboxes/shop.yaml
    cp processes.1.yaml processes/shop.yaml
    local config=images/web.2026-11-23/config
    printf 'executable: /bin/x\nvariables: {port: !TcpPort, region: !Name}\n' > $config/web.yaml
    printf 'executable: /bin/x\nkind: Command\n' > $config/migrate.yaml
    run bin/lithos_check -C master.yaml
    [ "$status" -eq 0 ] && [ -z "$output" ] || { cat sandboxes/shop.yaml; echo "$output"; false; }
    # Spare instances need addresses, too.
    sed -i 's/, 10.88.0.13\]/]/' processes/shop.yaml
    run bin/lithos_check -C master.yaml
    [ "$status" -eq 1 ] && [[ "$output" == *shop/web.3* ]]
    cp processes.1.yaml processes/shop.yaml
    cat sandbox.*.yaml | grep '^output-' >> sandboxes/shop.yaml
    run bin/lithos_check -C master.yaml
    [ "$status" -eq 0 ] && [ -z "$output" ]
}

# refused FILE: exit 1 with the name of the file, in little time and memory.
refused() {
    run timeout 10 bash -c 'ulimit -v 1000000; exec lithos_check --check-container "$1"' - "$1"
    [ "$status" -eq 1 ] && [[ "$output" == *"$1"* ]] || { echo "$1: $status: ${output:0:500}"; false; }
}

@test "damaged files are refused, whatever they are" {
    printf 'executable: /bin/x\0\n' > nul.yaml
    printf 'executable: /bin/\xff\xfe\n' > latin.yaml
    printf 'executable: [\n' > open.yaml
    printf 'executable: /bin/x\n\targuments: []\n' > tab.yaml
    printf 'executable: /bin/x\nexecutable: /bin/y\n' > twice.yaml
    printf -- '- a\n- b\n' > list.yaml
    printf 'executable: {a: b}\n' > mapping.yaml
    printf 'executable: /bin/x\nmetadata: *nobody\n' > alias.yaml
    { printf 'executable: /bin/x\nmetadata: '; head -c 100000 /dev/zero | tr '\0' '['; } > deep.yaml
    { printf 'executable: /bin/x\nmetadata: '; head -c 2000000 /dev/zero | tr '\0' a; } > large.yaml
    { printf 'executable: /bin/x\n_0: &a0 [x, x]\n'
      local i; for i in $(seq 1 60); do echo "_$i: &a$i [*a$((i - 1)), *a$((i - 1))]"; done
      echo 'arguments: *a60'; } > bomb.yaml
    mkdir directory.yaml
    ln -s loop.yaml loop.yaml
    local file
    for file in *.yaml; do refused "$file"; done
}

@test "all errors of a file are said, with line and column" {
    printf 'executable: /bin/x\nkill-timeout: 90000\nmemory-limt: 1\ninteractive: yes\n' > c.yaml
    run lithos_check --check-container c.yaml
    [ "$status" -eq 1 ]
    [[ "$output" == *c.yaml:2:* && "$output" == *c.yaml:3:* && "$output" == *c.yaml:4:* ]]
    [[ "$output" == *'did you mean "memory-limit"'* ]]
}
