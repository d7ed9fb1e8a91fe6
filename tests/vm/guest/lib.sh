# What the scenarios have in common. Sourced by the guest's first process.
#
# Lines for the host begin with an @ and a word: @PASS PROMISE TEXT, @FAIL PROMISE TEXT, @FIGURE NAME VALUE, @LOG TEXT.

word() { sed -n "s/.*slewd.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
say() { echo "@$*"; }
passed() { say PASS "$@"; }
failed() { say FAIL "$@"; }
figure() { say FIGURE "$@"; }

truth="--epoch-ns $(word epoch_ns) --ppm $(word ppm)"
client=$(word client)

# calc EXPRESSION: prints its value, or 1/0 for a comparison.
calc() { awk "BEGIN { printf \"%.9g\", ($1) }"; }
holds() { [ "$(calc "($1) ? 1 : 0")" = 1 ]; }
size() { echo "${1#-}"; }

# The comparison's servers: 10 ms each way.
way='delay=10ms'

# start_servers WORD... : the four servers' usual description, or the given one.
start_servers() {
    if [ $# -eq 0 ]; then
        set -- 127.0.0.1:123 delay=10ms jitter=0.5ms 127.0.0.2:123 delay=12ms jitter=0.5ms \
            127.0.0.3:123 delay=9ms jitter=0.5ms 127.0.0.4:123 delay=15ms jitter=0.5ms '[::1]:123' delay=10ms
    fi
    # shellcheck disable=SC2086
    testserver $truth --count --realtime "$@" >/tmp/servers &
    servers=$!
    until grep -q serving /tmp/servers; do sleep 0.05; done
}

# requests: how many all servers together were asked so far.
requests() { awk '{ split($2, word, "="); n[$1] = word[2] } END { for (server in n) sum += n[server]; print sum + 0 }' /tmp/servers; }

# write_conf [LINE...]: the configuration all clients get, plus more lines.
write_conf() {
    rm -rf /tmp/client && mkdir -p /tmp/client
    for address in 127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4; do
        echo "server $address iburst ${polls:-minpoll 4 maxpoll 4}"
    done >/tmp/client/conf
    printf '%s\n' 'makestep 1 3' rtcsync "driftfile ${drift:-/tmp/client/drift}" "$@" >>/tmp/client/conf
    chown _chrony:_chrony /tmp/client
    mkdir -p /etc/systemd
    printf '[Time]\nNTP=127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4\nPollIntervalMinSec=16\nPollIntervalMaxSec=16\n' \
        >/etc/systemd/timesyncd.conf
}

# start_client NAME: slewd, chronyd or timesyncd with /tmp/client/conf; sets pid and started (raw seconds).
start_client() {
    case $1 in
    slewd) set -- slewd -d -f /tmp/client/conf ;;
    chronyd) set -- chronyd -d -u root -f /tmp/client/conf ;;
    timesyncd) set -- env SYSTEMD_LOG_LEVEL=debug systemd-timesyncd ;;
    esac
    started=$(timeprobe raw)
    "$@" >/tmp/client.log 2>&1 &
    pid=$!
}

stop_client() {
    kill -TERM "$pid" 2>/dev/null
    wait "$pid"
}

# settle NAME FAULT SECONDS: one client from a wrong clock; the figure is its time to less than 10 ms for good.
# Leaves the client running, its log and /tmp/summary.
settle() {
    [ "$2" = - ] || fault "$2"
    start_probe "$3"
    start_client "$1"
    wait "$probe"
    timeprobe summary --from "$started" </tmp/probe >/tmp/summary
    good_after=$(value good_after /tmp/summary)
}

# start_probe SECONDS [EVERY]: watches the clock into /tmp/probe.
start_probe() {
    # shellcheck disable=SC2086
    timeprobe watch $truth --for "$1s" --every "${2:-20ms}" >/tmp/probe &
    probe=$!
}

# fault SPAN: the clock is SPAN ahead of the truth and the kernel has forgotten its frequency.
# shellcheck disable=SC2086
fault() { clockfault $truth --by "$1"; }

# shellcheck disable=SC2086
error_now() { timeprobe now $truth | sed -n 's/^error=//p'; }

# value KEY FILE: what a key=value file says.
value() { sed -n "s/^$1=//p" "$2"; }

stop_everything() {
    for process in $(jobs -p); do kill -9 "$process" 2>/dev/null; done
    wait 2>/dev/null
}

# client_log NAME: shows the client's log on the console.
client_log() { sed "s/^/@LOG $1: /" /tmp/client.log; }
