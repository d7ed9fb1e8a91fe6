# Figures only: how equal the two ways are that the comparison's servers have, without jitter. A client's mean error is half
# of what the way there is longer than the way back.
words=
for address in 127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4; do words="$words $address:123 $way"; done
for name in chronyd slewd; do
    (
        write_conf
        # shellcheck disable=SC2086
        start_servers $words
        settle "$name" -4h 75
        timeprobe summary --from "$(calc "$started + 45")" </tmp/probe >/tmp/summary
        figure "$name" "without jitter: mean $(value mean /tmp/summary) s, sd $(value sd /tmp/summary) s," \
            "rms rate $(value rms_rate_ppb /tmp/summary) ppb"
        client_log "$name"
        stop_everything
    )
done
