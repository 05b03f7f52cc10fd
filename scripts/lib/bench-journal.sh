# shellcheck shell=bash
# scripts/bench journal: a journal of a million deletions on both mailbox servers, read by the proxy on a.

bench_journal() {
    local round host
    say "Starting two mailbox servers, and filling their journals with ${deletions} deletions"
    scripts/lab up --hubs 1 --users 10
    scripts/lab stop b pop3d
    # Once in its life a proxy has read a journal: what it takes then is not the deletions'.
    journal_wait 0 >/dev/null
    printf 'base %s\n' "$(journal_memory)" >>"$results"
    scripts/lab stop a pop3d
    for host in a b; do
        scripts/lab exec "$host" python3 - "$deletions" <"$COVEY_LIB/bench-journal-fill.py"
        scripts/lab exec "$host" chown -R vmail:vmail /var/vmail/example.com/covey-journal
    done
    for ((round = 1; round <= rounds; round++)); do
        scripts/lab start a pop3d
        printf 'load %s\n' "$(journal_wait "$deletions")" >>"$results"
        # The first heartbeats are written, and what was read once is free again.
        sleep 12
        {
            printf 'full %s\n' "$(journal_memory)"
            printf 'poll %s\n' "$(journal_polls)"
            printf 'login %s\n' "$(journal_logins)"
        } >>"$results"
        scripts/lab stop a pop3d
    done
    journal_report
}

# journal_memory: resident memory of the proxy on a, in kB.
journal_memory() {
    # shellcheck disable=SC2016  # expanded by the host's shell
    scripts/lab exec a sh -c 'cat "/proc/$(cat /run/covey-pop3d.pid)/status"' | awk '/^VmRSS/ { print $2 }'
}

# journal_wait DELETIONS: seconds from the proxy's start until it knows as many, from both servers.
journal_wait() {
    scripts/lab exec a python3 - "$1" "$(scripts/lab exec a cat /run/covey-pop3d.pid)" <<'WAIT'
import os, re, sys, time, urllib.request
wanted, pid = int(sys.argv[1]), sys.argv[2]
fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
started = float(fields[19]) / os.sysconf("SC_CLK_TCK")
while True:
    text = urllib.request.urlopen("http://127.0.0.1:9111/metrics").read().decode()
    value = lambda name: [float(v) for v in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.M)]
    if (value("covey_pop3d_journal_entries")[0] >= wanted and min(value("covey_pop3d_journal_readable")) == 1
            and max(value("covey_pop3d_journal_missing_entries")) == 0):
        break
    time.sleep(0.02)
print(f"{time.clock_gettime(time.CLOCK_BOOTTIME) - started:.2f}")
WAIT
}

# journal_ticks: processor time of all Dovecot processes on b so far.
journal_ticks() { process_ticks b 'dovecot auth anvil log config stats pop3 pop3-login'; }

# journal_polls: what a poll of the proxy on a costs b while nothing is new. journal.poll is 1 s.
journal_polls() {
    local before
    before=$(journal_ticks)
    sleep 20
    awk -v before="$before" -v after="$(journal_ticks)" -v hz="$(getconf CLK_TCK)" \
        'BEGIN { printf "%.2f\n", (after - before) * 1000 / hz / 20 }'
}

# journal_logins: what a login of a user with an empty maildrop costs b, above the polls.
journal_logins() {
    local before polls
    polls=$(awk '$1 == "poll" { last = $2 } END { print last }' "$results")
    before=$(journal_ticks)
    scripts/lab exec client python3 - "$(scripts/lab ip b)" <<'LOGINS'
import poplib, sys, time
for number in range(200):
    session = poplib.POP3(sys.argv[1])
    session.user("u5@example.com")
    session.pass_("secret")
    session.uidl()
    session.quit()
    time.sleep(0.1 - time.time() % 0.1)
LOGINS
    awk -v before="$before" -v after="$(journal_ticks)" -v polls="$polls" -v hz="$(getconf CLK_TCK)" \
        'BEGIN { printf "%.2f\n", ((after - before) * 1000 / hz - 20 * polls) / 200 }'
}

journal_report() {
    awk -v deletions="$deletions" '
        function middle(what,   i, j, swap) {
            for (i = 2; i <= n[what]; i++) for (j = i; j > 1 && list[what, j] < list[what, j - 1]; j--) {
                swap = list[what, j]; list[what, j] = list[what, j - 1]; list[what, j - 1] = swap
            }
            return list[what, int((n[what] + 1) / 2)]
        }
        { list[$1, ++n[$1]] = $2 }
        END {
            printf "a journal of %d deletions on two servers:\n", deletions
            printf "  from the start of covey-pop3d until all are known %6.1f s\n", middle("load")
            printf "  memory of covey-pop3d %.0f MB; %.0f MB with empty journals\n", middle("full") / 1024, middle("base") / 1024
            printf "  a poll while nothing is new costs a Dovecot %.2f ms of processor time, a login %.2f ms (%.2f x)\n", middle("poll"), middle("login"), middle("poll") / middle("login")
        }' "$results"
}
