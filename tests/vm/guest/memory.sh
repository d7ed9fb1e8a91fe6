# Promise memory, on the second boot: the frequency in the drift file is used at once, before any server is heard.
drift=/state/drift
write_conf
if [ ! -s /state/drift ]; then
    failed memory "the first boot left no drift file"
else
    saved=$(awk '{ print $1 }' /state/drift)
    start_client "$client"
    sleep 1
    timeprobe kernel >/tmp/kernel
    applied=$(value total_ppm /tmp/kernel)
    line=$(grep -o 'Frequency -\?[0-9]*\.[0-9]\{3\} +/- [0-9]*\.[0-9]\{3\} ppm read from /state/drift' /tmp/client.log)
    told="file $saved ppm, kernel $applied ppm, log '$line'"
    if [ -n "$line" ] && holds "$(calc "$applied + $saved") < 0.002 && $(calc "$applied + $saved") > -0.002"; then
        passed memory "$told"
    else
        failed memory "$told"
    fi
    stop_client
    client_log "$client"
    cp /state/drift /tmp/saved
    start_servers
    settle "$client" -4h 15
    figure "$client" "$good_after s to less than 10 ms for good on the second boot, at the end $(value last /tmp/summary) s"
    stop_client
fi
