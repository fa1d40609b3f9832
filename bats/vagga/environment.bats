#!/usr/bin/env bats
# The environment of commands: layers, propagation, environ-file.
load project

editor_project() {
    write_project <<'YAML'
containers:
  bb:
    environ-file: /etc/environment
    environ: { EDITOR: vi, SHELL: /bin/bash, V: 1.10 }
    setup:
    - !Tar { url: ./busybox.tar }
    - !Text { /etc/environment: "# comment\n\nSHELL=/bin/sh\nB=\"two words\"\nC=x=y\nD='single q'\n" }
commands:
  env: !Command { container: bb, run: [env] }
  vim: !Command { container: bb, environ: { EDITOR: vim }, run: [env] }
YAML
    vagga _build bb 2>/dev/null
    export HOME=$BATS_TEST_TMPDIR/home
    mkdir -p "$HOME"
}

value() { sed -n "s/^$1=//p" <<<"$output"; }

@test "environ-file, container, command" {
    editor_project
    run --separate-stderr vagga _run bb env
    [ "$(value EDITOR)" = vi ]
    [ "$(value SHELL)" = /bin/bash ]
    [ "$(value V)" = 1.10 ]
    [ "$(value B)" = 'two words' ]
    [ "$(value C)" = 'x=y' ]
    [ "$(value D)" = 'single q' ]
    run --separate-stderr vagga vim
    [ "$(value EDITOR)" = vim ]
}

@test "settings of the user, of the site, of the project; then the caller" {
    editor_project
    echo 'environ: { EDITOR: nvi }' > "$HOME/.vagga.yaml"
    run --separate-stderr vagga vim
    [ "$(value EDITOR)" = nvi ]
    printf 'environ: { EDITOR: nvi }\nsite_settings: { "%s": { environ: { EDITOR: elvis } } }\n' "$PROJECT" > "$HOME/.vagga.yaml"
    run --separate-stderr vagga vim
    [ "$(value EDITOR)" = elvis ]
    echo 'environ: { EDITOR: vile }' > .vagga/settings.yaml
    run --separate-stderr vagga vim
    [ "$(value EDITOR)" = vile ]
    VAGGAENV_EDITOR=pico run --separate-stderr vagga vim
    [ "$(value EDITOR)" = pico ]
    export VAGGAENV_EDITOR=pico EDITOR=nano
    run --separate-stderr vagga --use-env EDITOR vim
    [ "$(value EDITOR)" = nano ]
    run --separate-stderr vagga -e EDITOR -E EDITOR=emacs vim
    [ "$(value EDITOR)" = emacs ]
}

@test "-e with a value is refused, unset variables are empty, -E NAME cancels" {
    editor_project
    run --separate-stderr vagga -e key=value env
    [ "$status" -eq 126 ]
    contains "$stderr" "can't contain equals"
    contains "$stderr" '-E'
    run --separate-stderr vagga -e UNSET_VARIABLE env
    grep -qx 'UNSET_VARIABLE=' <<<"$output"
    VAGGAENV_Z=1 run --separate-stderr vagga -E Z env
    lacks "$output" 'Z='
}

@test "nothing of the caller's environment leaks" {
    editor_project
    export FOO=1 HTTP_PROXY=http://127.0.0.1:1
    run --separate-stderr vagga env
    lacks "$output" 'FOO='
    lacks "$output" 'HOME='
    lacks "$output" 'HTTP_PROXY='
    [ "$(value TERM)" = "$TERM" ]
    unset TERM
    run --separate-stderr vagga env
    [ "$(value TERM)" = dumb ]
}

@test "proxy variables reach builds and commands unless switched off" {
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } , !Sh env ] }
YAML
    export ftp_proxy=ftp://test.server
    run vagga _build --force bb
    contains "$output" 'ftp_proxy=ftp://test.server'
    run --separate-stderr vagga --no-build _run bb env
    contains "$output" 'ftp_proxy=ftp://test.server'
    export VAGGA_SETTINGS='{"proxy-env-vars": false}'
    run vagga _build --force bb
    lacks "$output" 'test.server'
    run vagga _run bb env
    lacks "$output" 'test.server'
}

@test "propagate-environ" {
    editor_project
    echo 'propagate-environ: ["CI_*", A]' > "$HOME/.vagga.yaml"
    CI_X=1 A=2 XCI_=3 run --separate-stderr vagga env
    [ "$(value CI_X)" = 1 ]
    [ "$(value A)" = 2 ]
    lacks "$output" XCI_
}

@test "an environ-file with a line that is not an assignment" {
    write_project <<'YAML'
containers:
  bb:
    environ-file: /etc/environment
    setup: [ !Tar { url: ./busybox.tar } , !Text { /etc/environment: "no assignment\n" } ]
YAML
    run --separate-stderr vagga _run bb env
    [ "$status" -eq 124 ]
    contains "$stderr" 'Error reading environment file'
}

@test "PATH of the container decides" {
    write_project <<'YAML'
containers:
  bb:
    environ: { PATH: "/opt:/bin" }
    setup:
    - !Tar { url: ./busybox.tar }
    - !EnsureDir /opt
    - !Text { /opt/hello: "#!/bin/sh\necho from opt\n" }
    - !Sh "chmod +x /opt/hello"
commands:
  x: !Command { container: bb, run: [hello] }
YAML
    run --separate-stderr vagga x
    [ "$output" = 'from opt' ]
    run --separate-stderr vagga _run bb hello
    [ "$output" = 'from opt' ]
}
