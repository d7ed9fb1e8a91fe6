# Figures only: the same hours under each client; the second half counts.
minutes=$(word minutes)
others=chronyd
[ "$client" != chronyd ] || others=
for name in "$client" $others; do
    (
        write_conf
        start_servers
        settle "$name" -4h $((minutes * 60))
        timeprobe summary --from "$(calc "$started + $minutes * 30")" </tmp/probe >/tmp/summary
        figure "$name" "second half of $minutes min: rms $(value rms /tmp/summary) s, min $(value min /tmp/summary) s," \
            "max $(value max /tmp/summary) s, good after $good_after s"
        client_log "$name"
        stop_everything
    )
done
