# Figures only: the same minutes under each client, one after the other; the second half counts.
#
# Four servers, each 10 ms away in both directions plus exponentially distributed jitter with a mean of 0.5 ms each way.
# They run 50 ppm faster than the guest's oscillator, whose clock is four hours slow at the start.
minutes=$(word minutes)
maxpoll=$(word maxpoll)
polls="minpoll 4${maxpoll:+ maxpoll $maxpoll}"
others=chronyd
[ "$client" != chronyd ] || others=
row() { printf '%-8s %10s %12s %10s %10s %16s %17s %13s\n' "$@"; }
row client 'rms (us)' 'largest (us)' 'mean (us)' 'sd (us)' 'rms freq. (ppb)' 'requests/h: half' 'from start' >/tmp/table
for name in "$client" $others; do
    (
        write_conf
        words=
        for address in 127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4; do
            words="$words $address:123 $way jitter=0.5ms"
        done
        # shellcheck disable=SC2086
        start_servers $words
        (sleep $((minutes * 30)) && requests >/tmp/half) &
        settle "$name" -4h $((minutes * 60))
        timeprobe summary --from "$(calc "$started + $minutes * 30")" </tmp/probe >/tmp/summary
        figure "$name" "$polls, good after $good_after s, frequency off by $(value rate_ppm /tmp/summary) ppm over the second half"
        low=$(value min /tmp/summary)
        high=$(value max /tmp/summary)
        micros() { printf '%.1f' "$(calc "($1) * 1e6")"; }
        row "$name" "$(micros "$(value rms /tmp/summary)")" "$(micros "-($low) > $high ? -($low) : $high")" \
            "$(micros "$(value mean /tmp/summary)")" "$(micros "$(value sd /tmp/summary)")" "$(value rms_rate_ppb /tmp/summary)" \
            "$(calc "($(requests) - $(cat /tmp/half)) * 120 / $minutes")" "$(calc "$(requests) * 60 / $minutes")" >>/tmp/table
        client_log "$name"
        stop_everything
    )
done
sed 's/^/@FIGURE /' /tmp/table
