# Figures only: the same minutes with stamps of the card, without them, and under chronyd with them; the second half counts.
minutes=$(word minutes)
row() { printf '%-16s %10s %12s %10s %10s %16s\n' "$@"; }
row client 'rms (us)' 'largest (us)' 'mean (us)' 'sd (us)' 'rms freq. (ppb)' >/tmp/table
for name in slewd-card slewd-kernel chronyd-card; do
    (
        start_server
        case $name in
        *-card) card_conf 'hwtimestamp eth0' ;;
        *) card_conf ;;
        esac
        settle "${name%-*}" -4h $((minutes * 60))
        timeprobe summary --from "$(calc "$started + $minutes * 30")" </tmp/probe >/tmp/summary
        low=$(value min /tmp/summary)
        high=$(value max /tmp/summary)
        micros() { printf '%.1f' "$(calc "($1) * 1e6")"; }
        row "$name" "$(micros "$(value rms /tmp/summary)")" "$(micros "-($low) > $high ? -($low) : $high")" \
            "$(micros "$(value mean /tmp/summary)")" "$(micros "$(value sd /tmp/summary)")" "$(value rms_rate_ppb /tmp/summary)" >>/tmp/table
        tail -n 3 /tmp/client/log/measurements.log | sed "s/^/@LOG $name: /"
        client_log "$name"
        stop_everything
    )
done
sed 's/^/@FIGURE /' /tmp/table
