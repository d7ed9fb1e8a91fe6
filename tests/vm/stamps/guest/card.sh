# A card that stamps what is sent, told to by root, which then is dropped.
start_server
card_conf 'hwtimestamp eth0'
start_client slewd
sleep 40
# shellcheck disable=SC2046 # two numbers
set -- $(counts)
# The first two readings of the card's clock are a moment apart.
if holds "$1 >= 30 && $2 >= $1 - 3" && slewd ntpdata | grep -q '^TX timestamping : Hardware$'; then
    passed hardware-sent "$2 of $1 requests were stamped by the card: $(grep -o 'Enabled HW.*' /tmp/client.log)"
else
    failed hardware-sent "$2 of $1 requests were stamped by the card"
fi
late=$(grep -c ' [DK] [KH]$' /tmp/client/log/measurements.log)
if holds "$late <= 3"; then
    passed waits-for-card "all but $late replies have waited until the card had stamped their request"
else
    failed waits-for-card "$late replies were measured with another stamp"
fi
timeprobe kernel >/tmp/kernel
error=$(error_now)
bound=$(value maxerror /tmp/kernel)
if holds "$(size "$error") < ${bound:-0}"; then
    passed small-bound "the clock is $error s off, and known to $bound s"
else
    failed small-bound "the clock is $error s off, and said to be known to $bound s"
fi
held=$(sed -n 's/^CapEff:[^0-9a-f]*//p' "/proc/$pid/status")
# CAP_SYS_TIME is bit 25.
if [ "$held" = 0000000002000000 ]; then
    passed rights-dropped "capabilities $held"
else
    failed rights-dropped "capabilities $held"
fi
client_log card
