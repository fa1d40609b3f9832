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
