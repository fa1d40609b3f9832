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
            for i in 1 2 3 4 5 6 7 8 9 10; do nc -w 2 $name 80 && break; sleep 0.3; done
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
    ! pgrep -f 'sleep 424[2]'
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
    ! pgrep -f 'sleep 424[3]'
    nothing_is_left
}
