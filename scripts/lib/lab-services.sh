# shellcheck shell=bash
# The services of the hosts, in the order in which they start.

# services HOST: prints the services that belong on a host.
services() {
    local role
    role=$(host_role "$1")
    [[ $LAB_BARE == no || $role == client || $role == dns ]] || say sshd
    case $role in
    hub) [[ $LAB_PLAIN == yes ]] || say milter; say "$LAB_MTA" ;;
    dns) say named ;;
    mailbox) say dovecot; ! speaks_smtp "$1" || say postfix; [[ $LAB_PLAIN == yes ]] || say pop3d ;;
    esac
}

# speaks_smtp HOST: whether it is a mailbox server that gets its mail by SMTP.
speaks_smtp() { [[ ,$LAB_SMTP, == *",$1,"* ]]; }

# service HOST start|stop|state SERVICE [SIGNAL]
service() {
    local host=$1
    shift
    in_host "$host" bash -s -- "$@" <"$COVEY_LIB/lab-service"
}

start_services() {
    local name
    for name in $(services "$1"); do service "$1" start "$name"; done
}

# boot_host HOST: power, and all services.
boot_host() {
    power_on "$1"
    start_services "$1"
}

# on_hosts FUNCTION HOST...: runs FUNCTION for each host, all at once. Sets FAILED_HOSTS to those where it failed.
# (Not an exit status: bash ignores `set -e` in whatever runs inside a condition.)
on_hosts() {
    local function=$1 host
    local -A jobs=()
    shift
    for host in "$@"; do
        "$function" "$host" &
        jobs[$host]=$!
    done
    FAILED_HOSTS=()
    for host in "$@"; do wait "${jobs[$host]}" || FAILED_HOSTS+=("$host"); done
}

# show_logs HOST: the end of everything that a host wrote.
show_logs() {
    local dir log
    dir=$(host_dir "$1")
    for log in "$dir"/console.log "$dir"/upper/var/log/*.log "$dir"/upper/var/log/*.start; do
        [[ -s $log ]] || continue
        say "--- $1: ${log#"$dir"}"
        tail -n "${LAB_LOG_LINES:-40}" "$log"
    done
}
