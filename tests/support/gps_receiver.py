"""GPS receivers on pseudo terminals: 0.13 s after each second they say which second of the system clock it was, in NMEA.

Arguments: links to make, one for each receiver.
"""
import os, pty, sys, time, tty

LATE = 0.13

masters = []
for link in sys.argv[1:]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.symlink(os.ttyname(slave), link)
    # The other end stays open, so that nothing is lost when gpsd opens the terminal again.
    masters.append((master, slave))


def sentence(words):
    checksum = 0
    for character in words.encode():
        checksum ^= character
    return f"${words}*{checksum:02X}\r\n"


print("receiving", flush=True)
while True:
    second = int(time.time()) + 1
    time.sleep(max(0, second + LATE - time.time()))
    date, hour = time.strftime("%d%m%y", time.gmtime(second)), time.strftime("%H%M%S.00", time.gmtime(second))
    said = sentence(f"GPRMC,{hour},A,4807.038,N,01131.000,E,000.0,084.4,{date},003.1,W")
    said += sentence(f"GPGGA,{hour},4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,")
    said += sentence("GPGSA,A,3,04,05,09,12,24,25,29,31,,,,,1.8,0.9,1.5")
    for master, _ in masters:
        os.write(master, said.encode())
