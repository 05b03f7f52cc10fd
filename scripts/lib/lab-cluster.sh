# shellcheck shell=bash
# What makes the hosts a cluster: the layer that all of them share (Covey's files, users), and each role's own set-up.

LAB_DOMAINS=(example.com example.org)
LAB_PASSWORD=secret
LAB_JOURNAL=covey-journal@example.com

# make_layer: DIR/layer, the files that are the same on every host.
make_layer() {
    local layer=$LAB_DIR/layer
    mkdir -p "$layer"/etc/dovecot
    chmod 755 "$layer"
    write_hosts_file >"$layer/etc/hosts"
    write_users >"$layer/etc/dovecot/users"
    own "$layer/etc/dovecot/users" dovecot
    if [[ $LAB_BARE == yes ]]; then
        make_administrator "$layer"
        return
    fi
    mkdir -p "$layer"/{etc/covey,usr/bin,usr/share/covey}
    cp -a "$COVEY_ROOT/postfix" "$COVEY_ROOT/sendmail" "$layer/usr/share/covey/"
    chown -R root:root "$layer/usr/share/covey"
    write_cluster_toml >"$layer/etc/covey/cluster.toml"
    [[ $LAB_PLAIN == yes ]] || add_covey "$layer"
}

# own FILE GROUP: 0640 root:GROUP, by the numbers of the base layer.
own() {
    local id
    id=$(awk -F: -v name="$2" '$1 == name { print $3 }' "$LAB_BASE/etc/group")
    chown "0:$id" "$1"
    chmod 0640 "$1"
}

write_hosts_file() {
    local host
    printf '127.0.0.1 localhost\n::1 localhost\n'
    for host in $(all_hosts); do
        printf '%s %s.%s %s\n' "$(host_address "$host")" "$host" "${LAB_DOMAINS[0]}" "$host"
    done
}

write_users() {
    local domain number
    for domain in "${LAB_DOMAINS[@]}"; do
        for ((number = 1; number <= LAB_USERS; number++)); do
            printf 'u%s@%s:{PLAIN}%s::::::\n' "$number" "$domain" "$LAB_PASSWORD"
        done
    done
    printf '%s:{PLAIN}%s::::::\n' "$LAB_JOURNAL" "$LAB_PASSWORD"
}

write_cluster_toml() {
    local host
    printf '[cluster]\ndomains = ["%s", "%s"]\nkey_file = "cluster.key"\n' "${LAB_DOMAINS[@]}"
    for host in $(all_hosts); do
        case $(host_role "$host") in
        hub | mailbox)
            printf '\n[[%s]]\nname = "%s"\naddresses = ["%s"]\n' \
                "$(host_role "$host")" "$host" "$(host_address "$host")"
            ! speaks_smtp "$host" || printf 'smtp = "%s:25"\n' "$(host_address "$host")"
            ;;
        esac
    done
    printf '\n[dns]\nzone = "%s"\n' "${LAB_DOMAINS[0]}"
    printf '\n[journal]\nmailbox = "%s"\npassword_file = "journal.password"\n' "$LAB_JOURNAL"
    [[ $LAB_MTA != sendmail ]] || write_sendmail_keys
    [[ -z $LAB_APPEND ]] || cat "$LAB_APPEND"
}

# write_sendmail_keys: what covey sendmail --part cluster says, unless the test has a [milter] table of its own.
write_sendmail_keys() {
    [[ -z $LAB_APPEND ]] || ! grep -q '^\[milter\]' "$LAB_APPEND" || return 0
    printf '\n[milter]\nreject_unknown = true\n'
    printf 'flush_command = ["/usr/sbin/etrn", "127.0.0.1", "{domain}.{server}.covey.invalid"]\n'
}

# add_covey LAYER: programs, key and journal password.
add_covey() {
    local layer=$1 program
    for program in covey covey-milter covey-pop3d; do
        [[ -x $LAB_BIN/$program ]] ||
            die "$LAB_BIN/$program is missing: build it (swift build -c release), or set COVEY_BIN"
        cp "$LAB_BIN/$program" "$layer/usr/bin/"
        copy_libraries "$layer" "$LAB_BIN/$program"
    done
    printf '%s\n' "$LAB_PASSWORD" >"$layer/etc/covey/journal.password"
    "$LAB_BIN/covey" keygen "$layer/etc/covey/cluster.key" >/dev/null
    own "$layer/etc/covey/journal.password" covey
    own "$layer/etc/covey/cluster.key" covey
}

# make_administrator LAYER: what somebody has who is about to install Covey from this machine (DIR/admin), and on the
# hosts, what lets him in and what is there in systemd's place.
make_administrator() {
    local layer=$1 admin=$LAB_DIR/admin
    install_missing openssh-client
    mkdir -m 700 "$admin"
    write_cluster_toml >"$admin/cluster.toml"
    printf '%s\n' "$LAB_PASSWORD" >"$admin/journal.password"
    chmod 600 "$admin/journal.password"
    "$LAB_BIN/covey" keygen "$admin/cluster.key" >/dev/null
    ssh-keygen -q -t ed25519 -N '' -C "covey-lab:$LAB_NAME" -f "$admin/id"
    cat >"$admin/ssh_config" <<CONFIGURATION
User root
IdentityFile $admin/id
IdentitiesOnly yes
UserKnownHostsFile $admin/known_hosts
StrictHostKeyChecking accept-new
ConnectTimeout 5
LogLevel ERROR
CONFIGURATION
    mkdir -p "$layer/root" "$layer/usr/bin"
    chmod 700 "$layer/root"
    install -d -m 700 "$layer/root/.ssh"
    install -m 600 "$admin/id.pub" "$layer/root/.ssh/authorized_keys"
    # No need for each file to be on the disk before the next.
    install -d -m 755 "$layer/etc/dpkg/dpkg.cfg.d"
    echo force-unsafe-io >"$layer/etc/dpkg/dpkg.cfg.d/lab"
    # Where dpkg's PATH finds it.
    install -m 755 "$COVEY_LIB/lab-systemctl" "$layer/usr/bin/systemctl"
    ln -s systemctl "$layer/usr/bin/journalctl"
}

# copy_libraries LAYER PROGRAM: the libraries that the base layer lacks (Swift's own, libmilter), at the same paths.
copy_libraries() {
    local library target
    # A static program is none of ldd's business.
    { ldd "$2" 2>/dev/null || :; } | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | while read -r library; do
        target=$library
        # /lib is a link to /usr/lib in the base layer: a directory of that name would hide it.
        [[ $library != /lib* ]] || target=/usr$library
        [[ ! -e $LAB_BASE$target && ! -e $1$target ]] || continue
        mkdir -p "$1${target%/*}"
        cp -L "$library" "$1$target"
    done
}

# set_up HOST: the first boot; configuration as an administrator would write it, then the services.
set_up() {
    local host=$1 role
    role=$(host_role "$host")
    trap 'warn "$host: the set-up stopped at: $BASH_COMMAND"' ERR
    power_on "$host"
    [[ $LAB_BARE == no ]] || in_host "$host" userdel covey
    case $role in
    hub) "set_up_$LAB_MTA" "$host" ;;
    mailbox)
        in_host "$host" bash -s -- "$LAB_NET.$LAB_INDEX.0/24" "$LAB_BARE" <"$COVEY_LIB/lab-dovecot"
        ! speaks_smtp "$host" ||
            in_host "$host" bash -s -- "$host.${LAB_DOMAINS[0]}" "${LAB_DOMAINS[*]}" <"$COVEY_LIB/lab-smtp-mailbox"
        ;;
    dns) in_host "$host" bash -s -- "$(host_address "$host")" "${LAB_DOMAINS[@]}" <"$COVEY_LIB/lab-bind" ;;
    client) [[ $LAB_DNS == no ]] || ask_name_server "$host" ;;
    esac
    start_services "$host"
}

# ask_name_server HOST: it knows the others from DNS and from nothing else.
ask_name_server() {
    printf 'nameserver %s\n' "$(host_address ns)" | in_host "$1" tee /etc/resolv.conf >/dev/null
    printf '127.0.0.1 localhost %s\n' "$1" | in_host "$1" tee /etc/hosts >/dev/null
}

set_up_postfix() {
    local host=$1
    in_host "$host" postconf -e "myhostname=$host.${LAB_DOMAINS[0]}" \
        "mydestination=\$myhostname, localhost.${LAB_DOMAINS[0]}, localhost" maillog_file=/var/log/mail.log
    [[ $LAB_PLAIN == yes ]] ||
        in_host "$host" /usr/share/covey/postfix/setup --config /etc/covey/cluster.toml --host "$host" \
            >>"$(host_dir "$host")/console.log" 2>&1
}

set_up_sendmail() {
    in_host "$1" bash -s -- "$1.${LAB_DOMAINS[0]}" "$LAB_PLAIN" "$LAB_NET.$LAB_INDEX.1" "$LAB_NET.$LAB_INDEX.100" \
        <"$COVEY_LIB/lab-sendmail" >>"$(host_dir "$1")/console.log" 2>&1
}
