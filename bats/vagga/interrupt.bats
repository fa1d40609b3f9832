#!/usr/bin/env bats
# Ctrl-C at a terminal while something is built.
load project

# Nothing of the project runs any more, and no directory looks like an image.
nothing_left() {
    for _ in $(seq 50); do pgrep -f 'sleep 474[7]' >/dev/null || break; sleep 0.1; done
    ! pgrep -f 'sleep 474[7]' || false
    [ ! -e .vagga/c ]
    [ -z "$(ls -d .vagga/.roots/c.* 2>/dev/null)" ]
}

# Once in what the terminal showed.
once() {
    [ "$(grep -c "$1" <<<"$output")" = 1 ] || { echo "$output"; false; }
}

@test "Ctrl-C ends a build step: status 130, one message, no process, the next build works" {
    write_project <<'YAML'
containers:
  c: { setup: [ !Tar { url: ./busybox.tar }, !Sh "[ -e /work/go ] || { trap '' INT; (sleep 4747; true) & echo run''ning; sleep 4747; }" ] }
commands:
  hello: !Command { container: c, run: [echo, hello] }
YAML
    for command in '"_build", "c"' '"hello"' '"_run", "c", "true"'; do
        play <<PY
start("vagga", $command)
expect("running")
send("\x03")
assert end() == 130
while read(0.2): pass
PY
        once 'vagga: Container "c" could not be built: interrupted'
        lacks "$output" "failed"
        contains "$output" "the unfinished root is"
        nothing_left
        [ -d .vagga/.roots/.tmp.c/root ]
    done
    run vagga _clean --tmp
    [ "$status" -eq 0 ] && [ ! -e .vagga/.roots/.tmp.c ]
    touch go
    run --separate-stderr vagga hello
    [ "$output" = hello ]
}

@test "a step that dies of Ctrl-C is not reported as failed" {
    write_project <<'YAML'
containers:
  c: { setup: [ !Tar { url: ./busybox.tar }, !Sh "echo run''ning; exec sleep 4747" ] }
YAML
    for _ in 1 2 3; do
        play <<'PY'
start("vagga", "_build", "c")
expect("running")
send("\x03")
assert end() == 130
while read(0.2): pass
PY
        once 'could not be built: interrupted'
        lacks "$output" "exited with code"
        nothing_left
    done
    vagga _build c 2>err & pid=$!
    for _ in $(seq 200); do grep -q running err && break; sleep 0.05; done
    kill -TERM $pid
    status=0; wait $pid || status=$?
    [ "$status" -eq 143 ]
    [ "$(grep -c 'could not be built: interrupted by signal 15' err)" = 1 ]
    nothing_left
}

@test "Ctrl-C during a download; the next build continues it" {
    write_project </dev/null
    cat > server.py <<'PY'
import http.server, os, time
BODY = b"0123456789" * 100000
class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        with open("requests", "a") as log:
            print(begin, file=log)
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(BODY) - 1}/{len(BODY)}")
        self.send_header("Content-Length", str(len(BODY) - begin))
        self.send_header("ETag", '"fixed"')
        self.end_headers()
        if os.path.exists("go"):
            self.wfile.write(BODY[begin:])
            return
        self.wfile.write(BODY[:500000])
        self.wfile.flush()
        open("started", "w").close()
        time.sleep(30)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
open("port", "w").write(str(server.server_address[1]))
server.daemon_threads = True
server.serve_forever()
PY
    python3 server.py >/dev/null 2>&1 & server=$!
    for _ in $(seq 100); do [ -s port ] && break; sleep 0.05; done
    digest=$(python3 -c 'import hashlib; print(hashlib.sha256(b"0123456789" * 100000).hexdigest())')
    echo "containers: { c: { setup: [ !Download { url: 'http://127.0.0.1:$(cat port)/x', path: /x, sha256: $digest } ] } }" > vagga.yaml
    play <<'PY'
start("vagga", "_build", "c")
import os
for _ in range(300):
    if os.path.exists("started"): break
    read(0.05)
read(0.5)
send("\x03")
assert end() == 130
while read(0.2): pass
PY
    once 'could not be built: interrupted'
    nothing_left
    touch go
    run vagga _build c
    kill $server
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ "$(stat -c %s .vagga/c/x)" = 1000000 ]
    [ "$(tail -n 1 requests)" -gt 0 ] || { cat requests; false; }
}

@test "Ctrl-C at any moment of a Debian bootstrap" {
    command -v gpg >/dev/null || skip "gpg is not installed"
    command -v gpgv >/dev/null || skip "gpgv is not installed"
    write_project </dev/null
    echo "containers: { c: { setup: [ !DebianRelease { codename: fix, mirror: 'file:$PROJECT/repo', keyring: repo/key.asc } ] } }" > vagga.yaml
    "$VAGGA_BATS/fixtures/debian-repository" repo fix
    play <<'PY'
import shutil, time
ended = {}
for step in range(16):
    start("vagga", "_build", "c")
    time.sleep(0.02 + 0.03 * step)
    send("\x03")
    code = end()
    assert code in (0, 130), code
    ended[code] = ended.get(code, 0) + 1
    while read(0.05): pass
    if code == 0:
        shutil.rmtree(".vagga", ignore_errors=True)
        import subprocess
        subprocess.run(["vagga", "_clean", "--everything"])
assert ended.get(130), ended
print(ended)
PY
    lacks "$output" "step 1 of 1 failed"
    vagga _clean --everything
    run vagga _build c
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ "$(grep -c '^Status: install ok installed' .vagga/c/var/lib/dpkg/status)" = 6 ]
    [ -z "$(ls -d .vagga/.cache/debian/tmp/build.* 2>/dev/null)" ]
}
