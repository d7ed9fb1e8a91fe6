# A card whose driver comes late is taken when it appears.
device=/sys/bus/pci/drivers/igb
slot=$(basename "$(readlink /sys/class/net/eth0/device)")
start_server
echo "$slot" >$device/unbind
until [ ! -e /sys/class/net/eth0 ]; do sleep 0.1; done
card_conf 'hwtimestamp *' 'hwtimestamp eth0' 'user root'
start_client slewd
sleep 3
before=$(grep -c 'Could not enable HW timestamping on eth0 : no such interface' /tmp/client.log)
echo "$slot" >$device/bind
until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done
ip addr add 10.0.0.1/24 dev eth0
ip link set eth0 up
sleep 25
# shellcheck disable=SC2046 # two numbers
set -- $(counts)
if [ "$before" = 1 ] && holds "$2 >= 10" && grep -q 'Enabled HW timestamping .*on eth0' /tmp/client.log; then
    passed late-card "named when it was not there, and has stamped $2 of $1 requests since it came"
else
    failed late-card "named $before times, and stamped $2 of $1 requests"
fi
client_log late
