#!/usr/bin/env bats
# !Debian, !Ubuntu and apt against a tiny repository of our own: no network.
load project

setup() {
    command -v gpg >/dev/null || skip "gpg is not installed"
    command -v gpgv >/dev/null || skip "gpgv is not installed"
}

repository() { "$VAGGA_BATS/fixtures/debian-repository" "$PROJECT/repo" "$@"; }

# A project with container d from the repository; further steps on standard input.
debian_project() {
    rm -f "$BATS_TEST_TMPDIR/project/busybox.tar"
    write_project < <(
        printf 'containers:\n  d:\n    setup:\n    - !DebianRelease { codename: fix, mirror: "file:%s/repo"%s }\n' \
            "$BATS_TEST_TMPDIR/project" "${1-, keyring: repo/key.asc}"
        cat
    )
}

# The build fails and says all of these.
refuses() {
    run vagga _build --force d
    [ "$status" -eq 121 ] || { echo "status $status: $output"; false; }
    for part; do contains "$output" "$part"; done
    [ ! -e .vagga/d ]
}

# Runs the Python program $1, a server, until the test ends; it writes its port to `port`.
server() {
    rm -f port
    python3 -u "$@" > server.log 2>&1 &
    SERVER=$!
    for _ in $(seq 200); do [ -s port ] && break; sleep 0.05; done
    PORT=$(cat port)
}

# Kills the server also when a test fails.
teardown() {
    [ -z "${SERVER:-}" ] || kill $SERVER 2>/dev/null || true
    clean_project
}

@test "a signed repository becomes a configured system" {
    debian_project </dev/null
    repository fix
    run vagga _build d
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    cd .vagga/d
    [ "$(readlink bin)" = usr/bin ]
    [ "$(cat etc/issue)" = fixture ] && [ ! -e etc/issue.dpkg-new ]
    [ "$(grep -c '^Status: install ok installed' var/lib/dpkg/status)" = 6 ]
    grep -A1 '^Package: libapt' var/lib/dpkg/status && grep -q '^Version: 1.0' var/lib/dpkg/status
    [ "$(cat var/lib/dpkg/triggers/ldconfig)" = "" ] || [ ! -e var/lib/dpkg/triggers/ldconfig ]
    [ "$(head -n 3 var/log/calls)" = $'preinst base-passwd\npreinst base-files\nservices: 101' ]
    [ ! -e usr/sbin/policy-rc.d ]
    [ "$(cat var/lib/dpkg/info/dpkg:*.list | tail -n 1)" = /usr/bin/dpkg-query ]
    grep -q '^Signed-By: /etc/apt/keyrings/debian.asc' etc/apt/sources.list.d/debian.sources
    cmp etc/apt/keyrings/debian.asc "$PROJECT/repo/key.asc"
    [ "$(stat -c %a tmp)" = 1777 ]
    grep -q 'base-files' ../debian-packages.txt
}

# bats test_tags=ids
@test "owners of package files are kept" {
    debian_project </dev/null
    repository fix
    vagga _build d
    run vagga _run d sh -c 'stat -c "%g %a" /var/local'
    [ "$output" = "50 2775" ]
}

@test "the links of merged /usr are made where base-files does not bring them" {
    debian_project </dev/null
    repository fix --unmerged
    run vagga _build d
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ "$(readlink .vagga/d/bin)" = usr/bin ] && [ "$(readlink .vagga/d/sbin)" = usr/sbin ]
    [ -x .vagga/d/usr/bin/busybox ]
}

@test "an unknown key is refused, trusted: true accepts it with a warning" {
    debian_project "" </dev/null
    repository fix
    refuses "not in the keyring" "keyring"
    debian_project ", trusted: true" </dev/null
    run vagga _build d
    [ "$status" -eq 0 ]
    contains "$output" "not verified"
    grep -q '^Trusted: yes' .vagga/d/etc/apt/sources.list.d/debian.sources
}

@test "a changed release file and one without signature are refused" {
    debian_project </dev/null
    repository fix
    sed -i 's/^Origin: Fixture/Origin: Fixturf/' repo/dists/fix/InRelease
    refuses "InRelease" "BAD signature"
    printf 'Origin: Fixture\nSuite: fix\n' > repo/dists/fix/InRelease
    refuses "not one clear-signed message"
    cat repo/dists/fix-updates/InRelease > repo/dists/fix/InRelease
    refuses 'asked for suite "fix"' '"fix-updates"'
}

@test "no verifier: says what to install" {
    debian_project </dev/null
    repository fix
    mkdir bin
    for tool in vagga newuidmap newgidmap; do
        path=$(command -v $tool) && ln -s "$path" bin/
    done
    run env PATH="$PWD/bin" vagga _build d
    [ "$status" -eq 121 ]
    contains "$output" "neither gpgv nor sqv is installed"
    contains "$output" "install gpgv"
}

@test "stale and replayed release files" {
    debian_project </dev/null
    repository fix --date 1700000000 --valid 1700600000
    refuses "out of date since 2023-11-21"
    repository fix
    vagga _build d
    cp -r repo/dists good
    repository fix --date 1700000000
    run vagga _build --force d
    [ "$status" -eq 0 ]
    contains "$output" "older than the one of"
}

@test "index and package files with a wrong digest are refused and not kept" {
    debian_project </dev/null
    repository fix
    cp -r repo good
    printf 'x' | dd of="$(echo repo/pool/main/busybox_*.deb)" bs=1 seek=1000 conv=notrunc 2>/dev/null
    refuses "busybox" "sha256"
    for file in repo/dists/fix/main/binary-*/Packages.xz; do printf junk >> "$file"; done
    rm -rf .vagga/.cache/debian/plans .vagga/.cache/debian/sha256
    refuses "Packages.xz" "bytes instead of"
    rm -rf repo; mv good repo
    run vagga _build d
    [ "$status" -eq 0 ] || { echo "$output"; false; }
}

@test "an incomplete mirror" {
    debian_project </dev/null
    repository fix --by-hash
    rm repo/pool/main/busybox_*.deb
    refuses "busybox" "does not exist on the mirror"
    rm -r repo/dists/fix-updates
    repository fix
    rm -r repo/dists/fix-security
    run vagga _build d
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    contains "$output" '"fix-security": going on without'
    rm -r repo/dists/fix
    rm -r .vagga/d .vagga/.roots
    refuses 'has no suite "fix"' debian-mirror
}

@test "a warm cache needs neither index nor packages" {
    debian_project </dev/null
    repository fix
    vagga _build d
    rm -r repo/pool repo/dists/*/main
    run vagga _build --force d
    [ "$status" -eq 0 ] || { echo "$output"; false; }
}

@test "builds that fetch the same packages at the same time do not disturb each other" {
    write_project </dev/null
    repository fix
    server "$VAGGA_BATS/fixtures/serve" repo port
    for name in a b c; do
        printf '%s: {setup: [!Env {NAME: %s}, !DebianRelease {codename: fix, mirror: "http://127.0.0.1:%s", keyring: repo/key.asc}]}\n' \
            "$name" "$name" "$PORT"
    done | sed '1i containers:' | sed '2,$s/^/  /' > vagga.yaml
    for round in 1 2; do
        # Left by a build that was killed, twice by process 1 of a PID namespace.
        mkdir -p .vagga/.cache/debian/tmp/build.left
        touch .vagga/.cache/debian/tmp/{unpack.1.0,unpack.1.1,build.left/verify}
        pids=()
        for name in a b c; do vagga _build "$name" > "$name.log" 2>&1 & pids+=($!); done
        for pid in "${pids[@]}"; do wait "$pid" || { cat ./*.log; false; }; done
        for name in a b c; do
            [ "$(grep -c '^Status: install ok installed' ".vagga/$name/var/lib/dpkg/status")" = 6 ]
        done
        for file in .vagga/.cache/debian/sha256/*/*; do
            [ "$(sha256sum < "$file")" = "${file##*/}  -" ]
        done
        [ -z "$(ls -d .vagga/.cache/debian/tmp/build.* 2>/dev/null)" ]
        vagga _clean --everything
    done
}

@test "unknown variant, missing component" {
    debian_project ", variant: huge" </dev/null
    repository fix
    refuses 'unknown variant "huge"' minbase
    debian_project ", keyring: repo/key.asc, components: [main, extra]" </dev/null
    refuses 'no packages of component "extra"'
}

@test "packages, build dependencies and sources by apt" {
    debian_project <<'YAML'
    - !BuildDeps [bc=1.0, tool]
    - !Install [tool, other]
    - !UbuntuRepo { url: "http://example.org/deb", suite: noble, components: [main, extra] }
    - !UbuntuRepo { url: "http://example.org/un", suite: ./, components: [], trusted: true }
    - !Repo contrib
    - !AptTrust { keys: [ repo/key.asc ] }
    - !Install [last]
YAML
    repository fix
    run vagga _build d
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    cd .vagga/d
    run grep -v -e Sandbox -e 'archive seen' var/log/calls
    contains "$output" 'apt-get update -q
apt-get install -q -y -- bc=1.0 tool
apt-get install -q -y -- tool other
apt-get update -q
apt-get install -q -y -- last
apt-mark auto bc
apt-get autoremove --simulate -q'
    contains "$output" 'apt-get autoremove --purge -q -y'
    [ ! -e usr/bin/bc ] && [ -x usr/bin/tool ] && [ -x usr/bin/last ]
    [ "$(cat etc/apt/sources.list.d/4cdd20f7-noble.list)" = "deb http://example.org/deb noble main extra" ]
    grep -h '^deb' etc/apt/sources.list.d/*.list | grep -F "deb [trusted=yes] http://example.org/un ./"
    grep -h '^deb' etc/apt/sources.list.d/*.list |
        grep -F "deb [signed-by=/etc/apt/keyrings/debian.asc] file:$PROJECT/repo fix contrib"
    [ -s etc/apt/trusted.gpg.d/vagga-key.asc ]
    [ "$(ls var/lib/apt/lists)" = partial ]
    [ -z "$(ls var/cache/apt/archives)" ]
    [ -e ../../../.cache/apt-cache/archives/tool_1_all.deb ]
    [ -e ../../../.cache/apt-lists-fix/fixture_Packages ]
}

@test "derived containers go on with the packages of their base" {
    debian_project <<'YAML'
    - !Install [tool]
    - !BuildDeps [helper]
  e:
    setup:
    - !Container d
    - !BuildDeps [tool, bc]
    - !Install [more]
YAML
    repository fix
    run vagga _build e
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ -x .vagga/e/usr/bin/tool ] && [ -x .vagga/e/usr/bin/more ]
    [ ! -e .vagga/e/usr/bin/bc ] && [ ! -e .vagga/e/usr/bin/helper ]
    [ ! -e .vagga/e/usr/sbin/policy-rc.d ]
}

@test "a step that runs alone behind kept layers has apt as the steps before have left it" {
    debian_project <<'YAML'
    - !Install [tool]
    - !BuildDeps [bc, helper]
    - !Sh "touch /work/ran; [ -x /usr/bin/bc ] && : v1"
YAML
    repository fix
    vagga _build d 2>log || { cat log; false; }
    mkdir first && cp -a .vagga/d/var/lib/dpkg/status first/
    for version in v2 v3; do
        sed -i "s/: v[0-9]/: $version/" vagga.yaml
        [ "$version" = v2 ] || echo '    - !Install [more]' >> vagga.yaml
        rm ran
        run vagga _build d
        [ "$status" -eq 0 ] || { echo "$output"; false; }
        lacks "$output" '!DebianRelease'
        lacks "$output" '!BuildDeps'
        [ -e ran ]
        [ ! -e .vagga/d/usr/bin/bc ] && [ ! -e .vagga/d/usr/bin/helper ] && [ -x .vagga/d/usr/bin/tool ]
        [ ! -e .vagga/d/usr/sbin/policy-rc.d ] && [ -z "$(find .vagga/d/var/cache/apt .vagga/d/var/lib/apt/lists -type f)" ]
        [ -e .vagga/d/../debian-packages.txt ]
        [ ! -e ".vagga/d$PROJECT" ]
    done
    [ -x .vagga/d/usr/bin/more ]
}

@test "Ubuntu's own steps are refused on Debian, base systems only once, packages only with one" {
    debian_project <<'YAML'
    - !UbuntuUniverse
YAML
    repository fix
    refuses "needs Ubuntu" "Debian fix"
    debian_project <<'YAML'
    - !DebianRelease { codename: other }
YAML
    refuses "Debian other" "Debian fix" "already initialised"
    rm busybox.tar
    write_project <<<'containers: { d: { setup: [ !Install [x] ] } }'
    refuses "linux distribution"
    rm busybox.tar
    write_project <<<'containers: { d: { setup: [ !Debian ../x ] } }'
    refuses "bad codename"
}

# The host's keyring directory is covered in a private mount namespace.
# bats test_tags=root
@test "Ubuntu: defaults, locale, chfn, universe, eatmydata" {
    write_project <<'YAML'
containers:
  d:
    setup:
    - !Ubuntu noble
    - !UbuntuUniverse
    - !UbuntuRepo { components: [universe] }
    - !Install [tool]
YAML
    repository noble --family ubuntu
    mkdir keyrings
    gpg --homedir "$PWD/keyrings" --dearmor < repo/key.asc > keyrings/ubuntu-archive-keyring.gpg 2>/dev/null
    export VAGGA_SETTINGS="ubuntu-mirror: file:$PROJECT/repo"
    run unshare --mount --propagation private sh -c \
        'mount --bind keyrings /usr/share/keyrings && RUST_LOG=info vagga _build d'
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    contains "$output" "Eatmydata activated"
    cd .vagga/d
    [ -d usr/lib/locale/en_US.utf8 ]
    [ "$(ls var/lib/apt/lists)" = partial ] && [ -z "$(find var/log/apt var/log/dpkg.log -type f 2>/dev/null)" ]
    grep -q '^ii  tool' ../debian-packages.txt
    [ ! -e usr/sbin/policy-rc.d ] && grep -qx 'services: 101' var/log/calls
    [ "$(readlink usr/bin/chfn)" = /bin/true ]
    [ "$(wc -l < etc/apt/sources.list.d/universe.list)" = 3 ]
    [ -e etc/apt/sources.list.d/78123245-noble.list ]
    grep -q '^Suites: noble noble-updates noble-security' etc/apt/sources.list.d/ubuntu.sources
    [ -e ../../../.cache/apt-lists-noble/fixture_Packages ]
}

@test "apt sees archives of the host's directories while the container is built" {
    debian_project <<'YAML'
    - !Install [tool]
    - !Sh "test -r $(sed -n 's/^URIs: file://p' /etc/apt/sources.list.d/debian.sources)/dists/fix/InRelease"
  e:
    setup:
    - !Container d
    - !Install [more]
YAML
    repository fix
    run vagga _build e
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    lacks "$output" "cannot use"
    [ "$(grep -c 'archive seen' .vagga/e/var/log/calls)" = 2 ]
    [ ! -e "repo/touched" ]
    # Nothing of the directories that it was mounted on is in the images.
    [ ! -e ".vagga/d/tmp/${PROJECT#/tmp/}" ] && [ ! -e ".vagga/d$PROJECT" ] && [ ! -e ".vagga/e$PROJECT" ]
}

@test "archives outside of the project are shown only if the settings name them" {
    debian_project </dev/null
    repository fix
    mkdir "$BATS_TEST_TMPDIR/other"
    mv repo "$BATS_TEST_TMPDIR/other/"
    cp "$BATS_TEST_TMPDIR/other/repo/key.asc" .
    url="file:$BATS_TEST_TMPDIR/other/repo"
    echo "containers: { d: { setup: [ !DebianRelease { codename: fix, mirror: '$url', keyring: key.asc } ] } }" > vagga.yaml
    run vagga _build d
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    contains "$output" "apt in the container cannot use"
    echo "containers: { d: { setup: [ !DebianRelease { codename: fix, keyring: key.asc }, !Install [tool] ] } }" > vagga.yaml
    VAGGA_SETTINGS="debian-mirror: $url" run vagga _build d
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    lacks "$output" "cannot use"
    [ -x .vagga/d/usr/bin/tool ]
    [ ! -e ".vagga/d$BATS_TEST_TMPDIR" ]
}

@test "_clean --cache removes packages that no build used for long" {
    debian_project <<<'    - !Install [tool]'
    repository fix
    vagga _build d
    deb=.vagga/.cache/apt-cache/archives/tool_1_all.deb
    [ -e "$deb" ]
    run vagga _clean --cache
    [ "$status" -eq 0 ] && [ -z "$output" ]
    run vagga _clean --cache --at-least 0s -n
    [ "$status" -eq 0 ]
    contains "$output" 'Would remove'
    contains "$output" '/apt-cache/archives/tool_1_all.deb"'
    [ "$(find .vagga/.cache/debian/sha256 -type f | wc -l)" -ge 7 ] && [ -e "$deb" ]
    # What a build uses stays.
    run flock -s .vagga/.cache/debian/lock vagga _clean --cache --at-least 0s
    [ "$status" -eq 0 ]
    contains "$output" 'in use by another process'
    [ "$(find .vagga/.cache/debian/sha256 -type f | wc -l)" -ge 7 ] && [ ! -e "$deb" ]
    vagga _clean --cache --at-least 0s
    [ "$(find .vagga/.cache/debian/sha256 -type f | wc -l)" = 0 ]
    run vagga _build --force d
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    run vagga _clean --cache --global
    [ "$status" -eq 2 ]
    run vagga _clean --tmp --at-least 1day
    [ "$status" -eq 122 ]
}

# The host's apt configuration is covered in a private mount namespace.
# bats test_tags=root
@test "the proxy of the host's apt is used where no variable names one" {
    debian_project </dev/null
    repository fix
    cat > proxy.py <<'PY'
import http.server, sys
class Proxy(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        assert self.path.startswith("http://no-such-host.invalid/"), self.path
        self.path = self.path[len("http://no-such-host.invalid"):]
        super().do_GET()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
open("port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
    server proxy.py
    mkdir parts
    echo "Acquire { http { Proxy \"http://127.0.0.1:$PORT\"; Proxy::local.example \"DIRECT\"; }; };" > parts/99proxy
    cat > vagga.yaml <<'YAML'
containers:
  d:
    setup:
    - !DebianRelease { codename: fix, mirror: "http://no-such-host.invalid/repo", keyring: repo/key.asc }
    - !Sh "grep Proxy $APT_CONFIG > /proxy"
YAML
    with_parts() { unshare --mount --propagation private sh -c 'mount --bind parts /etc/apt/apt.conf.d && "$@"' _ "$@"; }
    run with_parts vagga _build d
    kill $SERVER
    [ "$status" -eq 0 ] || { echo "$output"; cat server.log; false; }
    grep -q "GET http://no-such-host.invalid/repo/dists/fix/InRelease" server.log
    [ "$(cat .vagga/d/proxy)" = "Acquire::http::Proxy \"http://127.0.0.1:$PORT\";
Acquire::http::Proxy::local.example \"DIRECT\";
Acquire::https::Proxy \"http://127.0.0.1:$PORT\";
Acquire::https::Proxy::local.example \"DIRECT\";" ]
    # A variable is stronger, and apt sees it as it is.
    rm -r .vagga/.cache/debian
    run with_parts env http_proxy=http://127.0.0.1:1 https_proxy=http://127.0.0.1:1 vagga _build --force d
    [ "$status" -eq 121 ]
    contains "$output" "InRelease"
    # The setting switches all of it off.
    VAGGA_SETTINGS="proxy-env-vars: false" run with_parts vagga _build --force d
    [ "$status" -eq 121 ]
}

@test "variant essential comes without apt" {
    debian_project ", keyring: repo/key.asc, variant: essential" </dev/null
    repository fix
    run vagga _build d
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    cd .vagga/d
    [ "$(grep -c '^Status: install ok installed' var/lib/dpkg/status)" = 4 ]
    [ ! -e var/lib/apt/lists ] && [ ! -e var/cache/apt ] && [ ! -e usr/sbin/policy-rc.d ]
    cd "$PROJECT"
    rm -r .vagga
    debian_project ", keyring: repo/key.asc, variant: essential" <<<'    - !Install [tool]'
    refuses "has no apt-get" "minbase"
}

@test "a foreign architecture: works if its programs run, says what to install if not" {
    debian_project ", keyring: repo/key.asc, arch: s390x" </dev/null
    repository fix --arch s390x
    run vagga _build d
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    grep -q '^Architecture: s390x' .vagga/d/var/lib/dpkg/status
    rm -r .vagga/d repo/pool
    repository fix --arch s390x --foreign
    refuses "programs of architecture s390x do not run on this machine" "Exec format error" "qemu-user-static"
}

# Makes root.tar.gz, a root like Ubuntu's, from the repository; sets the mirror.
ubuntu_tarball() {
    debian_project </dev/null
    repository noble
    sed -i 's/codename: fix/codename: noble/' vagga.yaml
    vagga _build d
    tar -C .vagga/d --exclude ./dev --exclude ./proc --exclude ./sys -czf root.tar.gz .
    rm .vagga/d
    export VAGGA_SETTINGS="ubuntu-mirror: file:$PROJECT/repo"
}

@test "Ubuntu from a root tarball" {
    ubuntu_tarball
    cat > vagga.yaml <<'YAML'
containers:
  u: { setup: [ !UbuntuRelease { url: ./root.tar.gz }, !UbuntuUniverse, !Install [tool] ] }
  broken: { setup: [ !UbuntuRelease { url: ./busybox.tar } ] }
  none: { setup: [ !UbuntuRelease { url: ./none.tar } ] }
YAML
    run vagga _build u
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    cd .vagga/u
    grep -q '^Suites: noble noble-updates noble-security' etc/apt/sources.list.d/ubuntu.sources
    [ "$(wc -l < etc/apt/sources.list.d/universe.list)" = 3 ]
    [ -x usr/bin/tool ] && [ "$(readlink usr/bin/chfn)" = /bin/true ]
    grep -q 'install -q -y -- locales' var/log/calls
    [ ! -e usr/sbin/policy-rc.d ]
    cd "$PROJECT"
    run vagga _build broken
    [ "$status" -eq 121 ]
    contains "$output" lsb-release
    run vagga _build none
    [ "$status" -eq 121 ]
    contains "$output" none.tar
}

# Of the key that signs the repository.
fingerprint() {
    mkdir -m 700 "$BATS_TEST_TMPDIR/gnupg"
    gpg --homedir "$BATS_TEST_TMPDIR/gnupg" --with-colons --show-keys repo/key.asc 2>/dev/null |
        sed -n 's/^fpr:*\([0-9A-F]*\):.*/\1/p' | head -n 1
}

# Starts the hosts of directory `hosts`, reached by the variables that are set.
start_hosts() {
    command -v openssl >/dev/null || skip "openssl is not installed"
    server "$VAGGA_BATS/fixtures/https-hosts" hosts .
    export https_proxy=http://127.0.0.1:$PORT http_proxy=http://127.0.0.1:$PORT SSL_CERT_FILE=$PROJECT/ca.pem
}

@test "keys come from key servers, and only the ones asked for" {
    debian_project <<'YAML'
    - !AptTrust { server: "hkps://keys.example", keys: [ FINGERPRINT ] }
YAML
    repository fix
    id=$(fingerprint)
    sed -i "s/FINGERPRINT/$id/" vagga.yaml
    lookup="lookup?op=get&options=mr&search=0x"
    mkdir -p hosts/keys.example/pks
    cp repo/key.asc "hosts/keys.example/pks/$lookup$id"
    start_hosts
    run vagga _build d
    [ "$status" -eq 0 ] || { echo "$output"; cat server.log; false; }
    cmp repo/key.asc ".vagga/d/etc/apt/trusted.gpg.d/vagga-$id.asc"
    # The server is away: the key of before is used.
    rm "hosts/keys.example/pks/$lookup$id"
    run vagga _build --force d
    [ "$status" -eq 0 ]
    contains "$output" "using the key from the cache"
    rm -r .vagga/.cache/debian/keys .vagga/d .vagga/.roots
    refuses "$id" "404" "is the key server reachable?"
    # Another key than the one asked for.
    other=$(tr 0-9A-F 1-9A-F0 <<<"$id")
    cp repo/key.asc "hosts/keys.example/pks/$lookup$other"
    sed -i "s/$id/$other/" vagga.yaml
    refuses "did not send key $other (but $id)"
    sed -i "s/$other/nonsense/" vagga.yaml
    refuses 'bad key "nonsense"'
}

@test "a PPA comes with the key that its description names" {
    ubuntu_tarball
    echo 'containers: { d: { setup: [ !UbuntuRelease { url: ./root.tar.gz }, !UbuntuPPA some/tools, !Install [tool] ] } }' > vagga.yaml
    id=$(fingerprint)
    mkdir -p hosts/api.launchpad.net/devel/~some/+archive/ubuntu hosts/keyserver.ubuntu.com/pks
    echo "{\"signing_key_fingerprint\": \"$id\"}" > hosts/api.launchpad.net/devel/~some/+archive/ubuntu/tools
    cp repo/key.asc "hosts/keyserver.ubuntu.com/pks/lookup?op=get&options=mr&search=0x$id"
    start_hosts
    run vagga _build d
    [ "$status" -eq 0 ] || { echo "$output"; cat server.log; false; }
    cmp repo/key.asc ".vagga/d/etc/apt/trusted.gpg.d/vagga-$id.asc"
    grep -h '^deb' .vagga/d/etc/apt/sources.list.d/*noble.list | grep -Fx 'deb https://ppa.launchpadcontent.net/some/tools/ubuntu noble main'
    rm .vagga/d
    sed -i 's#some/tools#some/none#' vagga.yaml
    refuses "some/+archive/ubuntu/none" "does the PPA exist?"
    sed -i 's#some/none#none#' vagga.yaml
    refuses 'bad PPA "none"'
}
