#!/usr/bin/env bats
# vagga _doctor: what this machine lacks and what to do about it.
load project

@test "it works without a project and says what it checked" {
    cd "$BATS_TEST_TMPDIR"
    run vagga _doctor
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    for word in 'user namespaces' 'subordinate' 'overlay' 'inotify' 'cgroup' 'disk' 'signature'; do
        grep -qi "$word" <<<"$output" || { echo "nothing about $word in: $output"; false; }
    done
}

# bats test_tags=root
@test "forbidden user namespaces: the remedy is printed, by the doctor and by a failing run" {
    write_project <<'YAML'
containers: { c: { setup: [] } }
YAML
    limit=$(cat /proc/sys/user/max_user_namespaces)
    # A user namespace of its own, in which no further one is allowed.
    run unshare --user --map-root-user sh -c 'echo 0 > /proc/sys/user/max_user_namespaces; vagga _doctor; echo "status $?"; vagga --ignore-owner-check _build c; echo "status $?"'
    [ "$(cat /proc/sys/user/max_user_namespaces)" = "$limit" ]
    contains "$output" 'max_user_namespaces'
    contains "$output" 'status 1'
    contains "$output" 'status 121'
    [ "$(grep -c 'sysctl' <<<"$output")" -ge 2 ]
}

@test "what networks of children need is tried, too" {
    cd "$BATS_TEST_TMPDIR"
    run vagga _doctor
    for line in 'ok    bridge:' 'ok    veth:' 'ok    nf_tables:' 'ok    nf_tables bridge:' 'gateway:'; do
        contains "$output" "$line"
    done
}

# bats test_tags=root
@test "network namespaces forbidden: one line with the remedy, and containers work" {
    run unshare --user --map-root-user sh -c 'echo 0 > /proc/sys/user/max_net_namespaces; vagga _doctor; echo "status $?"'
    contains "$output" 'warn  networks:'
    contains "$output" 'sudo sysctl user.max_net_namespaces='
    contains "$output" 'status 0'
}

# An ordinary user may where the modules of ip_tables are loaded already.
old_filter_works() {
    local program
    for program in iptables-legacy-restore iptables-restore; do
        printf '*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n' | PATH=$PATH:/usr/sbin:/sbin XTABLES_LOCKFILE=/dev/null \
            refuse-syscalls --no-netfilter unshare --user --map-root-user --net "$program" && return
    done >/dev/null 2>&1
    return 1
}

@test "a kernel without packet filters: the doctor says which modules" {
    [ -x "$(command -v refuse-syscalls)" ] || skip "no refuse-syscalls"
    [ "$VAGGA_MODE" != ranges ] || skip "a filter takes new privileges away, and with them newuidmap"
    run refuse-syscalls --no-netfilter vagga _doctor
    [ "$status" -eq 0 ]
    # Address translation is left to ip_tables, where this machine has that.
    if old_filter_works; then
        contains "$output" 'ok    nf_tables: '
    else
        contains "$output" 'warn  nf_tables: making an nf_tables table failed'
        contains "$output" 'sudo modprobe -a nf_tables nft_chain_nat nft_nat nft_masq'
    fi
    contains "$output" 'CONFIG_NF_TABLES_BRIDGE'
}
