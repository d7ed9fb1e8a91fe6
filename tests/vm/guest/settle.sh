# Figures only: how long other clients take from the same wrong clock with the same configuration.
for other in chronyd timesyncd; do
    [ $other != "$client" ] || continue
    (
        write_conf
        start_servers
        settle $other -4h 20
        figure $other "$good_after s to less than 10 ms for good (started -14400 s wrong), at the end $(value last /tmp/summary) s"
        client_log $other
        stop_everything
    )
done
