# shellcheck shell=bash
# scripts/bench hub: mh1 is a hub with Covey, mh2 a Postfix that does the same by itself. Mailbox servers are a and b:
# Dovecot on port 24, a sink that keeps nothing on port 2400.

SINK_PORT=2400
# How many senders at once, each to a mailbox of its own.
SENDERS=20

bench_hub() {
    local size target round contender
    local -A address
    say "Starting two hubs, two mailbox servers and a client"
    scripts/lab up
    for contender in a b mh1 mh2; do address[$contender]=$(scripts/lab ip "$contender"); done
    # The proxies ask their journals every second: that is no part of what is measured.
    for contender in a b; do scripts/lab stop "$contender" pop3d; done
    fan_out_hub
    for target in sinks Dovecots; do
        use_"$target"
        for size in "${sizes[@]}"; do
            # The first messages find out who is a mailbox, and fill caches.
            for contender in covey fan-out discard raw; do measure "$contender" "$target" "$size" "$((SENDERS * 2))" >/dev/null; done
            for ((round = 1; round <= rounds; round++)); do
                for contender in covey fan-out discard raw; do
                    measure "$contender" "$target" "$size" "$messages" >>"$results"
                done
                [[ ! -t 2 ]] || printf '\r%s, %s octets: round %s of %s ' "$target" "$size" "$round" "$rounds" >&2
            done
            [[ ! -t 2 ]] || printf '\r\033[K' >&2
            report "$target" "$size"
        done
    done
}

# fan_out_hub: mh2 without Covey. Each message becomes one with a recipient on each server; the addresses are turned
# back on their way out.
fan_out_hub() {
    scripts/lab stop mh2 milter
    scripts/lab exec mh2 bash -es <<'SETTINGS'
/usr/share/covey/postfix/setup --config /etc/covey/cluster.toml --host mh2 --undo >/dev/null
echo '/^([^@]+)@example\.com$/ $1@example.com.a.invalid, $1@example.com.b.invalid' >/etc/postfix/fan-out
echo '/^(.*)\.[ab]\.invalid$/ $1' >/etc/postfix/back
postconf -e in_flow_delay=0 relay_domains=example.com virtual_alias_maps=regexp:/etc/postfix/fan-out \
    transport_maps=regexp:/etc/postfix/transport
echo '/^/ DISCARD' >/etc/postfix/discard
postconf -M '2526/inet=2526 inet n - y - - smtpd -o cleanup_service_name=discard' \
    'discard/unix=discard unix n - y - 0 cleanup -o header_checks=regexp:/etc/postfix/discard'
postconf -M 'copies/unix=copies unix - - y - - lmtp -o lmtp_generic_maps=regexp:/etc/postfix/back -o lmtp_line_length_limit=0'
SETTINGS
}

# servers PORT: both hubs deliver to that port of a and b.
servers() {
    local host
    scripts/lab exec mh2 bash -es -- "$1" "${address[a]}" "${address[b]}" <<'SETTINGS'
printf '/\\.%s\\.invalid$/ copies:[%s]:%s\n' a "$2" "$1" b "$3" "$1" >/etc/postfix/transport
postfix reload
SETTINGS
    scripts/lab exec mh1 bash -es -- "$1" <<'SETTINGS'
sed -i '/^lmtp = /d' /etc/covey/cluster.toml
for server in a b; do
    address=$(getent hosts "$server" | cut -d ' ' -f 1)
    sed -i "/^name = \"$server\"/a lmtp = \"$address:$1\"" /etc/covey/cluster.toml
done
covey check --config /etc/covey/cluster.toml >/dev/null
SETTINGS
    for host in stop start; do scripts/lab "$host" mh1 milter; done
}

use_sinks() {
    local host
    for host in a b; do
        scripts/lab exec "$host" bash -es -- "$SINK_PORT" <<'SINK'
setsid smtp-sink -u nobody -L "0.0.0.0:$1" 1000 </dev/null >/dev/null 2>&1 &
SINK
    done
    servers "$SINK_PORT"
    port=$SINK_PORT
}

use_Dovecots() {
    servers 24
    port=24
}

# measure CONTENDER TARGET SIZE MESSAGES: prints TARGET SIZE CONTENDER, messages a second, and the milter's processor
# time in ms for each message and server.
measure() {
    local contender=$1 target=$2 size=$3 count=$4 begin end before after
    before=$(milter_ticks)
    begin=$(date +%s%N)
    case $contender in
    covey) send mh1 25 "$size" "$count" && queue_empty mh1 ;;
    fan-out) send mh2 25 "$size" "$count" && queue_empty mh2 ;;
    discard) send mh2 2526 "$size" "$count" ;;
    raw)
        send a "$port" "$size" "$count" -L &
        send b "$port" "$size" "$count" -L && wait "$!"
        ;;
    esac || die "$contender: the messages did not go through"
    end=$(date +%s%N)
    after=$(milter_ticks)
    [[ $target == sinks || $contender == discard ]] || stored "$count"
    awk -v n="$count" -v ns="$((end - begin))" -v ticks="$((after - before))" -v hz="$(getconf CLK_TCK)" \
        -v what="$target $size $contender" 'BEGIN { printf "%s %.1f %.3f\n", what, n / ns * 1e9, ticks / hz * 1000 / n / 2 }'
}

# send HOST PORT SIZE MESSAGES [OPTION]: returns when all are accepted.
send() {
    scripts/lab exec client bash -s -- "$SENDERS" "$(($4 / SENDERS))" "$3" "$1:$2" "${5:-}" <<'SENDER'
for ((user = 1; user <= $1; user++)); do
    # shellcheck disable=SC2086  # no option is no word
    smtp-source $5 -s 1 -m "$2" -l "$3" -f bench@elsewhere.example -t "u$user@example.com" "$4" &
    senders+=("$!")
done
for sender in "${senders[@]}"; do wait "$sender" || exit 1; done
SENDER
}

queue_empty() {
    # shellcheck disable=SC2016  # expanded by the host's shell
    scripts/lab exec "$1" sh -c \
        'cd /var/spool/postfix; until [ -z "$(find maildrop incoming active deferred -type f)" ]; do sleep 0.02; done'
}

# stored MESSAGES: both servers hold that many; they are removed.
stored() {
    local host count
    for host in a b; do
        count=$(scripts/lab exec "$host" sh -c 'find /var/vmail/example.com/u*/Maildir/new -type f | wc -l')
        ((count == $1)) || die "$host holds $count messages, not $1"
        scripts/lab exec "$host" sh -c 'rm -rf /var/vmail/example.com/u*'
    done
}

milter_ticks() {
    # shellcheck disable=SC2016  # expanded by the host's shell
    scripts/lab exec mh1 sh -c 'awk "{ print \$14 + \$15 }" "/proc/$(cat /run/covey-milter.pid)/stat"'
}

# report TARGET SIZE
report() {
    awk -v target="$1" -v size="$2" '
        $1 == target && $2 == size { n[$3]++; rate[$3, n[$3]] = $4; cpu[n[$3]] = $3 == "covey" ? $5 : cpu[n[$3]] }
        function sorted(name, count,   i, j, swap) {
            for (i = 1; i <= count; i++) list[i] = rate[name, i]
            for (i = 2; i <= count; i++) for (j = i; j > 1 && list[j] < list[j - 1]; j--) {
                swap = list[j]; list[j] = list[j - 1]; list[j - 1] = swap
            }
            return list[int((count + 1) / 2)]
        }
        END {
            printf "%s, %d octets, messages a second on both servers:\n", target, size
            fan = sorted("fan-out", n["fan-out"])
            split("fan-out covey discard raw", names, " ")
            label["covey"] = "covey-milter"; label["fan-out"] = "Postfix fan-out"; label["raw"] = "LMTP, no MTA"
            label["discard"] = "Postfix, DISCARD"
            for (k = 1; k <= 4; k++) {
                name = names[k]; middle = sorted(name, n[name])
                printf "  %-16s %7.0f  (%.0f to %.0f)  %.2f x the fan-out\n", label[name], middle, list[1], list[n[name]], middle / fan
            }
            for (i = 1; i <= n["covey"]; i++) { total += cpu[i] }
            printf "  covey-milter: %.2f ms of processor time for each message and server\n", total / n["covey"]
        }' "$results"
}
