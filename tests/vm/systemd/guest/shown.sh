# What the documents show, as a reader types it: shown has the commands.
cat >/usr/local/bin/sudo <<'SUDO'
#!/bin/sh
exec "$@"
SUDO
# What somebody writes who was told "systemctl edit": in the third line.
cat >/usr/local/bin/editor <<'EDITOR'
#!/bin/sh
sed -i '3i [Unit]\nDocumentation=man:slewd(8)' "$1"
EDITOR
chmod 755 /usr/local/bin/sudo /usr/local/bin/editor
export SYSTEMD_EDITOR=/usr/local/bin/editor SYSTEMD_PAGER=cat PAGER=cat
for number in 1 2 3 4; do echo "127.0.0.$number pool.ntp.org"; done >>/etc/hosts
mkdir -p /var/lib/prometheus/node-exporter
[ -e /etc/slewd/keys ] || echo '1 SHA1 HEX:00112233445566778899aabbccddeeff00112233' >/etc/slewd/keys

# One that wants a terminal gets one.
typed() {
    case $1 in
    *'systemctl edit'*) timeout 60 script -qec "$1" /dev/null ;;
    *) timeout 60 sh -c "$1" ;;
    esac
}

promise shown
soon 30 yes timedate NTPSynchronized
tried=0
while read -r line; do
    case $line in '' | '#'*) continue ;; esac
    command=$(echo "$line" | sed 's/\bZONE$/Europe\/Paris/; s/\bNAME$/totp.service/')
    status=0
    started=$(up)
    typed "$command" >/run/typed 2>&1 </dev/null || status=$?
    # Of the services that the loop stops, a machine has one; the last does not exist here.
    case $line in 'for unit in '*) status=0 ;; esac
    # The next one makes the same link.
    case $line in *' /run/slewd/slewd.prom '*) rm -f /var/lib/prometheus/node-exporter/slewd.prom ;; esac
    took=$(($(up) - started))
    [ $took -lt 10 ] || figure shown "$took s: $line"
    tried=$((tried + 1))
    [ $status = 0 ] && continue
    # shellcheck disable=SC2034 # judge reads it
    broken="$line: exit status $status: $(tail -n 3 /run/typed)"
    break
done </guest/shown
soon 30 yes timedate NTPSynchronized
that holds "$(wrong_by) < 0.1"
is '' systemctl --failed --plain --no-legend
judge "$tried commands of the documents did what they should"
# What an administrator adds to units is not the package's, and would stay.
rm -r /etc/systemd/system/slewd.service.d /etc/systemd/system/slewd-alarm@.service.d
systemctl daemon-reload
rm -r /usr/sbin/chronyd /usr/local/bin/sudo /usr/local/bin/editor /etc/slewd/keys /var/lib/prometheus
