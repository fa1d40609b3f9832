#!/usr/bin/env bats
# Candidates for completion, the scripts of the shells, the manual page.
load project

complete_project() {
    write_project <<'YAML'
containers:
  ubuntu: { setup: [] }
  data: { setup: [], data-dirs: [ /data ] }
commands:
  yes: !Command { container: ubuntu, run: [a] }
  no: !Command { container: ubuntu, run: [a], options: "Usage: vagga no [--keep]" }
  dont_care: !Supervise
    children:
      yes: !Command { container: ubuntu, run: [a] }
      no: !Command { container: ubuntu, run: [a] }
YAML
}

offers() {
    run --separate-stderr vagga _compgen "${@:2}"
    [ "$status" -eq 0 ]
    [ "$(echo $output)" = "$1" ] || { echo "wanted: $1"; echo "found: $output"; false; }
}

@test "candidates" {
    complete_project
    offers 'dont_care no yes'
    offers 'dont_care no yes' -E test=123 --
    offers '--env --environ' -- --e
    offers 'no' dont_care --only yes --
    offers 'ubuntu' _run -W -- ''
    offers '--force' _build -- -
    offers '--keep' no -- --
    offers '' yes --
    [ ! -e .vagga ]
}

@test "without a project, and with a broken one, only what is built in" {
    cd "$BATS_TEST_TMPDIR"
    offers '_version_hash _verify' -- _v
    echo 'commands: [' > vagga.yaml
    offers '_version_hash _verify' -- _v
    [ "$stderr" = '' ]
}

@test "scripts and the manual page need no project" {
    cd "$BATS_TEST_TMPDIR"
    vagga _completion bash | bash -n
    vagga _completion zsh | grep -q '#compdef vagga'
    vagga _completion fish | grep -q 'complete -c vagga'
    run vagga _completion csh
    [ "$status" -eq 122 ]
    vagga _man > vagga.1
    grep -q '^\.SS _version_hash' vagga.1
}

@test "bash completes through the script" {
    complete_project
    vagga _completion bash > script
    run bash -c 'source ./script; COMP_WORDS=(vagga dont_care --only ""); COMP_CWORD=3; _vagga; echo "${COMPREPLY[@]}"'
    [ "$output" = 'no yes' ]
}
