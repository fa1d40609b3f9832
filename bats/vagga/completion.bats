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

# What bash offers for the line $1: it is given what readline gives a completion function.
bash_offers() {
    bash -c 'source ./script; COMP_LINE=$1 COMP_POINT=${#1}
        read -ra COMP_WORDS <<<"${1//:/ : }"
        case $1 in *" ") COMP_WORDS+=("") ;; esac
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _vagga; echo "${COMPREPLY[@]}"' - "$1"
}

@test "bash completes through the script, names with colons too" {
    complete_project
    sed -i 's/^  yes: !Command/  db:move: !Command { container: ubuntu, run: [a] }\n  db:make: !Command { container: ubuntu, run: [a] }\n  yes: !Command/' vagga.yaml
    vagga _completion bash > script
    run bash_offers 'vagga dont_care --only '
    [ "$output" = 'no yes' ]
    run bash_offers 'vagga db:m'
    [ "$output" = 'make move' ]
    run bash_offers 'vagga db:'
    [ "$output" = 'make move' ]
    run bash_offers 'vagga -E A=1 _run ub'
    [ "$output" = 'ubuntu' ]
    run bash_offers 'vagga $(touch evil) `touch evil` '
    [ ! -e evil ]
}

@test "descriptions for zsh and fish" {
    complete_project
    run vagga _compgen --describe _build -- --
    [ "${lines[0]}" = $'--force\tBuild even if it is up to date' ]
    run vagga _compgen --describe -- _buil
    contains "$output" $'_build\tBuild a container'
}

# A shell on a terminal: types TEXT and a tab, shows what the shell shows until all words of WANTED are there (else for 3 s).
type_in() {
    python3 - "$@" <<'PY'
import os, pty, select, sys, time
text, argv = sys.argv[1], sys.argv[2:]
wanted = os.environ.get("WANTED", "").encode().split()
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execvp(argv[0], argv)
def read(seconds, words):
    out, end = b"", time.monotonic() + seconds
    while time.monotonic() < end and not (words and all(w in out for w in words)):
        if select.select([fd], [], [], 0.1)[0]:
            try:
                out += os.read(fd, 65536)
            except OSError:
                break
    return out
out = read(5, [b"> "])
os.write(fd, text.encode() + b"\t")
out += read(5 if wanted else 3, wanted)
os.kill(pid, 9)
os.waitpid(pid, 0)
sys.stdout.write(out.decode(errors="replace"))
PY
}

@test "zsh completes commands, options and containers with their descriptions" {
    command -v zsh || skip "zsh is not installed"
    complete_project
    vagga _completion zsh > _vagga
    cat > .zshrc <<'ZSH'
fpath=($PWD $fpath)
autoload -U compinit; compinit -u -D
PS1='> '
ZSH
    run env ZDOTDIR="$PWD" zsh -n _vagga
    [ "$status" -eq 0 ]
    WANTED='no yes' ZDOTDIR=$PWD run type_in 'vagga dont_care --only ' zsh -i
    contains "$output" no
    contains "$output" yes
    WANTED=--force ZDOTDIR=$PWD run type_in 'vagga _build --f' zsh -i
    contains "$output" '--force'
    WANTED=ubuntu ZDOTDIR=$PWD run type_in 'vagga _run ' zsh -i
    contains "$output" 'ubuntu'
    ZDOTDIR=$PWD run type_in 'vagga "$(touch evil)" ' zsh -i
    [ ! -e evil ]
}

@test "fish completes commands, options and containers" {
    command -v fish || skip "fish is not installed"
    complete_project
    vagga _completion fish > vagga.fish
    export HOME=$PWD
    run fish -c 'source vagga.fish; complete -C "vagga dont_care --only "'
    contains "$output" no
    contains "$output" yes
    run fish -c 'source vagga.fish; complete -C "vagga _build --f"'
    contains "$output" $'--force\tBuild even if it is up to date'
    run fish -c 'source vagga.fish; complete -C "vagga _run u"'
    contains "$output" $'ubuntu\tcontainer'
}
