# Pulses of a real /dev/pps0, which get their seconds from a server that is 20 ms of round trip away.
start_servers 127.0.0.1:123 delay=10ms jitter=0.5ms
start_pulses
device_conf 'server 127.0.0.1 iburst minpoll 2 maxpoll 2' 'refclock PPS /dev/pps0 poll 2 refid PPS prefer'
start_client slewd
sleep 60
start_probe 30
wait "$probe"
timeprobe summary </tmp/probe >/tmp/summary
mean=$(value mean /tmp/summary)
sd=$(value sd /tmp/summary)
# Where the machine is busy the interrupt of an emulated port comes milliseconds late, and so do replies.
if grep -q 'Selected source PPS' /tmp/client.log && holds "$(size "$mean") < 10e-3"; then
    passed pps-followed "the clock is $mean s from the pulses, and scatters by $sd s"
else
    failed pps-followed "the clock is $mean s from the pulses, and scatters by $sd s: $(slewd sources | tail -n 1)"
fi
client_log pulses
