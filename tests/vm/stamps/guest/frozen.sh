# A card whose clock stands still.
start_server
card_conf 'hwtimestamp eth0'
start_client slewd
sleep 30
named=$(complaints 'stands still')
# shellcheck disable=SC2046 # two numbers
set -- $(counts)
if [ "$named" = 1 ] && holds "$1 >= 20 && $2 == 0" && ! grep -q ' H [KHD]$\| [KHD] H$' /tmp/client/log/measurements.log; then
    passed frozen "named once, and none of $1 requests has a stamp of the card"
else
    failed frozen "named $named times, and $2 of $1 requests have a stamp of the card"
fi
client_log frozen
