# SPDX-License-Identifier: GPL-2.0-or-later
#
# The one entry. Every target does what it needs first, goes on where it was
# cut off, and leaves what it makes in build/.

.PHONY: all rdp prepare guest demo demo-rdp check check-all check-qtest bench bench-snapshot bench-tape bench-isolation bench-rtc bench-pcid bench-rdp bench-rdp-usb export header help clean

all: prepare ## build QEMU with the annex, and the daemons
	scripts/build
	scripts/daemon

rdp: ## build annex-rdp and annex-usb, which want Rust 1.94
	scripts/rdp

prepare: ## install packages, get QEMU, apply the series
	scripts/deps
	scripts/base
	scripts/series apply

guest: prepare ## make the test guests
	scripts/guest
	scripts/guest-rtc

demo: ## start real guests from snapshots: eagerly, on demand, sixteen from one
	scripts/demo

demo-rdp: all ## start a guest with a desktop's screen, and say how to connect over RDP
	scripts/rdp --all
	@build/cargo/release/rdp-demo

check: ## run the tests
	scripts/check

check-all: ## run every test, with what takes long and changes seldom
	scripts/check --all

check-qtest: all ## run QEMU's own qtest suite
	scripts/check-qtest

bench: bench-snapshot bench-tape bench-isolation bench-rtc bench-pcid bench-rdp ## run every bench

bench-snapshot: all guest ## measure starting from a snapshot; writes into docs/
	scripts/bench snapshot

bench-tape: all guest ## measure the tape drive beside a disk; writes into docs/
	scripts/bench tape

bench-isolation: all guest ## measure an isolated back-end beside one that isn't; writes into docs/
	scripts/backends
	scripts/bench isolation

bench-rtc: all guest ## measure the virtio-rtc daemon beside eventfds and a timer; writes into docs/
	scripts/bench rtc

bench-pcid: all guest ## measure Linux with PCIDs and a TLB that remembers; writes into docs/
	scripts/bench pcid

bench-rdp: bench-rdp-usb ## measure a screen over RDP beside VNC, and USB; writes into docs/
	scripts/bench rdp

bench-rdp-usb: all guest ## measure a stick over RDP beside one by a socket; writes into docs/
	scripts/bench rdp-usb

export: ## write the branch annex of build/qemu-src into patches/ [FOLDER=for new commits]
	scripts/series export $(if $(FOLDER),--folder $(FOLDER))

header: ## write include/ from rust/qemu-annex
	cargo run --quiet --locked --package header

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

clean: ## remove build/, with the branch annex and what was downloaded
	@scripts/series saved || { echo "then, or to drop them: rm -rf build"; exit 1; }
	rm -rf build
