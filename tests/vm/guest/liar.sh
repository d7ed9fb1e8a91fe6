# Promise liar: one of four servers lies by half a minute. The clock never follows it, whether it answers first or last.
liar() {
    write_conf
    start_servers 127.0.0.1:123 lie=30s "delay=$1" 127.0.0.2:123 delay=12ms jitter=0.5ms \
        127.0.0.3:123 delay=9ms jitter=0.5ms 127.0.0.4:123 delay=15ms jitter=0.5ms
    settle "$client" -4h 15
    if holds "$(value max /tmp/summary) < 0.1" && [ "$good_after" != never ]; then
        passed "liar-$2" "highest error $(value max /tmp/summary) s, right after $good_after s"
    else
        failed "liar-$2" "highest error $(value max /tmp/summary) s, right after: $good_after"
    fi
    client_log "$client"
    stop_everything
}
liar 1ms first
liar 40ms last
