# What kind of clock this guest has: clock source, and how exactly CLOCK_REALTIME follows CLOCK_MONOTONIC_RAW.
say LOG "clocksource $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)" \
    "of $(cat /sys/devices/system/clocksource/clocksource0/available_clocksource)"
dmesg | grep -iE 'tsc|clocksource|hpet' | sed 's/^/@LOG /'
fault 0s
start_probe 20 10ms
wait "$probe"
timeprobe summary </tmp/probe >/tmp/summary
figure realtime_rate_ppm "$(value rate_ppm /tmp/summary) (should be minus $(word ppm))"
# How late programs wake here: the probe wanted to look every 10 ms.
awk 'NR == 1 { start = $1 } { printf "%.6f\n", $1 - start - (NR - 1) * 0.01 }' /tmp/probe | sort -n >/tmp/late
lines=$(wc -l </tmp/late)
base=$(head -n 1 /tmp/late)
quantile() { calc "$(sed -n "$((lines * $1 / 1000 + 1))p" /tmp/late) - $base"; }
figure wake-ups "late by $(quantile 500) s (median), $(quantile 950) s (95 %), $(quantile 999) s (99.9 %) more than the best"
