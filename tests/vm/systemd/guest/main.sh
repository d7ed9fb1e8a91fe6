# All checks, one after the other. Each is a file here, run in a shell of its own.
exec >/dev/ttyS1 2>/run/guest.log </dev/null
. /guest/lib.sh
. /guest/promises.sh
say BOOTED "after $(timeprobe raw) s"
for check in $(word checks | tr , ' '); do
    began=$(timeprobe raw)
    say CHECK "$check"
    (
        trap explain EXIT
        set -u
        . "/guest/$check.sh"
    )
    figure "$check" "took $(calc "int($(timeprobe raw) - $began)") s"
done
sed 's/^/@LOG stderr: /' /run/guest.log
say DONE "after $(timeprobe raw) s"
sync
systemctl poweroff -ff
