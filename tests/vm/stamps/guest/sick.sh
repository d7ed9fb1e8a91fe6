# The clock of a card that stands still or is too fast, beside a server: it is named once, and never followed.
start_server
device_conf 'server 10.0.0.2 iburst minpoll 2 maxpoll 2' 'refclock PHC /dev/ptp0 poll 0 dpoll -2'
start_client slewd
sleep 40
named=$(grep -c 'Source PHC0 is not usable: its device \(stands still\|runs at the wrong speed\)' /tmp/client.log)
shown=$(slewd status | grep -c 'PHC0 .*(its device \(stands still\|runs at the wrong speed\))')
error=$(error_now)
text="named $named times, shown $shown times, and the clock is $error s off: $(grep -o 'PHC0 is not usable: .*' /tmp/client.log)"
if [ "$named $shown" = '1 1' ] && ! grep -q 'Selected source PHC0' /tmp/client.log && holds "$(size "$error") < 100e-3"; then
    passed "phc-$(word scenarios | sed 's/,.*//')" "$text"
else
    failed "phc-$(word scenarios | sed 's/,.*//')" "$text"
fi
client_log sick
