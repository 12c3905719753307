# capOS. Bare `make` lists the targets; cargo, tools/ and tests/ do the work.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The toolchain and the tools that tools/setup.sh chose; RUSTC_BOOTSTRAP permits the unstable features that the build needs.
export PATH := $(CURDIR)/build/toolchain/bin:$(CURDIR)/build/bin:$(PATH)
export RUSTC_BOOTSTRAP := 1

# The packages of the programs that run on capOS: the system's own, and those that only tests and benchmarks boot.
packages = $(shell sed -s -n '0,/^name = /s/^name = "\(.*\)"/-p \1/p' $(wildcard $(addsuffix /Cargo.toml,$(1))))
PROGRAMS := $(call packages,init drivers/* services/* demos/*)
GUESTS := $(call packages,tests/guests/* bench/guests)
GUEST_SYSTEMS = $(wildcard tests/manifests/*.cue bench/manifests/*.cue)

BOOT_CARGO := cargo --config targets/boot.toml
KERNEL_CARGO := cargo --config targets/kernel.toml
USER_CARGO := cargo --config targets/user.toml
FUZZ_CARGO := cargo --config targets/fuzz.toml
TO := -Zunstable-options --artifact-dir
CAPOS := cargo run --quiet -p tools --

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: system ## Install what is missing, build, and boot in QEMU to a login prompt on this terminal (Ctrl-A X ends it)
	@$(CAPOS) run

.PHONY: test
test: build ## Install what is missing, then run everything that CI runs
	cargo test
	cargo test -p tests
	$(MAKE) loom
	$(MAKE) check
	$(MAKE) lint

.PHONY: setup
setup: ## Find or install the toolchain, QEMU and the other tools, and say what was chosen
	@tools/setup.sh

.PHONY: build
build: system guests loader ## Build everything that a test or benchmark boots

.PHONY: system
system: kernel programs ## Build what `make run` boots: the kernel, the programs and the boot package
	@$(CAPOS) package system.cue

.PHONY: kernel
kernel: setup
	$(KERNEL_CARGO) build --release -p kernel $(TO) build

.PHONY: loader
loader: setup
	$(BOOT_CARGO) build --release -p boot $(TO) build

.PHONY: image
image: system loader ## Make build/images/capos.img and capos.iso, which boot under UEFI (LIMINE=dir: by the stock Limine in dir, BIOS too)
	@$(CAPOS) image $(if $(LIMINE),--limine $(LIMINE))

.PHONY: programs
programs: setup
	$(USER_CARGO) build --release --bins $(PROGRAMS) $(TO) build/programs

.PHONY: guests
guests: programs
	$(USER_CARGO) build --release --bins $(GUESTS) $(TO) build/programs
	@$(CAPOS) package system.cue $(GUEST_SYSTEMS)

.PHONY: graph
graph: setup ## Print who gives what to whom in the running system, as a table in Markdown
	@$(CAPOS) graph

.PHONY: loom
loom: setup ## Run what is shared without a lock in every interleaving of its threads (CAPOS_SOAK=1: with one more preemption)
	cargo test -p races
	RUSTFLAGS="--cfg loom" cargo test --target-dir target/loom -p capos-queue --test interleavings

.PHONY: check
check: kernel ## Check the rules of the tree that no compiler knows; check-<name> runs one (abi, edges, unsafe, schema, ...)
	@$(CAPOS) check

check-%: kernel
	@$(CAPOS) check $*

.PHONY: types
types: setup ## Type-check everything, each crate for the target that it runs on
	cargo check --all-targets $(MESSAGES)
	$(KERNEL_CARGO) check -p kernel $(MESSAGES)
	$(USER_CARGO) check $(PROGRAMS) $(GUESTS) $(MESSAGES)

.PHONY: lint
lint: setup ## Check the formatting and deny every warning of clippy
	cargo fmt --all --check
	cargo clippy -p tests --all-targets -- -D warnings
	cargo clippy --all-targets -- -D warnings
	cargo clippy --config targets/boot.toml --release -p boot -- -D warnings
	cargo clippy --config targets/kernel.toml --release -p kernel -- -D warnings
	cargo clippy --config targets/user.toml --release $(PROGRAMS) $(GUESTS) -- -D warnings

.PHONY: fmt
fmt: setup ## Format all code
	cargo fmt --all

.PHONY: bench
bench: build ## Measure, verify and print the benchmarks, Linux beside (ROW=name: one row; BASE=commit: fail if slower than it)
	cargo run --quiet -p bench -- $(if $(ROW),--row $(ROW)) $(if $(BASE),--base $(BASE))

.PHONY: profile
profile: build ## Show where the instructions of a benchmark go (ROW=name)
	cargo run --quiet -p bench -- --profile --row $(ROW)

.PHONY: boot-time
boot-time: system ## Measure the stages of the kernel's start in instructions and draw them for the book
	@$(CAPOS) boot-time

.PHONY: trace
trace: system ## Boot with tracing on and draw what every processor did (build/trace.json, for Perfetto)
	@$(CAPOS) trace

.PHONY: debug
debug: system ## Boot in QEMU, stopped until gdb attaches as it says, with symbols of the kernel and of init (SYMBOLS=shell: of that)
	@$(CAPOS) run --debug $(if $(SYMBOLS),--symbols $(SYMBOLS))

.PHONY: fuzz
fuzz: setup ## Search every parser of untrusted bytes by coverage, ten minutes each (TARGETS="acpi ring", SECONDS=60)
	$(FUZZ_CARGO) build --profile fuzz -p fuzz --features libfuzzer $(TO) build
	@$(CAPOS) fuzz $(TARGETS) $(if $(SECONDS),--seconds $(SECONDS))

.PHONY: soak
soak: build ## Run the tests with their large counts, then `make fuzz` (hours)
	CAPOS_SOAK=1 cargo test
	CAPOS_SOAK=1 cargo test -p tests
	CAPOS_SOAK=1 $(MAKE) loom
	$(MAKE) fuzz

.PHONY: docs
docs: setup ## Make the book in build/book (installs mdBook into build/ at the first use)
	command -v mdbook >/dev/null || cargo install mdbook --locked --version '^0.4' --root build
	mdbook build docs

.PHONY: clean
clean: ## Delete what was built, but not the tools that were set up
	cargo clean
	rm -rf build/kernel build/programs build/packages build/book
