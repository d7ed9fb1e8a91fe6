// SPDX-License-Identifier: MIT OR Apache-2.0
// A PTP hardware clock that knows the true time of the guest, for tests: the raw counter, which runs by ppm too slow, and
// the true time when it was zero. Nothing can set or steer it.
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/ptp_clock_kernel.h>
#include <linux/timekeeping.h>

static unsigned long long epoch_ns;
module_param(epoch_ns, ullong, 0444);
static int ppm;
module_param(ppm, int, 0444);

static struct ptp_clock *clock;

static int get(struct ptp_clock_info *info, struct timespec64 *now, struct ptp_system_timestamp *stamps)
{
	s64 raw;

	ptp_read_system_prets(stamps);
	raw = ktime_get_raw_ns();
	ptp_read_system_postts(stamps);
	*now = ns_to_timespec64(epoch_ns + raw + div_s64(raw, 1000000) * ppm);
	return 0;
}

static int set(struct ptp_clock_info *info, const struct timespec64 *to)
{
	return -EOPNOTSUPP;
}

static int adjust(struct ptp_clock_info *info, s64 by)
{
	return -EOPNOTSUPP;
}

static int steer(struct ptp_clock_info *info, long scaled_ppm)
{
	return -EOPNOTSUPP;
}

static int enable(struct ptp_clock_info *info, struct ptp_clock_request *request, int on)
{
	return -EOPNOTSUPP;
}

static struct ptp_clock_info description = {
	.owner = THIS_MODULE,
	.name = "true clock",
	.gettimex64 = get,
	.settime64 = set,
	.adjtime = adjust,
	.adjfine = steer,
	.enable = enable,
};

static int __init begin(void)
{
	clock = ptp_clock_register(&description, NULL);
	return PTR_ERR_OR_ZERO(clock);
}

static void __exit end(void)
{
	ptp_clock_unregister(clock);
}

module_init(begin);
module_exit(end);
MODULE_DESCRIPTION("A PTP clock that knows the time of a test");
MODULE_LICENSE("Dual MIT/GPL");
