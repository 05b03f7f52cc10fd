# shellcheck shell=bash
# scripts/bench pop: mailbox servers a and b hold the same. On mh1 run the proxies: covey-pop3d in front of both, the
# others in front of b alone, which is also asked directly.

# name: port on mh1, and whose processor time is the contender's.
POP_CONTENDERS=(direct dovecot haproxy nginx covey)
declare -A POP_PORT=([direct]=110 [dovecot]=110 [haproxy]=1101 [nginx]=1102 [covey]=1100)
# shellcheck disable=SC2034  # read by name
declare -A POP_PROCESSES=([direct]='' [dovecot]='dovecot anvil log config stats auth pop3-login' [haproxy]=haproxy
    [nginx]=nginx [covey]=covey-pop3d)

bench_pop() {
    local round contender task
    say "Starting a host of proxies, two mailbox servers and a client"
    COVEY_LAB_PACKAGES='haproxy nginx-light libnginx-mod-mail' scripts/lab up --hubs 1 --users 40
    for contender in a b; do scripts/lab stop "$contender" pop3d; done
    scripts/lab stop mh1 milter
    scripts/lab stop mh1 postfix
    fill_maildrops
    start_proxies
    for task in logins lists fetches; do
        for contender in "${POP_CONTENDERS[@]}"; do pop_measure "$contender" "$task" 2 >/dev/null; done
        for ((round = 1; round <= rounds; round++)); do
            for contender in "${POP_CONTENDERS[@]}"; do pop_measure "$contender" "$task" 1 >>"$results"; done
            [[ $task != logins ]] || pop_pair >>"$results"
            [[ ! -t 2 ]] || printf '\r%s: round %s of %s ' "$task" "$round" "$rounds" >&2
        done
        [[ ! -t 2 ]] || printf '\r\033[K' >&2
        pop_report "$task"
    done
    [[ $is_small == yes ]] || large_maildrop
}

# maildrop USER MESSAGES OCTETS: the same messages on both servers.
maildrop() {
    local host
    for host in a b; do
        scripts/lab exec "$host" python3 - "$@" <"$COVEY_LIB/bench-pop-maildrop.py"
        scripts/lab exec "$host" chown -R vmail:vmail /var/vmail
    done
}

fill_maildrops() {
    local user
    for user in u21 u22; do maildrop "$user" 1000 2000; done
    for user in u31 u32; do maildrop "$user" 10 5000000; done
}

# start_proxies: each as its own manual has it for speed.
start_proxies() {
    local address
    address=$(scripts/lab ip b)
    scripts/lab exec mh1 bash -es -- "$address" <<'PROXIES'
cat >/etc/dovecot/dovecot.conf <<CONFIGURATION
protocols = pop3
log_path = /var/log/dovecot.log
ssl = no
disable_plaintext_auth = no
passdb {
  driver = static
  args = proxy=y host=$1 port=110 nopassword=y
}
service pop3-login {
  # High-performance mode.
  service_count = 0
  process_min_avail = 2
  inet_listener pop3 {
    port = 110
  }
}
CONFIGURATION
cat >/etc/haproxy/haproxy.cfg <<CONFIGURATION
defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m
listen pop3
  bind :1101
  server b $1:110
CONFIGURATION
cat >/etc/nginx/nginx.conf <<CONFIGURATION
load_module modules/ngx_mail_module.so;
worker_processes 2;
error_log /var/log/nginx.log;
events { worker_connections 1024; }
http {
  access_log off;
  server {
    listen 127.0.0.1:8110;
    location / { add_header Auth-Status OK; add_header Auth-Server $1; add_header Auth-Port 110; return 204; }
  }
}
mail {
  auth_http 127.0.0.1:8110/;
  server { listen 1102; protocol pop3; pop3_auth plain; }
}
CONFIGURATION
dovecot
haproxy -D -f /etc/haproxy/haproxy.cfg
nginx
PROXIES
    scripts/lab exec mh1 sh -c "printf '\n[[proxy]]\nname = \"mh1\"\naddresses = [\"%s\"]\n' $(scripts/lab ip mh1) >>/etc/covey/cluster.toml"
    scripts/lab start mh1 pop3d
}

# pop_measure CONTENDER TASK DIVISOR: prints TASK CONTENDER RATE DELAY CPU: logins, lists or MB a second; median delay of
# one login after the other in ms; processor time in ms for each login, list or MB.
pop_measure() {
    local contender=$1 task=$2 divisor=$3 host=mh1 before after line
    [[ $contender != direct ]] || host=b
    before=$(pop_ticks "$contender")
    line=$(scripts/lab exec client python3 - "$(scripts/lab ip "$host")" "${POP_PORT[$contender]}" "$task" \
        "$((logins / divisor))" <"$COVEY_LIB/bench-pop-client.py") || die "$contender: $task did not go through"
    after=$(pop_ticks "$contender")
    awk -v what="$task $contender" -v ticks="$((after - before))" -v hz="$(getconf CLK_TCK)" \
        '{ printf "%s %s %s %.3f\n", what, $1, $2, ticks / hz * 1000 / $3 }' <<<"$line"
}

# pop_pair: the delay of a login at both Dovecots at once, until the later one has answered: what no proxy can be below.
pop_pair() {
    local line
    line=$(scripts/lab exec client python3 - "$(scripts/lab ip a),$(scripts/lab ip b)" 110 pair 50 \
        <"$COVEY_LIB/bench-pop-client.py") || die "logins at both servers did not go through"
    printf 'pair both %s 0\n' "$line"
}

# pop_ticks CONTENDER: processor time of its processes so far.
pop_ticks() {
    [[ $1 != direct ]] || { say 0; return; }
    process_ticks mh1 "${POP_PROCESSES[$1]}"
}

# process_ticks HOST NAMES: processor time of all processes of these names so far, of those that ended too.
process_ticks() {
    scripts/lab exec "$1" python3 - "$2" <<'TICKS'
import glob, sys
names, total = sys.argv[1].split(), 0
for path in glob.glob("/proc/[0-9]*/stat"):
    try:
        text = open(path).read()
    except OSError:
        continue
    name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
    if name in names:
        # utime, stime; of ended children the parent knows.
        total += sum(map(int, rest[11:15]))
print(total)
TICKS
}

# pop_report TASK
pop_report() {
    awk -v task="$1" '
        $1 == "pair" { n["pair"]++; delay["pair", n["pair"]] = $4 }
        $1 == task { n[$2]++; rate[$2, n[$2]] = $3; delay[$2, n[$2]] = $4; cpu[$2, n[$2]] = $5 }
        function median(values, name,   i, j, swap, list, count) {
            count = n[name]
            for (i = 1; i <= count; i++) list[i] = values[name, i]
            for (i = 2; i <= count; i++) for (j = i; j > 1 && list[j] < list[j - 1]; j--) {
                swap = list[j]; list[j] = list[j - 1]; list[j - 1] = swap
            }
            low = list[1]; high = list[count]
            return list[int((count + 1) / 2)]
        }
        END {
            unit = task == "fetches" ? "MB" : (task == "logins" ? "login" : "listing")
            printf "%s a second:\n", task == "fetches" ? "MB fetched" : (task == "logins" ? "logins" : "listings of 1,000 messages")
            split("direct dovecot haproxy nginx covey", names, " ")
            label["direct"] = "no proxy"; label["dovecot"] = "Dovecot login proxy"; label["haproxy"] = "HAProxy"
            label["nginx"] = "nginx"; label["covey"] = "covey-pop3d, two"
            base = median(rate, "direct")
            for (k = 1; k <= 5; k++) {
                name = names[k]; middle = median(rate, name)
                printf "  %-20s %7.0f  (%.0f to %.0f)  %.2f x without proxy", label[name], middle, low, high, middle / base
                if (task == "logins") printf "; one login %.1f ms", median(delay, name)
                if (name != "direct") printf "; %.2f ms of processor time for each %s", median(cpu, name), unit
                printf "\n"
            }
            if (task == "logins") printf "  one login at both Dovecots at once, until the slower has answered: %.1f ms\n", median(delay, "pair")
        }' "$results"
}

large_maildrop() {
    local host
    say "Filling a maildrop with 100,000 messages"
    maildrop u40 100000 600
    for host in a b; do
        # Dovecot's own index and sizes: the first reading is long, and not ours.
        scripts/lab exec client python3 - "$(scripts/lab ip "$host")" 110 large 1 <"$COVEY_LIB/bench-pop-client.py" >/dev/null
    done
    scripts/lab stop mh1 pop3d
    scripts/lab start mh1 pop3d
    for ((round = 1; round <= rounds; round++)); do
        for host in a b; do
            printf 'large %s %s\n' "$host" "$(scripts/lab exec client python3 - "$(scripts/lab ip "$host")" 110 large 1 \
                <"$COVEY_LIB/bench-pop-client.py")"
        done
        printf 'large covey %s\n' "$(scripts/lab exec client python3 - "$(scripts/lab ip mh1)" 1100 large 1 \
            <"$COVEY_LIB/bench-pop-client.py")"
    done >>"$results"
    sleep 3
    # shellcheck disable=SC2016  # expanded by the host's shell
    scripts/lab exec mh1 sh -c 'cat "/proc/$(cat /run/covey-pop3d.pid)/status"' |
        awk '/^VmHWM|^VmRSS/ { kB[$1] = $2 } END { printf "memory %d %d\n", kB["VmHWM:"], kB["VmRSS:"] }' >>"$results"
    awk '
        function middle(name,   i, j, swap) {
            for (i = 2; i <= n[name]; i++) for (j = i; j > 1 && time[name, j] < time[name, j - 1]; j--) {
                swap = time[name, j]; time[name, j] = time[name, j - 1]; time[name, j - 1] = swap
            }
            return time[name, int((n[name] + 1) / 2)]
        }
        $1 == "large" { n[$2]++; time[$2, n[$2]] = $2 == "covey" ? $3 : $4 }
        $1 == "memory" { peak = $2; now = $3 }
        END {
            slower = middle("a") > middle("b") ? middle("a") : middle("b")
            printf "a maildrop of 100,000 messages:\n"
            printf "  UIDL and LIST, slower Dovecot %7.0f ms\n", slower
            printf "  covey-pop3d to the first line %7.0f ms  %.2f x the slower Dovecot\n", middle("covey"), middle("covey") / slower
            printf "  covey-pop3d at its peak %d MB, afterwards %d MB\n", peak / 1024, now / 1024
        }' "$results"
}
