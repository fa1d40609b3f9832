# Devices for containers: lithos_mkdev.
bats_require_minimum_version 1.5.0

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

# bats test_tags=root
@test "devices, directories and links are made, whatever the umask, and each step is printed" {
    mknod probe c 1 3 2>/dev/null || skip 'devices cannot be made here'
    (umask 077; lithos_mkdev a/b/dev > out)
    [ "$(wc -l < out)" -eq 16 ]
    grep -q "^mknod -m 0666 $PWD/a/b/dev/urandom c 1 9\$" out
    for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
        name=${node%%:*}
        [ "$(stat -c '%F:%t:%T:%a' "a/b/dev/$name")" = "character special file:${node#*:}:666" ]
    done
    [ "$(stat -c '%F:%a' a/b/dev/pts)" = directory:755 ]
    [ "$(stat -c '%F:%a' a/b/dev/shm)" = directory:1777 ]
    [ "$(readlink a/b/dev/ptmx)" = pts/ptmx ]
    [ "$(readlink a/b/dev/stderr)" = /proc/self/fd/2 ]
    echo x > a/b/dev/null
}

# bats test_tags=root
@test "what exists is named and stays; nothing is added" {
    mkdir dev
    ln -s nowhere dev/stdout
    run lithos_mkdev dev
    [ "$status" -eq 1 ]
    [[ "$output" == *'dev/stdout" exists already'* ]]
    [ "$(ls dev)" = stdout ]
}

@test "without the right to make devices nothing remains, not even the parents" {
    # The first device is refused in a user namespace.
    run unshare --user --map-root-user lithos_mkdev x/y/dev
    [[ "$output" != unshare:* ]] || skip 'no user namespaces'
    [ "$status" -eq 1 ]
    [[ "$output" == *'x/y/dev/null'* ]]
    [ ! -e x ]
}

@test "no argument is an error with code 1" {
    run lithos_mkdev
    [ "$status" -eq 1 ] && [[ "$output" == *Usage* ]]
    run lithos_mkdev a b
    [ "$status" -eq 1 ] && [ ! -e a ]
    run lithos_mkdev --help
    [ "$status" -eq 0 ]
    run lithos_mkdev --version
    [ "$status" -eq 0 ] && [[ "$output" =~ ^[0-9.]+$ ]]
}
