# A clock in /dev/ptp0 that tells the true time, and no other source; with the example of the package.
followed() { slewd sources | grep -c '^#\* PHC0'; }
absent() { journalctl -q -b --no-pager -u slewd.service | grep -q 'Could not open PHC /dev/ptp0' && echo absent; }
exact() { holds "$(wrong_by) < 0.001" && echo exact; }

promise phc
that modprobe true_clock "epoch_ns=$(word epoch_ns)" "ppm=$(word ppm)"
mv /etc/slewd/conf.d/guest.conf /run/guest.conf
echo 'refclock PHC /dev/ptp0 poll 0 dpoll -2' >/etc/slewd/conf.d/phc.conf
echo 'SUBSYSTEM=="ptp", GROUP="slewd", MODE="0660"' >/etc/udev/rules.d/60-slewd.rules
udevadm control --reload
udevadm trigger --settle --action=add --subsystem-match=ptp
is root:slewd:660 stat -c %U:%G:%a /dev/ptp0
that systemctl restart slewd.service
soon 20 absent absent
install -D -m 644 /usr/share/doc/slewd/examples/phc.conf /etc/systemd/system/slewd.service.d/phc.conf
systemctl daemon-reload
that systemctl restart slewd.service
soon 60 1 followed
soon 20 exact exact
that systemd-analyze security --no-pager --threshold=23 slewd.service >/run/exposure
judge "without the drop-in it cannot be opened; with it it is followed, the clock is $(error_now) s wrong; $(tail -n 1 /run/exposure)"
rm /etc/slewd/conf.d/phc.conf /etc/systemd/system/slewd.service.d/phc.conf
mv /run/guest.conf /etc/slewd/conf.d/guest.conf
systemctl daemon-reload
systemctl restart slewd.service
