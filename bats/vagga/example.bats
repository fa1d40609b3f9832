#!/usr/bin/env bats
# The guest book of examples/, with real packages, as an ordinary user.
load project

setup() {
    cache=${VAGGA_FIXTURES%/fixtures}/cache.$VAGGA_MODE
    mkdir -p "$cache"
    export VAGGA_SETTINGS="cache-dir: $cache"
    PROJECT=$BATS_TEST_TMPDIR/guestbook
    cp -r "$VAGGA_BATS/../examples/guestbook" "$PROJECT"
    cd "$PROJECT" || return 1
}

# The bytes of $1 of the running guest book.
page() { curl -fsS --noproxy '*' --max-time 5 "$@" http://127.0.0.1:8000/; }

# bats test_tags=network,slow
@test "guest book: js, doc, test, run; Ctrl-C leaves nothing" {
    run -127 vagga
    [ "$status" -eq 127 ]
    contains "$output" "Start the database"
    run vagga js
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    grep -q 'just now' guestbook/static/main.js
    run vagga doc
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    grep -q 'Guest book' docs/build/index.html
    run timeout 400 vagga test
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    contains "$output" 'Ran 3 tests'
    cat > "$BATS_TEST_TMPDIR/play.py" <<'PY'
import subprocess, time, urllib.parse, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
start("vagga", "run")
expect("open http://127.0.0.1:8000", 300)
deadline = time.monotonic() + 60
while True:
    read(0.2)
    try:
        opener.open("http://127.0.0.1:8000/", urllib.parse.urlencode({"author": "Ada", "said": "hello"}).encode(), timeout=5)
        break
    except OSError:
        if time.monotonic() > deadline:
            fail("the guest book does not answer")
text = opener.open("http://127.0.0.1:8000/", timeout=5).read().decode()
assert "<b>Ada</b>: hello" in text, text
send("\x03")
status = end(30)
assert status == 130, f"status {status}"
PY
    run timeout 500 python3 "$VAGGA_BATS/fixtures/terminal.py" "$BATS_TEST_TMPDIR/play.py"
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    ! pgrep -u "$(id -u)" -f 'postgres -D /data' || false
    ! pgrep -u "$(id -u)" -f 'redis-server' || false
    ! page || false
    [ -d .vagga/.volumes/postgres ]
}
