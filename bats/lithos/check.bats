# lithos_check: every file of a machine, and container files alone (A-1 to A-36, A-166).
bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    mkdir -p bin sandboxes processes images/img.v1/{dev,sys,proc,tmp,config,data} dev/pts
    # The tree and the knot must be beside the tool; they are only looked for.
    cp "$(command -v lithos_check)" bin/
    : > bin/lithos_tree; : > bin/lithos_knot
    echo "devfs-dir: $PWD/dev" > master.yaml
    sandbox ''
    container 'user-id: 1'
    echo 'web: {image: img.v1, config: /config/web.yaml}' > processes/app.yaml
}

sandbox() {
    cat > sandboxes/app.yaml <<YAML
image-dir: $PWD/images
allow-users: [0-100]
allow-groups: [0-100]
uid-map: [{inside: 0, outside: 10000, count: 100}]
gid-map: [{inside: 0, outside: 10000, count: 100}]
$1
YAML
}

container() { printf 'executable: /bin/x\n%s\n' "$1" > images/img.v1/config/web.yaml; }
processes() { echo "web: {image: img.v1, config: /config/web.yaml, $1}" > processes/app.yaml; }
check() { run --separate-stderr bin/lithos_check -C master.yaml "$@"; }
passes() { check "$@"; [ "$status" -eq 0 ] && [ -z "$output$stderr" ] || { echo "$status: $output$stderr"; false; }; }

# fails PART ARGUMENT…: exit 1, an error line with PART, and the closing warning.
fails() {
    local part=$1; shift
    check "$@"
    [ "$status" -eq 1 ] && [[ "$stderr" == *"ERROR "*"lithos_check: "*"$part"* ]] && [[ "$stderr" == *" WARN "*"lithos "* ]] ||
        { echo "$status: $output$stderr"; false; }
}

# alone PART TEXT: a container file by itself is refused.
alone() {
    printf '%s\n' "$2" > c.yaml
    run --separate-stderr bin/lithos_check --check-container c.yaml
    [ "$status" -eq 1 ] && [[ "$stderr" == *"$1"* ]] || { echo "$2: $status: $stderr"; false; }
}

@test "a sound configuration says nothing" {
    passes
    [ "$(bin/lithos_check --version)" ]
    run bin/lithos_check --help
    [ "$status" -eq 0 ] && [[ "$output" == *--alternate-config* ]]
    run bin/lithos_check --nonsense
    [ "$status" -eq 2 ]
}

@test "master files (A-1, A-2)" {
    fails missing.yaml -C missing.yaml
    echo 'nonsense: 1' > other.yaml
    fails 'other.yaml:1:1' -C other.yaml
    rmdir dev/pts
    fails 'lithos_mkdev'
}

@test "both programs must be there" {
    rm bin/lithos_knot
    fails lithos_knot
}

@test "container files alone (A-3 to A-17)" {
    echo 'executable: /bin/x' > c.yaml
    passes --check-container c.yaml
    alone executable ''
    alone foo $'executable: /bin/x\nfoo: 1\n_bar: {}'
    [[ "$stderr" != *_bar* ]]
    alone c.yaml:2: $'executable: /bin/x\ninteractive: yes'
    alone kill $'executable: /bin/x\nkill-timeout: 86401' || alone 86400 $'executable: /bin/x\nkill-timeout: 86401'
    alone A $'executable: /bin/x\nenviron: {A: 1, A: 2}'
    alone count $'executable: /bin/x\nuid-map: [{inside: 0, outside: 1}]'
    alone nclude $'executable: /bin/x\nmetadata: !*Include f.yaml'
    alone fd $'executable: /bin/x\ntcp-ports: {80: {}}'
    alone localhost $'executable: /bin/x\ntcp-ports: {80: {fd: 3, host: localhost}}'
    alone 'not declared' $'executable: /bin/x\narguments: ["@{x}"]'
    alone LISTEN_FDS $'executable: /bin/x\nvariables: {p: !TcpPort {activation: systemd}}\nenviron: {LISTEN_FDS: 1}'
    printf 'executable: /bin/x\nvariables:\n  x: !TcpPort\narguments: ["@{x}", "@{lithos:name}"]\nenviron: {P: "@{lithos:pid}"}\n' > c.yaml
    passes --check-container c.yaml
}

@test "several files, each with its error" {
    echo 'executable: /bin/x' > a.yaml
    echo 'x: 1' > b.yaml
    run --separate-stderr bin/lithos_check --check-container a.yaml --check-container b.yaml --check-container none.yaml
    [ "$status" -eq 1 ] && [[ "$stderr" == *b.yaml* && "$stderr" == *none.yaml* && "$stderr" != *a.yaml* ]]
}

@test "sandboxes (A-18, A-19)" {
    sandbox 'image-dir-levels: 17'
    fails '16'
    echo "image-dir: $PWD/images" > sandboxes/app.yaml
    fails 'allow-users is empty'
    : > sandboxes/.app.yaml; : > 'sandboxes/x.yaml~'; echo 'broken: [' > sandboxes/y.yaml.bak
    sandbox ''
    passes
}

@test "processes files that do not parse are errors (A-20)" {
    local text
    for text in 'web: {image: img.v1, config: /config/web.yaml, kind: CommandOrDaemon}' 'web: {config: /config/web.yaml}' \
        'web: {image: img.v1, config: /config/web.yaml, foo: 1}' 'web: [' ; do
        echo "$text" > processes/app.yaml
        fails processes/app.yaml
    done
    rm processes/app.yaml
    fails processes/app.yaml
    : > processes/app.yaml
    passes
}

@test "images (A-21, A-22)" {
    local image
    for image in a/img.v1 ../x; do
        echo "web: {image: $image, config: /config/web.yaml}" > processes/app.yaml
        fails "app/web: image"
    done
    echo "web: {image: img.v1, config: config/web.yaml}" > processes/app.yaml
    fails "app/web: config"
    echo "web: {image: img.v2, config: /config/web.yaml}" > processes/app.yaml
    fails images/img.v2
    processes ''
    rmdir images/img.v1/tmp
    fails '/tmp is missing'
}

@test "variables (A-23 to A-29)" {
    container $'user-id: 1\nvariables: {p: !TcpPort, n: !DottedName, c: !Choice [ru, ua]}\narguments: ["@{p}", "@{n}", "@{c}", "@{lithos:name}"]\nenviron: {P: "@{lithos:pid}"}'
    sandbox 'allow-tcp-ports: [80, 8000-8099]'
    processes 'variables: {p: 8080, n: a.b_c.d-e, c: ru}'
    passes
    processes 'variables: {p: 70000, n: a..b, c: uk}'
    fails 'variables.p'
    [[ "$stderr" == *variables.n* && "$stderr" == *variables.c* ]]
    processes 'variables: {p: 81, n: a, c: ua}'
    fails 'allow-tcp-ports'
    processes 'variables: {n: a, c: ua}'
    fails 'has no value'
    container $'user-id: 1\nenviron: {P: "pid @{lithos:pid}"}'
    fails 'lithos:pid'
}

@test "users, maps, addresses, ports (A-30 to A-36)" {
    container 'user-id: 500'
    fails 'allow-users'
    container $'user-id: 1\nuid-map: [{inside: 0, outside: 5, count: 9}]\ngid-map: [{inside: 0, outside: 5, count: 9}]'
    fails 'only one of them'
    container $'user-id: 1\ntcp-ports: {80: {fd: 3}}'
    fails 'allow-tcp-ports'
    sandbox 'allow-tcp-ports: [80]'
    passes
    container $'user-id: 1\ntcp-ports: {80: {fd: 1}}'
    fails 'descriptor 1'
    container $'user-id: 1\nkind: Command'
    fails 'app/web: kind'
    container $'user-id: 1\nvolumes: {data: !Tmpfs {}}'
    fails absolute
    container $'user-id: 1\nvolumes: {/data: !Readonly /tz}'
    fails 'volumes./data'
    container $'user-id: 1\nvolumes: {/none: !Tmpfs {}}'
    fails '/none is missing'
}

@test "bridged sandboxes (A-32, A-33)" {
    sandbox 'bridged-network: {bridge: lo, network: 10.0.0.0/8}'
    container $'user-id: 1\ntcp-ports: {80: {fd: 3}}'
    processes 'instances: 3, ip-addresses: [10.0.0.1, 10.0.0.2]'
    fails 'app/web.2'
    processes 'ip-addresses: [11.0.0.1]'
    fails '10.0.0.0/8'
    processes 'ip-addresses: [10.0.0.1]'
    passes
    container $'user-id: 1\ntcp-ports: {80: {fd: 3, external: true}}'
    fails 'allow-tcp-ports'
    sandbox 'bridged-network: {bridge: no-such-br, network: 10.0.0.0/8}'
    fails 'no-such-br'
}

@test "alternate processes files (A-35)" {
    echo 'web: {}' > new.yaml
    fails '--sandbox' --alternate-config new.yaml
    fails 'no sandbox' --sandbox other --alternate-config new.yaml
    fails new.yaml --sandbox app --alternate-config new.yaml
    : > new.yaml
    passes -T app --alternate-config new.yaml
}

@test "a container file is looked for inside of its image only (A-166)" {
    echo 'executable: /bin/x' > outside.yaml
    ln -sf "$PWD/outside.yaml" images/img.v1/config/web.yaml
    fails config/web.yaml
    ln -sf ../../../outside.yaml images/img.v1/config/web.yaml
    fails config/web.yaml
    rm images/img.v1/config/web.yaml
    mkfifo images/img.v1/config/web.yaml
    fails 'regular file'
    rm images/img.v1/config/web.yaml
    truncate -s 5G images/img.v1/config/web.yaml
    fails 'MiB'
}

# has LINE…: the output has these whole lines.
has() { for line; do grep -qxF -- "$line" <<<"$output" || { echo "missing: $line"; echo "$output"; return 1; }; done; }

@test "--explain prints what a container would be, and starts nothing" {
    sandbox 'max-memory: 64Mi
seccomp: off'
    container 'user-id: 1
arguments: [serve, "--number=@{lithos:config_filename}"]
volumes: {/data: !Tmpfs {size: 1048576}}
stop-signal: SIGUSR2'
    echo 'web: {image: img.v1, config: /config/web.yaml, instances: 3}' > processes/app.yaml
    check --explain app/web.2
    [ "$status" -eq 0 ] && [ -z "$stderr" ] || { echo "$output$stderr"; false; }
    has 'container app/web.2' 'user 1 (outside 10001)' 'uid-map 0 10000 100' 'seccomp off' 'no-new-privileges yes' \
        'environ LITHOS_NAME="app/web.2"' 'image img.v1 config /config/web.yaml' 'instances 3 restart-timeout 1s'
    [[ "$output" == *'stop signal=SIGUSR2 '* ]]
    [[ "$output" == *'memory=67108864 '* ]] || { echo "$output"; false; }
    # Without a number the first one; more than one container at a time.
    check --explain app/web --explain app/web.1
    [ "$status" -eq 0 ]
    has 'container app/web.0' 'container app/web.1'
}

@test "--explain says what is wrong with a name or a container" {
    fails 'should be SANDBOX/PROCESS' --explain app
    fails 'it has web' --explain app/nosuch
    fails 'nosuch.yaml' --explain nosuch/web
    container 'user-id: 5000'
    fails 'app/web.0: ' --explain app/web
    [ -z "$output" ]
}

@test "--explain shows which disks are limited, by the place that is on them" {
    sandbox 'max-io: {/srv/db: {write-bytes: 1Mi}}'
    container 'user-id: 1
io-limit: {/: {read-bytes: 2Mi}, /tmp: {write-operations: 5}}
volumes: {/tmp: !Statedir {path: /}}'
    check --explain app/web
    has 'limits of the disk of /srv/db write-bytes=1048576' "limits of the disk of $PWD/images//img.v1 read-bytes=2097152" \
        'limits of the disk of /run/lithos/state//app/web.0 write-operations=5'
}

@test "a facility of syslog that does not exist is a warning" {
    echo 'syslog-facility: LOG_Local3' >> master.yaml
    passes
    sed -i 's/LOG_Local3/local9/' master.yaml
    check
    [ "$status" -eq 0 ]
    [[ "$stderr" == *'WARN '*'syslog-facility "local9"'* ]]
}

@test "a limit for a path on no disk is a warning: containers start without it" {
    sandbox 'max-io: {/proc: {read-bytes: 1Mi}, /no/such: {read-bytes: 1Mi}}'
    check
    [ "$status" -eq 0 ]
    [[ "$stderr" == *'WARN '*'sandbox app: max-io /proc: is not on a disk'*'sandbox app: max-io /no/such: '* ]] || [[ "$stderr" == *'max-io /no/such: '*'max-io /proc: is not on a disk'* ]]
}
