# A card whose clock runs at the wrong speed.
start_server
card_conf 'hwtimestamp eth0'
start_client slewd
sleep 30
named=$(complaints 'runs at the wrong speed')
# shellcheck disable=SC2046 # two numbers
set -- $(counts)
if [ "$named" = 1 ] && holds "$1 >= 20 && $2 == 0" && ! grep -q ' H [KHD]$\| [KHD] H$' /tmp/client/log/measurements.log; then
    passed fast "named once, and none of $1 requests has a stamp of the card"
else
    failed fast "named $named times, and $2 of $1 requests have a stamp of the card"
fi
client_log fast
