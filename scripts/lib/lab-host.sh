# shellcheck shell=bash
# Hosts: made, booted, powered off, entered. A host is a directory:
#   role, octet (of its address), upper/ (its disk), work/, root/ (mount point), pid, console.log

host_dir() { printf '%s/hosts/%s\n' "$LAB_DIR" "$1"; }
host_role() { cat "$(host_dir "$1")/role"; }
host_octet() { cat "$(host_dir "$1")/octet"; }
host_address() { printf '%s.%s.%s\n' "$LAB_NET" "$LAB_INDEX" "$(host_octet "$1")"; }
all_hosts() { [[ ! -d $LAB_DIR/hosts ]] || ls "$LAB_DIR/hosts"; }

need_host() {
    [[ -d $(host_dir "$1") ]] || die "there is no host '$1' in lab '$LAB_NAME': $(all_hosts | paste -sd ' ')"
}

# process_start PID: when it was started, in clock ticks; a number that no later process of that id has.
process_start() {
    local stat fields
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    read -ra fields <<<"${stat##*) }"
    printf '%s\n' "${fields[19]}"
}

# host_pid HOST: prints the machine's id of the host's first process; 1 when the power is off.
host_pid() {
    local pid start
    read -r pid start 2>/dev/null <"$(host_dir "$1")/pid" || return 1
    [[ $(process_start "$pid") == "$start" ]] || return 1
    printf '%s\n' "$pid"
}

need_power() {
    need_host "$1"
    host_pid "$1" >/dev/null || die "host '$1' is powered off: scripts/lab boot $1"
}

# make_host HOST ROLE OCTET: a new host with an empty disk.
make_host() {
    local host=$1 dir
    dir=$(host_dir "$host")
    mkdir -p "$dir"/{upper/etc,work,root}
    chmod 755 "$dir" "$dir"/upper "$dir"/upper/etc
    printf '%s\n' "$2" >"$dir/role"
    printf '%s\n' "$3" >"$dir/octet"
    printf '%s\n' "$host" >"$dir/upper/etc/hostname"
    printf '%s.%s\n' "$host" "${LAB_DOMAINS[0]}" >"$dir/upper/etc/mailname"
}

# power_on HOST: starts the host's first process and lays its cable; no services yet.
power_on() {
    local host=$1 dir pid
    dir=$(host_dir "$host")
    : >"$dir/pid"
    # Without the locks of this script (descriptors 10 and up), and in a session of its own.
    (
        for descriptor in /proc/self/fd/*; do
            descriptor=${descriptor##*/}
            ((descriptor < 10)) || eval "exec $descriptor>&-"
        done
        cd /
        exec setsid unshare --mount --uts --ipc --net --pid --fork --kill-child --propagation private \
            "$COVEY_LIB/lab-init" "$LAB_NAME" "$host" "$LAB_DIR/layer:$LAB_BASE" "$dir" \
            </dev/null >>"$dir/console.log" 2>&1
    ) &
    wait_until 20 test -s "$dir/pid" || { cat "$dir/console.log" >&2; die "host '$host' did not boot"; }
    pid=$(host_pid "$host") || die "host '$host' died at boot"
    plug_in "$host" "$pid"
}

# power_off HOST: a power failure. The cable goes first: a dying machine says good-bye to nobody, while the kernel
# closes the connections of killed processes with FIN or RST.
power_off() {
    local pid
    ip link del "$(cable "$1")" 2>/dev/null || :
    pid=$(host_pid "$1") || return 0
    kill -KILL "$pid" 2>/dev/null || :
    wait_until 20 process_gone "$1" || die "host '$1' (process $pid) does not die"
}

process_gone() { ! host_pid "$1" >/dev/null; }

# way_in HOST: sets WAY_IN to the words that run a command inside the host, with a clean environment.
way_in() {
    local pid
    pid=$(host_pid "$1") || die "host '$1' is powered off: scripts/lab boot $1"
    WAY_IN=(nsenter --target "$pid" --mount --uts --ipc --net --pid
        env -i HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
}

# in_host HOST COMMAND...
in_host() {
    local WAY_IN
    way_in "$1"
    shift
    "${WAY_IN[@]}" "$@"
}

# kill_orphans: hosts of this instance whose directory is gone, found by the name of their first process.
kill_orphans() {
    local process name
    for process in /proc/[0-9]*; do
        IFS= read -r -d '' name 2>/dev/null <"$process/cmdline" || continue
        [[ $name == "covey-lab-init:$LAB_NAME:"* ]] || continue
        kill -KILL "${process##*/}" 2>/dev/null || :
    done
}
