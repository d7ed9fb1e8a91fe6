# The sandbox, as the running process has it.
pid=$(property slewd.service MainPID)
status() { awk -v "key=$1:" '$1 == key { print $2 }' "/proc/$pid/status"; }
# within COMMAND...: where slewd is, as root.
within() { nsenter -t "$pid" -m "$@"; }

promise sandbox
that systemd-analyze security --no-pager --threshold=20 slewd.service >/run/exposure
is slewd stat -c %U "/proc/$pid"
# CAP_SYS_TIME, and CAP_NET_BIND_SERVICE, which it gives up when it has its port.
is 0000000002000000 status CapEff
is 0000000002000400 status CapBnd
is 1 status NoNewPrivs
is 2 status Seccomp
says 'Read-only' within touch /etc/here
says 'Read-only' within touch /usr/here
says 'No such file' within stat /dev/vda
owners() { stat -L -c %U:%a /var/lib/slewd /var/log/slewd /run/slewd | paste -sd ' '; }
is 'slewd:750 slewd:755 slewd:755' owners
says '127\.0\.0\.[1-4]' setpriv --reuid=65534 --regid=65534 --clear-groups slewd sources
judge "$(tail -n 1 /run/exposure)"
