#!/usr/bin/env bats
# Networks of supervised children: names, partitions, ports; nothing is left of them.
load project

setup() {
    before=$(traces)
}

# Everything of networks that a run could leave: devices, and named namespaces.
traces() {
    ip -o link | cut -d: -f2
    ls /run/netns 2>/dev/null || true
}

nothing_is_left() {
    [ "$(traces)" = "$before" ] || { traces; return 1; }
}

@test "children with networks reach each other by name" {
    commands <<'YAML'
pair: !Supervise
  children:
    web:
      !Command
      container: bb
      network: { ip: 172.23.0.1, hostname: www }
      run: |
        hostname; ip -4 -o addr show eth0; ip route
        while true; do echo "I am $(hostname)" | nc -l -p 80; done
    client: !Command
      container: bb
      network: { ip: 172.23.0.2 }
      run: |
        for name in www web; do
            for i in 1 2 3 4 5 6 7 8 9 10; do nc -w 2 $name 80 </dev/null | grep I && break; sleep 0.3; done
        done
        ping -c 1 -W 2 172.23.0.254 >/dev/null && echo router
        ls /sys/class/net >/dev/null; ip -o link | wc -l
YAML
    run --separate-stderr timeout 60 vagga pair
    echo "$output" "$stderr"
    [ "$status" -eq 0 ]
    contains "$output" www
    contains "$output" 'inet 172.23.0.1/24'
    contains "$output" 'default via 172.23.0.254 dev eth0'
    [ "$(grep -c 'I am www' <<<"$output")" -eq 2 ]
    contains "$output" router
    nothing_is_left
}

@test "a bridge command sees all children and their namespaces" {
    commands <<'YAML'
group: !Supervise
  children:
    a: !Command { container: bb, network: { ip: 172.23.0.1 }, run: [sleep, "4242"] }
    two words: !Command { container: bb, network: { ip: 172.23.0.2 }, run: [sleep, "4242"] }
    boss: !BridgeCommand
      container: bb
      user-id: 7
      run: |
        ls /tmp/vagga/namespaces
        cat /tmp/vagga/network
        ip -4 -o addr show children
        ping -c 1 -W 2 a >/dev/null && echo reached
        id -u
        nsenter --net=/tmp/vagga/namespaces/net.172.23.0.2 ip -4 -o addr show eth0
YAML
    run --separate-stderr timeout 60 vagga group
    echo "$output" "$stderr"
    [ "$status" -eq 0 ]
    for name in bridge net.172.23.0.1 net.172.23.0.2 uts.172.23.0.1 'child1 two words' 'inet 172.23.0.254/24' \
        reached 'inet 172.23.0.2/24'; do
        contains "$output" "$name"
    done
    nothing_is_left
    ! pgrep -f 'sleep 424[2]' || false
}

@test "impossible networks are refused before anything starts" {
    commands <<'YAML'
outside: !Supervise
  children:
    a: !Command { container: bb, network: { ip: 10.0.0.1 }, run: [touch, /work/ran] }
twice: !Supervise
  children:
    a: !Command { container: bb, network: { ip: 172.23.0.1 }, run: [touch, /work/ran] }
    b: !Command { container: bb, network: { ip: 172.23.0.1 }, run: [touch, /work/ran] }
both: !Supervise
  isolate-network: true
  children:
    a: !Command { container: bb, network: { ip: 172.23.0.1 }, run: [touch, /work/ran] }
YAML
    run --separate-stderr vagga outside
    [ "$status" -eq 121 ]
    contains "$stderr" '"10.0.0.1"'
    run --separate-stderr vagga twice
    [ "$status" -eq 121 ]
    contains "$stderr" '172.23.0.1'
    run --separate-stderr vagga both
    [ "$status" -eq 121 ]
    contains "$stderr" 'forbidden in conjunction'
    [ ! -e ran ]
}

@test "a killed vagga leaves no network" {
    commands <<'YAML'
group: !Supervise
  children:
    a: !Command { container: bb, network: { ip: 172.23.0.1 }, run: "touch /work/started; exec sleep 4243" }
    boss: !BridgeCommand { container: bb, run: [sleep, "4243"] }
YAML
    begin group
    kill -KILL "$pid"
    for _ in $(seq 100); do pgrep -f 'sleep 424[3]' >/dev/null || break; sleep 0.05; done
    ! pgrep -f 'sleep 424[3]' || false
    nothing_is_left
}

# A container vg, in which vagga itself runs: the libraries of a binary that is not static come from this host.
with_vagga() {
    mkdir -p "$BATS_TEST_TMPDIR/libs"
    { ldd "$(command -v vagga)" 2>/dev/null || true; } | grep -o '/[^ )]*' |
        xargs -r cp -L --parents -t "$BATS_TEST_TMPDIR/libs" 2>/dev/null || true
    tar -C "$BATS_TEST_TMPDIR/libs" --owner=0 --group=0 -cf "$BATS_TEST_TMPDIR/libs.tar" .
    { cat <<'YAML'
containers:
  bb:
    setup:
    - !Tar { url: ./busybox.tar }
  vg:
    setup:
    - !Container bb
    - !Tar { url: ./libs.tar }
    - !EnsureDir /vagga
    volumes: { /vagga: !VaggaBin }
    environ: { PATH: "/vagga:/bin" }
commands:
YAML
    sed 's/^/  /'; } > "$BATS_TEST_TMPDIR/yaml"
    write_project < "$BATS_TEST_TMPDIR/yaml"
    cp "$BATS_TEST_TMPDIR/libs.tar" .
    vagga _build bb 2>/dev/null
    vagga _build vg
}

# Three children that answer pings, and the text of standard input as bridge command. `try` waits for nothing.
cluster() {
    { cat <<'YAML'
cluster: !Supervise
  children:
    a: !Command { container: bb, network: { ip: 172.23.0.1 }, run: [sleep, "4244"] }
    b: !Command { container: bb, network: { ip: 172.23.0.2 }, run: [sleep, "4244"] }
    c: !Command { container: bb, network: { ip: 172.23.0.3 }, run: [sleep, "4244"] }
    boss: !BridgeCommand
      container: vg
      run: |
        once() { vagga _network run $1 ping -c 1 -W 1 $2 >/dev/null 2>&1; }
        try() { if once $1 $2 || once $1 $2; then echo "$1-$2 yes"; else echo "$1-$2 no"; fi; }
YAML
    sed 's/^/        /'; } > "$BATS_TEST_TMPDIR/commands"
    with_vagga < "$BATS_TEST_TMPDIR/commands"
    run --separate-stderr timeout 100 ${under:-} vagga cluster
    echo "$output" "$stderr"
}

@test "partitions cut and heal" {
    cluster <<'SH'
try a b; try b c
vagga _network isolate a || exit 9
try a b; try b a; try b c; try a 172.23.0.254
vagga _network disjoint a b -- c || exit 9
try a b; try b c; try c a
vagga _network split a b -- b c || exit 9
try a b; try b c; try a c
vagga _network split a b || exit 9
try a b; try c b
vagga _network fullmesh || exit 9
try a b; try b c; try c a
SH
    [ "$status" -eq 0 ]
    expected='a-b yes
b-c yes
a-b no
b-a no
b-c yes
a-172.23.0.254 yes
a-b yes
b-c no
c-a no
a-b yes
b-c yes
a-c no
a-b yes
c-b no
a-b yes
b-c yes
c-a yes'
    [ "$(grep -E 'yes$|no$' <<<"$output")" = "$expected" ]
    nothing_is_left
}

@test "_network explains what is wrong, and passes the status of programs on" {
    cluster <<'SH'
for line in "disjoint a" "disjoint a -- a b c" "isolate nosuch" "melt a" "isolate" "" "run a"; do
    vagga _network $line; echo "<$line> $?"
done
vagga _network run b hostname; echo "name $?"
vagga _network run b sh -c 'exit 77'; echo "status $?"
vagga _network run b nosuchprogram; echo "missing $?"
SH
    [ "$status" -eq 0 ]
    for part in '<disjoint a> 1' '<disjoint a -- a b c> 1' '<isolate nosuch> 1' '<melt a> 1' '<isolate> 2' '<> 2' '<run a> 2' \
        'name 0' 'status 77' 'missing 1'; do
        contains "$output" "$part"
    done
    [ "$(grep -cx b <<<"$output")" -eq 1 ]
    for part in 'Node "b" is missing' 'Duplicate node "a"' 'Node "nosuch" is not found' 'Unknown kind "melt"'; do
        contains "$stderr" "$part"
    done
    run --separate-stderr vagga _network fullmesh
    [ -d /work ] || [ "$status" -eq 126 ]
    contains "$stderr" 'BridgeCommand'
}

@test "a kernel without packet filters: children talk, and a partition says what is missing" {
    [ -x "$(command -v refuse-syscalls)" ] || skip "no refuse-syscalls"
    [ "$VAGGA_MODE" != ranges ] || skip "a filter takes newuidmap its privileges away"
    under="refuse-syscalls --no-netfilter"
    cluster <<'SH'
try a b
vagga _network isolate a; echo "status $?"
SH
    [ "$status" -eq 0 ]
    contains "$output" 'a-b yes'
    contains "$output" 'status 1'
    contains "$stderr" 'this kernel lacks nf_tables for bridges (CONFIG_NF_TABLES_BRIDGE), see `vagga _doctor`'
    nothing_is_left
}

@test "mounts of a bridge command are fixed although it is root of the network" {
    cluster <<'SH'
mount -o remount,rw /vagga 2>/dev/null && echo changed
mount -o remount,bind,rw /vagga 2>/dev/null && echo changed
umount /vagga 2>/dev/null && echo changed
touch /vagga/x 2>/dev/null && echo changed
echo end
SH
    [ "$status" -eq 0 ]
    contains "$output" end
    lacks "$output" changed
}

@test "a restarted child keeps its network and its partition" {
    with_vagga <<'YAML'
group: !Supervise
  children:
    a: !Command { container: bb, network: { ip: 172.23.0.1 }, run: [sleep, "4245"] }
    again: !Command
      container: bb
      network: { ip: 172.23.0.2 }
      restart: on-failure
      run: "ping -c 1 -W 1 a > /dev/null && echo reached || echo cut; [ -e /work/two ] && sleep 4245; touch /work/two; sleep 1; exit 1"
    boss: !BridgeCommand
      container: vg
      run: "sleep 0.5; vagga _network isolate a; sleep 5"
YAML
    run --separate-stderr timeout 60 vagga group
    echo "$output" "$stderr"
    [ "$(grep -E 'reached|cut' <<<"$output" | tr '\n' ' ')" = 'reached cut ' ]
}

@test "without a gateway ports are a warning, and _run_in_netns an error" {
    export XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR
    commands <<'YAML'
group: !Supervise
  children:
    a: !Command { container: bb, network: { ip: 172.23.0.1, ports: { 8000: 80 } }, run: "echo ran" }
YAML
    run --separate-stderr vagga group
    [ "$status" -eq 0 ]
    contains "$output" ran
    contains "$stderr" 'Network namespace is not set up'
    run --separate-stderr vagga _run_in_netns bb true
    [ "$status" -eq 121 ]
    contains "$stderr" 'Network namespace is not set up'
}

@test "_create_netns --dry-run prints everything and does nothing" {
    export XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR
    run --separate-stderr vagga _create_netns --dry-run
    [ "$status" -eq 0 ]
    for part in 'ip link add vagga type veth peer name vagga_guest netns 123456' 'ip addr add 172.23.255.1/30 dev vagga' \
        "mount --bind /proc/123456/ns/net $XDG_RUNTIME_DIR/vagga/netns" \
        "mount --bind /proc/123456/ns/user $XDG_RUNTIME_DIR/vagga/userns" 'ip saddr 172.23.255.0/30 masquerade'; do
        contains "$output" "$part"
    done
    [ ! -e "$XDG_RUNTIME_DIR/vagga" ]
    nothing_is_left
    run --separate-stderr vagga _create_netns --dry-run --no-iptables
    [ "$status" -eq 0 ]
    lacks "$output" 'nft -f'
    lacks "$output" '172.23.255.0/30'
    run --separate-stderr vagga _destroy_netns --dry-run
    [ "$status" -eq 0 ]
    contains "$output" 'ip link delete vagga'
}

# In network and mount namespaces that play the host; the words given run in front of its shell.
the_gateway_works() {
    commands <<'YAML'
group: !Supervise
  children:
    web:
      !Command
      container: bb
      network: { ip: 172.23.0.1, ports: { 8000: 80 } }
      run: "cp /etc/resolv.conf /work/resolv; touch /work/started; while true; do echo answer | nc -l -p 80; done"
    client: !Command
      container: bb
      network: { ip: 172.23.0.2 }
      run: "ping -c 1 -W 2 172.23.255.1 >/dev/null && touch /work/outside; exec sleep 4246"
other: !Supervise
  children:
    one: !Command
      container: bb
      network: { ip: 172.23.0.1 }
      run: "ping -c 1 -W 2 172.23.255.1 >/dev/null && touch /work/other; exec sleep 4246"
YAML
    cat > host.sh <<'SH'
set -exo pipefail
mount -t tmpfs none /run
mkdir -m 755 /run/here
export XDG_RUNTIME_DIR=/run/here
echo 'nameserver 127.0.0.53' > /run/resolv
mount --bind /run/resolv /etc/resolv.conf
ip link set lo up
vagga _create_netns > create.out
code=0; vagga _create_netns 2> twice.err || code=$?
[ $code -eq 121 ]
grep 'Namespaces already created' twice.err
vagga _run_in_netns bb ip -4 -o addr | grep 172.23.255.2
nft list tables 2>/dev/null || true
vagga group > group.out 2>&1 &
group=$!
vagga other > other.out 2>&1 &
other=$!
for i in $(seq 100); do [ -e started ] && [ -e outside ] && [ -e other ] && break; sleep 0.1; done
ls -l started outside other
grep -x 'nameserver 172.23.255.1' resolv
for i in $(seq 20); do busybox nc -w 2 172.23.255.2 8000 > answer </dev/null && grep answer answer && break; sleep 0.2; done
grep answer answer
kill -KILL $group
for i in $(seq 100); do pgrep -P $group >/dev/null || break; sleep 0.05; done
sleep 0.5
! busybox nc -w 1 172.23.255.2 8000 </dev/null || false
kill -TERM $other
wait $other || true
for i in $(seq 50); do vagga _run_in_netns bb ip -o link | grep ': ch' || break; sleep 0.1; done
! vagga _run_in_netns bb ip -o link | grep ': ch' || false
vagga _destroy_netns
[ ! -e /run/here/vagga ]
[ "$(ip -o link | wc -l)" = 1 ]
SH
    run timeout 100 unshare --net --mount --propagation private "$@" bash host.sh
    echo "$output"
    cat group.out other.out || true
    [ "$status" -eq 0 ]
    nothing_is_left
    ! pgrep -f 'sleep 424[6]' || false
}

# bats test_tags=root
@test "the gateway: ports from the host, the outside for children, several runs, nothing left" {
    the_gateway_works
}

# bats test_tags=root
@test "the gateway on a kernel without nf_tables: the same by ip_tables" {
    [ -x "$(command -v refuse-syscalls)" ] || skip "no refuse-syscalls"
    unshare --net iptables-legacy -t nat -L >/dev/null 2>&1 || skip "no ip_tables here"
    the_gateway_works refuse-syscalls --no-netfilter
    contains "$(cat create.out)" 'iptables-legacy-restore --noflush'
    lacks "$(cat create.out)" 'nft -f'
}

# bats test_tags=root
@test "neither nf_tables nor ip_tables: one line says what is missing, and --no-iptables does without" {
    [ -x "$(command -v refuse-syscalls)" ] || skip "no refuse-syscalls"
    commands </dev/null
    cat > host.sh <<'SH'
mount -t tmpfs none /run
mkdir -m 755 /run/here
export XDG_RUNTIME_DIR=/run/here
for program in /usr/sbin/iptables-legacy-restore /usr/sbin/iptables-restore; do
    [ ! -e $program ] || mount --bind /bin/false $program
done
vagga _create_netns; echo "status $?"
ip -o link | wc -l
SH
    run --separate-stderr timeout 60 unshare --net --mount --propagation private refuse-syscalls --no-netfilter bash host.sh
    echo "$output" "$stderr"
    contains "$stderr" 'this kernel lacks nf_tables with address translation, see `vagga _doctor`; ip_tables instead: '
    contains "$output" 'status 121'
    [ "${lines[-1]}" = 1 ]
    nothing_is_left
}

@test "_run_in_netns --pid runs in the network of a process" {
    commands <<'YAML'
alone: !Command { container: bb, isolate-network: true, run: "touch /work/started; exec sleep 4248" }
YAML
    begin alone
    inner=$(pgrep -f 'sleep 424[8]' | head -1)
    [ -n "$inner" ]
    run --separate-stderr vagga _run_in_netns --pid "$inner" bb sh -c 'ip -o link | wc -l; readlink /proc/self/ns/net'
    echo "$output" "$stderr"
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = 1 ]
    [ "${lines[1]}" = "$(readlink "/proc/$inner/ns/net")" ]
    run --separate-stderr vagga _run_in_netns --pid "$inner" bb sh -c 'exit 41'
    [ "$status" -eq 41 ]
    kill -TERM "$pid"
    wait "$pid" || true
    for word in 4194305 0 x -1; do
        run --separate-stderr vagga _run_in_netns --pid "$word" bb true
        [ "$status" -eq 121 ] || { echo "$word: $status $stderr"; false; }
        contains "$stderr" "Can't use the network namespace of process $word"
    done
}

# As above for an ordinary user. sudo hands its words to a shell of root, with an environment of its own.
# bats test_tags=root
@test "the gateway of an ordinary user, through sudo" {
    commands <<'YAML'
group: !Supervise
  children:
    web:
      !Command
      container: bb
      network: { ip: 172.23.0.1, ports: { 8000: 80 } }
      run: "ping -c 1 -W 2 172.23.255.1 >/dev/null && touch /work/outside; touch /work/started; while true; do echo answer | nc -l -p 80; done"
YAML
    mkdir bin
    cat > bin/sudo <<'SH'
#!/bin/sh
[ -e /run/refuse ] && { echo "sudo: a password is required" >&2; exit 1; }
echo "$*" > /run/request
read code < /run/answer
exit "$code"
SH
    chmod 755 bin/sudo
    cat > host.sh <<'SH'
set -exo pipefail
id=23456
mount -t tmpfs none /run
mkdir -m 700 /run/here
mkfifo -m 622 /run/request
mkfifo -m 644 /run/answer
# The directories of bats are closed to others.
mkdir /run/project
cp -r vagga.yaml busybox.tar bin /run/project
cd /run/project
chown -R $id:$id . /run/here
ip link set lo up
vagga=$(command -v vagga)
{ while true; do
    read -r line < /run/request
    echo "$line" >> /run/requests
    code=0
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin $line >> /run/root.out 2>&1 || code=$?
    echo $code > /run/answer
done; } &
root=$!
trap 'kill $root' EXIT
as() { setpriv --reuid $id --regid $id --clear-groups env "PATH=$PWD/bin:$PATH" XDG_RUNTIME_DIR=/run/here HOME=/run/here "$@"; }
as vagga _build bb
touch /run/refuse
! as vagga _create_netns > refused.out 2> refused.err || false
grep "Can't set up the network namespace: sudo:" refused.err
[ ! -e /run/here/vagga ]
rm /run/refuse
as vagga _create_netns > create.out
grep 'ip link add vagga type veth' create.out
as vagga _run_in_netns bb ip -4 -o addr | grep 172.23.255.2
(as vagga group > group.out 2>&1) &
group=$!
for i in $(seq 100); do [ -e started ] && break; sleep 0.1; done
ls started outside
for i in $(seq 20); do busybox nc -w 2 172.23.255.2 8000 > answer </dev/null && grep answer answer && break; sleep 0.2; done
grep answer answer
kill -TERM $(pgrep -P $group vagga || echo $group)
wait $group || true
as vagga _destroy_netns
! grep warning /run/root.out || false
[ ! -e /run/here/vagga ]
[ "$(ip -o link | wc -l)" = 1 ]
[ "$(wc -l < /run/requests)" = 2 ]
grep -q -- "_create_netns --host-part [0-9]*:/run/here/vagga" /run/requests
SH
    run timeout 100 unshare --net --mount --propagation private bash host.sh
    echo "$output"
    [ "$status" -eq 0 ]
    nothing_is_left
}

@test "without sudo the way as root is named, and nothing is left" {
    [ "$(id -u)" -ne 0 ] || skip "root needs none"
    command -v sudo > /dev/null && skip "there is a sudo"
    export XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR
    run --separate-stderr vagga _create_netns
    [ "$status" -eq 121 ]
    contains "$stderr" "Can't set up the network namespace: sudo: "
    contains "$stderr" 'run `vagga _create_netns` as root'
    [ ! -e "$XDG_RUNTIME_DIR/vagga" ]
    nothing_is_left
}
