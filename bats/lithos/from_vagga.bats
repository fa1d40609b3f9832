# From development to production: an image built by vagga runs under lithos, and is replaced by its next version.
# bats file_tags=root,young

setup() {
    load lithos.bash
    load world.bash
    setup_lithos
    PROJECT=$BATS_TEST_TMPDIR/project
    mkdir -p "$PROJECT"
    cp "$VAGGA_FIXTURES/busybox.tar" "$PROJECT/"
    cd "$PROJECT" || return 1
    cat > vagga.yaml <<'YAML'
containers:
  site:
    setup:
    - !Tar { url: ./busybox.tar }
    - !EnsureDir /srv
    - !Copy { source: /work/www, path: /srv/www }
commands:
  run: !Supervise
    children:
      http: !Command
        container: site
        user-id: 1
        work-dir: /srv
        run: [httpd, -f, -p, "127.0.0.1:17990", -h, /srv/www]
YAML
    mkdir www
}

# export_version TEXT: builds it, its image is beside those of other versions, its processes file is new.yaml.
export_version() {
    echo "$1" > www/index.html
    rm -rf out
    vagga _to_lithos -o out site 2> log || { cat log; return 1; }
    cp -a out/images/. "$L/images/"
    cp out/processes/site.yaml new.yaml
}

answers() { [ "$(curl -s --max-time 2 http://127.0.0.1:17990/)" = "$1" ]; }

@test "an image of vagga runs under lithos and is replaced by its next version" {
    export_version one
    { sed "s|^image-dir: .*|image-dir: $L/images|; /^uid-map\|^gid-map\|^allow-root/d" out/sandboxes/site.yaml
      echo 'uid-map: [{inside: 0, outside: 10000, count: 10}]'
      echo 'gid-map: [{inside: 0, outside: 10000, count: 10}]'
    } > "$L/sandboxes/site.yaml"
    rm "$L/sandboxes/app.yaml"
    cp new.yaml "$L/processes/site.yaml"
    lithos_check -C "$L/master.yaml"
    start_tree
    eventually answers one
    first=$(knot_of site/run-http.0)
    export_version two
    lithos_switch --master "$L/master.yaml" site new.yaml
    eventually answers two
    [ "$(knot_of site/run-http.0)" != "$first" ]
    # Back again: the image is still there.
    export_version one
    lithos_switch --master "$L/master.yaml" site new.yaml
    eventually answers one
}

@test "what root exports with user 0 is what lithos_check accepts, and says so" {
    sed -i '/user-id/d' vagga.yaml
    export_version one
    grep -q '^allow-root: true$' out/sandboxes/site.yaml
    sed "s|^image-dir: .*|image-dir: $L/images|" out/sandboxes/site.yaml > "$L/sandboxes/site.yaml"
    rm "$L/sandboxes/app.yaml"
    cp new.yaml "$L/processes/site.yaml"
    lithos_check -C "$L/master.yaml"
}
