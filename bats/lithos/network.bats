# Bridged sandboxes under lithos_tree, in a network namespace of the test that plays the host.
# bats file_tags=root,young
load lithos.bash
load world.bash

setup() {
    setup_lithos
    unshare --net sleep 1000 3>&- & HOST=$!
    eventually other_network
    on_host ip link add br0 type bridge 2> /dev/null || skip 'no bridges here'
    on_host ip link set lo up
    on_host ip address add 10.88.0.1/24 dev br0
    on_host ip link set br0 up
    bridged
}

teardown() {
    stop_tree
    kill "$HOST" 2> /dev/null || true
}

other_network() { [ "$(readlink "/proc/$HOST/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
on_host() { nsenter --net="/proc/$HOST/ns/net" "$@"; }
# start_tree of world.bash starts this one: the same process, on the other host.
lithos_tree() { exec nsenter --net="/proc/$HOST/ns/net" lithos_tree "$@"; }

# A sandbox on the bridge, with further lines about the network.
bridged() {
    { printf '%s\n' 'bridged-network:' '  bridge: br0' '  network: 10.88.0.0/24' '  default-gateway: 10.88.0.1'
      [ $# -eq 0 ] || printf '  %s\n' "$@"; } | sandbox
}

one() { echo "web: {image: img.v1, config: /config/web.yaml, ip-addresses: [10.88.0.10]}" | processes; }
links() { on_host ip -o link show | grep -o 'li_[0-9a-f_]*' | sort -u; }
network_of() { local pid; pid=$(knot_of "$1"); shift; nsenter --net="/proc/$pid/ns/net" "$@"; }
answers() { [ "$(on_host busybox nc -w 2 "$1" "$2" < /dev/null)" = "$3" ]; }

# bats test_tags=root
@test "A-109 A-115 address, route, cable in the bridge; port 80 is the container's own and reached over the bridge" {
    # inetd-like: the listening socket is descriptor 3.
    service web 'serve' 'tcp-ports: {80: {fd: 3}}' 'user-id: 1'
    { service_paths; printf '%s\n' 'bridged-network: {bridge: br0, network: 10.88.0.0/24, default-gateway: 10.88.0.1}'; } | sandbox
    one
    start_tree
    eventually running 1
    # The name of the contract: hash of bridge and address, and the address' end.
    [[ "$(links)" =~ ^li_[0-9a-f]{6}_000a$ ]]
    on_host ip -o link show "$(links)" | grep -q 'master br0 state UP\|state UP.*master br0\|master br0'
    contains "$(network_of app/web.0 ip -o address show)" 'inet 10.88.0.10/24'
    contains "$(network_of app/web.0 ip -o address show)" 'inet 127.0.0.1/8'
    contains "$(network_of app/web.0 ip route)" 'default via 10.88.0.1'
    eventually answers 10.88.0.10 80 'app/web.0 -'
    [ -z "$(on_host ss -Hltn 'sport = :80')" ]
    knot=$(knot_of app/web.0)
    process=$(tr -d ' ' < "/proc/$knot/task/$knot/children")
    [ "$(awk '/^Cap(Inh|Prm|Eff|Bnd|Amb)/ { print $2 }' "/proc/$process/status" | sort -u)" = 0000000000000400 ]
}

# bats test_tags=root
@test "A-110 an external port listens on the host" {
    service web 'serve' 'tcp-ports: {17301: {fd: 3, external: true}}'
    { service_paths; printf '%s\n' 'allow-tcp-ports: [17301]' 'bridged-network: {bridge: br0, network: 10.88.0.0/24}'; } | sandbox
    one
    start_tree
    eventually running 1
    eventually answers 127.0.0.1 17301 'app/web.0 -'
    [ -z "$(network_of app/web.0 ss -Hltn 'sport = :17301')" ]
}

# bats test_tags=root
@test "A-116 after a kill there is a new cable of the same name, and none at the end" {
    sleeper web 'restart-timeout: 0'
    one
    start_tree
    eventually running 1
    name=$(links) knot=$(knot_of app/web.0)
    before=$(network_of app/web.0 ip -o link show)
    kill -9 "$knot"
    another() { running 1 && [ "$(knot_of app/web.0)" != "$knot" ]; }
    eventually another
    eventually network_of app/web.0 ip address show
    is_same() { [ "$(links)" = "$name" ]; }
    eventually is_same
    kill -TERM "$TREE"; wait "$TREE" || true; TREE=
    none() { [ -z "$(links)" ]; }
    eventually none
    [ -n "$before" ]
}

# bats test_tags=root
@test "A-117 the command after the set-up sees the container's network and the host's files; its failure prevents the start" {
    printf '%s\n' '#!/bin/sh' "ip -o address show > $L/hook; echo \"\$1 \$(id -u)\" >> $L/hook" > "$L/hook.sh"; chmod 755 "$L/hook.sh"
    bridged "after-setup-command: [$L/hook.sh, '@{container_ip}']"
    sleeper web 'restart-timeout: 60'
    one
    start_tree
    eventually running 1
    contains "$(cat "$L/hook")" 'inet 10.88.0.10/24'
    [ "$(tail -1 "$L/hook")" = '10.88.0.10 0' ]
    stop_tree
    bridged 'after-setup-command: [/bin/false]'
    start_tree
    eventually grep -q 'ERROR.*app/web.0.*after-setup-command' "$L/log/master.log"
    running 0
    # The kernel removes a network namespace when it has time.
    none() { [ -z "$(links)" ]; }
    eventually none
}

# bats test_tags=root
@test "A-118 a command without an address has only loopback" {
    script sh <<< 'ip -o link show; ip -o address show'
    echo 'sh: {kind: Command, image: img.v1, config: /config/sh.yaml}' | processes
    run on_host lithos_cmd --master "$L/master.yaml" app sh < /dev/null
    [ "$status" -eq 0 ]
    contains "$output" 'inet 127.0.0.1/8'
    lacks "$output" 'li-'
    lacks "$output" 'br0'
}

# bats test_tags=root
@test "the bridge is gone: what runs goes on, a start fails and says so, and succeeds once it is back" {
    sleeper web 'restart-timeout: 0'
    sleeper job
    printf '%s\n' 'web: {image: img.v1, config: /config/web.yaml, ip-addresses: [10.88.0.10]}' \
        'job: {image: img.v1, config: /config/job.yaml, ip-addresses: [10.88.0.11]}' | processes
    start_tree
    eventually running 2
    job=$(knot_of app/job.0)
    on_host ip link delete br0
    reload
    running 2
    kill -9 "$(knot_of app/web.0)"
    eventually grep -q 'ERROR.*app/web.0.*br0' "$L/log/master.log"
    [ "$(knot_of app/job.0)" = "$job" ]
    kill -0 "$TREE"
    on_host ip link add br0 type bridge
    on_host ip link set br0 up
    eventually running 2
    [ "$(knot_of app/job.0)" = "$job" ]
}
