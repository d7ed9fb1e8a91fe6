# What totp.service does: a one-time password (RFC 6238) by the system clock, the true time, and how wrong the clock is.
. /guest/lib.sh
code=$(oathtool --totp 3132333435363738393031323334353637383930)
# shellcheck disable=SC2086 # several words
timeprobe now $truth >/run/totp
echo "code=$code" >>/run/totp
