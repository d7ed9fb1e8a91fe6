"""What libchrony makes of a daemon's answers, in the columns of `chronyc -c`: libchrony.py ADDRESS.

libchrony is another decoder of the protocol, by way of the package pychrony.
"""

import sys

from pychrony import ChronyConnection

with ChronyConnection(sys.argv[1]) as daemon:
    t = daemon.get_tracking()
    print(
        f"tracking,{t.reference_id:08X},{t.reference_ip},{t.stratum},{t.ref_time:.9f},{t.offset:.9f},{t.last_offset:.9f},"
        f"{t.rms_offset:.9f},{t.frequency:.3f},{t.residual_freq:.3f},{t.skew:.3f},{t.root_delay:.9f},"
        f"{t.root_dispersion:.9f},{t.update_interval:.1f},{t.leap_status.name}"
    )
    for s in daemon.get_sources():
        print(
            f"sources,{s.mode.name},{s.state.name},{s.address},{s.stratum},{s.poll},{s.reachability:o},{s.last_sample_ago},"
            f"{s.latest_meas:.9f},{s.orig_latest_meas:.9f},{s.latest_meas_err:.9f},{s.flags}"
        )
    for s in daemon.get_source_stats():
        print(
            f"sourcestats,{s.address},{s.samples},{s.runs},{s.span},{s.resid_freq:.3f},{s.skew:.3f},{s.offset:.9f},"
            f"{s.std_dev:.9f},{s.reference_id:08X}"
        )
    print(f"rtcdata,{daemon.get_rtc_data()}")
