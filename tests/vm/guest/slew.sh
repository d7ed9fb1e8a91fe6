# Promise slew: an error that may not be stepped (makestep 1 3) ends on a real kernel as quickly as maxslewrate allows,
# without overshoot.

# slew NAME SECONDS FAULT: leaves left (the error at the end) and after (seconds to less than 2 ms off for good).
slew() {
    write_conf
    printf '%20.6f %20.6f\n' "-$(word ppm)" 0.1 >/tmp/client/drift
    start_servers
    settle "$1" "$3" "$2"
    timeprobe summary --from "$started" --within 2ms </tmp/probe >/tmp/summary
    after=$(value good_after /tmp/summary)
    left=$(value last /tmp/summary)
    client_log "$1"
    stop_everything
}

slew "$client" 16 0.4s
ours=$after
figure "$client" "0.4 s ahead at the start: less than 2 ms off for good after $after s, at the end $left s"
# Figures only, if nothing else is asked for.
if [ "$(word scenarios)" = slew ]; then
    for fault in 0.1s 0.4s; do
        for name in "$client" chronyd; do
            slew "$name" 40 $fault
            figure "$name" "$fault ahead at the start: less than 2 ms off for good after $after s, at the end $left s"
        done
    done
fi
if holds "${ours%never} + 0 > 0 && ${ours%never} + 0 < 15"; then
    passed slew "0.4 s are gone after $ours s"
else
    failed slew "0.4 s are gone after $ours s"
fi
