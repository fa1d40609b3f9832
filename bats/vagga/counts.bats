#!/usr/bin/env bats
# Promises in counts: syscalls, execs, namespaces, files read.
load project

bb() {
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } ] }
  file: { setup: [ !Depends f , !Tar { url: ./busybox.tar } ] }
YAML
    echo x > f
    vagga _build bb 2>/dev/null
    vagga _build file 2>/dev/null
}

# bats test_tags=root,young
@test "_run: syscalls up to the exec, execs, user namespaces" {
    bb
    strace -f -qq -o trace vagga _run bb true
    # Everything of ours before the program's exec, in all processes; the first line is the exec of vagga itself.
    last=$(grep -n 'execve("/bin/true".* = 0' trace | head -1 | cut -d: -f1)
    [ -n "$last" ]
    count=$(head -n "$last" trace | grep -cv -e 'resumed>' -e '^[0-9]* +++' -e '^[0-9]* ---')
    echo "syscalls up to the exec: $count"
    [ "$count" -le 335 ]
    execs=$(head -n $((last - 1)) trace | grep execve | grep -c " = 0")
    [ "$execs" -le 1 ]
    [ "$(grep -c CLONE_NEWUSER trace)" -eq 1 ]
}

# bats test_tags=root
@test "_build of an up-to-date container prints nothing and opens only what the hash needs" {
    bb
    strace -f -qq -e trace=openat,openat2,open,execve,clone,clone3,fork,vfork -o trace vagga _build file > out 2>&1
    [ ! -s out ]
    [ "$(grep -c execve trace)" -eq 1 ]
    ! grep -q clone trace || false
    ! grep -q busybox trace || false
    opened=$(grep -c "$PROJECT" trace || true)
    echo "opened below the project: $opened"; grep open trace
    [ "$(grep -c open trace)" -le 40 ]
}

# bats test_tags=root
@test "the listing makes few syscalls" {
    bb
    strace -f -qq -o trace vagga > /dev/null 2>&1 || true
    count=$(grep -cv -e '^[0-9]* +++' -e '^[0-9]* ---' trace)
    echo "syscalls: $count"
    [ "$count" -le 60 ]
}
