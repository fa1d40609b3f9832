#!/usr/bin/env bats
# Commands under names of their own, and a shell outside of containers.
load project

@test "_update_symlinks: links pass every argument on, stale ones go" {
    commands <<'YAML'
run-tool: !Command { container: bb, symlink-name: tool, run: [echo, "got:"] }
other: !Command { container: bb, symlink-name: other-tool, run: [echo, other] }
YAML
    export HOME=$BATS_TEST_TMPDIR/home
    mkdir "$HOME"
    vagga _update_symlinks
    run .vagga/.cmd/tool --help -x -E A=1 --version
    [ "$status" -eq 0 ]
    [ "$output" = 'got: --help -x -E A=1 --version' ]
    run "$HOME/.vagga/cmd/other-tool"
    [ "$output" = other ]
    sed -i '/other-tool/d' vagga.yaml
    vagga _update_symlinks --local-only
    [ ! -L .vagga/.cmd/other-tool ]
    [ -L .vagga/.cmd/tool ]
    [ -L "$HOME/.vagga/cmd/other-tool" ]
    run -127 "$HOME/.vagga/cmd/other-tool"
    [ "$status" -eq 127 ]
    contains "$output" "Can't find command"
}

@test "_update_symlinks --user-only, without HOME, with names that are none, without the setting" {
    commands <<'YAML'
a: !Command { container: bb, symlink-name: tool, run: "true" }
YAML
    export HOME=$BATS_TEST_TMPDIR/home
    mkdir "$HOME"
    vagga _update_symlinks --user-only
    [ ! -e .vagga/.cmd ]
    [ -L "$HOME/.vagga/cmd/tool" ]
    HOME='' run vagga _update_symlinks --user-only
    [ "$status" -eq 121 ]
    VAGGA_SETTINGS='run-symlinks-as-commands: false' run vagga _update_symlinks
    [ "$status" -eq 0 ]
    contains "$output" 'run-symlinks-as-commands is off'
    sed -i 's/symlink-name: tool/symlink-name: ..\/..\/evil/' vagga.yaml
    run vagga _update_symlinks
    [ "$status" -eq 121 ]
    contains "$output" 'is not a plain file name'
    run vagga _update_symlinks --local-only --user-only
    [ "$status" -eq 122 ]
}

@test "_check_overlayfs_support says what the kernel allows" {
    write_project <<< 'commands: {}'
    run vagga _check_overlayfs_support
    case $status in
        0) [ "${lines[-1]}" = supported ] ;;
        1) [ "${lines[-1]}" = unsupported ] ;;
        *) echo "$output"; false ;;
    esac
}

@test "_build_shell: a shell that sees the project and nothing else of the host" {
    busybox=$(command -v busybox) || skip "no busybox here"
    ! ldd "$busybox" >/dev/null 2>&1 || skip "busybox is not static here"
    write_project <<< 'containers: { c: { setup: [ !Text { /x: y } ] } }'
    vagga _build c 2>/dev/null
    mkdir sub; cd sub
    run --separate-stderr vagga _build_shell <<'SH'
echo ok; pwd; ls /; id -u; cat /vagga/base/c/x; echo; touch /work/made; exit 3
SH
    [ "$status" -eq 3 ]
    [ "${lines[0]}" = ok ]
    [ "${lines[1]}" = /work/sub ]
    lacks "$output" home
    contains "$output" y
    [ -e ../made ]
    run --separate-stderr env PATH=/nowhere "$(command -v vagga)" _build_shell
    [ "$status" -eq 121 ]
    contains "$stderr" busybox-static
}
