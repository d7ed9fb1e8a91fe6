# Does chronyc's makestep move a real clock, at once and by all that is left? And do the sources put right what doffset claimed?
start_servers
fault 0s
write_conf 'bindcmdaddress /run/chrony/chronyd.sock'
start_client "$client"
chronyc waitsync 100 0.01 0 0.1 >/dev/null
before=$(error_now)
claimed=$(chronyc doffset 0.3)
stepped=$(chronyc makestep)
moved=$(calc "$(error_now) - ($before)")
for _ in $(seq 400); do
    if holds "$(size "$(error_now)") < 0.01"; then break; fi
    sleep 0.1
done
left=$(error_now)
stop_client
client_log makestep
figure makestep "moved $moved s, afterwards $left s"
if [ "$claimed $stepped" = "200 OK 200 OK" ] && holds "$(size "$(calc "$moved + 0.3")") < 0.02" && holds "$(size "$left") < 0.01"; then
    passed makestep "chronyc stepped the clock, and the sources brought it back"
else
    failed makestep "doffset '$claimed', makestep '$stepped', moved $moved s, left $left s"
fi
