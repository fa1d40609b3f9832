#!/usr/bin/env bats
# The version hash: what changes it and what does not.
load project

version() { vagga _version_hash --short "${1:-c}"; }

@test "digits, short form, the name of the image" {
    write_project <<'YAML'
containers: { c: { setup: [ !Alpine v3.20 ] } }
YAML
    [ "$(vagga _version_hash c)" = a9b71d293f075e77794cbb38aec2a7312d20d26602dbc1ede52fd73d4bda978730220df65c98c94ee6a0f91fe1b3449f8910d73ba36f37e5902020099a16d439 ]
    [ "$(version)" = a9b71d29 ]
    [ "$(vagga _version_hash --dump-version-data c | head -c 25 | tr '\0' ' ')" = 'uids 0-65536 gids 0-65536' ]
}

@test "run-time keys are outside of the hash, build keys inside" {
    write_project <<'YAML'
containers: { c: { setup: [ !Sh a ] } }
YAML
    before=$(version)
    for key in 'environ: { A: b }' 'volumes: { /x: !Empty }' 'auto-clean: true' 'image-cache-url: x' 'resolv-conf-path: ~' 'default-shell: [x]'; do
        printf 'containers:\n  c:\n    setup: [ !Sh a ]\n    %s\n' "$key" > vagga.yaml
        [ "$(version)" = "$before" ] || { echo "$key"; false; }
    done
    for key in 'uids: [0-100]' 'data-dirs: [/x]'; do
        printf 'containers:\n  c:\n    setup: [ !Sh a ]\n    %s\n' "$key" > vagga.yaml
        [ "$(version)" != "$before" ] || { echo "$key"; false; }
    done
    cd "$BATS_TEST_TMPDIR" && mkdir other && printf 'containers: { c: { setup: [ !Sh a ] } }\n' > other/vagga.yaml && cd other
    [ "$(version)" = "$before" ]
}

@test "Depends: contents and the executable bit count, times and other modes do not" {
    write_project <<'YAML'
containers: { c: { setup: [ !Depends f ] } }
YAML
    run vagga _version_hash c
    [ "$status" -eq 29 ]
    [ "$output" = "" ]
    echo x > f
    before=$(version)
    touch -d yesterday f; [ "$(version)" = "$before" ]
    chmod 600 f; [ "$(version)" = "$before" ]
    chmod +x f; executable=$(version); [ "$executable" != "$before" ]
    echo y >> f; [ "$(version)" != "$executable" ]
    rm f; ln -s g f; [ "$(version)" != "$before" ]
}

@test "Depends and Copy: regular expressions and globs select the same files" {
    write_project <<'YAML'
containers:
  regex: { setup: [ !Depends { path: dir, include-regex: "(^hello|(^|.*/)file)$" } ] }
  glob: { setup: [ !Depends { path: dir, rules: ["/hello", "/**/file"] } ] }
YAML
    mkdir -p dir/subdir && touch dir/hello dir/second dir/subdir/file && echo x > dir/exe.sh
    before=$(version regex)
    [ "$(version glob)" = "$before" ]
    echo changed > dir/second; chmod 700 dir/subdir
    [ "$(version regex)" = "$before" ]
    echo changed > dir/subdir/file
    [ "$(version regex)" != "$before" ]
    [ "$(version regex)" = "$(version glob)" ]
}

@test "requirements: lines count, comments do not, inclusion is followed" {
    write_project <<'YAML'
containers: { c: { setup: [ !Py3Requirements r.txt ] } }
YAML
    run --separate-stderr vagga _version_hash c
    [ "$status" -eq 124 ]
    printf '%s\n' '-r more.txt' > r.txt; echo six > more.txt
    before=$(version)
    printf '# comment\n\nsix\n' > more.txt; [ "$(version)" = "$before" ]
    echo seven > more.txt; [ "$(version)" != "$before" ]
    echo '-r r.txt' > more.txt
    run --separate-stderr vagga _version_hash c
    [ "$status" -eq 124 ]
    contains "$stderr" Cyclic
}

@test "a digest replaces the URL" {
    write_project </dev/null
    digest=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    echo "containers: { c: { setup: [ !Download { url: 'http://a/x', sha256: $digest, path: /x } ] } }" > vagga.yaml
    before=$(version)
    sed -i 's/http:..a/http:\/\/b/' vagga.yaml; [ "$(version)" = "$before" ]
    sed -i 's/sha256: 0/sha256: 1/' vagga.yaml; [ "$(version)" != "$before" ]
}

@test "GitDescribe" {
    write_project <<'YAML'
containers: { c: { setup: [ !GitDescribe /version.txt ] }, v: { setup: [ !GitDescribe { output-file: /version.txt, pattern: "v*" } ] } }
YAML
    git() { command git -c user.name=t -c user.email=t@t "$@"; }
    git init -q . && git add vagga.yaml && git commit -qm one && git tag -a v0.0.1 -m v0.0.1
    before=$(version)
    vagga _build c 2>/dev/null
    [ "$(cat .vagga/c/version.txt)" = v0.0.1 ]
    git commit -q --allow-empty -m two
    [ "$(version)" != "$before" ]
    vagga _build c 2>/dev/null
    [[ "$(cat .vagga/c/version.txt)" == v0.0.1-1-g??????? ]]
    git tag -a other1 -m other1
    vagga _build c 2>/dev/null; [ "$(cat .vagga/c/version.txt)" = other1 ]
    vagga _build v 2>/dev/null; [[ "$(cat .vagga/v/version.txt)" == v0.0.1-1-g??????? ]]
}

@test "what is hashed can be shown" {
    write_project <<'YAML'
containers: { c: { setup: [ !Sh "echo hi" ] } }
YAML
    run --separate-stderr vagga _version_hash --debug-versioning --short c
    [ "$status" -eq 0 ]
    contains "$output$stderr" 'script'
    contains "$output$stderr" 'echo hi'
    [ "${lines[-1]}" = 54221543 ]
}
