# No server ever answers: the boot waits for three minutes, and goes on with a unit that has failed. Takes as long; not one of the
# checks that run without --only.
word_of_wait() { journalctl -q -b --no-pager -o cat -u slewd-wait.service; }

promise give-up
soon 90 activating active slewd-wait.service
soon 240 failed active slewd-wait.service
began=$(property slewd-wait.service ExecMainStartTimestampMonotonic)
ended=$(property slewd-wait.service ExecMainExitTimestampMonotonic)
waited=$(calc "($ended - $began) / 1e6")
that holds "180 <= $waited && $waited < 190"
is 1 property slewd-wait.service ExecMainStatus
says '^slewd wait: not synchronised: ' word_of_wait
soon 10 active active time-sync.target
soon 20 active active totp.service
that holds "$ended <= $(property totp.service ExecMainStartTimestampMonotonic)"
that holds "$(wrong_by) > 14000"
is active active slewd.service
is no timedate NTPSynchronized
is failed checked
says slewd-wait.service systemctl --failed --plain --no-legend
judge "slewd-wait failed after $waited s, then time-sync.target was reached; slewd goes on asking, and slewd-check fails"

promise late-servers
start_servers
soon 60 yes timedate NTPSynchronized
that holds "$(wrong_by) < 0.5"
that systemctl restart slewd-wait.service
is inactive checked
is '' systemctl --failed --plain --no-legend
judge "the clock was set as soon as the servers came; slewd-wait, started again, is content"
