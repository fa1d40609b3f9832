#!/usr/bin/env bats
# The lines at the bottom of a terminal that say how the children of a group are.
load project

# The group of all these tests, and what plays it.
setup() {
    commands <<'YAML'
group: !Supervise
  kill-unresponsive-after: 5
  children:
    talker: !Command
      container: bb
      run: "i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo line $i; done; printf half; touch /work/written; exec sleep 4247"
    server: !Command { container: bb, ready: { command: "test -e /work/up" }, run: "exec sleep 4247" }
    again: !Command { container: bb, restart: on-failure, run: "[ -e /work/second ] && exec sleep 4247; touch /work/second; exit 3" }
interactive: !Supervise
  children:
    cat: !Command { container: bb, run: [cat] }
    quiet: !Command { container: bb, run: [sleep, "4247"] }
YAML
    cat > begin.py <<'PY'
import os
os.environ["TERM"] = "xterm"
os.environ.pop("VAGGA_SETTINGS", None)

def text(lines): return "\n".join(lines)
def settled(lines): return "ready" in text(lines) and "restarts 1" in text(lines)
PY
}

nothing_runs() {
    for _ in $(seq 50); do pgrep -f 'sleep 424[7]' >/dev/null || return 0; sleep 0.1; done
    return 1
}

@test "the block says how each child is, below what they print, and Ctrl-C removes it" {
    play <<'PY'
exec(open("begin.py").read())
shell()
size(60, 12)
send("vagga group\n")
on_screen(lambda l: l[-4].startswith("-- group") and "is not ready yet" in text(l))
open("up", "w").close()
lines = on_screen(settled)
heading, again, server, talker = lines[-4:]
assert again.startswith(" again   running") and again.endswith("restarts 1"), again
assert server.startswith(" server  ready") and "since" in server, server
assert talker.startswith(" talker  running"), talker
import time
while not os.path.exists("written"): time.sleep(0.05)
lines = on_screen(lambda l: "half" in text(l))
above = [l for l in lines[:-4] if l.startswith("line") or l.startswith("half")]
assert above[-2] == "line 30" and "half" in above[-1] or above[-1].startswith("half"), lines
numbers = [int(l.split()[1]) for l in above if l.startswith("line")]
assert numbers == list(range(numbers[0], 31)), lines
send("\x03")
expect("PROMPT> ")
lines = on_screen(lambda l: text(l).rstrip().endswith("PROMPT>"))
assert "-- group" not in text(lines) and "since" not in text(lines), lines
send("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do echo after $i; done; stty size\n")
lines = on_screen(lambda l: "12 60" in text(l))
assert lines[-2] == "12 60" and lines[-3] == "after 14" and lines[0] == "after 5", lines
send("exit\n")
end()
PY
    nothing_runs
}

@test "Ctrl-Z gives the whole screen back, fg brings the block again" {
    touch up
    play <<'PY'
exec(open("begin.py").read())
shell()
size(60, 12)
send("vagga group\n")
for turn in range(2):
    on_screen(settled)
    send("\x1a")
    expect("Stopped")
    lines = on_screen(lambda l: text(l).rstrip().endswith("PROMPT>"))
    assert "-- group" not in text(lines), lines
    assert state["screen"].region == (0, 11)
    send("fg\n")
on_screen(settled)
send("\x03")
expect("PROMPT> ")
send("exit\n")
end()
PY
    nothing_runs
}

@test "another size of the terminal moves the block, one without room removes it" {
    touch up
    play <<'PY'
exec(open("begin.py").read())
shell()
size(60, 12)
send("vagga group\n")
on_screen(settled)
for columns, lines in [(40, 9), (70, 20), (60, 5), (60, 16)]:
    size(columns, lines)
    block = 0 if lines == 5 else 4
    def right(l):
        headings = [i for i, line in enumerate(l) if line.startswith("-- group")]
        return headings == ([lines - block] if block else [])
    on_screen(right)
    import time; time.sleep(0.3); read(0.1)
    assert right(state["screen"].lines()), state["screen"].lines()
    assert state["screen"].region == (0, lines - block - 1), state["screen"].region
os.kill(state["pid"], 0)
send("\x03")
expect("PROMPT> ")
send("exit\n")
end()
PY
    nothing_runs
}

@test "a child that reads from the terminal has the screen for itself" {
    play <<'PY'
exec(open("begin.py").read())
shell()
size(60, 12)
send("vagga interactive\n")
expect("-- interactive")
on_screen(lambda l: "-- interactive" not in text(l))
send("hello\n")
expect("hello\r\nhello")
assert state["screen"].region == (0, 11)
send("\x04")
expect("PROMPT> ")
lines = on_screen(lambda l: text(l).rstrip().endswith("PROMPT>"))
assert state["screen"].region == (0, 11) and "-- interactive" not in text(lines), lines
send("exit\n")
end()
PY
    nothing_runs
}

@test "no block where nobody watches: redirected, dumb, switched off, in the background" {
    touch up
    cat > none.py <<'PY'
exec(open("begin.py").read())
shell()
size(60, 12)
def stops():
    expect("half")
    send("\x03")
    expect("PROMPT> ")
send("vagga group 2> err\n")
stops()
send("TERM=dumb vagga group\n")
stops()
send("VAGGA_SETTINGS='status-block: false' vagga group\n")
stops()
send("vagga group & sleep 1; kill %1; wait\n")
expect("half")
expect("PROMPT> ")
assert "-- group" not in state["seen"] and "\x1b[1;" not in state["seen"], repr(state["seen"])
send("exit\n")
end()
PY
    play < none.py
    ! grep -q $'\x1b' err || false
    nothing_runs
}

@test "nothing wakes up while nothing changes" {
    touch up
    play <<'PY'
exec(open("begin.py").read())
shell()
size(60, 12)
send("vagga group & echo pid $!; fg\n")
expect("pid ")
on_screen(settled)
pid = state["seen"].split("pid ")[-1].split()[0]
def switches(): return [l for l in open(f"/proc/{pid}/status") if "ctxt" in l]
import time; time.sleep(0.5)
before = switches()
time.sleep(2)
assert switches() == before, (before, switches())
send("\x03")
expect("PROMPT> ")
send("exit\n")
end()
PY
    nothing_runs
}

@test "signals that end vagga give the screen back" {
    touch up
    play <<'PY'
exec(open("begin.py").read())
shell()
size(60, 12)
for name in ["TERM", "USR1"]:
    if os.path.exists("second"): os.remove("second")
    send("vagga group & echo pid $!; fg\n")
    expect("pid ")
    on_screen(settled)
    os.popen("kill -%s %s" % (name, state["seen"].split("pid ")[-1].split()[0])).read()
    expect("PROMPT> ")
    lines = on_screen(lambda l: text(l).rstrip().endswith("PROMPT>"))
    assert state["screen"].region == (0, 11) and "-- group" not in text(lines), lines
send("exit\n")
end()
PY
    nothing_runs
}
