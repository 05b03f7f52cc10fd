# shellcheck shell=bash
# The wires: one bridge per instance, one cable (veth pair) per host. The machine itself is .1 on the bridge.
#
# Instance number N: bridge covey<N>, cables cvy<N>h<last octet> (names are at most 15 characters), 10.77.N.0/24.

LAB_NET=${COVEY_LAB_NET:-10.77}

# free_index: prints the lowest instance number that no other instance and no route of this machine uses.
free_index() {
    local index taken
    taken=$(cat "$LAB_STATE"/*/index 2>/dev/null || :)
    for ((index = 0; index < 255; index++)); do
        ! grep -qx "$index" <<<"$taken" || continue
        [[ ! -e /sys/class/net/covey$index ]] || continue
        # Routes inside the subnet, and routes that cover it, but for the default route.
        if [[ -z $(ip -4 route show table all root "$LAB_NET.$index.0/24"
            ip -4 route show table all match "$LAB_NET.$index.0/24" | grep -v '^default') ]]; then
            printf '%s\n' "$index"
            return
        fi
    done
    die "no free subnet in $LAB_NET.0.0/16: set COVEY_LAB_NET to the first two octets of a private network"
}

bridge_up() {
    ip link add "covey$LAB_INDEX" type bridge
    ip link set "covey$LAB_INDEX" alias "covey-lab:$LAB_NAME" up
    ip addr add "$LAB_NET.$LAB_INDEX.1/24" dev "covey$LAB_INDEX"
}

# cable HOST: the machine's end of a host's cable.
cable() { printf 'cvy%sh%s\n' "$LAB_INDEX" "$(host_octet "$1")"; }

# plug_in HOST PID: lays the cable of a host that has just started.
plug_in() {
    local host=$1 pid=$2 octet link
    octet=$(host_octet "$host")
    link=$(cable "$host")
    # The same hardware address after every boot: the neighbours need not notice.
    ip link add "$link" type veth peer name eth0 \
        address "$(printf '02:c0:0e:00:%02x:%02x' "$LAB_INDEX" "$octet")" netns "$pid"
    ip link set "$link" alias "covey-lab:$LAB_NAME" master "covey$LAB_INDEX" up
    nsenter --target "$pid" --net ip -batch - <<NETWORK
addr add $LAB_NET.$LAB_INDEX.$octet/24 dev eth0
link set eth0 up
NETWORK
}

# remove_links: every link of this instance, also those that a crash left.
remove_links() {
    local link
    for link in /sys/class/net/*; do
        [[ $(cat "$link/ifalias" 2>/dev/null) == "covey-lab:$LAB_NAME" ]] || continue
        ip link del "${link##*/}" 2>/dev/null || :
    done
}
