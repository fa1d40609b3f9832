#!/usr/bin/env bats
# The examples of the manual: each is run, or read by the parser with a reason why it cannot run, and none is missing.
# The script beside the fixtures tells how examples are marked. In the mode root only: other files test what the modes change.
# bats file_tags=root,young

manual() {
    local action=$1
    shift
    run "$VAGGA_BATS/fixtures/manual" "$action" "$@"
    echo "$output"
    [ "$status" -eq 0 ]
}

# Pages about vagga, all of them.
pages() { ls "$VAGGA_DOCS"/*.md | grep -vE '/(lithos|cantal|verwalter)[^/]*$'; }

@test "examples of build steps" {
    command -v git >/dev/null || skip "git is not installed"
    manual run "$VAGGA_DOCS/reference-steps.md"
}

@test "examples of commands, containers and volumes" { manual run "$VAGGA_DOCS/reference-commands.md"; }

@test "examples of the command line" { manual run "$VAGGA_DOCS/reference-cli.md"; }

@test "examples of networks" { manual run "$VAGGA_DOCS/network.md"; }

@test "examples of settings" { manual run "$VAGGA_DOCS/reference-settings.md"; }

# bats test_tags=root,young,network
@test "examples that install packages of Debian, PyPI and npm" {
    manual run --network "$VAGGA_DOCS/reference-steps.md" "$VAGGA_DOCS/languages.md"
}

@test "examples that cannot run here are accepted by the parser" { manual check $(pages); }

@test "every step, key, setting, built-in command and option has an example" { manual complete $(pages); }

@test "an example that nothing runs, and one that expects nothing, are mistakes of a page" {
    printf '```yaml\na: b\n```\n' > "$BATS_TEST_TMPDIR/page.md"
    run "$VAGGA_BATS/fixtures/manual" check "$BATS_TEST_TMPDIR/page.md"
    [ "$status" -ne 0 ] && [[ "$output" == *"neither run nor says why not"* ]]
    printf '```yaml project\na: b\n```\n```console\n$ vagga\n```\n' > "$BATS_TEST_TMPDIR/page.md"
    run "$VAGGA_BATS/fixtures/manual" check "$BATS_TEST_TMPDIR/page.md"
    [ "$status" -ne 0 ] && [[ "$output" == *"expects nothing"* ]]
}

@test "a wrong expectation fails, and what has no example is named" {
    printf '```yaml project\n{}\n```\n```console\n$ echo a\nb\n```\n' > "$BATS_TEST_TMPDIR/page.md"
    run "$VAGGA_BATS/fixtures/manual" run "$BATS_TEST_TMPDIR/page.md"
    [ "$status" -ne 0 ] && [[ "$output" == *"but got (exit 0)"* ]]
    run "$VAGGA_BATS/fixtures/manual" complete "$BATS_TEST_TMPDIR/page.md"
    [ "$status" -ne 0 ] && [[ "$output" == *"!Copy umask"* ]] && [[ "$output" == *"_clean --max-size"* ]]
}
