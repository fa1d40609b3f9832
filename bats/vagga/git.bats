#!/usr/bin/env bats
# Repositories as sources.
load project

repository() { # $1 with one commit
    git init -q -b main "$1"
    mkdir "$1/tests"; echo one > "$1/tests/file"; printf '#!/bin/sh\n' > "$1/run"; chmod 755 "$1/run"
    echo 'tests export-ignore' > "$1/.gitattributes"
    commit "$1"
}

commit() {
    git -C "$1" add -A
    git -C "$1" -c user.name=n -c user.email=e@x commit -q -m x
}

@test "Git: a tree without .git, with the modes of a checkout; one clone in the cache" {
    write_project <<'YAML'
containers:
  head: { setup: [ !Git { url: ./repo, path: /opt/r } ] }
  branch: { setup: [ !Git { url: ./repo, branch: main, path: /opt/r } ] }
  none: { setup: [ !Git { url: ./repo, revision: nosuch, path: /opt/r } ] }
  option: { setup: [ !Git { url: "--upload-pack=touch /tmp/evil", path: /opt/r } ] }
  ext: { setup: [ !Git { url: "ext::sh -c touch% evil", path: /opt/r } ] }
YAML
    repository repo
    vagga _build head 2>/dev/null
    cd .vagga/head/opt/r
    [ ! -e .git ] && [ "$(cat tests/file)" = one ] && [ "$(stat -c %a run tests/file tests | tr '\n' ' ')" = '755 644 755 ' ]
    cd "$PROJECT"
    [ -d .vagga/.cache/git/.%2Frepo ]
    echo two > repo/tests/file; commit repo
    vagga _build branch 2>/dev/null
    [ "$(cat .vagga/branch/opt/r/tests/file)" = two ]
    run --separate-stderr vagga _build none
    [ "$status" -eq 121 ]
    contains "$stderr" 'there is no nosuch in the repository'
    for name in option ext; do
        run --separate-stderr vagga _build $name
        [ "$status" -eq 121 ]
    done
    [ ! -e evil ]
}

@test "Git: sub-modules" {
    write_project <<'YAML'
containers:
  c: { setup: [ !Git { url: ./outer, path: /opt/r } ] }
  leaving: { setup: [ !Git { url: ./leaving, path: /opt/r } ] }
YAML
    repository inner; repository outer; repository leaving
    git -C outer -c protocol.file.allow=always submodule --quiet add ../inner lib/inner
    commit outer
    git -C leaving -c protocol.file.allow=always submodule --quiet add "$PROJECT/inner" lib/inner
    commit leaving
    vagga _build c 2>/dev/null
    [ "$(cat .vagga/c/opt/r/lib/inner/tests/file)" = one ] && [ ! -e .vagga/c/opt/r/lib/inner/.git ]
    run --separate-stderr vagga _build leaving
    [ "$status" -eq 121 ]
    contains "$stderr" 'outside of what this build may read'
}

@test "GitInstall runs its script in the tree" {
    write_project <<'YAML'
containers: { c: { setup: [ !Tar { url: ./busybox.tar } , !GitInstall { url: ./repo, subdir: tests, script: "pwd; cp file /installed" } ] } }
YAML
    repository repo
    run vagga _build c
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ "$(cat .vagga/c/installed)" = one ]
}

# bats test_tags=security
@test "links of the project that lead out of it are not followed" {
    write_project <<'YAML'
containers:
  file: { setup: [ !Download { url: ./link, path: /file } ] }
  url: { setup: [ !Download { url: 'file:///etc/hostname', path: /file } ] }
YAML
    echo secret > "$BATS_TEST_TMPDIR/secret"; ln -s ../secret link
    for name in file url; do
        run --separate-stderr vagga _build $name
        [ "$status" -eq 121 ]
        [ ! -e .vagga/$name ]
    done
}

@test "SubConfig: steps of a configuration in a repository, fetched once, again with --force" {
    write_project <<'YAML'
containers:
  c: { setup: [ !SubConfig { source: !Git { url: ./repo }, path: conf/vagga.yaml, container: inner } ] }
  pinned: { setup: [ !SubConfig { source: !Git { url: ./repo, branch: old }, path: conf/vagga.yaml, container: inner } ] }
  none: { setup: [ !SubConfig { source: !Git { url: ./repo }, path: nowhere.yaml, container: inner } ] }
  base: { setup: [ !Text { /base: base } ] }
YAML
    repository repo
    mkdir repo/conf
    echo 'containers: { inner: { setup: [ !Container base, !*Include steps.yaml ] } }' > repo/conf/vagga.yaml
    echo '!Text { /which: one }' > repo/conf/steps.yaml
    commit repo
    git -C repo branch old
    run vagga _version_hash c
    [ "$status" -eq 29 ]
    vagga _build c 2>/dev/null
    [ "$(cat .vagga/c/which .vagga/c/base)" = onebase ]
    first=$(vagga _version_hash c)
    echo '!Text { /which: two }' > repo/conf/steps.yaml
    commit repo
    vagga _build c 2>/dev/null
    [ "$(cat .vagga/c/which)" = one ]
    [ "$(vagga _version_hash c)" = "$first" ]
    vagga _build --force c 2>/dev/null
    [ "$(cat .vagga/c/which)" = two ]
    [ "$(vagga _version_hash c)" != "$first" ]
    vagga _build pinned 2>/dev/null
    [ "$(cat .vagga/pinned/which)" = one ]
    run --separate-stderr vagga _build none
    [ "$status" -eq 121 ]
    contains "$stderr" nowhere.yaml
}
