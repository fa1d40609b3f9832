#!/usr/bin/env bats
# Attempts to escape, one test for each published way; the table is in docs/security.md.
# bats file_tags=root,young
load lithos.bash

setup() { setup_lithos; }

# A container as root inside (ids mapped), the strongest position that is allowed by default.
root_script() { script "$1" 'user-id: 0' "${@:2}"; }

@test "leaked descriptors: only the standard ones, no way to the host (CVE-2024-21626, A-165)" {
    root_script fd <<< 'for f in /proc/self/fd/*; do n=${f##*/}; [ $n -gt 2 ] && [ -e $f ] && readlink $f; done; cd /proc/self/fd/7/.. 2>/dev/null && ls ../../../; true'
    run knot app/cmd.fd.1 "$(instance fd)" 7< / 8< "$L/host" < /dev/null
    lacks "$output" "$L"
    lacks "$output" "boot"
    container cwd <<< $'kind: Command\nexecutable: /bin/ls\nworkdir: /proc/self/fd/7\ninteractive: true'
    run knot app/cmd.cwd.1 "$(instance cwd)" 7< / < /dev/null
    [ "$status" -eq 1 ]
}

@test "the knot's executable cannot be opened or changed (CVE-2019-5736)" {
    root_script exe <<'SH'
(echo x >> /proc/1/exe) 2>/dev/null && echo "wrote"
cat /proc/1/exe > /dev/null 2>&1 && echo "read"
ls -l /proc/1/root /proc/1/fd /proc/1/cwd 2>/dev/null | grep -- '->' && echo "saw"
true
SH
    before=$(md5sum < "$(command -v lithos_knot)")
    run inside exe
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    container exe <<< $'kind: Command\nexecutable: /proc/self/exe\ninteractive: true'
    run inside exe
    [ "$(md5sum < "$(command -v lithos_knot)")" = "$before" ]
}

@test "masked paths are covered by the host's null device, whatever /dev holds (CVE-2025-31133)" {
    rm "$L/dev/null"; ln -s /proc/sys/kernel/core_pattern "$L/dev/null"
    # Without redirections to /dev/null, which is a link here.
    root_script m <<'SH'
for f in kcore keys timer_list sched_debug interrupts; do [ -e /proc/$f ] && cat /proc/$f 2>&- | head -c 10; done
for d in /sys/firmware /proc/acpi /proc/scsi; do ls -A $d 2>&-; done
(echo x > /proc/sys/kernel/core_pattern) 2>&- && echo wrote
true
SH
    run inside m
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "procfs write gadgets: nothing that changes the machine can be written" {
    root_script w <<'SH'
for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/drop_caches /proc/sysrq-trigger /proc/sys/kernel/panic /sys/kernel/uevent_helper /proc/irq/default_smp_affinity /proc/sys/fs/binfmt_misc/register; do
    (echo x > $f) 2>/dev/null && echo "wrote $f"
done
mount -o remount,rw /proc/sys 2>/dev/null && echo remounted
umount /proc/sys 2>/dev/null && echo unmounted
mount -t proc proc /mnt 2>/dev/null && echo mounted
true
SH
    run inside w
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "procfs and sysfs only on ordinary directories of the image (CVE-2019-19921, CVE-2023-27561, CVE-2023-28642)" {
    for dir in proc sys dev; do
        rmdir "$IMAGE/$dir"; ln -s /data "$IMAGE/$dir"
        script l <<< 'exit 0'
        run inside l
        [ "$status" -eq 1 ]
        contains "$(cat "$L/log/app.log")" "/$dir"
        rm "$IMAGE/$dir"; mkdir "$IMAGE/$dir"
    done
}

@test "nothing is made or removed on the host where /dev of the image leads to (CVE-2026-41579)" {
    mkdir "$L/victim"; touch "$L/victim/ptmx" "$L/victim/fd"
    rmdir "$IMAGE/dev"; ln -s "$L/victim" "$IMAGE/dev"
    script l <<< 'exit 0'
    run inside l
    [ "$status" -eq 1 ]
    contains "$(cat "$L/log/app.log")" "/dev"
    [ "$(ls "$L/victim")" = "$(printf 'fd\nptmx')" ]
    [ -f "$L/victim/fd" ] && [ -f "$L/victim/ptmx" ]
}

@test "volumes cannot cover what the kernel shows, also through a link (CVE-2019-16884)" {
    for point in /proc /proc/sys /sys/kernel /dev /dev/pts; do
        script v "volumes: {$point: !Tmpfs {}}" <<< 'exit 0'
        run inside v
        [ "$status" -eq 1 ]
    done
    ln -s /proc/sys "$IMAGE/link"
    script v "volumes: {/link: !Tmpfs {}}" <<< 'exit 0'
    run inside v
    [ "$status" -eq 1 ]
}

@test "mount targets and sources behind links stay inside (CVE-2021-30465, CVE-2019-18837, A-161, A-162)" {
    mkdir -p "$L/host/db" "$L/host/secret"
    echo secret > "$L/host/secret/f"
    ln -s "$L/host/secret" "$L/host/db/esc"
    ln -s ../../../../host/secret "$L/host/db/up"
    rmdir "$IMAGE/data"; ln -s /etc "$IMAGE/data"
    sandbox <<< "writable-paths: {/db: $L/host/db}"
    for path in /db/esc /db/up; do
        script s "volumes: {/mnt: !Persistent {path: $path}}" <<< 'cat /mnt/f'
        run inside s
        [ "$status" -ne 0 ]
        lacks "$output" secret
    done
    script s "volumes: {/data: !Tmpfs {}}" <<< 'ls -A /etc'
    run inside s
    [ "$status" -eq 0 ] || [ "$status" -eq 1 ]
    [ -f "$IMAGE/etc/hosts" ]
    # Files of the host were never covered.
    [ -s /etc/hosts ]
}

@test "no control group can be mounted or its release agent set (CVE-2022-0492, CVE-2023-25809)" {
    root_script c <<'SH'
mount -t cgroup -o memory c /mnt 2>/dev/null && echo mounted
mount -t cgroup2 c /mnt 2>/dev/null && echo mounted2
unshare -UrC true 2>/dev/null && echo unshared
ls /sys/fs/cgroup
SH
    run inside c
    [ -z "$output" ]
}

@test "new namespaces are refused by the filter, and again by the kernel (CVE-2022-0185, CVE-2023-0386, CVE-2024-1086)" {
    root_script n <<'SH'
for kind in -U -m -n -p -i -u -C; do unshare $kind true 2>/dev/null && echo "got $kind"; done
nsenter -t 1 -m true 2>/dev/null && echo entered
true
SH
    run inside n
    [ -z "$output" ]
    grep -q '^Seccomp:.2' <(script g <<< 'cat /proc/self/status'; inside g)
}

@test "capabilities: only what is listed, nothing inheritable (CVE-2022-29162, CVE-2022-27650, CVE-2022-24769)" {
    root_script c <<< 'grep ^Cap /proc/self/status'
    run inside c
    contains "$output" $'CapInh:\t0000000000000000'
    contains "$output" $'CapAmb:\t0000000000000000'
    # chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service sys_chroot
    contains "$output" $'CapBnd:\t00000000000405fb'
    contains "$output" $'CapPrm:\t00000000000405fb'
}

@test "programs of writable volumes run only where the sandbox allows it" {
    mkdir "$L/host/db"
    script x 'volumes: {/data: !Persistent {path: /db/own, mkdir: true, user: 1}, /state: !Statedir {user: 1}}' <<'SH'
for d in /data /state; do cp /bin/busybox $d/echo && $d/echo ran $d; done 2>&1
SH
    sandbox <<< "writable-paths: {/db: $L/host/db}"
    run inside x
    contains "$output" 'denied'
    lacks "$output" ran
    printf '%s\n' "writable-paths: {/db: $L/host/db}" 'allow-exec-volumes: true' | sandbox
    run inside x
    contains "$output" 'ran /data'
    contains "$output" 'ran /state'
}

@test "setuid programs gain nothing (A-164)" {
    cp "$IMAGE/bin/busybox" "$IMAGE/bin/busybox.suid"
    chmod 4755 "$IMAGE/bin/busybox.suid"
    script s <<< '/bin/busybox.suid id -u; grep NoNewPrivs /proc/self/status'
    run inside s
    contains "$output" $'1\nNoNewPrivs:\t1'
}

@test "root without a map is refused, with allow-root it has no powers over the machine" {
    cat > "$L/sandboxes/app.yaml" <<< "{image-dir: $L/images, allow-users: [0-100], allow-groups: [0-100]}"
    root_script r <<< 'mount -t tmpfs x /mnt 2>/dev/null && echo mounted; (echo x > /proc/sys/kernel/domainname) 2>/dev/null && echo wrote; mknod /tmp/m b 8 0 2>/dev/null && echo made; true'
    run inside r
    [ "$status" -eq 1 ]
    contains "$output" "root"
    cat > "$L/sandboxes/app.yaml" <<< "{image-dir: $L/images, allow-users: [0-100], allow-groups: [0-100], allow-root: true}"
    run inside r
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "an ordinary user without a map is confined too" {
    cat > "$L/sandboxes/app.yaml" <<< "{image-dir: $L/images, allow-users: [7], allow-groups: [0-100], default-user: 7}"
    script u <<< 'id -u; (echo x > /x) 2>/dev/null && echo wrote; grep CapBnd /proc/self/status'
    run inside u
    [ "$output" = $'7\nCapBnd:\t0000000000000000' ]
}

@test "generated files: what a container does to its state directory reaches nothing (A-160)" {
    echo kept > "$L/host/victim"
    root_script g 'volumes: {/state: !Statedir {path: /}}' <<< "rm -f /state/hosts; ln -s $L/host/victim /state/hosts; ls -A /state; cat /etc/hosts | head -1"
    run inside g
    contains "$output" localhost
    run inside g
    [ "$(cat "$L/host/victim")" = kept ]
    [ ! -e "$L/run/state/app" ]
}

@test "the container file is read inside of the image (A-166)" {
    echo 'executable: /bin/true' > "$L/host/outside.yaml"
    ln -s "$L/host/outside.yaml" "$IMAGE/config/x.yaml"
    run inside x
    [ "$status" -eq 1 ]
    ln -sf /etc/passwd "$IMAGE/config/x.yaml"
    run inside x
    [ "$status" -eq 1 ]
    lacks "$output" "root:"
}

@test "an image name cannot leave image-dir" {
    for image in ../images/img.v1 img.v1/../img.v1 /etc .; do
        run knot app/x.0 "{\"instances\":1,\"image\":\"$image\",\"config\":\"/config/x.yaml\",\"kind\":\"Daemon\"}" < /dev/null
        [ "$status" -eq 1 ]
    done
}

# As in `service` of world.bash: the host's Python inside of the container, /probe is $L/host/probe. The program is read from
# standard input.
probe() {
    [ -x /usr/bin/python3 ] || skip 'no /usr/bin/python3'
    mkdir -p "$IMAGE"/{usr,probe} "$L/host/probe"
    cat > "$L/host/probe/probe.py"
    ln -sfn usr/lib "$IMAGE/lib"; ln -sfn usr/lib64 "$IMAGE/lib64"
    sandbox <<< "readonly-paths: {/usr: /usr, /probe: $L/host/probe}"
    container probe <<'YAML'
kind: Command
interactive: true
user-id: 0
executable: /usr/bin/python3
arguments: [-S, -E, /probe/probe.py]
volumes: {/usr: !Readonly /usr, /probe: !Readonly /probe, /tmp: !Tmpfs {}}
YAML
}

# Runs a command on a terminal, shows what it printed there.
on_terminal() {
    { printf 'start('; printf '%s, ' "${@@Q}"; echo ')'; echo 'end(30)'; } > "$L/play.py"
    timeout 60 python3 "$VAGGA_BATS/fixtures/terminal.py" "$L/play.py"
}

@test "no terminal is bound into the container, whatever /dev holds (CVE-2025-52565)" {
    pattern=$(cat /proc/sys/kernel/core_pattern)
    # Both what the operator's devices and what the image say is hostile here.
    for name in console pts/0 pts/1; do ln -s /proc/sys/kernel/core_pattern "$L/dev/$name"; done
    ln -s ../proc/sys/kernel/core_pattern "$IMAGE/dev/console"
    root_script c <<'SH'
echo "terminals:" $(ls /dev/pts)
cut -d ' ' -f 5 /proc/self/mountinfo | grep '^/dev/.*/\|^/dev/console'
cut -d ' ' -f 5 /proc/self/mountinfo | sort | uniq -d
(echo wrote > /dev/console) 2>&- && echo "console written"
[ -t 0 ] && echo interactive
true
SH
    run on_terminal lithos_knot --name app/cmd.c.1 --master "$L/master.yaml" --config "$(instance c)"
    [ "$status" -eq 0 ]
    [ "$(tr -d '\r' <<< "$output")" = $'terminals: ptmx\ninteractive' ] || { echo "$output"; false; }
    [ "$(cat /proc/sys/kernel/core_pattern)" = "$pattern" ]
}

@test "nothing types into the terminal that it was given (CVE-2017-5226, CVE-2019-10063, CVE-2023-28100)" {
    probe <<'PY'
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
TIOCSTI, TIOCLINUX, SYS_ioctl = 0x5412, 0x541C, 16
print("terminal", libc.isatty(0))
for request in TIOCSTI, TIOCSTI | 1 << 32, TIOCLINUX, TIOCLINUX | 7 << 40:
    done = libc.syscall(SYS_ioctl, 0, ctypes.c_ulong(request), b"\x03")
    print("%#x" % request, done, errno.errorcode.get(ctypes.get_errno()))
PY
    [ "$(uname -m)" = x86_64 ] || skip 'numbers of x86_64'
    run on_terminal lithos_knot --name app/cmd.probe.1 --master "$L/master.yaml" --config "$(instance probe)"
    [ "$status" -eq 0 ]
    [ "$(tr -d '\r' <<< "$output")" = $'terminal 1\n0x5412 -1 EPERM\n0x100005412 -1 EPERM\n0x541c -1 EPERM\n0x7000000541c -1 EPERM' ] ||
        { echo "$output"; false; }
}

@test "on procfs only id maps are written, and none of it through what the image has there (CVE-2025-52881)" {
    command -v strace > /dev/null || skip "no strace"
    # What a runtime writes to by path: labels, limits, score. Here all are links to what must not be written.
    mkdir -p "$IMAGE/proc/self/attr" "$IMAGE/proc/sys/kernel"
    for name in self/attr/exec self/attr/keycreate self/oom_score_adj self/uid_map self/setgroups self/timens_offsets; do
        ln -s ../../../proc/sysrq-trigger "$IMAGE/proc/$name"
    done
    root_script c <<< 'exit 0'
    strace -f -qq -y -e trace=open,openat,openat2,creat -o "$L/trace" \
        lithos_knot --name app/cmd.c.1 --master "$L/master.yaml" --config "$(instance c)" < /dev/null
    grep -q uid_map "$L/trace"
    # Up to the service; resolved names of the descriptors, as -y shows them.
    written=$(grep -E 'O_(WRONLY|RDWR|CREAT)' "$L/trace" | sed -n 's/.*= [0-9]*<\(.*\)>$/\1/p' |
        grep '/proc/' | grep -v '^/proc/[0-9]*/\([ug]id_map\|setgroups\)$' || true)
    [ -z "$written" ] || { echo "$written"; false; }
}

@test "nobody outside of a container can say that it is ready (CVE-2020-15257)" {
    container waits <<< $'executable: /bin/sleep\narguments: ["1000"]\nkill-timeout: 1\nready: {notify: true, timeout: 2}'
    knot app/waits.0 "$(instance waits Daemon)" --log-stderr < /dev/null > "$L/out" 2>&1 &
    pid=$!
    address() { sed -n 's/.* @\(lithos\/app\/waits\.0\/[0-9a-f]*\)$/\1/p' /proc/net/unix | grep .; }
    eventually address
    python3 - "$(address)" <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(b"READY=1", "\0" + sys.argv[1])
PY
    # Had it counted, there would be nothing to complain about.
    eventually grep 'app/waits.0 is not ready in time' "$L/out"
    stop
}

@test "directories are made for volumes and working directories where they belong, not behind links (CVE-2024-45310, CVE-2026-55686)" {
    mkdir -p "$L/host/db" "$L/host/victim"
    chmod 777 "$L/host/db"
    ln -s "$L/host/victim" "$L/host/db/esc"
    ln -s ../victim "$L/host/db/up"
    sandbox <<< "writable-paths: {/db: $L/host/db}"
    for path in /db/esc/new /db/up/new /db/esc /db/../victim/new; do
        script s "volumes: {/mnt: !Persistent {path: $path, mkdir: true, user: 5, mode: 0o777}}" <<< 'echo x > /mnt/f'
        run inside s
        [ "$status" -ne 0 ] || { echo "$path"; false; }
    done
    ln -s "$L/host/victim/work" "$IMAGE/work"
    ln -s ../../../../../host/victim "$IMAGE/up"
    for dir in /work /up /up/work; do
        script s "workdir: $dir" <<< 'pwd; echo x > f'
        run inside s
        [ "$status" -eq 1 ]
    done
    [ -z "$(ls -A "$L/host/victim")" ]
    [ "$(stat -c %u:%a "$L/host/victim")" = 0:755 ]
}

@test "supplementary groups of the starter are gone and cannot be taken back (CVE-2022-2989, CVE-2022-2995)" {
    probe <<'PY'
import os
print(os.getgroups(), open("/proc/self/setgroups").read().strip())
# Only what is mapped, which nobody on the host has: 27 is 10027 there.
os.setgroups([27])
for group in 100, 1000, 65533:
    try: os.setgroups([group]); print("got", group)
    except OSError as error: print(error.errno)
PY
    setpriv --groups 4,27 -- "$(command -v lithos_knot)" --name app/cmd.probe.1 --master "$L/master.yaml" \
        --config "$(instance probe)" < /dev/null > "$L/out"
    [ "$(cat "$L/out")" = $'[] allow\n22\n22\n22' ] || { cat "$L/out"; false; }
}

@test "raw sockets, the kernel's log, the clock and the host's name are out of reach (CVE-2020-14386)" {
    root_script t <<'SH'
ping -c1 127.0.0.1 > /dev/null 2>&1 && echo pinged
dmesg > /dev/null 2>&1 && echo dmesg
date -s 2001-01-01 > /dev/null 2>&1; [ "$(date +%Y)" = 2001 ] && echo clock
hostname other 2>/dev/null && echo named
true
SH
    run inside t
    [ -z "$output" ]
}

@test "the filter can be switched off by the sandbox only" {
    sandbox <<< 'seccomp: off'
    script f <<< 'grep ^Seccomp: /proc/self/status'
    run inside f
    contains "$output" $'Seccomp:\t0'
}

@test "every published escape of the table has a test" {
    table=$(sed -n '/^## Published/,/^These have/p' "$VAGGA_DOCS/security.md" | grep -o '^| CVE[^|]*' | grep -o 'CVE-[0-9-]*' | sort)
    [ "$(wc -l <<< "$table")" -gt 20 ]
    grep '^@test' "$BATS_TEST_FILENAME" | grep -o 'CVE-[0-9-]*' | sort | diff <(echo "$table") -
}
