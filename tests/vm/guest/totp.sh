# Promises totp, settle and kernel: the guest has just booted with a clock that is hours wrong. A one-time password made
# from it is refused; after the client has set the clock it is accepted, and the kernel knows how good its clock is.
secret=3132333435363738393031323334353637383930

# A verifier elsewhere, that knows the time: RFC 6238, steps of 30 s, one step of tolerance.
# shellcheck disable=SC2086
accepted() {
    oathtool --totp --window=1 --now="@$(timeprobe now $truth | sed -n 's/^truth=//p')" "$secret" "$(oathtool --totp "$secret")" \
        >/dev/null 2>&1
}

wrong_by=$(error_now)
holds "$(size "$wrong_by") > 3600" || failed totp "the clock is not wrong at boot: $wrong_by s"
if accepted; then refused=no; else refused=yes; fi

drift=/state/drift
write_conf
start_servers
settle "$client" - 30
if [ $refused = yes ] && accepted; then
    passed totp "refused with a clock wrong by $wrong_by s, accepted after $client set it"
else
    failed totp "refused with the wrong clock: $refused, error afterwards $(error_now) s"
fi
figure "$client" "$good_after s to less than 10 ms for good (started $wrong_by s wrong), at the end $(value last /tmp/summary) s"
if holds "${good_after%never} + 0 > 0 && ${good_after%never} + 0 < 20"; then
    passed settle "$client took $good_after s"
else
    failed settle "$client took $good_after s to less than 10 ms"
fi

error=$(error_now)
timeprobe kernel >/tmp/kernel
maxerror=$(value maxerror /tmp/kernel)
esterror=$(value esterror /tmp/kernel)
told="unsync $(value unsync /tmp/kernel), maxerror $maxerror s, esterror $esterror s, true error $error s"
if [ "$(value unsync /tmp/kernel)" = 0 ] && holds "$maxerror > 0 && $maxerror < 1 && $esterror > 0 && $esterror < 1" &&
    holds "$maxerror >= $(size "$error")"; then
    passed kernel "$told"
else
    failed kernel "$told"
fi
figure "$client" "kernel frequency $(value total_ppm /tmp/kernel) ppm after 30 s (truth $(word ppm))"
stop_client
[ -s /state/drift ] || failed drift-saved "no drift file after a clean exit"
client_log "$client"
