#!/usr/bin/env bats
# npm, yarn, gem, composer, pip: what they are told, and what they make with packages of the fixtures and of the
# registries this host is configured for.
load project

# A root with programs that only write down how they were called, in /called.
spied() {
    cat <<'YAML'
  spied:
    setup:
    - !Tar { url: ./busybox.tar }
    - !EnsureDir /usr/bin
    - !EnsureDir /usr/local/bin
    - !Text
      /usr/bin/spy: |
        #!/bin/sh
        name=${0##*/}
        case "$name $*" in
          "npm prefix --global") echo /usr/local; exit ;;
          "npm config get registry") grep ^registry= "$npm_config_userconfig" | cut -d= -f2; exit ;;
          "gem env gemdir") echo /var/lib/gems; exit ;;
          "gem --version") echo 3.6.7; exit ;;
        esac
        case "$name" in
          npm) echo "$name $*"; echo "cache $npm_config_cache"; cat "$npm_config_userconfig" ;;
          yarn) echo "$name $*"; echo "registry $npm_config_registry"; pwd; ls -A node_modules ;;
          bundle) echo "$name $*"; env | grep ^BUNDLE_ | sort ;;
          php) echo "$name $*"; env | grep ^COMPOSER_ | sort; pwd ;;
          *) echo "$name $*" ;;
        esac >> /called
    - !Sh |
        chmod 755 /usr/bin/spy
        for name in npm yarn gem bundle php composer; do ln -s spy /usr/bin/$name; done
YAML
}

called() { cat ".vagga/$1/called"; }

@test "npm and yarn: registry of the host, caches, no credentials, nothing left" {
    { echo containers:; spied; cat <<'YAML'; } | write_project
  npm:
    setup:
    - !Container spied
    - !NpmConfig { install-node: false }
    - !NpmInstall [left-pad@1.3.0]
    - !NpmDependencies { file: front/package.json, dev: false }
    - !Sh "! grep -r s3cret /tmp /etc /usr"
  yarn:
    setup:
    - !Container spied
    - !NpmConfig { install-node: false, install-yarn: false }
    - !YarnDependencies { dir: front, production: true }
YAML
    cd "$BATS_TEST_TMPDIR/project"; PROJECT=$PWD
    mkdir front
    echo '{"dependencies": {"b": "^2", "a": {}}, "devDependencies": {"c": "1"}}' > front/package.json
    printf '"a@*", b@^2:\n  version "2"\n' > front/yarn.lock
    printf 'registry=https://m.example/npm/\n@x:registry=https://x.example/\n//m.example/npm/:_authToken=s3cret\n' > "$BATS_TEST_TMPDIR/npmrc"
    export NPM_CONFIG_USERCONFIG=$BATS_TEST_TMPDIR/npmrc
    unset NPM_CONFIG_REGISTRY
    run vagga _build npm
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    contains "$(called npm)" $'npm install --global left-pad@1.3.0\ncache /tmp/npm-cache\n@x:registry=https://x.example/\nregistry=https://m.example/npm/\n'
    contains "$(called npm)" 'npm install --global a@* b@^2'
    lacks "$(called npm)" s3cret
    [ -d .vagga/.cache/npm-cache ] && [ -z "$(find .vagga/npm/tmp .vagga/npm/run -mindepth 1)" ]
    [ "$(readlink .vagga/npm/usr/lib/node_modules)" = /usr/local/lib/node_modules ]
    [ -e "$(readlink -f .vagga/npm)/../npm-list.txt" ]
    run vagga _build yarn
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    contains "$(called yarn)" '--cache-folder=/tmp/yarn-cache --production'
    contains "$(called yarn)" $'registry https://m.example/npm/\n/work/front'
    [ ! -e front/node_modules ] && [ -d .vagga/.cache/yarn-cache ]
    # What is there is hidden, not touched.
    mkdir front/node_modules && touch front/node_modules/mine
    run vagga _build --force yarn
    [ "$status" -eq 0 ]
    lacks "$(called yarn)" mine
    [ -e front/node_modules/mine ]
}

@test "npm ci with the lock file, cut down to what is wanted" {
    { echo containers:; spied; cat <<'YAML'; } | write_project
  locked:
    setup:
    - !Container spied
    - !NpmConfig { install-node: false, npm-exe: /usr/bin/ci }
    - !NpmDependencies { dev: false }
YAML
    cd "$BATS_TEST_TMPDIR/project"; PROJECT=$PWD
    sed -i 's|"npm prefix --global")|"ci prefix --global") echo /usr; exit ;;\n          "ci ci"*) mkdir -p node_modules/.bin node_modules/a node_modules/@s/b\n              ln -s ../a/run node_modules/.bin/a-run; cp package.json package-lock.json .npmrc node_modules/a/; exit ;;\n            &|; s/for name in/& ci/' vagga.yaml
    echo '{"scripts": {"prepare": "x"}, "dependencies": {"a": "1"}, "devDependencies": {"c": "1"}}' > package.json
    echo '{"lockfileVersion": 3, "packages": {"": {"dependencies": {"a": "1"}, "devDependencies": {"c": "1"}}, "node_modules/a": {"version": "1.0.0"}, "node_modules/c": {"version": "1.0.1"}}}' > package-lock.json
    echo 'x=secret' > .npmrc
    run vagga _build locked
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    modules=.vagga/locked/usr/lib/node_modules
    [ -d "$modules/@s/b" ] && [ ! -e "$modules/.bin" ]
    [ "$(readlink .vagga/locked/usr/bin/a-run)" = /usr/lib/node_modules/a/run ]
    lacks "$(cat $modules/a/package.json $modules/a/package-lock.json)" '"c"'
    lacks "$(cat $modules/a/package.json)" scripts
    contains "$(cat $modules/a/.npmrc)" x=secret
    [ ! -e .vagga/locked/tmp/vagga-node ]
    one=$(vagga _version_hash locked)
    sed -i 's/1.0.0/1.0.9/' package-lock.json
    [ "$(vagga _version_hash locked)" != "$one" ]
}

@test "gem, bundler and composer: command lines, environment, caches" {
    { echo containers:; spied; cat <<'YAML'; } | write_project
  ruby:
    setup:
    - !Container spied
    - !GemConfig { install-ruby: false, update-gem: false }
    - !GemInstall [rake:13.0.6]
    - !GemBundle { gemfile: site/Gemfile, without: [development, test], trust-policy: HighSecurity }
  updated:
    setup:
    - !Container spied
    - !GemConfig { install-ruby: false }
    - !GemInstall []
  php:
    setup:
    - !Container spied
    - !ComposerConfig { install-runtime: false, vendor-dir: /opt/vendor }
    - !ComposerInstall [acme/hello:^1]
    - !ComposerDependencies { working-dir: app, dev: false, prefer: dist, classmap-authoritative: true }
YAML
    cd "$BATS_TEST_TMPDIR/project"; PROJECT=$PWD
    mkdir site app && touch site/Gemfile && echo '{}' > app/composer.json
    run vagga _build ruby
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    contains "$(called ruby)" 'gem install --bindir /usr/local/bin --no-document rake:13.0.6'
    contains "$(called ruby)" 'bundle install --trust-policy HighSecurity'
    for set in GEMFILE=/work/site/Gemfile PATH__SYSTEM=true WITHOUT=development:test; do
        contains "$(called ruby)" "BUNDLE_$set"
    done
    lacks "$(called ruby)" 'gem update'
    [ -d .vagga/.cache/gems-cache ] && [ -z "$(ls -A .vagga/ruby/var/lib/gems/cache)" ]
    [ -e "$(readlink -f .vagga/ruby)/../gems-list.txt" ] && [ ! -e site/.bundle ]
    run vagga _build updated
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    contains "$(called updated)" 'gem update --system --no-document'
    run vagga _build php
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    contains "$(called php)" 'php /usr/bin/composer --no-interaction global require --prefer-dist --update-no-dev acme/hello:^1'
    contains "$(called php)" 'php /usr/bin/composer --no-interaction install --prefer-dist --no-dev --classmap-authoritative'
    contains "$(called php)" $'COMPOSER_VENDOR_DIR=/opt/vendor\n/work/app'
    contains "$(called php)" COMPOSER_CACHE_DIR=/tmp/composer-cache
    [ -d .vagga/.cache/composer-cache ] && [ -e "$(readlink -f .vagga/php)/../composer-list.txt" ]
}

@test "what is wrong is said in one line" {
    write_project <<'YAML'
containers:
  policy: { setup: [ !Tar { url: ./busybox.tar }, !GemBundle { trust-policy: invalid } ] }
  prefer: { setup: [ !Tar { url: ./busybox.tar }, !ComposerDependencies { prefer: wrong } ] }
  yarn: { setup: [ !Tar { url: ./busybox.tar }, !NpmConfig { yarn-version: 4.1.0 }, !YarnDependencies {} ] }
  base: { setup: [ !Tar { url: ./busybox.tar }, !GemInstall [rake] ] }
  npm: { setup: [ !Tar { url: ./busybox.tar }, !NpmConfig { install-node: false }, !NpmInstall [x] ] }
  composer: { setup: [ !Tar { url: ./busybox.tar }, !ComposerConfig { install-runtime: false }, !ComposerInstall [] ] }
  gemfile: { setup: [ !Tar { url: ./busybox.tar }, !GemBundle { gemfile: none } ] }
YAML
    touch Gemfile; echo '{}' > composer.json; echo '{}' > package.json; touch yarn.lock
    fails() { # fails CONTAINER PART: exit 121 and the text
        run --separate-stderr vagga _build "$1"
        [ "$status" -eq 121 ] || { echo "$1: $status $stderr"; return 1; }
        contains "$stderr" "$2"
    }
    fails policy "Value of 'GemBundle.trust_policy' must be 'LowSecurity', 'MediumSecurity' or 'HighSecurity', 'invalid' given"
    fails prefer "Value of 'ComposerDependencies.prefer' must be either 'source' or 'dist', 'wrong' given"
    fails yarn 'yarn-version "4.1.0" is no release of yarn 1'
    fails base 'requires some linux distribution'
    fails npm 'npm-exe'
    fails composer 'put composer.phar at /usr/local/bin/composer'
    fails gemfile 'Error versioning command GemBundle'
    rm yarn.lock
    run vagga _version_hash yarn
    [ "$status" -eq 29 ]
}
