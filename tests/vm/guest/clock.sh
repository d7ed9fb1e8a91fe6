# What kind of clock this guest has: clock source, and how exactly CLOCK_REALTIME follows CLOCK_MONOTONIC_RAW.
say LOG "clocksource $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)" \
    "of $(cat /sys/devices/system/clocksource/clocksource0/available_clocksource)"
dmesg | grep -iE 'tsc|clocksource|hpet' | sed 's/^/@LOG /'
fault 0s
start_probe 20 10ms
wait "$probe"
timeprobe summary </tmp/probe >/tmp/summary
figure realtime_rate_ppm "$(value rate_ppm /tmp/summary) (should be minus $(word ppm))"
