# The profile of the package, after all that was done before.
promise apparmor
is 'slewd (enforce)' cat "/proc/$(property slewd.service MainPID)/attr/current"
denied() { journalctl -q -b --no-pager -k | grep 'apparmor="DENIED"' | grep -o 'profile="slewd.*'; }
is '' denied
# That is because nothing was denied, and not because nobody would see it.
aa-exec -p slewd -- cat /etc/shadow >/dev/null 2>&1
says /etc/shadow denied
judge "slewd runs under it, and nothing was denied that slewd asked for"
