# Figures only: the same minutes with the clock of a card and with pulses, under slewd and under chronyd; the second half counts.
minutes=$(word minutes)
row() { printf '%-13s %10s %10s %10s %12s %16s\n' "$@"; }
micros() { printf '%.3f' "$(calc "($1) * 1e6")"; }
row client 'rms (us)' 'mean (us)' 'sd (us)' 'device (us)' 'rms freq. (ppb)' >/tmp/table
start_servers 127.0.0.1:123 delay=10ms jitter=0.5ms
start_pulses
for name in slewd-phc chronyd-phc slewd-pps chronyd-pps; do
    (
        probing=
        case $name in
        *-phc)
            device_conf 'refclock PHC /dev/ptp0 poll 0 dpoll -2'
            probing='--device /dev/ptp0'
            ;;
        *) device_conf 'server 127.0.0.1 iburst minpoll 4 maxpoll 4' 'refclock PPS /dev/pps0 poll 4 refid PPS prefer' ;;
        esac
        fault -4h
        start_client "${name%-*}"
        # shellcheck disable=SC2086 # two words
        timeprobe watch $truth $probing --for "$((minutes * 60))s" --every 100ms >/tmp/probe
        timeprobe summary --from "$(calc "$started + $minutes * 30")" </tmp/probe >/tmp/summary
        row "$name" "$(micros "$(value rms /tmp/summary)")" "$(micros "$(value mean /tmp/summary)")" \
            "$(micros "$(value sd /tmp/summary)")" "$(micros "$(value device_sd /tmp/summary)+0")" \
            "$(value rms_rate_ppb /tmp/summary)" >>/tmp/table
        client_log "$name"
        stop_client
    )
done
sed 's/^/@FIGURE /' /tmp/table
