# The clock of a card as the only source: the system clock, four hours away from it, is set to it and kept.
device_conf 'refclock PHC /dev/ptp0 poll 0 dpoll -2'
fault -4h
start_client slewd
sleep 60
watch_device 30
mean=$(value mean /tmp/summary)
sd=$(value sd /tmp/summary)
if slewd sources | grep -q '^#\* PHC0' && holds "$(size "$mean") < 2e-6 && $sd < 2e-6"; then
    passed phc-followed "the clock is $mean s from the card's, and scatters by $sd s"
else
    failed phc-followed "the clock is $mean s from the card's, and scatters by $sd s: $(slewd sources | tail -n 1)"
fi
client_log phc
