#!/usr/bin/env bats
# An image directory and configurations for production.
load project

@test "commands and children become files that lithos reads" {
    write_project <<'YAML'
containers:
  app:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Sh "mkdir /srv; echo code > /srv/app; chown 7:8 /srv/app 2>/dev/null || true; echo 'FROM_FILE=1' > /etc/env"
    environ: { LANG: C.UTF-8 }
    environ-file: /etc/env
    volumes:
      /data: !Persistent { name: db, owner-uid: 7, owner-gid: 8 }
      /cache: !Tmpfs { size: 1Mi, mode: 0o700 }
commands:
  migrate: !Command { container: app, work-dir: /srv, run: [cat, app] }
  shell: !Command { container: app, run: 'echo "$1"' }
  all: !Supervise
    children:
      web: !Command
        container: app
        work-dir: /srv
        run: [httpd, -f]
        pass-tcp-socket: "*:8000"
        user-id: 0
        environ: { A: "x: y" }
YAML
    run --separate-stderr vagga _to_lithos -o out app
    [ "$status" -eq 0 ] || { echo "$stderr"; false; }
    contains "$stderr" "shell: works in /work, which is empty in production"
    lacks "$stderr" "migrate:"
    image=$(cd out/images && echo app.*)
    cd "out/images/$image"
    [ "$(cat srv/app)" = code ] && [ -d data ] && [ -d cache ] && [ -d dev ] && [ -d proc ]
    diff config/all-web.yaml - <<'CONFIG'
kind: Daemon
user-id: 0
group-id: 0
executable: "/bin/httpd"
arguments: ["-f"]
workdir: "/srv"
environ:
  A: "x: y"
  FROM_FILE: "1"
  LANG: "C.UTF-8"
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
volumes:
  /cache: !Tmpfs {size: 1048576, mode: 0o700}
  /data: !Persistent {path: "/db", mkdir: true, mode: 0o755, user: 7, group: 8}
  /run: !Tmpfs {size: 104857600, mode: 0o755}
  /tmp: !Tmpfs {size: 104857600, mode: 0o1777}
tcp-ports:
  "8000": {fd: 3, host: "0.0.0.0"}
CONFIG
    contains "$(cat config/shell.yaml)" 'arguments: ["-c", "echo \"$1\"", "--"]'
    contains "$(cat config/migrate.yaml)" 'kind: Command'
    cd "$PROJECT/out"
    contains "$(cat processes/app.yaml)" "config: \"/config/all-web.yaml\""
    contains "$(cat processes/app.yaml)" "image: \"$image\""
    contains "$(cat sandboxes/app.yaml)" 'writable-paths:'
    contains "$(cat sandboxes/app.yaml)" 'allow-tcp-ports: ["8000"]'
    # What was built is as it was.
    [ ! -e "$PROJECT/.vagga/app/config" ]
    cd "$PROJECT"
    run --separate-stderr vagga _to_lithos -o out app
    [ "$status" -eq 121 ]
    contains "$stderr" "out exists already"
    [ -z "$(ls -d .tmp.* 2>/dev/null)" ]
    vagga_rm out
}

# Files of subordinate ids can only be removed from within.
vagga_rm() { rm -rf "$1" 2>/dev/null || unshare --map-auto --map-root-user rm -rf "$1"; }

# bats test_tags=ids
@test "ids: the sandbox has the map that the files were written with" {
    write_project <<'YAML'
containers:
  app: { setup: [ !Tar { url: ./busybox.tar }, !Sh 'echo x > /f; chown 7:8 /f' ] }
commands:
  run: !Command { container: app, work-dir: /, run: [cat, /f] }
YAML
    vagga _to_lithos app 2>/dev/null
    f=$(echo lithos-app/images/app.*/f)
    if grep -q '^uid-map' lithos-app/sandboxes/app.yaml; then
        outside=$(sed -n 's/^uid-map: .*{inside: 1, outside: \([0-9]*\),.*/\1/p' lithos-app/sandboxes/app.yaml)
        [ "$(stat -c %u "$f")" = "$((outside + 6))" ]
    else
        [ "$(stat -c %u:%g "$f")" = 7:8 ]
    fi
    vagga_rm lithos-app
}

@test "ready: ports and files stay, commands are left out" {
    write_project <<'YAML'
containers:
  app: { setup: [ !Tar { url: ./busybox.tar } ] }
commands:
  all: !Supervise
    children:
      port: !Command { container: app, work-dir: /, run: [sleep, "1"], ready: { tcp: "127.0.0.1:8000", timeout: 1500ms } }
      file: !Command { container: app, work-dir: /, run: [sleep, "1"], ready: { file: /run/here } }
      command: !Command { container: app, work-dir: /, run: [sleep, "1"], ready: { command: [true] } }
YAML
    run --separate-stderr vagga _to_lithos -o out app
    [ "$status" -eq 0 ] || { echo "$stderr"; false; }
    cd out/images/app.*/config
    [ "$(grep -A2 '^ready' all-port.yaml)" = $'ready:\n  tcp: "8000"\n  timeout: 2' ]
    [ "$(grep -A1 '^ready' all-file.yaml)" = $'ready:\n  file: "/run/here"' ]
    ! grep ready all-command.yaml || false
    [ "$(grep -c 'the command of `ready` has no counterpart' <<< "$stderr")" = 1 ]
    for file in all-*.yaml; do lithos_check --check-container "$file"; done
    cd "$PROJECT"; vagga_rm out
}

@test "what lithos has nothing for is said, a line each" {
    write_project <<'YAML'
containers:
  app: { setup: [ !Tar { url: ./busybox.tar }, !EnsureDir /opt ], volumes: { /opt: !Empty } }
commands:
  opt: !Command { container: app, work-dir: /, isolate-network: true, options: "Usage: vagga opt [options]", run: "true" }
  name: !Command { container: app, work-dir: /, pass-tcp-socket: "example.org:81", external-user-id: 0, run: "true" }
  all: !Supervise
    children:
      a: !Command { container: app, work-dir: /, restart: on-failure, network: { ip: 172.23.0.1 }, run: [sleep, "1"] }
      b: !Command { container: app, work-dir: /, restart: always, after: [a], run: [sleep, "1"] }
      c: !BridgeCommand { container: app, run: [sleep, "1"] }
YAML
    run --separate-stderr vagga _to_lithos -o out app
    [ "$status" -eq 0 ] || { echo "$stderr"; false; }
    for note in 'opt: options have' 'opt: isolate-network has' 'name: external-user-id has' 'name: pass-tcp-socket: "example.org"' \
        'all-a: restart on-failure has' 'all-a: network has' 'all-b: after has' 'all-c: a !BridgeCommand has'; do
        contains "$stderr" "$note"
    done
    [ "$(grep -cE "warning: (opt|name|all-.): " <<< "$stderr")" = 8 ] || { echo "$stderr"; false; }
    cd out/images/app.*/config
    contains "$(cat all-a.yaml)" '/opt: !Tmpfs {size: 1, mode: 0o0}'
    for file in *.yaml; do lithos_check --check-container "$file"; done
    cd "$PROJECT"; vagga_rm out
}

@test "names that lithos does not have, and two alike, are refused before anything is written" {
    write_project <<'YAML'
containers:
  app: { setup: [ !Tar { url: ./busybox.tar } ] }
commands:
  a-b: !Command { container: app, work-dir: /, run: "true" }
  cmd.x: !Command { container: app, work-dir: /, run: "true" }
  a: !Supervise { children: { b: !Command { container: app, run: "true" }, c/d: !Command { container: app, run: "true" } } }
YAML
    for case in 'a-b|two processes would be called "a-b"' 'a-c/d|"a-c/d" cannot be the name' 'cmd.x|"cmd.x" cannot be the name'; do
        # shellcheck disable=SC2086
        run --separate-stderr vagga _to_lithos app ${case%%|*}
        [ "$status" -eq 121 ] || { echo "$case $status"; false; }
        contains "$stderr" "${case#*|}"
        [ -z "$(ls -d lithos-app .tmp.* .vagga/app 2>/dev/null)" ]
    done
}

@test "mistakes are named" {
    write_project <<'YAML'
containers:
  app: { setup: [ !Tar { url: ./busybox.tar } ] }
  idle: { setup: [ !Tar { url: ./busybox.tar } ] }
commands:
  run: !Command { container: app, run: [nosuch] }
YAML
    for case in 'idle|there is nothing to export' 'app other|has no process "other"' 'app|"nosuch" is not found in the image' 'nosuch|not found'; do
        # shellcheck disable=SC2086
        run --separate-stderr vagga _to_lithos ${case%%|*}
        [ "$status" -eq 121 ] || { echo "$case $status"; false; }
        contains "$stderr" "${case#*|}"
        [ ! -e lithos-app ]
    done
}
