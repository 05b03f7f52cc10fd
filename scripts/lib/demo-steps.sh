# shellcheck shell=bash
# The demo's story: one function a step. Each says what it is about to show, shows it with the commands that anybody
# would type, and stops the demo with the evidence where it is not true.

USER_ADDRESS=u1@example.com
USER_PASSWORD=secret
FIRST="The first message"
SECOND="Sent while b was dead"

bold() { if [[ -t 1 ]]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n%s\n' "$*"; fi; }

# on HOST COMMAND...: runs it there and shows it; the output is shown and kept in $shown.
on() {
    local host=$1 status=0
    shift
    printf '  %s$%s\n' "$host" "$(words "$@")"
    shown=$(quietly "$host" "$@") || status=$?
    indent
    return "$status"
}

quietly() {
    local host=$1
    shift
    "$COVEY_ROOT/scripts/lab" exec "$host" "$@" 2>&1
}

# words WORD...: as one would type them, quoted where need be.
words() {
    local word
    for word; do
        if [[ $word =~ ^[A-Za-z0-9@%+=:,./_-]+$ ]]; then printf ' %s' "$word"; else printf " '%s'" "$word"; fi
    done
}

indent() { [[ -z $shown ]] || printf '%s\n' "$shown" | sed 's/^/    /'; }

# untrue TEXT: a step that is not true; the evidence are the logs of all hosts.
untrue() {
    local host
    for host in mh1 mh2 a b; do
        printf '\n=== %s\n' "$host"
        quietly "$host" sh -c 'tail -n 25 /var/log/*.log' || :
        [[ $host != mh* ]] || quietly "$host" postqueue -p || :
    done
    printf '\nNOT TRUE: %s\n(the last output and the logs are above)\n' "$*" >&2
    [[ $mode != stay ]] || printf 'The hosts are still up: scripts/lab, with COVEY_LAB=demo. scripts/demo --down\n' >&2
    exit 1
}

# send HUB SUBJECT
send() {
    on client swaks --server "$1" --from ann@elsewhere.example --to "$USER_ADDRESS" --header "Subject: $2" \
        --body "Dear user, this is a real message." --hide-informational --suppress-data --timeout 60 ||
        untrue "the hub $1 accepted the message"
    grep -q '^<.*250 2\.0\.0' <<<"$shown" || untrue "the hub $1 answered 250 2.0.0 to the message"
}

# ids SERVER: the ids in the user's mailbox on a mailbox server, as Dovecot has them, sorted.
ids() { quietly "$1" doveadm -f tab fetch -u "$USER_ADDRESS" hdr.x-uidl mailbox INBOX | tail -n +2 | sort; }

# show_mailbox SERVER
show_mailbox() { on "$1" doveadm -f tab fetch -u "$USER_ADDRESS" "hdr.x-uidl hdr.subject" mailbox INBOX; }

# read_through PROXY [URLPART]: what a mail program sees there.
read_through() {
    on client curl --silent --show-error --max-time 60 --user "$USER_ADDRESS:$USER_PASSWORD" "pop3://$1:1100/${2:-}"
}

# uidl_through PROXY: "number id" of every message.
uidl_through() {
    on client curl --silent --show-error --max-time 60 --user "$USER_ADDRESS:$USER_PASSWORD" --request UIDL \
        "pop3://$1:1100/"
}

count() { grep -c . <<<"$1" || :; }

# delete_through PROXY NUMBER: deletes a message as a mail program does; $shown ends with the reply to QUIT.
delete_through() {
    printf '  client$ (a POP3 session at %s:1100)\n' "$1"
    shown=$(quietly client python3 - "$1" "$2" "$USER_ADDRESS" "$USER_PASSWORD" <"$COVEY_LIB/demo-delete.py") ||
        untrue "the proxy on $1 held the session: $shown"
    indent
}

message_arrives() {
    bold "A message comes in through the second hub."
    send mh2 "$FIRST"
}

both_mailboxes_hold_it() {
    local a b
    bold "The sender has heard 250: both mailbox servers hold it by now, under the same id (X-UIDL)."
    show_mailbox a
    show_mailbox b
    a=$(ids a) b=$(ids b)
    [[ $a =~ ^cv1[a-z2-7]{26}$ ]] || untrue "a holds exactly one message, with an id of ours: '$a'"
    [[ $a == "$b" ]] || untrue "a and b hold the same id: '$a' and '$b'"
    first_id=$a
}

either_proxy_shows_it() {
    local proxy
    bold "It is read at port 1100 of either proxy, under that id."
    for proxy in a b; do
        uidl_through "$proxy" || untrue "the proxy on $proxy answered"
        [[ $(tr -d '\r' <<<"$shown") == "1 $first_id" ]] || untrue "the proxy on $proxy shows that one message"
        read_through "$proxy" 1 || untrue "the proxy on $proxy gave the message"
        grep -q "^Subject: $FIRST" <<<"$shown" || untrue "the message from $proxy is the one that was sent"
    done
}

a_server_dies() {
    bold "The mailbox server b, and the proxy on it, lose power."
    say "  scripts/lab poweroff b"
    "$COVEY_ROOT/scripts/lab" poweroff b
}

mail_is_still_accepted() {
    bold "Mail is still accepted, now through the first hub. 250 means: on a's disk, and b's copy on the hub's disk."
    send mh1 "$SECOND"
    on mh1 postqueue -p
    [[ $(queued mh1) == "$USER_ADDRESS.b.covey.invalid" ]] || untrue "mh1's queue holds exactly b's missing copy"
    [[ -z $(queued mh2) ]] || untrue "mh2's queue is empty"
}

# queued HUB: the recipients in a hub's queue, one a line.
queued() { quietly "$1" postqueue -j | grep -o '"address": "[^"]*"' | sed 's/.*: "//; s/"$//' || :; }

mail_is_still_read() {
    bold "Both messages can be read."
    uidl_through a || untrue "the proxy on a answered"
    [[ $(count "$shown") == 2 ]] || untrue "the proxy on a shows two messages"
    second_id=$(tr -d '\r' <<<"$shown" | sed -n 's/^2 //p')
    read_through a 2 || untrue "the proxy on a gave the second message"
    grep -q "^Subject: $SECOND" <<<"$shown" || untrue "the second message is the one sent while b was dead"
}

deletion_while_a_server_is_down() {
    bold "Both are deleted through the proxy on a. b cannot be told, so the deletions go into the journal before +OK."
    delete_through a 1
    [[ $(tail -n 1 <<<"$shown") == "S: +OK"* ]] || untrue "QUIT was answered with +OK"
    delete_through a 1
    [[ $(tail -n 1 <<<"$shown") == "S: +OK"* ]] || untrue "QUIT was answered with +OK"
    show_mailbox a
    [[ -z $(ids a) ]] || untrue "a holds no message any more"
    bold "The journal is an ordinary mailbox on every mailbox server."
    on a doveadm fetch -u covey-journal@example.com text mailbox INBOX
    grep -q "$first_id" <<<"$shown" || untrue "the journal on a names the first message"
    grep -q "$second_id" <<<"$shown" || untrue "the journal on a names the second message"
}

the_server_returns() {
    bold "b is back. Its missing copy comes by itself, from the queue of the hub that took the message."
    say "  scripts/lab boot b"
    "$COVEY_ROOT/scripts/lab" boot b
    wait_until 120 queue_empty || untrue "within two minutes mh1's queue is empty again: $(queued mh1)"
    on mh1 postqueue -p
    show_mailbox b
    [[ $(ids b) == "$(printf '%s\n' "$first_id" "$second_id" | sort)" ]] ||
        untrue "b holds the message that it had and the one that it missed: '$(ids b)'"
}

nothing_rises() {
    local proxy
    bold "Nothing rises from the dead: no proxy shows what was deleted, and b's copies go at the next login."
    for proxy in b a; do
        uidl_through "$proxy" || untrue "the proxy on $proxy answered"
        [[ -z $(tr -d '\r' <<<"$shown") ]] || untrue "the proxy on $proxy shows no message"
    done
    wait_until 10 empty_mailbox b || untrue "b's copies are gone: '$(ids b)'"
    show_mailbox b
    bold "Not even with a switched off, where the deletions were made: b has the journal too by now."
    wait_until 60 journal_copied || untrue "the journal on b names both messages"
    say "  scripts/lab poweroff a"
    "$COVEY_ROOT/scripts/lab" poweroff a
    uidl_through b || untrue "the proxy on b answered while a was down"
    [[ -z $(tr -d '\r' <<<"$shown") ]] || untrue "the proxy on b shows no message"
    say "  scripts/lab boot a"
    "$COVEY_ROOT/scripts/lab" boot a
}

empty_mailbox() { [[ -z $(ids "$1") ]]; }
journal_copied() {
    local text
    text=$(quietly b doveadm fetch -u covey-journal@example.com text mailbox INBOX)
    [[ $text == *"$first_id"* && $text == *"$second_id"* ]]
}
queue_empty() { [[ -z $(queued mh1) ]]; }

what_next() {
    local client a
    client="sudo COVEY_LAB=$COVEY_LAB scripts/lab exec client"
    a=$("$COVEY_ROOT/scripts/lab" ip a)
    cat <<NEXT

The cluster stays up. Users: u1 to u60 at example.com and example.org, password "$USER_PASSWORD". Try:

  curl --user u2@example.com:$USER_PASSWORD pop3://$a:1100/             (from this machine)
  $client swaks --server mh1 --to u2@example.com
  sudo COVEY_LAB=$COVEY_LAB scripts/lab status
  sudo COVEY_LAB=$COVEY_LAB scripts/lab poweroff a      (and later: boot a)
  sudo COVEY_LAB=$COVEY_LAB scripts/lab exec mh1 mailq
  sudo COVEY_LAB=$COVEY_LAB scripts/lab log mh1
  sudo scripts/demo --down                          when you are done
NEXT
}
