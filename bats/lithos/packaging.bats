# The Debian package and the service files, made of the binaries under test.
bats_require_minimum_version 1.5.0

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

# bats test_tags=root
@test "the package holds programs, manual pages, completion and service files" {
    command -v dpkg-deb >/dev/null || skip 'no dpkg-deb'
    [ -e "$VAGGA_SOURCE/Makefile" ] || skip 'no source'
    make -s -C "$VAGGA_SOURCE" deb-files OUT="$VAGGA_BIN" STAGE="$PWD/stage" DEB="$PWD/x.deb" HOST=any PACK=none
    [ "$(dpkg-deb -f x.deb Package)" = orchestration ]
    dpkg-deb -x x.deb root
    dpkg-deb -e x.deb control
    printf '%s\n' /etc/init.d/lithos /etc/lithos/master.yaml | diff - control/conffiles
    for source in "$VAGGA_SOURCE"/src/bin/lithos_*.rs; do
        tool=$(basename "$source" .rs)
        [ -x "root/usr/bin/$tool" ]
        [ -s "root/usr/share/bash-completion/completions/$tool" ]
        [ -s "root/usr/share/zsh/site-functions/_$tool" ]
        [ -s "root/usr/share/fish/vendor_completions.d/$tool.fish" ]
        gzip -dc root/usr/share/man/man[18]/"$tool".[18].gz | grep -q '^.SH OPTIONS'
    done
    [ -x root/usr/bin/vagga ] && [ -e root/usr/share/man/man1/vagga.1.gz ]
    [ -d root/etc/lithos/sandboxes ] && [ -d root/etc/lithos/processes ]
    for file in root/usr/lib/systemd/system/lithos.service root/etc/init.d/lithos \
        root/usr/share/doc/orchestration/examples/lithos.openrc; do
        grep -q /usr/bin/lithos_tree "$file"
        ! grep -q '@BINDIR@' "$file" || false
    done
    [ "$(stat -c %a root/etc/init.d/lithos)" = 755 ]
    # What the unit must say so that containers outlive the supervisor.
    for line in KillMode=process Restart=always Delegate=yes Type=simple; do
        grep -qx "$line" root/usr/lib/systemd/system/lithos.service
    done
    sh -n root/etc/init.d/lithos
    sh -n root/usr/share/doc/orchestration/examples/lithos.openrc
    if command -v shellcheck >/dev/null; then
        shellcheck root/etc/init.d/lithos root/usr/share/doc/orchestration/examples/lithos.openrc
    fi
    if command -v mandoc >/dev/null; then mandoc -T lint -W error root/usr/share/man/man[18]/lithos_*; fi
}
