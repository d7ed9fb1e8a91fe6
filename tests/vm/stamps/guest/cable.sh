# The cable between eth0, which is ours, and eth1, which is the server's, and what the scenarios have in common.
unshare -n sleep 100000 &
far=$!
until [ "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
ip link set eth1 netns $far
nsenter -t $far -n ip addr add 10.0.0.2/24 dev eth1
nsenter -t $far -n ip link set eth1 up
ip addr add 10.0.0.1/24 dev eth0
ip link set eth0 up
until ping -c 1 -W 1 10.0.0.2 >/dev/null; do sleep 0.2; done

# The truth, on the other side of the cable.
start_server() {
    # shellcheck disable=SC2086 # several words
    nsenter -t $far -n testserver $truth --realtime 10.0.0.2:123 >/tmp/server &
    until grep -q serving /tmp/server; do sleep 0.05; done
}

# card_conf LINE...: the server, asked every second, and more lines.
card_conf() {
    rm -rf /tmp/client
    mkdir -p /tmp/client/log
    chown -R _chrony:_chrony /tmp/client
    printf '%s\n' 'server 10.0.0.2 iburst minpoll 0 maxpoll 0' 'makestep 1 3' 'logdir /tmp/client/log' \
        'log measurements' "$@" >/tmp/client/conf
}

# stamps: how many requests were sent, and how many of them the card has stamped.
counts() { slewd ntpdata | awk -F: '/^Total TX/ { sent = $2 } /^Total HW TX/ { card = $2 } END { print sent + 0, card + 0 }'; }

complaints() { grep -c "Hardware clock of eth0 $1: its stamps are not used" /tmp/client.log; }

# device_conf LINE...: these lines alone.
device_conf() {
    rm -rf /tmp/client
    mkdir -p /tmp/client
    chown _chrony:_chrony /tmp/client
    printf '%s\n' 'makestep 1 3' "$@" >/tmp/client/conf
}

# watch_device SECONDS: compares the clock with that of the card, into /tmp/summary.
watch_device() {
    # shellcheck disable=SC2086
    timeprobe watch $truth --device /dev/ptp0 --for "$1s" --every 100ms >/tmp/probe
    timeprobe summary </tmp/probe >/tmp/summary
}

# Pulses of the parallel port, with the seconds of the truth.
start_pulses() {
    # shellcheck disable=SC2086
    parportpulses $truth >/tmp/pulses 2>&1 &
}
