# Listening sockets of the host.
# bats file_tags=root,young

setup() {
    load lithos.bash
    load world.bash
    setup_lithos
    echo 'allow-tcp-ports: [17000-17200]' | sandbox
}

listeners() { ss -Hltn "sport = :$1" | wc -l; }
service_of() { local k; k=$(knot_of "$1"); tr -d ' ' < "/proc/$k/task/$k/children"; }

# bats test_tags=root
@test "one socket for all instances, with its number and its backlog" {
    sleeper web 'tcp-ports: {17011: {fd: 5}}'
    echo 'web: {image: img.v1, config: /config/web.yaml, instances: 2}' | processes
    start_tree
    eventually running 2
    [ "$(listeners 17011)" -eq 1 ]
    [ "$(ss -Hltn 'sport = :17011' | awk '{print $3}')" = 128 ]
    a=$(readlink "/proc/$(service_of app/web.0)/fd/5"); b=$(readlink "/proc/$(service_of app/web.1)/fd/5")
    [[ "$a" == socket:* ]] && [ "$a" = "$b" ]
}

# bats test_tags=root
@test "standard input can be the socket; a backlog of one's own; IPv6" {
    sleeper web 'tcp-ports: {17012: {fd: 0, host: 127.0.0.1, listen-backlog: 7}, 17013: {fd: 3, host: "::1"}}'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually running 1
    [[ "$(readlink "/proc/$(service_of app/web.0)/fd/0")" == socket:* ]]
    [ "$(ss -Hltn 'sport = :17012' | awk '{print $3}')" = 7 ]
    ss -Hltn 'sport = :17013' | grep -qF '[::1]:17013'
}

# bats test_tags=root
@test "nobody is refused during reloads and an upgrade" {
    sleeper web 'tcp-ports: {17014: {fd: 5}}'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually running 1
    # Nobody accepts: fewer than fit into the backlog.
    ( for _ in $(seq 100); do : 3<>/dev/tcp/127.0.0.1/17014 || echo refused; sleep 0.02; done ) > "$L/clients" 2>&1 3>&- &
    clients=$!
    reload; reload
    echo 'web: {image: img.v1, config: /config/web.yaml, variables: {v: w}}' | processes
    reload
    wait "$clients"
    [ ! -s "$L/clients" ] || { head "$L/clients"; false; }
}

# bats test_tags=root
@test "between two attempts nobody listens" {
    shell web 'exit 1' 'restart-timeout: 60' 'tcp-ports: {17015: {fd: 5}}'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually grep -q 'exited with code 1' "$L/log/master.log"
    [ "$(listeners 17015)" -eq 0 ]
}

# bats test_tags=root
@test "of what is retired the tree closes its copy at once, the process goes on accepting" {
    shell web "trap '' TERM; sleep 1000" 'kill-timeout: 20' 'tcp-ports: {17016: {fd: 5}}'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually running 1
    knot=$(knot_of app/web.0)
    sleep 0.3
    : | processes
    reload
    # The history, for which `reload` waits, is written before the sockets are closed.
    closed() { ! ss -Hltnp 'sport = :17016' | grep -q "pid=$TREE,"; }
    eventually closed
    [ "$(listeners 17016)" -eq 1 ]
    kill -9 "$knot"
}

# bats test_tags=root
@test "two variables with one port: the process gets both descriptors, of one socket" {
    sleeper web 'variables: {a: !TcpPort {activation: systemd}, b: !TcpPort {activation: systemd}}'
    echo 'web: {image: img.v1, config: /config/web.yaml, variables: {a: 17020, b: 17020}}' | processes
    start_tree
    eventually running 1
    service=$(service_of app/web.0)
    grep -qzx LISTEN_FDS=2 "/proc/$service/environ"
    first=$(readlink "/proc/$service/fd/3")
    [[ "$first" == socket:* ]] && [ "$(readlink "/proc/$service/fd/4")" = "$first" ]
    [ "$(listeners 17020)" -eq 1 ]
}

# bats test_tags=root
@test "reuse-port: a socket for each process" {
    sleeper web 'tcp-ports: {17017: {fd: 5, reuse-port: true}}'
    echo 'web: {image: img.v1, config: /config/web.yaml, instances: 2}' | processes
    start_tree
    eventually running 2
    [ "$(listeners 17017)" -eq 2 ]
}

# bats test_tags=root
@test "standard output cannot be a socket: that entry is an error, others run" {
    sleeper bad 'tcp-ports: {17018: {fd: 1}}'
    sleeper web
    printf '%s\n' 'bad: {image: img.v1, config: /config/bad.yaml}' 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually running 1
    [ -n "$(knot_of app/web.0)" ]
    grep -q 'ERROR.*app/bad' "$L/log/master.log"
}

# bats test_tags=root
@test "an address that is taken: the tree tries again once per second and stays responsive, whatever restart-timeout says" {
    sleeper web 'tcp-ports: {17019: {fd: 5}}' 'restart-timeout: 0'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    busybox nc -l -p 17019 -e cat 3>&- & taken=$!
    is_taken() { [ "$(listeners 17019)" -eq 1 ]; }
    eventually is_taken
    start_tree
    eventually grep -q "can't listen on 0.0.0.0:17019" "$L/log/master.log"
    sleep 2
    kill "$taken"
    [ "$(grep -c "can't listen" "$L/log/master.log")" -le 5 ]
    eventually running 1
}
