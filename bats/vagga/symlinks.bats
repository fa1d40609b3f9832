#!/usr/bin/env bats
# Commands under names of their own.
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
    run "$HOME/.vagga/cmd/other-tool"
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
    HOME= run vagga _update_symlinks --user-only
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
