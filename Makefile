# make · make test · make test-vm · make demo · make demo-lithos · make bench · make doc · make install · make deb
#
# The binaries are linked statically, so that one file runs on any Linux of the architecture and inside any
# container root. They stay at a fixed address: a program that moves itself writes to a hundred pages before it begins,
# which every start and every fork pays for. A plain `cargo build` gives an ordinary debug build.

HOST    := $(shell rustc -vV | sed -n 's/^host: //p')
TARGET  ?= $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
OUT     := $(TARGET)/$(HOST)/release
STATIC  := RUSTFLAGS="-C target-feature=+crt-static -C relocation-model=static"
PREFIX  ?= /usr/local
DESTDIR ?=

.PHONY: deb-files install-files install-systemd install-sysv install-openrc
.PHONY: lint all build test-binaries prepare test test-rust test-bats test-network test-vm demo demo-lithos bench doc install deb clean

all: build

# The tools of lithos are names of one executable: what they share is optimized, stored and mapped once.
LITHOS := $(notdir $(basename $(wildcard src/bin/lithos_*.rs)))
NAMES   = for name in $(LITHOS); do ln -f $(OUT)/lithos $(OUT)/$$name || exit 1; done

build:
	$(STATIC) cargo build --release --locked --target $(HOST) --bin vagga --bin lithos
	@$(NAMES)

# The binaries under test: the released one and the small tools that only tests use.
test-binaries:
	$(STATIC) cargo build --release --locked --target $(HOST) --features test-tools --bin vagga --bin lithos --bin refuse-syscalls
	@$(NAMES)

prepare:
	@.ci/prepare $(NEEDS)

test: NEEDS = test
test: prepare lint test-rust test-binaries
	@vm/all $(VM_FOLDER) $(abspath $(OUT)) $(UNITS)
	@VAGGA_BIN=$(abspath $(OUT)) bats/run

# Shell scripts and shell tests.
lint:
	@.ci/lint

test-rust:
	cargo fmt --check
	cargo clippy --locked --all-targets --features test-tools -- -D warnings
	cargo test --locked
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

test-bats: test-binaries
	@VAGGA_BIN=$(abspath $(OUT)) bats/run --offline

# Real control groups of version 2, and lithos_tree as the first process, in a virtual machine under software emulation.
# The emulator and the kernel are Debian packages, unpacked into the target folder; nothing is installed.
VM_FOLDER := $(TARGET)/vm
UNITS = $$(cargo test --locked --lib --no-run 2>&1 | sed -n 's/^ *Executable .*(\(.*\))$$/\1/p')

test-vm: test-binaries
	@vm/all $(VM_FOLDER) $(abspath $(OUT)) $(UNITS)

demo: NEEDS = demo
demo: prepare build
	@PATH="$(abspath $(OUT)):$$PATH" examples/demo

demo-lithos: NEEDS = demo
demo-lithos: prepare build
	@PATH="$(abspath $(OUT)):$$PATH" examples/demo-lithos

bench: NEEDS = bench
bench: prepare build
	@VAGGA_BIN=$(abspath $(OUT)) benches/run

doc: export RUSTDOCFLAGS = -D warnings
doc:
	cargo doc --locked --no-deps

install: build install-files

# Copies what is built; `INIT` names the service files: any of systemd, sysv, openrc (the last two share a place).
INIT   ?= systemd
AT      = sed 's|@BINDIR@|$(PREFIX)/bin|'

install-files:
	install -D -m 755 $(OUT)/vagga $(DESTDIR)$(PREFIX)/bin/vagga
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(OUT)/vagga _man > $(DESTDIR)$(PREFIX)/share/man/man1/vagga.1
	$(OUT)/vagga _completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/vagga
	$(OUT)/vagga _completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_vagga
	$(OUT)/vagga _completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/vagga.fish
	for tool in $(LITHOS); do \
	    share=$(DESTDIR)$(PREFIX)/share && page=$$($(OUT)/$$tool --man-page) && \
	    section=$$(printf '%s\n' "$$page" | sed -n '1s/^.TH [^ ]* \([0-9]\) .*/\1/p') && \
	    install -D -m 755 $(OUT)/$$tool $(DESTDIR)$(PREFIX)/bin/$$tool && \
	    install -d $$share/man/man$$section && printf '%s\n' "$$page" > $$share/man/man$$section/$$tool.$$section && \
	    $(OUT)/$$tool --completion bash > $$share/bash-completion/completions/$$tool && \
	    $(OUT)/$$tool --completion zsh > $$share/zsh/site-functions/_$$tool && \
	    $(OUT)/$$tool --completion fish > $$share/fish/vendor_completions.d/$$tool.fish || exit 1; \
	done
	$(foreach init,$(INIT),$(MAKE) --no-print-directory install-$(init) &&) true

install-systemd:
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	$(AT) packaging/lithos.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/lithos.service

install-sysv install-openrc: install-%:
	install -d $(DESTDIR)/etc/init.d
	$(AT) packaging/lithos.$* > $(DESTDIR)/etc/init.d/lithos
	chmod 755 $(DESTDIR)/etc/init.d/lithos

# A Debian package of the static binaries. They need nothing; what makes them better is recommended.
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
ARCH    := $(shell dpkg --print-architecture 2>/dev/null)
PACK    ?= xz
STAGE   ?= $(TARGET)/deb
DEB     ?= $(TARGET)/orchestration_$(VERSION)_$(ARCH).deb

define CONTROL
Package: orchestration
Version: $(VERSION)
Architecture: $(ARCH)
Maintainer: $(or $(shell git log -1 --format='%an <%ae>' 2>/dev/null),orchestration <root@localhost>)
Section: admin
Priority: optional
Recommends: uidmap, gpgv | sqv
Description: containers for development and production
 vagga builds the containers a project describes in vagga.yaml and runs its
 commands in them, without a daemon and without root.
 .
 lithos runs containers in production: lithos_tree supervises them, with
 limits that the operator sets. Its service is installed but not enabled.
endef
export CONTROL

deb: build deb-files

# Packs what is built.
deb-files:
	@command -v dpkg-deb >/dev/null || { echo "make deb: needs dpkg-deb (package dpkg)" >&2; exit 1; }
	rm -rf $(STAGE)
	$(MAKE) install-files DESTDIR=$(abspath $(STAGE)) PREFIX=/usr INIT="systemd sysv"
	gzip -9n $(STAGE)/usr/share/man/man[18]/*.[18]
	install -D -m 644 packaging/master.yaml $(STAGE)/etc/lithos/master.yaml
	install -d $(STAGE)/etc/lithos/sandboxes $(STAGE)/etc/lithos/processes
	install -d $(STAGE)/usr/share/doc/orchestration/examples
	sed 's|@BINDIR@|/usr/bin|' packaging/lithos.openrc > $(STAGE)/usr/share/doc/orchestration/examples/lithos.openrc
	install -D -m 644 -t $(STAGE)/usr/share/doc/orchestration README.md docs/*.md
	install -d $(STAGE)/DEBIAN
	printf '%s\n' "$$CONTROL" > $(STAGE)/DEBIAN/control
	printf '%s\n' /etc/init.d/lithos /etc/lithos/master.yaml > $(STAGE)/DEBIAN/conffiles
	install -m 755 -t $(STAGE)/DEBIAN packaging/debian/postinst packaging/debian/prerm packaging/debian/postrm
	dpkg-deb --root-owner-group -Z$(PACK) --build $(STAGE) $(DEB)

clean:
	cargo clean
