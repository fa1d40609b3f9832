# The Debian package and the service files, made of the binaries under test.
bats_require_minimum_version 1.5.0

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

teardown() {
    [ -z "${SYSTEM:-}" ] || kill -KILL "$SYSTEM" 2>/dev/null || true
    [ -z "${SYSTEM:-}" ] || wait "$SYSTEM" 2>/dev/null || true
}

package() {
    command -v dpkg-deb >/dev/null || skip 'no dpkg-deb'
    [ -e "$VAGGA_SOURCE/Makefile" ] || skip 'no source'
    make -s -C "$VAGGA_SOURCE" deb-files OUT="$VAGGA_BIN" STAGE="$PWD/stage" DEB="$PWD/x.deb" HOST=any PACK=none
}

# A copy of this machine's system (whose first process reaps orphans) in an overlay upon memory, with process ids of its own: what happens there changes nothing
# here, and ends with $SYSTEM, its first process.
system() {
    mkdir system
    unshare -mp --fork sh -c '
        mount -t tmpfs system system && mkdir system/upper system/work system/root &&
        mount -t overlay -o lowerdir=/,upperdir=system/upper,workdir=system/work overlay system/root &&
        mount -t proc proc system/root/proc && mount -t tmpfs run system/root/run && mount --rbind /dev system/root/dev &&
        cp x.deb system/root/root/ && : > ready && while :; do sleep 0.1; done' 3>&- &
    local outer=$!
    for _ in $(seq 100); do [ -e ready ] && break; sleep 0.05; done
    [ -e ready ] || { kill "$outer"; skip 'no overlay here'; }
    SYSTEM=$(pgrep -P "$outer")
}

# inside COMMAND…: runs it there.
inside() {
    nsenter -m -p -t "$SYSTEM" chroot "$PWD/system/root" \
        /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@" 3>&-
}

eventually() {
    for _ in $(seq 200); do "$@" > /dev/null 2>&1 && return; sleep 0.05; done
    echo "never succeeded: $*"
    return 1
}

# One container, in the installed system.
configure() {
    inside sh -e <<'SH'
printf '%s\n' 'cgroup-name: null' 'log-level: info' > /etc/lithos/master.yaml
root=/var/lib/lithos/containers/img
mkdir -p $root/bin $root/dev $root/sys $root/proc $root/tmp $root/config
cp "$(command -v busybox)" $root/bin/sleep
printf '%s\n' 'executable: /bin/sleep' 'arguments: ["1000"]' 'kill-timeout: 1' > $root/config/web.yaml
printf '%s\n' 'allow-users: [1]' 'allow-groups: [0]' 'default-user: 1' > /etc/lithos/sandboxes/app.yaml
echo 'web: {image: img, config: /config/web.yaml}' > /etc/lithos/processes/app.yaml
lithos_check
SH
}

service() { inside /etc/init.d/lithos "$@"; }
# The record is written a moment after the container has begun.
runs() { inside lithos_ps --no-color | grep -q 'app/web.0 ' && inside test -s /run/lithos/knots/app/web.0.json; }
init_of_container() { inside sh -c 'sed -n "s/.*\"pid\":\([0-9]*\).*/\1/p" /run/lithos/knots/app/web.0.json'; }
is_alive() { inside kill -0 "$1"; }
tree() { inside cat /run/lithos/master.pid; }

# bats test_tags=root,young
@test "installed: the unit is sound, the sysv script starts, reloads, restarts and stops; the removal ends everything" {
    package
    system
    inside dpkg -i /root/x.deb
    [ "$(inside stat -c %F /var/lib/lithos/dev/null)" = 'character special file' ]
    # Nothing is started by the installation.
    run inside lithos_ps
    [ -z "$output" ]
    if inside sh -c 'command -v systemd-analyze' >/dev/null; then
        inside systemd-analyze verify --man=no /usr/lib/systemd/system/lithos.service 2> verify || { cat verify; false; }
        ! grep lithos verify | grep -v DelegateSubgroup || false
    fi
    configure
    run service status
    [ "$status" -ne 0 ]
    service start
    eventually runs
    service status
    old=$(init_of_container) tree=$(tree)
    # Once more changes nothing; a reload and an upgrade keep the containers.
    service start
    service reload
    inside dpkg -i /root/x.deb
    sleep 0.5
    [ "$(tree)" = "$tree" ] && [ "$(init_of_container)" = "$old" ]
    is_alive "$old"
    inside sh -c 'grep -c . /var/log/lithos/config/app.log' | grep -qx 3
    service restart
    eventually runs
    [ "$(tree)" != "$tree" ]
    ! is_alive "$old" || false
    # Killed, it leaves its containers; the next start takes them over.
    old=$(init_of_container)
    inside kill -KILL "$(tree)"
    sleep 0.2
    run service status
    [ "$status" -ne 0 ]
    service start
    sleep 0.5
    eventually runs
    [ "$(init_of_container)" = "$old" ]
    service stop
    ! is_alive "$old" || false
    run service status
    [ "$status" -ne 0 ]
    # Stopping what is stopped is fine; the removal stops what runs.
    service stop
    service start
    eventually runs
    old=$(init_of_container)
    inside dpkg -r orchestration
    ! is_alive "$old" || false
    inside test -e /etc/lithos/master.yaml
    inside dpkg -P orchestration
    run -1 inside test -e /etc/lithos/master.yaml
    run -1 inside test -e /var/lib/lithos/dev
    # What is not ours stays.
    inside test -d /var/lib/lithos/containers/img
}

# bats test_tags=root,young
@test "an init script without its configuration says what is missing" {
    package
    system
    inside dpkg -i /root/x.deb
    inside rm /etc/lithos/master.yaml
    run service start
    [ "$status" -eq 6 ]
    [[ "$output" == *'/etc/lithos/master.yaml is missing'* ]]
    run service nonsense
    [ "$status" -eq 2 ]
}

# bats test_tags=root,young
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
    for line in KillMode=process Restart=always Delegate=yes DelegateSubgroup=supervisor Type=simple; do
        grep -qx "$line" root/usr/lib/systemd/system/lithos.service
    done
    sh -n root/etc/init.d/lithos
    sh -n root/usr/share/doc/orchestration/examples/lithos.openrc
    if command -v shellcheck >/dev/null; then
        shellcheck root/etc/init.d/lithos root/usr/share/doc/orchestration/examples/lithos.openrc
    fi
    if command -v mandoc >/dev/null; then mandoc -T lint -W error root/usr/share/man/man[18]/lithos_*; fi
}
