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

@test "procfs write gadgets: nothing that changes the machine can be written (CVE-2025-52881)" {
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

@test "procfs and sysfs only on ordinary directories of the image (CVE-2019-19921, CVE-2023-27561)" {
    for dir in proc sys dev; do
        rmdir "$IMAGE/$dir"; ln -s /data "$IMAGE/$dir"
        script l <<< 'exit 0'
        run inside l
        [ "$status" -eq 1 ]
        contains "$(cat "$L/log/app.log")" "/$dir"
        rm "$IMAGE/$dir"; mkdir "$IMAGE/$dir"
    done
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

@test "mount targets and sources behind links stay inside (CVE-2021-30465, A-161, A-162)" {
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

@test "no control group can be mounted or its release agent set (CVE-2022-0492)" {
    root_script c <<'SH'
mount -t cgroup -o memory c /mnt 2>/dev/null && echo mounted
mount -t cgroup2 c /mnt 2>/dev/null && echo mounted2
unshare -UrC true 2>/dev/null && echo unshared
ls /sys/fs/cgroup
SH
    run inside c
    [ -z "$output" ]
}

@test "new namespaces are refused by the filter, and again by the kernel" {
    root_script n <<'SH'
for kind in -U -m -n -p -i -u -C; do unshare $kind true 2>/dev/null && echo "got $kind"; done
nsenter -t 1 -m true 2>/dev/null && echo entered
true
SH
    run inside n
    [ -z "$output" ]
    grep -q '^Seccomp:.2' <(script g <<< 'cat /proc/self/status'; inside g)
}

@test "capabilities: only what is listed, nothing inheritable (CVE-2022-29162, CVE-2022-24769)" {
    root_script c <<< 'grep ^Cap /proc/self/status'
    run inside c
    contains "$output" $'CapInh:\t0000000000000000'
    contains "$output" $'CapAmb:\t0000000000000000'
    # chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service sys_chroot
    contains "$output" $'CapBnd:\t00000000000405fb'
    contains "$output" $'CapPrm:\t00000000000405fb'
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

@test "typing into the caller's terminal and raw sockets are refused" {
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
