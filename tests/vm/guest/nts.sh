# Promises nts, nts-strict and nts-old: a machine without a hardware clock boots in 1970 and has servers with NTS only, whose
# certificates are not valid yet by its clock. Ten milliseconds each way.
servers='127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4'
# shellcheck disable=SC2086 # several words
serve() { exec ntsserver $truth --certificate /certificates/server.crt --key /certificates/server.key --delay 10ms $servers; }
serve >/tmp/servers &
honest=$!
until grep -q serving /tmp/servers; do sleep 0.05; done

# nts_conf [LINE...]: servers with NTS only.
nts_conf() {
    mkdir -p /tmp/client
    for address in $servers; do echo "server $address iburst nts"; done >/tmp/client/conf
    printf '%s\n' 'makestep 1 3' rtcsync nosystemcert 'ntstrustedcerts /certificates/ca.crt' 'cmdport 0' "$@" >>/tmp/client/conf
}

# From noon of 2026-12-01 to one o'clock: the kernel has no time that is shorter than the one since it was started.
to_1970=-1796122800s

# Cryptography is slow in an emulated guest on a busy host: 0.8 s at best, 6 s at worst.
nts_conf
settle "$client" $to_1970 20
timeprobe summary --within 100ms --from "$started" </tmp/probe >/tmp/set
set_after=$(value good_after /tmp/set)
told="$set_after s from 1970 to less than 100 ms, $good_after s to less than 10 ms"
if holds "${set_after%never} + 0 > 0 && ${set_after%never} + 0 < 15 && ${good_after%never} + 0 < 20"; then
    passed nts "$client took $told"
else
    failed nts "$client took $told, at the end $(value last /tmp/summary) s"
fi
figure "$client" "$told, with NTS only"
stop_client
client_log "$client"

nts_conf 'certtimecheck strict'
settle "$client" $to_1970 5
if holds "$(size "$(error_now)") > 86400" && grep -q 'is not valid before 2026-11-15' /tmp/client.log; then
    passed nts-strict "no certificate is accepted before its time"
else
    failed nts-strict "error $(error_now) s"
fi
stop_client
client_log "$client"

# Somebody has the key of a certificate that expired on 2026-11-10 and tells the eighth of November, when those of the others
# were not valid yet. He answers first, and sets the clock. The others are there after ten seconds, and are asked after 16.
kill $honest
old=$(($(word epoch_ns) - 23 * 86400 * 1000000000))
ntsserver --epoch-ns $old --certificate /certificates/old.crt --key /certificates/old.key 127.0.0.5 >/tmp/old &
liar=$!
until grep -q serving /tmp/old; do sleep 0.05; done
(sleep 10; serve) >/tmp/servers &
honest=$!
nts_conf 'server 127.0.0.5 iburst nts'
settle "$client" $to_1970 25
left=$(size "$(error_now)")
if holds "$left < 0.1" && grep -q 'Selected source 127.0.0.5' /tmp/client.log &&
    grep -q 'certificate of 127.0.0.5:4460 is valid from .* until 2026-11-10' /tmp/client.log; then
    passed nts-old "a step that an old certificate has made is undone, and its source dropped: $left s"
else
    failed nts-old "error $left s"
fi
stop_client
client_log "$client"
kill $honest $liar
