#!/usr/bin/env bats
# Layers: a build begins behind the last step that is the same; images are plain directories all the same.
load project

# A container whose steps write their names to /work/log when they run.
steps() {
    write_project <<'YAML'
containers:
  c:
    setup:
    - !Tar { url: ./busybox.tar }
    - !Env { A: from-env }
    - !Sh "echo one >> /work/log; mkdir /d; echo 1 > /d/one; echo 1 > /gone"
    - !Sh "echo two >> /work/log; echo $A > /d/two; rm /gone"
    - !Sh "echo last >> /work/log; echo v1 > /d/last"
YAML
    : > log
}

# The steps that ran since the last call.
ran() {
    tr '\n' ' ' < log
    : > log
}

build() {
    vagga _build "${1:-c}" 2>build.log || { cat build.log; false; }
}

kept() { ls .vagga/.layers 2>/dev/null | wc -l; }

@test "only the last step runs again when it is changed" {
    steps
    build
    [ "$(ran)" = 'one two last ' ]
    sed -i 's/v1/v2/' vagga.yaml
    build
    [ "$(ran)" = 'last ' ]
    [ "$(cat .vagga/c/d/one .vagga/c/d/two .vagga/c/d/last)" = $'1\nfrom-env\nv2' ]
    [ ! -e .vagga/c/gone ]
    lacks "$(cat build.log)" '!Tar'
    contains "$(cat build.log)" 'c [5/5] !Sh'
    sed -i 's/echo one/echo  one/' vagga.yaml
    build
    [ "$(ran)" = 'one two last ' ]
}

@test "going back to an earlier text runs nothing but the end" {
    steps
    build
    sed -i 's/v1/v2/' vagga.yaml
    build
    sed -i 's/v2/v1/' vagga.yaml
    rm -r .vagga/.roots/c.*
    ran
    build
    [ "$(ran)" = '' ]
    [ "$(cat .vagga/c/d/last)" = v1 ]
}

@test "--force runs every step again" {
    steps
    build
    ran
    vagga _build --force c 2>/dev/null
    [ "$(ran)" = 'one two last ' ]
    sed -i 's/v1/v2/' vagga.yaml
    build
    [ "$(ran)" = 'last ' ]
}

@test "layers: false builds without them, as does a file system that cannot" {
    steps
    echo 'layers: false' > .vagga.settings.yaml
    build
    [ "$(ran)" = 'one two last ' ]
    [ ! -e .vagga/.layers ]
    sed -i 's/v1/v2/' vagga.yaml
    build
    [ "$(ran)" = 'one two last ' ]
    [ "$(cat .vagga/c/d/last)" = v2 ]
}
