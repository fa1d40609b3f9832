#!/usr/bin/env bats
# Where things are kept, settings files, cleaning.
load project

hello() {
    write_project <<'YAML'
containers:
  hello: { setup: [ !Text { /etc/hello: "one" } ] }
YAML
}

@test "unknown keys in settings are errors that name the file" {
    hello
    echo 'nosuch: 1' > .vagga.settings.yaml
    run --separate-stderr vagga _build hello
    [ "$status" -eq 126 ]
    contains "$stderr" '.vagga.settings.yaml'
    rm .vagga.settings.yaml
    VAGGA_SETTINGS='nosuch: 1' run --separate-stderr vagga _build hello
    [ "$status" -eq 126 ]
    contains "$stderr" 'env:VAGGA_SETTINGS'
    VAGGA_SETTINGS='{"build-lock-wait": true}' run vagga _build hello
    [ "$status" -eq 0 ]
}

@test "a project may not set what reaches outside of it" {
    hello
    for setting in 'storage-dir: /tmp' 'cache-dir: /tmp' 'external-volumes: { a: /etc }' 'push-image-script: x' 'auto-apply-sysctl: true' 'propagate-environ: ["*"]'; do
        echo "$setting" > .vagga.settings.yaml
        run --separate-stderr vagga _build hello
        [ "$status" -eq 126 ] || { echo "$setting: $status"; false; }
    done
    for setting in 'build-lock-wait: true' 'versioned-build-dir: true' 'disable-auto-clean: true' 'shared-cache: false'; do
        echo "$setting" > .vagga.settings.yaml
        run vagga _build hello
        [ "$status" -eq 0 ] || { echo "$setting: $output"; false; }
    done
}

@test "storage-dir: links to and fro, a second project of the same name" {
    hello
    storage=$BATS_TEST_TMPDIR/storage
    mkdir "$storage"
    export VAGGA_SETTINGS="storage-dir: $storage"
    vagga _build hello 2>/dev/null
    [ "$(readlink .vagga/.lnk)" = "$storage/project" ]
    [ "$(readlink "$storage/project/.lnk")" = "$PROJECT" ]
    [[ "$(readlink .vagga/hello)" == .lnk/.roots/hello.*/root ]]
    [ "$(cat .vagga/hello/etc/hello)" = one ]
    rm -r .vagga
    vagga _build hello 2>/dev/null
    [ "$(readlink .vagga/.lnk)" = "$storage/project-1" ]
    run vagga _clean --everything
    [ "$status" -eq 0 ]
    [ ! -e .vagga ] && [ ! -e "$storage/project-1" ]
}

@test "storage-dir: broken links are explained" {
    hello
    storage=$BATS_TEST_TMPDIR/storage
    mkdir -p "$storage" .vagga elsewhere
    export VAGGA_SETTINGS="storage-dir: $storage"
    ln -s "$storage/gone" .vagga/.lnk
    run --separate-stderr vagga _build hello
    [ "$status" -eq 121 ]
    contains "$stderr" '.lnk'
    ln -sfn "$PROJECT/elsewhere" .vagga/.lnk
    run --separate-stderr vagga _build hello
    [ "$status" -eq 121 ]
    contains "$stderr" '.lnk'
}

@test "storage-subdir-from-env-var" {
    hello
    storage=$BATS_TEST_TMPDIR/storage
    mkdir "$storage"
    export VAGGA_SETTINGS="{ storage-dir: $storage, storage-subdir-from-env-var: V }"
    run --separate-stderr vagga _build hello
    [ "$status" -eq 121 ]
    contains "$stderr" "Couldn't determine"
    V='a b/c' run vagga _build hello
    [ "$status" -eq 0 ]
    [ -d "$storage/a-b-c/.roots" ]
}

@test "a shared cache must exist" {
    hello
    VAGGA_SETTINGS="cache-dir: $BATS_TEST_TMPDIR/nosuch" run --separate-stderr vagga _build hello
    [ "$status" -eq 121 ]
    contains "$stderr" "$BATS_TEST_TMPDIR/nosuch"
    contains "$stderr" 'must exist'
}

@test ".vagga must be a real directory" {
    hello
    mkdir elsewhere && ln -s elsewhere .vagga
    run --separate-stderr vagga _build hello
    [ "$status" -eq 121 ]
    contains "$stderr" 'unlink'
    [ -z "$(ls -A elsewhere)" ]
}

versions() {
    hello
    vagga _build hello 2>/dev/null
    old=$(readlink -f .vagga/hello/..)
    sed -i s/one/two/ vagga.yaml
    vagga _build hello 2>/dev/null
    new=$(readlink -f .vagga/hello/..)
}

@test "_clean without an action; on a project that was never built" {
    hello
    run vagga _clean
    [ "$status" -eq 1 ] || [ "$status" -eq 122 ]
    for action in --tmp --old --unused --transient --volumes --unused-volumes; do
        run vagga _clean $action
        [ "$status" -eq 0 ] || { echo "$action: $output"; false; }
    done
}

@test "_clean --old, --unused and their dry run" {
    versions
    for action in --old --unused; do
        run --separate-stderr vagga _clean $action -n
        [ "$status" -eq 0 ]
        contains "$output$stderr" "Would remove \"$old\""
        [ -d "$old" ]
    done
    run vagga _clean --unused
    [ "$status" -eq 0 ]
    [ ! -e "$old" ] && [ -d "$new" ]
    vagga _build --force hello 2>/dev/null
    [ "$(cat .vagga/hello/etc/hello)" = two ]
}

@test "_clean --unused --at-least" {
    versions
    run vagga _clean --unused --at-least 1day
    [ -d "$old" ] && [ -d "$new" ]
    touch -d '2 hours ago' "$old/last_use"
    run vagga _clean --unused --at-least '1h 30m'
    [ "$status" -eq 0 ]
    [ ! -e "$old" ] && [ -d "$new" ]
    run vagga _clean --unused --at-least 5parsecs
    [ "$status" -eq 122 ] || [ "$status" -eq 1 ]
}

@test "_clean --tmp removes what failed builds left, not what is being built" {
    write_project <<'YAML'
containers:
  bad: { setup: [ !Tar { url: ./busybox.tar } , !Sh "false" ] }
  slow: { setup: [ !Tar { url: ./busybox.tar } , !Sh "touch /work/started; while [ ! -e /work/go ]; do sleep 0.05; done" ] }
YAML
    vagga _build bad 2>/dev/null || true
    vagga _build slow 2>/dev/null &
    for _ in $(seq 100); do [ -e started ] && break; sleep 0.05; done
    run vagga _clean --tmp
    [ ! -e .vagga/.roots/.tmp.bad ]
    [ -d .vagga/.roots/.tmp.slow ]
    contains "$output" '.tmp.slow'
    touch go
    wait
    [ -L .vagga/slow ]
}

@test "_clean --everything removes .vagga" {
    versions
    run vagga _clean --everything -n
    [ -d .vagga ]
    run vagga _clean --everything
    [ "$status" -eq 0 ]
    [ ! -e .vagga ]
}

@test "_clean --global needs a storage directory" {
    versions
    run --separate-stderr vagga _clean --global --unused --at-least 1day
    [ "$status" -eq 2 ]
    run --separate-stderr vagga _clean --global --tmp
    [ "$status" -ne 0 ]
    lacks "$stderr" panicked
}

@test "removal never follows links out of the directory" {
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } , !Sh "ln -s /work/precious /link" ] }
YAML
    mkdir precious && touch precious/file
    vagga _build bb 2>/dev/null
    ln -s "$PROJECT/precious" .vagga/.roots/.tmp.evil
    run vagga _clean --tmp
    [ -e precious/file ]
    vagga _clean --everything
    [ -e precious/file ]
}

@test "_init_storage_dir: once, twice, from another project" {
    hello
    run --separate-stderr vagga _init_storage_dir x
    [ "$status" -eq 1 ]
    contains "$stderr" 'storage-dir'
    storage=$BATS_TEST_TMPDIR/storage
    mkdir "$storage"
    export VAGGA_SETTINGS="storage-dir: $storage"
    for bad in a/b .. . ''; do
        run --separate-stderr vagga _init_storage_dir "$bad"
        [ "$status" -eq 1 ] || { echo "$bad: $status"; false; }
    done
    [ -z "$(ls -A "$storage")" ]
    for _ in 1 2; do
        run --separate-stderr vagga _init_storage_dir x
        [ "$status" -eq 0 ]
    done
    [ "$(readlink .vagga/.lnk)" = "$storage/x" ] && [ "$(readlink "$storage/x/.lnk")" = "$PROJECT" ]
    vagga _build hello 2>/dev/null
    [ -d "$storage/x/.roots" ]
    run --separate-stderr vagga _init_storage_dir y
    [ "$status" -eq 121 ]
    [ ! -e "$storage/y" ]
    run --separate-stderr vagga _init_storage_dir
    [ "$status" -eq 122 ]
    mkdir "$BATS_TEST_TMPDIR/other" && cp vagga.yaml "$BATS_TEST_TMPDIR/other/" && cd "$BATS_TEST_TMPDIR/other"
    run --separate-stderr vagga _init_storage_dir x
    [ "$status" -eq 121 ]
    [ ! -e .vagga/.lnk ]
    run --separate-stderr vagga _init_storage_dir --allow-multiple x
    [ "$status" -eq 0 ]
    [ "$(readlink .vagga/.lnk)" = "$storage/x" ] && [ "$(readlink "$storage/x/.lnk")" = "$PROJECT" ]
}

@test "settings of images are the user's, but for those that do no harm" {
    hello
    for setting in 'index-all-images: true' 'hard-link-identical-files: true' 'hard-link-between-projects: true' 'image-cache-unsigned: always' 'image-cache-keyring: /etc/x'; do
        echo "$setting" > .vagga.settings.yaml
        run --separate-stderr vagga _build hello
        [ "$status" -eq 126 ] || { echo "$setting: $status"; false; }
        contains "$stderr" 'not allowed in project settings'
    done
    echo 'source-date-epoch: 5' > .vagga.settings.yaml
    run vagga _build hello
    [ "$status" -eq 0 ]
    echo 'source-date-epoch: -5' > .vagga.settings.yaml
    run vagga _build hello
    [ "$status" -eq 126 ]
}
