#!/usr/bin/env bats
# npm, yarn, gem and composer as Debian has them: packages of the npm registry, gems and PHP packages of our own.
load project

eval "project_$(declare -f teardown)"
teardown() {
    kill "${SERVER:-}" 2>/dev/null || true
    project_teardown
}

serve() { # serves $1 on $PORT until the test ends
    python3 - "$1" 3>&- <<'PY' &
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
handler.log_message = lambda *a: None
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
open("port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
    SERVER=$!
    for _ in $(seq 100); do [ -s port ] && break; sleep 0.05; done
    PORT=$(cat port)
}

# Makes gems of sources in the container base, and what a server of gems answers with, in www.
make_gems() {
    mkdir -p gems/lib gems/bin www/gems
    echo 'def greet; "hello from ruby"; end' > gems/lib/greet.rb
    printf '#!/usr/bin/env ruby\nrequire "greet"\nputs greet\n' > gems/bin/greet
    chmod +x gems/bin/greet
    for name in greet later; do
        cat > gems/$name.gemspec <<GEM
Gem::Specification.new do |s|
  s.name, s.version, s.summary, s.authors, s.license = "$name", "1.0.2", "Greets", ["A"], "MIT"
  s.files, s.bindir, s.executables = ["lib/greet.rb", "bin/greet"], "bin", ["greet"]
end
GEM
    done
    cat > gems/index.rb <<'RUBY'
require "rubygems/package"; require "zlib"; require "fileutils"
specs = Dir["/work/www/gems/*.gem"].map { |file| Gem::Package.new(file).spec }
FileUtils.mkdir_p "/work/www/quick/Marshal.4.8"
specs.each { |s| File.binwrite("/work/www/quick/Marshal.4.8/#{s.full_name}.gemspec.rz", Zlib::Deflate.deflate(Marshal.dump(s))) }
list = specs.map { |s| [s.name, s.version, s.platform.to_s] }
{ "specs" => list, "latest_specs" => list, "prerelease_specs" => [] }.each do |name, value|
  Zlib::GzipWriter.open("/work/www/#{name}.4.8.gz") { |z| z.write Marshal.dump(value) }
end
RUBY
    vagga _run base sh -c 'cd gems && for n in greet later; do gem build -q $n.gemspec -o ../www/gems/$n-1.0.2.gem || exit; done; ruby index.rb' >/dev/null 2>&1
}

make_php() {
    mkdir -p php/src php/bin app
    echo '{"name": "acme/hello", "autoload": {"files": ["src/hello.php"]}, "bin": ["bin/hello"]}' > php/composer.json
    echo '<?php function hello() { return "hello from php\n"; }' > php/src/hello.php
    printf '#!/usr/bin/env php\n<?php require $_composer_autoload_path; echo hello();\n' > php/bin/hello
    chmod +x php/bin/hello
    local repositories='"repositories": [{"type": "path", "url": "/work/php", "options": {"symlink": false, "versions": {"acme/hello": "1.0.0"}}}, {"packagist": false}]'
    echo "{$repositories}" > app/global.json
    echo "{$repositories, \"require\": {\"acme/hello\": \"1.0.0\"}}" > app/composer.json
}

# A registry of PHP packages, as servers of Composer 2 answer, with the package of make_php.
make_php_registry() { # make_php_registry PORT
    mkdir -p registry/p2/acme shop
    python3 -m zipfile -c registry/hello.zip php/composer.json php/src php/bin
    cat > registry/packages.json <<JSON
{"packages": [], "metadata-url": "/p2/%package%.json", "available-packages": ["acme/hello"]}
JSON
    cat > registry/p2/acme/hello.json <<JSON
{"packages": {"acme/hello": [{"name": "acme/hello", "version": "1.2.0", "version_normalized": "1.2.0.0",
  "autoload": {"files": ["src/hello.php"]}, "bin": ["bin/hello"],
  "dist": {"type": "zip", "url": "http://127.0.0.1:$1/hello.zip", "shasum": "$(sha1sum registry/hello.zip | cut -d' ' -f1)"}}]}}
JSON
    cat > shop/composer.json <<JSON
{"repositories": [{"type": "composer", "url": "http://127.0.0.1:$1"}, {"packagist": false}],
  "config": {"secure-http": false}, "require": {"acme/hello": "^1.1"}}
JSON
}

build() { # builds or shows why not
    run vagga _build "$1"
    [ "$status" -eq 0 ] || { echo "$output" | tail -n 40; return 1; }
}

inside() { # inside CONTAINER SCRIPT EXPECTED
    run --separate-stderr vagga _run "$1" sh -c "$2"
    [ "$output" = "$3" ] || { echo "$1: $2: $output $stderr"; return 1; }
}

# bats test_tags=network,slow,long
@test "Debian's node, ruby and php: real packages, as they are locked" {
    mkdir -p "${VAGGA_FIXTURES%/fixtures}/cache.$VAGGA_MODE"
    export VAGGA_SETTINGS="cache-dir: ${VAGGA_FIXTURES%/fixtures}/cache.$VAGGA_MODE"
    write_project <<'YAML'
containers:
  base:
    setup:
    - !Debian trixie
    - !Install [nodejs, npm, ruby, bundler, php-cli, composer, php-zip, php-xml]
  npm:
    setup:
    - !Container base
    - &node !NpmConfig { install-node: false }
    - !NpmDependencies { file: front/package.json, dev: false }
  yarn:
    setup:
    - !Container base
    - *node
    - !YarnDependencies { dir: front }
  offline:
    setup:
    - !Container yarn
    - *node
    - !Sh rm -rf /usr/local/lib/node_modules/is-odd
    - !YarnDependencies { dir: front }
  gem:
    setup:
    - !Container base
    - !GemConfig { install-ruby: false, update-gem: false }
    - !Copy { source: /work/gemrc, path: /etc/gemrc }
    - !GemInstall ["greet:1.0.2"]
  bundle:
    setup:
    - !Container base
    - !GemConfig { install-ruby: false, update-gem: false }
    - !GemBundle { gemfile: site/Gemfile, without: [development] }
  php:
    setup:
    - !Container base
    - !ComposerConfig { install-runtime: false }
    - !EnsureDir /usr/local/lib/composer
    - !Copy { source: /work/app/global.json, path: /usr/local/lib/composer/config.json }
    - !ComposerInstall ["acme/hello:1.0.0"]
  app:
    setup:
    - !Container base
    - !ComposerConfig { install-runtime: false }
    - !ComposerDependencies { working-dir: app, dev: false }
  shop:
    setup:
    - !Container base
    - !ComposerConfig { install-runtime: false }
    - !ComposerDependencies { working-dir: shop, dev: false }
YAML
    build base

    mkdir front
    echo '{"dependencies": {"is-odd": "3.0.1"}, "devDependencies": {"is-even": "1.0.0"}}' > front/package.json
    cat > front/package-lock.json <<'JSON'
{"lockfileVersion": 3, "packages": {
  "": {"dependencies": {"is-odd": "3.0.1"}, "devDependencies": {"is-even": "1.0.0"}},
  "node_modules/is-even": {"version": "1.0.0", "dev": true},
  "node_modules/is-number": {"version": "6.0.0"},
  "node_modules/is-odd": {"version": "3.0.1", "dependencies": {"is-number": "^6.0.0"}}
}}
JSON
    build npm
    contains "$(cat "$(readlink -f .vagga/npm)/../npm-list.txt")" is-odd@3.0.1
    inside npm 'ls /usr/lib/node_modules' $'is-number\nis-odd'
    [ ! -e front/node_modules ]

    echo 'yarn-offline-mirror "./mirror"' > front/.yarnrc
    build yarn
    inside yarn 'yarn --version; ls /usr/lib/node_modules | grep is-' $'1.22.22\nis-buffer\nis-even\nis-number\nis-odd'
    [ -s front/yarn.lock ] && [ -n "$(ls front/mirror)" ] && [ ! -e front/node_modules ]
    run vagga _build yarn
    [ -z "$output" ]
    echo 'registry=http://127.0.0.1:9/' > "$BATS_TEST_TMPDIR/npmrc"
    rm -rf "${VAGGA_SETTINGS#cache-dir: }/yarn-cache"
    NPM_CONFIG_REGISTRY='' NPM_CONFIG_USERCONFIG=$BATS_TEST_TMPDIR/npmrc build offline
    inside offline 'ls /usr/lib/node_modules | grep is-odd' is-odd

    make_gems
    serve www 2>/dev/null
    printf ':sources:\n- http://127.0.0.1:%s\n' "$PORT" > gemrc
    build gem
    inside gem greet 'hello from ruby'
    contains "$(cat "$(readlink -f .vagga/gem)/../gems-list.txt")" 'greet (1.0.2)'
    [ -z "$(find .vagga/gem/var/lib/gems -name '*.gem')" ]
    mkdir site
    printf 'source "http://127.0.0.1:%s"\ngem "greet"\ngroup(:development) { gem "later" }\n' "$PORT" > site/Gemfile
    build bundle
    contains "$output" 'commit it'
    build bundle
    run vagga _build bundle
    [ -z "$output" ]
    kill $SERVER
    wait $SERVER 2>/dev/null || true
    inside bundle 'greet; gem list --local | grep later' 'hello from ruby'
    [ "$(ls -A site)" = $'Gemfile\nGemfile.lock' ]

    make_php
    build php
    inside php hello 'hello from php'
    contains "$(cat "$(readlink -f .vagga/php)/../composer-list.txt")" acme/hello
    build app
    inside app hello 'hello from php'
    [ -s app/composer.lock ] && [ ! -e app/vendor ]

    mkdir registry && rm -f port
    serve registry 2>/dev/null
    make_php_registry "$PORT"
    build shop
    inside shop hello 'hello from php'
    contains "$(cat shop/composer.lock)" '"version": "1.2.0"'
    # One byte of the archive is another one: the digest of the registry no longer fits.
    printf x >> registry/hello.zip
    rm -rf "${VAGGA_SETTINGS#cache-dir: }"/composer-cache
    run vagga _build --force shop
    [ "$status" -eq 121 ]
    contains "$output" 'checksum'
}

# bats test_tags=network,slow,long
@test "by default node, ruby and php come along, and the tools to build packages go" {
    mkdir -p "${VAGGA_FIXTURES%/fixtures}/cache.$VAGGA_MODE"
    export VAGGA_SETTINGS="cache-dir: ${VAGGA_FIXTURES%/fixtures}/cache.$VAGGA_MODE"
    write_project <<'YAML'
containers:
  c:
    setup:
    - !Debian bookworm
    - !NpmInstall [left-pad@1.3.0]
    - !GemInstall []
    - !ComposerInstall []
    - !Sh composer --version
  two:
    setup: [ !Debian trixie, !Py2Install [six] ]
YAML
    build c
    inside c 'which composer git make gcc; which node ruby php' $'/usr/bin/node\n/usr/bin/ruby\n/usr/bin/php'
    inside c 'NODE_PATH=/usr/lib/node_modules node -e "console.log(require(\"left-pad\")(7, 3))"' '  7'
    contains "$(cat .vagga/c/etc/php/*/cli/conf.d/vagga.ini)" '.:/usr/local/lib/composer'
    run vagga _build two
    [ "$status" -eq 121 ]
    contains "$output" 'python-exe'
}
