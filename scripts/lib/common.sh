# shellcheck shell=bash
# What every script here uses: messages, the repository's root, packages of this machine.

COVEY_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034  # used where this file is sourced
COVEY_LIB=$COVEY_ROOT/scripts/lib

# Administration tools are not in every user's PATH.
PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() {
    warn "$*"
    exit 1
}

need_root() {
    [[ $EUID -eq 0 ]] || die "$1 needs root (namespaces, mounts, packages): run it with sudo"
}

# install_missing PACKAGE...: installs on this machine whatever of these Debian packages is not there yet.
install_missing() {
    local package missing=()
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == "install ok installed" ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    need_root "installing ${missing[*]}"
    say "Installing ${missing[*]}"
    local -x DEBIAN_FRONTEND=noninteractive
    # The package lists may be missing (a fresh machine) or too old for the mirror: update them only then.
    apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
        { apt-get -qq update && apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null; } ||
        die "apt-get could not install: ${missing[*]}"
}

# need_swift: stops with the remedy unless Swift 6.2 or later is there.
need_swift() {
    local version
    if ! command -v swift >/dev/null; then
        # sudo drops the caller's PATH.
        [[ -z ${SUDO_USER:-} ]] || warn "Swift may be in the PATH of $SUDO_USER only: try sudo env PATH=\"\$PATH\" $0"
        die "Swift is not installed. Get version 6.2 or later from https://www.swift.org/install/linux/" \
            "and put its usr/bin directory into PATH"
    fi
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -n 1)
    if [[ $(printf '%s\n' 6.2 "$version" | sort -V | head -n 1) != 6.2 ]]; then
        die "Swift ${version:-of unknown version} is too old: 6.2 or later is needed, see" \
            "https://www.swift.org/install/linux/"
    fi
}

# What building needs besides Swift.
# shellcheck disable=SC2034  # used where this file is sourced
BUILD_NEEDS=(libmilter-dev pkg-config)

# How the programs are built for the packages, the demo, the lab and the integration tests alike, with Swift's libraries
# in them, so that no host needs Swift. Other flags would compile everything anew.
# shellcheck disable=SC2034  # used where this file is sourced
RELEASE=(-c release --static-swift-stdlib)

# wait_until SECONDS COMMAND...: runs COMMAND until it succeeds; 1 when it did not within SECONDS.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}
