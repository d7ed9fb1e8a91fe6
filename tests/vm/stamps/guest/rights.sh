# Who may not tell a card to stamp says what it takes, and goes on with the stamps of the kernel. A driver that is bound anew
# has forgotten what the card was told before.
slot=$(basename "$(readlink /sys/class/net/eth0/device)")
echo "$slot" >/sys/bus/pci/drivers/igb/unbind
until [ ! -e /sys/class/net/eth0 ]; do sleep 0.1; done
echo "$slot" >/sys/bus/pci/drivers/igb/bind
until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done
ip addr add 10.0.0.1/24 dev eth0
ip link set eth0 up
start_server
card_conf 'hwtimestamp eth0' 'pidfile /tmp/client/pid' 'bindcmdaddress /tmp/client/sock'
chmod 755 /tmp/client/log
su -s /bin/sh _chrony -c 'exec slewd -x -d -f /tmp/client/conf' >/tmp/client.log 2>&1 &
sleep 12
refused=$(grep -c 'Could not enable HW timestamping on eth0 : .*it takes CAP_NET_ADMIN' /tmp/client.log)
by_kernel=$(grep -c ' K K$' /tmp/client/log/measurements.log)
if [ "$refused" = 1 ] && holds "$by_kernel >= 5"; then
    passed no-right "said once, and $by_kernel exchanges have stamps of the kernel"
else
    failed no-right "said $refused times, and $by_kernel exchanges have stamps of the kernel"
fi
client_log rights
