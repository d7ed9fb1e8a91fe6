# A promise is a name and conditions. What follows a condition that does not hold is of no use, and is left out.

servers_of() { for number in 1 2 3 4; do printf '127.0.0.%s:123 delay=10ms jitter=0.5ms ' $number; done; }

# promise NAME: what follows are its conditions.
promise() {
    name=$1
    broken=
    since=$(timeprobe raw)
}

# that COMMAND...: a condition.
that() {
    [ -z "$broken" ] || return 0
    "$@" || broken="$*"
}

# up: seconds since the boot. A clock that is set does not change them.
up() { read -r up _ </proc/uptime && echo "${up%.*}"; }

# soon SECONDS TEXT COMMAND...: a condition: the command prints the text, in so many seconds at the latest.
soon() {
    [ -z "$broken" ] || return 0
    patience=$1 text=$2 until=$(($(up) + $1))
    shift 2
    while
        found=$("$@" 2>&1)
        [ "$found" != "$text" ]
    do
        if [ "$(up)" -ge $until ]; then
            broken="after $patience s '$*' says '$found' and not '$text'"
            return 0
        fi
        sleep 0.2
    done
}

# is TEXT COMMAND...: a condition: the command prints the text.
is() {
    [ -z "$broken" ] || return 0
    text=$1
    shift
    found=$("$@" 2>&1)
    [ "$found" = "$text" ] || broken="'$*' says '$found' and not '$text'"
}

# says PATTERN COMMAND...: a condition: the command prints a line that matches.
says() {
    [ -z "$broken" ] || return 0
    pattern=$1
    shift
    found=$("$@" 2>&1)
    echo "$found" | grep -q -- "$pattern" || broken="nothing of what '$*' says matches '$pattern': $found"
}

# judge TEXT: the end of a promise.
judge() {
    if [ -z "$broken" ]; then passed "$name" "$1 ($(calc "int($(timeprobe raw) - $since)") s)"; else
        failed "$name" "$(echo "$broken" | tr '\n' ';')"
        for unit in slewd slewd-wait slewd-check totp systemd-timesyncd; do
            journalctl -q -b --no-pager -o short-monotonic -n 15 -u $unit | sed "s/^/@LOG $name: /"
        done
    fi
    name=
}

# At the end of a check: a promise that nobody has judged is broken.
explain() { [ -z "${name-}" ] || failed "$name" "the check ended before its end: $(tail -n 1 /run/guest.log)"; }

property() { systemctl show -P "$2" "$1"; }
active() { property "$1" ActiveState; }
# The wrongness of the clock in seconds, without its sign.
wrong_by() { size "$(error_now)"; }
alarms() { journalctl -q -b --no-pager -t clock | grep -c "slewd-check failed"; }
# What timedatectl knows of NTP, NTPSynchronized, CanNTP.
timedate() { timedatectl show --property="$1" --value; }
# Runs the check, and says what has become of it.
checked() { systemctl start slewd-check.service 2>/dev/null; active slewd-check.service; }
