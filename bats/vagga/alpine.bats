#!/usr/bin/env bats
# !Alpine, !AlpineRepo and packages against a tiny repository of our own: no network, no apk.
load project

setup() {
    command -v openssl >/dev/null || skip "openssl is not installed"
}

repository() { "$VAGGA_BATS/fixtures/alpine-repository" "$PROJECT/repo" "$@"; }

# A project whose mirror is the fixture: container a is the base, further containers on standard input.
alpine_project() {
    write_project < <(
        printf 'containers:\n  a:\n    setup:\n    - !Alpine v3.20\n'
        cat
    )
    rm -f busybox.tar
    settings 'alpine-keys: repo/fixture-5f3c.rsa.pub'
    repository
}

# Settings of the project besides the mirror.
settings() {
    mkdir -p .vagga
    printf 'alpine-mirror: "file:%s/repo"\n%s\n' "$PROJECT" "$1" >.vagga/settings.yaml
}

# The build of container $1 fails and says the rest.
refuses() {
    local container=$1
    shift
    run vagga _build --force "$container"
    [ "$status" -eq 121 ] || { echo "status $status: $output"; false; }
    for part; do contains "$output" "$part"; done
    [ ! -e ".vagga/$container" ]
}

builds() {
    run vagga _build --force "$1"
    [ "$status" -eq 0 ] || { echo "$output"; false; }
}

# Serves the project as the mirror over HTTP until the test ends.
serve() {
    "$VAGGA_BATS/fixtures/serve" "$PROJECT" "$PROJECT/port" 3>&- &
    SERVER=$!
    for _ in $(seq 200); do [ -s port ] && break; sleep 0.05; done
    printf 'alpine-mirror: http://127.0.0.1:%s/repo\nalpine-keys: repo\n' "$(cat port)" >.vagga/settings.yaml
}

teardown() {
    [ -z "${SERVER:-}" ] || kill "$SERVER"
    clean_project
}

packages() { cut -d' ' -f1 ".vagga/$1/../alpine-packages.txt"; }

calls() { cat ".vagga/$1/var/log/calls"; }

@test "a signed repository becomes a configured system" {
    alpine_project </dev/null
    builds a
    [ "$(cat .vagga/a/etc/apk/repositories)" = "file:$PROJECT/repo/v3.20/main" ]
    [ "$(cat .vagga/a/etc/apk/world)" = alpine-base ]
    [ "$(cat .vagga/a/etc/apk/arch)" = "$(uname -m)" ]
    [ "$(calls a)" = $'post-install 1.36.1-r29\npre-install 3.6.5-r0\ntrigger /bin /sbin /usr/bin /usr/sbin' ]
    [ "$(packages a | head -n 2)" = $'alpine-base-3.20.3-r0\nalpine-baselayout-3.6.5-r0' ]
    [ "$(readlink .vagga/a/bin/sh)" = /bin/busybox ]
    [ "$(stat -c %a .vagga/a/tmp)" = 1777 ] && [ "$(stat -c %a .vagga/a/etc/shadow)" = 640 ]
    grep -qx 'P:busybox-binsh' .vagga/a/lib/apk/db/installed
    grep -q '^Q1.* /bin /usr/bin' .vagga/a/lib/apk/db/triggers
    tar tf .vagga/a/lib/apk/db/scripts.tar | grep -qx 'busybox-1.36.1-r29.X1[0-9a-f]\{40\}.trigger'
    # Nothing of the build stays: no cache, no copies of the host's files, no scripts.
    [ ! -s .vagga/a/etc/hosts ] && [ ! -e .vagga/a/etc/hosts.apk-new ]
    [ ! -e .vagga/a/etc/apk/cache ] && [ -z "$(ls .vagga/a/lib/apk/exec)" ]
    run vagga _run a sh -c 'cat /etc/alpine-release; echo x | awk "{ print 6*7 }"'
    [ "$output" = $'3.20.3\n42' ]
}

# bats test_tags=ids
@test "owners of package files are kept" {
    alpine_project </dev/null
    builds a
    run vagga _run a stat -c '%g %a' /var/local
    [ "$output" = "50 2775" ]
    grep -qx 'M:0:50:2775' .vagga/a/lib/apk/db/installed
}

@test "two builds are alike to the byte" {
    alpine_project <<-'EOF'
	  b: { setup: [ !Container a, !Repo community, !BuildDeps [calc], !Install [checkinstall, docs] ] }
	EOF
    repository --repo community --set extra
    export VAGGA_SETTINGS='index-all-images: true'
    builds b
    vagga _pack_image b > one.tar
    cp "$(readlink -f .vagga/b)/../index.ds1" one.ds1
    sleep 1.1
    for layers in true false; do
        export VAGGA_SETTINGS="{ index-all-images: true, layers: $layers }"
        builds a
        builds b
        run --separate-stderr vagga _verify b --against one.ds1
        [ "$status" -eq 0 ] || { echo "$output"; false; }
        vagga _pack_image b | cmp - one.tar
    done
}

@test "versions are checked" {
    alpine_project </dev/null
    for version in v3.3-1 3.20 v3 ../v3.20; do
        printf 'containers:\n  bad:\n    setup:\n    - !Alpine %s\n' "$version" >vagga.yaml
        refuses bad "Error checking alpine version: \"$version\""
    done
    repository --branch edge
    printf 'containers:\n  a:\n    setup:\n    - !Alpine edge\n' >vagga.yaml
    builds a
    [ "$(cat .vagga/a/etc/apk/repositories)" = "file:$PROJECT/repo/edge/main" ]
}

@test "repositories written before are left alone" {
    alpine_project <<-EOF
	  b:
	    setup:
	    - !EnsureDir /etc/apk
	    - !Text { /etc/apk/repositories: "file:$BATS_TEST_TMPDIR/project/repo/other/main" }
	    - !Alpine v3.20
	EOF
    repository --branch other
    builds b
    [ "$(cat .vagga/b/etc/apk/repositories)" = "file:$PROJECT/repo/other/main" ]
}

@test "the mirror may end with a slash, and keys may be a directory" {
    alpine_project </dev/null
    printf 'alpine-mirror: "file:%s/repo/"\nalpine-keys: repo\n' "$PROJECT" >.vagga/settings.yaml
    builds a
    [ "$(cat .vagga/a/etc/apk/repositories)" = "file:$PROJECT/repo/v3.20/main" ]
}

@test "an index signed with sha256 is accepted" {
    alpine_project </dev/null
    repository --digest sha256
    builds a
}

@test "packages to keep and packages for the build" {
    alpine_project <<-'EOF'
	  b:
	    setup:
	    - !Container a
	    - !Repo community
	    - !BuildDeps [calc, "file~1"]
	    - !Sh calc; file
	    - !Install [checkinstall, docs]
	  c:
	    setup:
	    - !Container b
	    - !Install [calc<1.07, service]
	  d:
	    setup:
	    - !Container b
	    - !BuildDeps [calc]
	    - !Install [calc]
	EOF
    repository --repo community --set extra
    builds b
    contains "$output" "calc 1.07.1-r4"
    # What checkinstall needs stays, though it was a build dependency; calc and what came with it is gone.
    [ "$(packages b | tail -n 5)" = $'checkinstall-1.0-r0\ndocs-1-r0\nfile-1.0-r0\nlibfixture-1.2.3-r0\nlibmagic-1-r0' ]
    [ "$(tr '\n' ' ' <.vagga/b/etc/apk/world)" = "alpine-base checkinstall docs " ]
    [ ! -e .vagga/b/usr/share/calc.1 ]
    run -124 vagga _run b calc
    run vagga _run b checkinstall
    [ "$output" = "checkinstall 1.0-r0" ]
    builds c
    run vagga _run c calc
    [ "$output" = "calc 1.06-r1" ]
    [ "$(calls c | grep service)" = $'service pre 1-r0\nservice post 1-r0\nservice trigger /usr/share/service' ]
    # Build dependencies that are also to be installed stay.
    builds d
    run vagga _run d calc
    [ "$output" = "calc 1.07.1-r4" ]
    [ -e .vagga/d/usr/share/calc.1 ]
}

@test "removed packages leave nothing but changed configuration" {
    alpine_project <<-'EOF'
	  b:
	    setup:
	    - !Container a
	    - !Repo community
	    - !BuildDeps [service, libmagic]
	    - !Sh echo changed > /etc/service.conf; echo changed > /etc/magic
	EOF
    repository --repo community --set extra
    builds b
    [ "$(calls b | grep -A2 deinstall)" = $'service pre-deinstall 1-r0\nservice post-deinstall 1-r0' ]
    [ "$(cat .vagga/b/etc/magic)" = changed ] && [ ! -e .vagga/b/etc/service.conf ] || [ "$(cat .vagga/b/etc/service.conf)" = changed ]
    [ ! -e .vagga/b/usr/share/service ] && [ ! -e .vagga/b/usr/lib/libmagic ]
    ! grep -q service .vagga/b/lib/apk/db/installed .vagga/b/lib/apk/db/triggers || false
    ! tar tf .vagga/b/lib/apk/db/scripts.tar | grep service || false
}

@test "branches and tags" {
    alpine_project <<-'EOF'
	  b:
	    setup:
	    - !Container a
	    - !Repo community
	    - !AlpineRepo { repo: community, branch: edge, tag: c }
	    - !Install [only-edge@c]
	  c:
	    setup:
	    - !Container b
	    - !Install [calc]
	  d:
	    setup:
	    - !Container c
	    - !Install [calc@c]
	  e:
	    setup:
	    - !Container a
	    - !Repo edge/community
	    - !Install [only-edge]
	  f:
	    setup:
	    - !Container b
	    - !Install [only-edge@none]
	  g:
	    setup:
	    - !Container a
	    - !Repo a/b/c
	EOF
    repository --repo community --set extra
    repository --branch edge --repo community --set edge
    builds b
    [ "$(tail -n 2 .vagga/b/etc/apk/repositories)" = \
        "file:$PROJECT/repo/v3.20/community"$'\n'"@c file:$PROJECT/repo/edge/community" ]
    grep -qx 'only-edge@c' .vagga/b/etc/apk/world
    builds c
    [ "$(vagga _run c calc)" = "calc 1.07.1-r4" ]
    builds d
    [ "$(vagga _run d calc)" = "calc 2.0-r0" ] && [ -e .vagga/d/usr/lib/libedge ]
    builds e
    [ "$(tail -n 1 .vagga/e/etc/apk/repositories)" = "file:$PROJECT/repo/edge/community" ]
    builds f
    refuses g "Cannot parse repository string"
}

@test "an upgrade runs its scripts and keeps changed configuration" {
    alpine_project <<-'EOF'
	  b:
	    setup:
	    - !Container a
	    - !Repo community
	    - !Install [libmagic]
	    - !Sh echo mine > /etc/magic
	    - !Repo edge/community
	    - !Install ["libmagic>=2"]
	EOF
    repository --repo community --set extra
    repository --branch edge --repo community --set edge
    builds b
    [ "$(cat .vagga/b/etc/magic)" = mine ] && [ "$(cat .vagga/b/etc/magic.apk-new)" = y ]
    [ -e .vagga/b/usr/lib/libmagic2 ] && [ ! -e .vagga/b/usr/lib/libmagic ]
    [ "$(grep -c '^P:libmagic' .vagga/b/lib/apk/db/installed)" = 1 ]
}

@test "what cannot be had is named" {
    alpine_project <<-'EOF'
	  none: { setup: [ !Container a, !Install [nosuch] ] }
	  version: { setup: [ !Container a, !Repo community, !Install ["calc>3"] ] }
	  both: { setup: [ !Container a, !Repo community, !Install [vi-one, vi-two] ] }
	  conflict: { setup: [ !Container a, !Repo community, !Install [calc, loud] ] }
	  script: { setup: [ !Container a, !Repo community, !Install [broken] ] }
	  bad: { setup: [ !Container a, !Install ["b c"] ] }
	  repo: { setup: [ !Container a, !Repo nosuch, !Install [calc] ] }
	  base: { setup: [ !Install [calc] ] }
	  two: { setup: [ !Container a, !Debian trixie ] }
	  other: { setup: [ !Container a, !UbuntuUniverse ] }
	EOF
    repository --repo community --set extra
    refuses none "nosuch (wanted by the container) cannot be had: no repository has it"
    refuses version "there is only calc-1.06-r1, calc-1.07.1-r4"
    refuses both "does not go together with"
    refuses conflict "does not go together with calc-1.07.1-r4"
    refuses script "post-install script of package broken-1-r0 failed" "oops"
    refuses bad "bad package"
    refuses repo "v3.20/nosuch/$(uname -m)/APKINDEX.tar.gz does not exist"
    refuses base "linux distribution"
    refuses two "Debian trixie" "Alpine v3.20"
    refuses other "Alpine v3.20"
}

@test "a file of another package is not overwritten, unless one replaces the other" {
    alpine_project <<-'EOF'
	  b: { setup: [ !Container a, !Repo community, !Install [file], !Install [file2] ] }
	  c: { setup: [ !Container a, !Repo bad, !Install [zz-last] ] }
	EOF
    repository --repo community --set extra
    repository --repo bad --damage overwrite
    builds b
    [ "$(vagga _run b file)" = file2 ]
    [ "$(grep -c '^R:file$' .vagga/b/lib/apk/db/installed)" = 1 ]
    refuses c "etc/motd" "belongs to package alpine-baselayout-3.6.5-r0"
}

@test "signatures are demanded" {
    alpine_project <<-'EOF'
	  b: { setup: [ !Container a, !AlpineRepo { repo: own, trusted: true }, !Install [only-edge] ] }
	  c: { setup: [ !Container a, !AlpineRepo { repo: own }, !Install [only-edge] ] }
	  d: { setup: [ !Container a, !AlpineRepo { repo: own, keys: [repo/own-77.rsa.pub] }, !Install [only-edge] ] }
	  e: { setup: [ !Container b, !Install [calc] ] }
	EOF
    repository --damage unsigned
    refuses a "it is not signed" "alpine-keys" "trusted: true"
    repository --damage wrong-signature
    refuses a "the signature by fixture-5f3c.rsa.pub is wrong"
    repository --damage unknown-key
    refuses a "signed by stranger.rsa.pub, which is not trusted"
    settings ''
    repository
    refuses a "signed by fixture-5f3c.rsa.pub, which is not trusted"
    settings 'alpine-keys: repo/fixture-5f3c.rsa.pub'
    repository --repo own --set edge --key own-77
    refuses c "own-77.rsa.pub, which is not trusted"
    builds b
    contains "$output" "not verified"
    [ ! -e .vagga/b/etc/apk/keys/own-77.rsa.pub ]
    builds e
    builds d
    cmp .vagga/d/etc/apk/keys/own-77.rsa.pub repo/own-77.rsa.pub
}

@test "broken and hostile repositories are refused" {
    alpine_project <<-'EOF'
	  b: { setup: [ !Container a, !Repo bad, !Install [zz-last] ] }
	EOF
    vagga _build a
    local damage
    for damage in index-lies:"not the one in the index\|says that it is" data:"do not have the digest" \
        package-signature:"signature by fixture-5f3c.rsa.pub is wrong" truncated:"not what the index promises" \
        escape:"leaves the archive" no-datahash:"does not have the digest of the data" adb:"apk v3 (ADB)" \
        entangled:"so:libnone.so.1 (wanted by zz-last-1-r0) cannot be had"; do
        rm -rf repo/v3.20/bad .vagga/.cache
        repository --repo bad --damage "${damage%%:*}"
        run vagga _build --force b
        [ "$status" -eq 121 ] || { echo "${damage%%:*}: status $status: $output"; false; }
        echo "$output" | grep -q "${damage#*:}" || { echo "${damage%%:*}: $output"; false; }
        [ ! -e .vagga/b ]
    done
    [ ! -e "$PROJECT/escaped" ] && [ ! -e "$PROJECT/.vagga/escaped" ]
    repository --repo bad
    head -c 400 repo/v3.20/bad/*/APKINDEX.tar.gz >cut
    cp cut repo/v3.20/bad/*/APKINDEX.tar.gz
    refuses b "APKINDEX.tar.gz cannot be accepted"
    head -c 40 cut >"$(echo repo/v3.20/bad/*/APKINDEX.tar.gz)"
    refuses b "APKINDEX.tar.gz cannot be used"
}

@test "the cache is used, and not believed" {
    alpine_project </dev/null
    builds a
    cache=.vagga/.cache/alpine-cache
    ls $cache/APKINDEX.*.tar.gz $cache/busybox-1.36.1-r29.*.apk
    # Somebody else writes there: the file is fetched again.
    file=$(echo $cache/busybox-1*.apk)
    head -c "$(stat -c %s "$file")" /dev/urandom >damaged && cp damaged "$file"
    builds a
    # Packages that are gone from the mirror are in the cache.
    rm repo/v3.20/main/*/*.apk
    builds a
    echo damaged >>"$(echo $cache/libfixture*.apk)"
    run vagga _build --force a
    [ "$status" -eq 121 ]
    contains "$output" "libfixture"
}

@test "a mirror that does not answer is replaced by the cached index" {
    alpine_project </dev/null
    builds a
    # Names of the cache's files depend on the address.
    sum() { printf %s "$1/v3.20/main" | sha1sum | head -c 8; }
    cp ".vagga/.cache/alpine-cache/APKINDEX.$(sum "file:$PROJECT/repo").tar.gz" \
        ".vagga/.cache/alpine-cache/APKINDEX.$(sum http://127.0.0.1:9).tar.gz"
    printf 'alpine-mirror: http://127.0.0.1:9\nalpine-keys: repo\n' >.vagga/settings.yaml
    builds a
    contains "$output" "using the index from the cache"
    [ "$(cat .vagga/a/etc/apk/repositories)" = http://127.0.0.1:9/v3.20/main ]
}

@test "packages come over HTTP, several at once; a mirror that lies is refused" {
    alpine_project <<-'EOF'
	  b: { setup: [ !Container a, !Repo nosuch, !Install [calc] ] }
	EOF
    serve
    run vagga _build a
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    refuses b "nosuch/$(uname -m)/APKINDEX.tar.gz does not exist"
    rm .vagga/a
    # The same length, another content; then less than announced.
    rm -rf .vagga/.cache
    file=$(echo repo/v3.20/main/*/libfixture-*.apk)
    printf X | dd of="$file" bs=1 seek=600 conv=notrunc 2>/dev/null
    refuses a "libfixture-1.2.3-r0"
    rm -rf .vagga/.cache
    truncate -s -100 "$file"
    refuses a "libfixture-1.2.3-r0"
}

@test "a build goes on behind the layers of an Alpine system" {
    alpine_project <<-'EOF'
	  b:
	    setup:
	    - !Alpine v3.20
	    - !Repo community
	    - !BuildDeps [calc]
	    - !Sh calc one
	EOF
    repository --repo community --set extra
    vagga _build b
    sed -i 's/calc one/calc two/' vagga.yaml
    run vagga _build b
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ "$(packages b | grep -c '^calc')" = 0 ] && [ ! -e .vagga/b/usr/bin/calc ]
    [ ! -e .vagga/b/etc/apk/cache ]
}
