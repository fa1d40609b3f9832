#!/usr/bin/env bats
# Real Debian, PyPI: from the mirrors this host is configured for.
load project

# One download for all tests of this file and of the example.
shared_cache() {
    local cache=${VAGGA_FIXTURES%/fixtures}/cache.$VAGGA_MODE
    mkdir -p "$cache"
    export VAGGA_SETTINGS="cache-dir: $cache"
}

# bats test_tags=network
@test "Debian stable: a sound system, built from verified packages" {
    shared_cache
    write_project <<'YAML'
containers:
  d: { setup: [ !Debian trixie ] }
YAML
    run vagga _build d
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    run --separate-stderr vagga _run d sh -c 'dpkg --audit && cat /etc/debian_version && apt-get --version | head -1'
    [ "$status" -eq 0 ]
    contains "$output" '13.'
    run --separate-stderr vagga _run -W d apt-get check
    [ "$status" -eq 0 ]
    # Every file is as its package says.
    run vagga _run d dpkg --verify
    [ "$status" -eq 0 ] && [ -z "$output" ]
    [ ! -e .vagga/d/usr/sbin/policy-rc.d ]
    [ -s "$(readlink -f .vagga/d)/../debian-packages.txt" ]
    [ -z "$(ls .vagga/d/var/lib/apt/lists | grep _Packages)" ]
    run --separate-stderr vagga _run d sh -c 'LANG=C.UTF-8 locale charmap'
    [ "$output" = UTF-8 ]
}

# bats test_tags=network
@test "packages, build dependencies and a PyPI requirement" {
    shared_cache
    write_project <<'YAML'
containers:
  d:
    setup:
    - !Debian bookworm
    - !BuildDeps [bc]
    - !Install [python3-minimal]
    - !Sh "test $(echo 6*7 | bc) = 42"
    - !Py3Requirements r.txt
YAML
    echo 'six==1.16.0' > r.txt
    run vagga _build d
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    run vagga _run d bc
    [ "$status" -eq 124 ]
    run --separate-stderr vagga _run d python3 -c 'import six; print(six.__version__)'
    [ "$output" = 1.16.0 ]
    run vagga _run d python3 -m pip --version
    [ "$status" -ne 0 ]
    run vagga _run d gcc --version
    [ "$status" -ne 0 ]
    grep -q '^six==1.16.0' "$(readlink -f .vagga/d)/../pip3-freeze.txt"
    [ -n "$(find "${VAGGA_SETTINGS#cache-dir: }" -name '*.deb' -o -path '*debian*' -type f | head -1)" ]
}

# The real program, which Debian's apt brings with it, run by the loader of its own system.
# bats test_tags=network
@test "sqv in place of gpgv: good signatures, bad ones, unknown keys" {
    command -v gpg >/dev/null || skip "gpg is not installed"
    shared_cache
    write_project <<'YAML'
containers:
  d: { setup: [ !Debian trixie ] }
  again: { setup: [ !DebianRelease { codename: trixie, variant: essential } ] }
  fix: { setup: [ !DebianRelease { codename: fix, mirror: "file:REPO", keyring: repo/key.asc } ] }
  other: { setup: [ !DebianRelease { codename: fix, mirror: "file:REPO" } ] }
YAML
    sed -i "s#REPO#$PROJECT/repo#" vagga.yaml
    "$VAGGA_BATS/fixtures/debian-repository" repo fix
    vagga _build d 2>/dev/null
    root=$(readlink -f .vagga/d)
    [ -x "$root/usr/bin/sqv" ]
    mkdir bin
    for tool in vagga newuidmap newgidmap; do
        path=$(command -v $tool) && ln -s "$path" bin/
    done
    printf '#!/bin/sh\necho "$*" >> %s/calls\nexec %s --library-path %s %s "$@"\n' "$PROJECT" \
        "$(echo "$root"/lib*/ld-linux-*.so.*)" "$(echo "$root"/usr/lib/*-linux-gnu*)" "$root/usr/bin/sqv" > bin/sqv
    chmod 755 bin/sqv
    run env PATH="$PROJECT/bin" vagga _build again
    [ "$status" -eq 0 ] || { echo "$output"; cat calls; false; }
    run env PATH="$PROJECT/bin" vagga _build fix
    [ "$status" -eq 0 ] || { echo "$output"; cat calls; false; }
    [ "$(grep -c Release.gpg calls)" -ge 6 ]
    run env PATH="$PROJECT/bin" vagga _build other
    [ "$status" -eq 121 ]
    contains "$output" "not in the keyring"
    sed -i 's/^Origin: Fixture/Origin: Fixturf/' repo/dists/fix/InRelease
    run env PATH="$PROJECT/bin" vagga _build --force fix
    [ "$status" -eq 121 ]
    contains "$output" "InRelease"
    contains "$output" "sqv:"
}

# bats test_tags=network,slow
@test "variants: build tools and a standard system" {
    shared_cache
    write_project <<'YAML'
containers:
  buildd: { setup: [ !DebianRelease { codename: bookworm, variant: buildd }, !Sh "echo 'int main() { return 42; }' | gcc -x c - -o /x" ] }
  standard: { setup: [ !DebianRelease { codename: bookworm, variant: standard } ] }
YAML
    for c in buildd standard; do
        run vagga _build $c
        [ "$status" -eq 0 ] || { echo "$output"; false; }
        run vagga _run $c sh -c 'dpkg --audit && dpkg --verify'
        [ "$status" -eq 0 ] && [ -z "$output" ]
    done
    run vagga _run buildd /x
    [ "$status" -eq 42 ]
    grep -q '^Package: less$' .vagga/standard/var/lib/dpkg/status
}
