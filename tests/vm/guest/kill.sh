# Promise kill: a client killed in the middle of a slew leaves a clock that stops slewing by itself and keeps its rate.

# kill_in_slew NAME SECONDS: leaves rate (ppm, against the truth, measured for SECONDS), died (seconds the kernel's slew
# went on after the kill) and killed_at.
kill_in_slew() {
    write_conf
    printf '%20.6f %20.6f\n' "-$(word ppm)" 0.1 >/tmp/client/drift
    start_servers
    fault 0.2s
    start_client "$1"
    for _ in $(seq 300); do
        killed_at=$(error_now)
        ! holds "$(size "$killed_at") < 0.17" || break
        sleep 0.03
    done
    timeprobe kernel >/tmp/kernel
    kill -9 "$pid"
    wait "$pid" 2>/dev/null
    from=$(timeprobe raw)
    figure "$1" "killed in a slew at an error of $killed_at s, kernel offset $(value offset /tmp/kernel) s," \
        "frequency $(value total_ppm /tmp/kernel) ppm"
    while timeprobe kernel >/tmp/kernel && ! holds "$(size "$(value offset /tmp/kernel)") < 1e-6" &&
        holds "$(timeprobe raw) - $from < 100"; do
        sleep 1
    done
    died=$(calc "$(timeprobe raw) - $from")
    start_probe "$2"
    wait "$probe"
    timeprobe summary </tmp/probe >/tmp/summary
    rate=$(value rate_ppm /tmp/summary)
    client_log "$1"
    stop_everything
}

kill_in_slew "$client" 20
if ! holds "$(size "$killed_at") > 0.02 && $(size "$killed_at") < 0.17"; then
    failed kill "$client was not caught slewing: error at the kill $killed_at s"
elif holds "$died < 100" && holds "$(size "$rate") < 1"; then
    passed kill "the slew died out after $died s, then the rate was wrong by $rate ppm, error $(value last /tmp/summary) s"
else
    failed kill "rate wrong by $rate ppm $died s after the kill, kernel offset $(value offset /tmp/kernel) s"
fi
if [ "$client" != chronyd ]; then
    kill_in_slew chronyd 5
    figure chronyd "rate wrong by $rate ppm after kill -9 in a slew"
fi
