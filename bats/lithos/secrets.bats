# Secrets in the environment of a service (A-134 to A-138).
# bats file_tags=root,young
load lithos.bash
load world.bash

SECRET='v2:i4+dWTpg:KqWSX0BY:8MtOoWUX:EyxEK+AQ+9V+cmAzKKp25x/MwVA6riGTJ9FNnJmT9HLomKMXBeuQbrqP8GbPcBNMh8Sb7Gfv0G3k5GWaMogvjg=='

setup() {
    setup_lithos
    cat > "$L/key" <<'KEY'
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACADoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuAAAAJABAgMEAQID
BAAAAAtzc2gtZWQyNTUxOQAAACADoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA
AAAEAAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHwOhB7/zzhC+HXDdGOdLwJln
5NYwm6UNXx3chmQSVTG4AAAACHRlc3Qta2V5AQIDBAU=
-----END OPENSSH PRIVATE KEY-----
KEY
    chmod 600 "$L/key"
    echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEgUkyj5Hay/LSSA7YijEGg1yoxNvV5/+56sCGtvx4kI other-key' > "$L/other.pub"
}

# The sandbox has the key and may open these namespaces.
keyed() { printf '%s\n' "secrets-private-key: $L/key" "secrets-namespaces: [$1]" | sandbox; }

# refused PART: the knot ends with 1, says why, and not what the secret is.
refused() {
    run inside s
    [ "$status" -eq 1 ]
    contains "$output" "$1"
    lacks "$output" the_secret
}

# bats test_tags=root
@test "under the tree: the value is in the environment of the process and nowhere else (A-135)" {
    keyed myapp
    sleeper web "secret-environ: {PASSWORD: \"$SECRET\"}" 'environ: {PASSWORD: overridden}'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree --log-level debug
    eventually running 1
    knot=$(knot_of app/web.0)
    process=$(tr -d ' ' < "/proc/$knot/task/$knot/children")
    has() { tr '\0' '\n' < "/proc/$process/environ" | grep -qx PASSWORD=the_secret; }
    eventually has
    ! tr '\0' '\n' < "/proc/$knot/cmdline" | grep -q the_secret || false
    ! tr '\0' '\n' < "/proc/$knot/environ" | grep -q the_secret || false
    ! grep -rq the_secret "$L/log" "$L/run" || false
}

# bats test_tags=root
@test "without a key, with a key others may read, or with a foreign namespace nothing starts (A-134, A-135, A-136)" {
    script s "secret-environ: {PASSWORD: \"$SECRET\"}" <<< 'echo "$PASSWORD"'
    refused secrets-private-key
    keyed other
    refused 'secret PASSWORD'
    keyed myapp
    run inside s
    [ "$output" = the_secret ]
    chmod 644 "$L/key"
    refused "$L/key"
    chmod 600 "$L/key"; chown 1 "$L/key"
    refused "$L/key"
}

# bats test_tags=root
@test "a namespace of the entry alone is enough (A-135)" {
    keyed other
    script s "secret-environ: {PASSWORD: \"$SECRET\"}" <<< 'echo "$PASSWORD"'
    run knot app/cmd.s.1 '{"instances":1,"image":"img.v1","config":"/config/s.yaml","extra_secrets_namespaces":["myapp"],"kind":"Command"}' < /dev/null
    [ "$output" = the_secret ]
}

# bats test_tags=root
@test "of several values the one for our key is used (A-137)" {
    keyed myapp
    foreign=$(lithos_crypt encrypt -k "$L/other.pub" -n myapp -d another)
    script s "secret-environ: {PASSWORD: [\"$foreign\", \"$SECRET\"]}" <<< 'echo "$PASSWORD"'
    run inside s
    [ "$output" = the_secret ]
}

# bats test_tags=root
@test "a file of secrets beside the container file; both ways at once are an error, in the check too (A-138)" {
    keyed myapp
    echo "PASSWORD: \"$SECRET\"" > "$IMAGE/config/hidden.yaml"
    script s 'secret-environ-file: hidden.yaml' <<< 'echo "$PASSWORD"'
    run inside s
    [ "$output" = the_secret ]
    script s 'secret-environ-file: hidden.yaml' "secret-environ: {PASSWORD: \"$SECRET\"}" <<< 'echo "$PASSWORD"'
    refused secret-environ
    echo 's: {kind: Command, image: img.v1, config: /config/s.yaml}' | processes
    run lithos_check -C "$L/master.yaml"
    [ "$status" -eq 1 ]
    contains "$output" secret-environ
}

# bats test_tags=root
@test "secret-files: files that only the user of the process can read, read-only, not in the environment" {
    keyed myapp
    mkdir -p "$IMAGE/run/secrets"
    echo 'other:x:5:5::/:/bin/sh' > "$IMAGE/etc/passwd"
    foreign=$(lithos_crypt encrypt -k "$L/other.pub" -n myapp -d another)
    script s 'user-id: 0' "secret-files: {db.key: [\"$foreign\", \"$SECRET\"]}" <<'SH'
cat /run/secrets/db.key; echo
stat -c '%a %u %n' /run/secrets /run/secrets/db.key
setuidgid other cat /run/secrets/db.key 2>/dev/null && echo 'others can read it'
setuidgid other ls /run/secrets 2>/dev/null && echo 'others can see it'
(echo x > /run/secrets/db.key) 2>/dev/null && echo 'it can be written'
(echo x > /run/secrets/more) 2>/dev/null && echo 'there can be more'
rm -f /run/secrets/db.key 2>/dev/null && echo 'it can be removed'
grep ' /run/secrets ' /proc/self/mounts | tr ' ,' '\n\n' | grep -xE 'ro|nosuid|nodev|noexec|tmpfs' | sort -u | tr '\n' ' '
tr '\0' '\n' < /proc/self/environ | grep -c the_secret
true
SH
    run inside s
    [ "$status" -eq 0 ]
    [ "$output" = $'the_secret\n500 0 /run/secrets\n400 0 /run/secrets/db.key\nnodev noexec nosuid ro tmpfs 0' ] || { echo "$output"; false; }
    # Nothing is left of it, and nothing of it was ever on a disk.
    ! grep -rq the_secret "$L/log" "$L/run" || false
    ! grep -q "$L.*secrets\|/run/secrets" /proc/self/mounts || false
}

# bats test_tags=root
@test "secret-files under the tree: not in an environment, gone with the container, there again in the next" {
    keyed myapp
    mkdir -p "$IMAGE/run/secrets"
    sleeper web "secret-files: {password: \"$SECRET\"}"
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree --log-level debug
    eventually running 1
    knot=$(knot_of app/web.0)
    started() { process=$(tr -d ' ' < "/proc/$knot/task/$knot/children"); [ -n "$process" ] && grep -q 1000 "/proc/$process/cmdline"; }
    eventually started
    [ "$(cat "/proc/$process/root/run/secrets/password")" = the_secret ]
    [ "$(stat -c '%a %u:%g' "/proc/$process/root/run/secrets/password")" = '400 10001:10000' ]
    for pid in "$knot" "$process"; do
        ! tr '\0' '\n' < "/proc/$pid/environ" | grep -q the_secret || false
        ! tr '\0' '\n' < "/proc/$pid/cmdline" | grep -q the_secret || false
    done
    ! grep -rq the_secret "$L/log" "$L/run" || false
    ! grep -q /run/secrets /proc/self/mountinfo || false
    kill -9 "$process"
    again() {
        other=$(knot_of app/web.0) && [ -n "$other" ] && [ "$other" != "$knot" ] || return 1
        process=$(tr -d ' ' < "/proc/$other/task/$other/children")
        [ "$(cat "/proc/$process/root/run/secrets/password")" = the_secret ]
    }
    eventually again
}

# bats test_tags=root
@test "secret-files that cannot be are refused by the check, the knot and the tree, and none is shown by --explain" {
    keyed myapp
    script s "secret-files: {password: \"$SECRET\"}" <<< 'true'
    echo 's: {kind: Command, image: img.v1, config: /config/s.yaml}' | processes
    run lithos_check -C "$L/master.yaml"
    [ "$status" -eq 1 ]
    contains "$output" '/run/secrets is missing in image img.v1'
    run inside s
    [ "$status" -eq 1 ]
    grep -q '/run/secrets.*the mount point must exist in the image' "$L/log/app.log" || { cat "$L/log/app.log"; false; }
    mkdir -p "$IMAGE/run/secrets"
    lithos_check -C "$L/master.yaml"
    lithos_check -C "$L/master.yaml" --explain app/s > out
    grep -qx 'secret file /run/secrets/password ro mode=400' out
    ! grep -q 'the_secret\|v2:' out || false
    for bad in '../password' 'a/b' '..'; do
        script s "secret-files: {\"$bad\": \"$SECRET\"}" <<< 'true'
        refused "secret-files.$bad"
        run lithos_check -C "$L/master.yaml"
        [ "$status" -eq 1 ]
        contains "$output" 'is no name of a file'
    done
    script s "secret-files: {x: \"$SECRET\"}" 'volumes: {/run: !Tmpfs {}}' <<< 'true'
    refused 'volumes./run'
    script s "secret-files: {x: \"$SECRET\"}" <<< 'true'
    sandbox < /dev/null
    refused 'secret-files: needs `secrets-private-key`'
    sleeper web "secret-files: {a/b: \"$SECRET\"}"
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    said() { grep -q 'secret-files.a/b' "$L/log/master.log"; }
    eventually said
    running 0
}
