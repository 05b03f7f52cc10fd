# shellcheck shell=bash
# The base layer of all lab hosts: a Debian of the machine's release with the mail servers in it, kept in a directory.
#
# A Debian of its own rather than an overlay of /: the machine's packages, users and mail configuration stay out of the
# hosts, and no layer lies inside another (the kernel refuses that: ELOOP).
# Built once, in a directory of its own that is renamed when complete; a lock keeps two builders apart.

LAB_CACHE=${COVEY_LAB_CACHE:-/var/cache/covey-lab}

# What the machine itself needs.
LAB_NEEDS=(iproute2 util-linux procps perl-base debootstrap)

# The MTA of the hubs. All hosts of an instance share one layer, so that group numbers are the same everywhere.
LAB_MTA=postfix

# lab_packages: sets LAB_PACKAGES to what the hosts have. Debian's Postfix and Sendmail exclude each other.
lab_packages() {
    local mta
    case $LAB_MTA in
    postfix) mta=(postfix postfix-pcre) ;;
    # Sendmail logs by syslog alone: busybox has a small one.
    sendmail) mta=(sendmail-bin sendmail-cf sendmail-base m4 make busybox) ;;
    *) die "--mta takes postfix or sendmail" ;;
    esac
    # shellcheck disable=SC2206  # further packages, words
    LAB_PACKAGES=(
        "${mta[@]}" dovecot-core dovecot-lmtpd dovecot-pop3d
        swaks mpop fetchmail getmail6 curl python3 perl openssl cpio
        haproxy neomutt bind9 bind9-dnsutils postal
        procps iproute2 iputils-ping ca-certificates less libmilter1.0.1 openssh-server adduser fail2ban
        ${COVEY_LAB_PACKAGES:-}
    )
}

# What the base layer depends on: another list, another Debian or another recipe is another layer.
base_hash() {
    {
        printf '%s\n' "${LAB_PACKAGES[@]}"
        cat /etc/debian_version "$COVEY_LIB/lab-base-install"
        dpkg --print-architecture
    } | sha256sum | cut -c 1-12
}

# base_layer: prints the base layer's directory, which is built first if it is not there. Progress on stderr.
base_layer() {
    local base lock LAB_PACKAGES
    lab_packages
    base=$LAB_CACHE/base-$(base_hash)
    if [[ ! -d $base ]]; then
        mkdir -p "$LAB_CACHE"
        exec {lock}>"$LAB_CACHE/lock"
        flock "$lock"
        [[ -d $base ]] || build_base "$base" >&2 || return 1
        exec {lock}>&-
    fi
    printf '%s\n' "$base"
}

build_base() {
    local base=$1 temporary log=$LAB_CACHE/base.log
    # What a builder that was killed left behind; the lock says that no other is at work.
    rm -rf --one-file-system "$LAB_CACHE"/building-*
    temporary=$(mktemp -d "$LAB_CACHE/building-XXXXXX") || return 1
    chmod 755 "$temporary"
    say "Building the lab's Debian in $base: once, one to two minutes (log: $log)"
    if ! unshare --mount --pid --ipc --uts --fork --kill-child --propagation private \
        "$COVEY_LIB/lab-base-install" "$temporary" "${LAB_PACKAGES[@]}" >"$log" 2>&1 </dev/null; then
        tail -n 30 "$log"
        warn "the lab's Debian could not be built: the end of $log is above"
        return 1
    fi
    mv "$temporary" "$base"
}
