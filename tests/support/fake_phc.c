/* PTP hardware clocks that are not there: preloaded into daemons by tests/interop_refclock.rs and tests/bench/phc_beside_chronyd.
 *
 * A path that ends in /utc-phc is a clock that is 12.345 us ahead of the system clock. One that ends in /free-phc is a clock of
 * its own, 30 ppm too fast, that stamps pulses from outside: 123.456 us after each second of the system clock. What it is told to
 * do about pins and pulses goes to stderr. The clocks answer as those of Linux 6.1, without cross time stamps. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ptp_clock.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define AHEAD_NS 12345LL
#define TOO_FAST_PPM 30
#define PULSE_NS 123456LL
#define SECOND_NS 1000000000LL

static int utc = -1, free_running = -1, pulses = -1;

static long long nanos(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * SECOND_NS + time.tv_nsec;
}

static struct ptp_clock_time stamp(long long ns) {
    return (struct ptp_clock_time){ .sec = ns / SECOND_NS, .nsec = ns % SECOND_NS };
}

/* What a clock says when the raw counter says this. */
static long long free_time(long long raw_ns) { return 1000000 * SECOND_NS + raw_ns + raw_ns * TOO_FAST_PPM / 1000000; }

static long long device_time(int fd) {
    return fd == utc ? nanos(CLOCK_REALTIME) + AHEAD_NS : free_time(nanos(CLOCK_MONOTONIC_RAW));
}

static void *pulse(void *channel) {
    for (;;) {
        long long at = nanos(CLOCK_REALTIME);
        at += SECOND_NS - at % SECOND_NS + PULSE_NS;
        struct timespec until = { at / SECOND_NS, at % SECOND_NS };
        while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) == EINTR) {}
        /* The thread wakes late: when was it on the counter? */
        long long before = nanos(CLOCK_REALTIME), raw = nanos(CLOCK_MONOTONIC_RAW), after = nanos(CLOCK_REALTIME);
        struct ptp_extts_event event = { .index = (long)channel };
        event.t = stamp(free_time(raw - ((before + after) / 2 - at)));
        if (write(pulses, &event, sizeof event) < 0) return NULL;
    }
}

static int request(int fd, unsigned long number, void *argument) {
    switch (number) {
    case PTP_CLOCK_GETCAPS: {
        int units = fd == free_running ? 2 : 0;
        *(struct ptp_clock_caps *)argument = (struct ptp_clock_caps){ .n_ext_ts = units, .n_pins = units };
        return 0;
    }
    case PTP_SYS_OFFSET: {
        struct ptp_sys_offset *asked = argument;
        for (unsigned i = 0; i < asked->n_samples; i++) {
            asked->ts[2 * i] = stamp(nanos(CLOCK_REALTIME));
            asked->ts[2 * i + 1] = stamp(device_time(fd));
        }
        asked->ts[2 * asked->n_samples] = stamp(nanos(CLOCK_REALTIME));
        return 0;
    }
    case PTP_SYS_OFFSET_EXTENDED: {
        struct ptp_sys_offset_extended *asked = argument;
        if (asked->n_samples > PTP_MAX_SAMPLES || asked->rsv[0]) return errno = EINVAL, -1;
        for (unsigned i = 0; i < asked->n_samples; i++) {
            asked->ts[i][0] = stamp(nanos(CLOCK_REALTIME));
            asked->ts[i][1] = stamp(device_time(fd));
            asked->ts[i][2] = stamp(nanos(CLOCK_REALTIME));
        }
        return 0;
    }
    case PTP_PIN_SETFUNC: {
        struct ptp_pin_desc *asked = argument;
        fprintf(stderr, "pin %u: function %u, channel %u\n", asked->index, asked->func, asked->chan);
        return asked->index < 2 ? 0 : (errno = EINVAL, -1);
    }
    case PTP_EXTTS_REQUEST:
    case PTP_EXTTS_REQUEST2: {
        struct ptp_extts_request *asked = argument;
        fprintf(stderr, "channel %u: flags %u\n", asked->index, asked->flags & ~PTP_STRICT_FLAGS);
        static pthread_t thread;
        if (asked->flags & PTP_ENABLE_FEATURE && !thread)
            return pthread_create(&thread, NULL, pulse, (void *)(long)asked->index) ? (errno = ENOMEM, -1) : 0;
        return 0;
    }
    default:
        return errno = EOPNOTSUPP, -1;
    }
}

int ioctl(int fd, unsigned long number, ...) {
    va_list arguments;
    va_start(arguments, number);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (fd >= 0 && (fd == utc || fd == free_running)) return request(fd, number, argument);
    int (*real)(int, unsigned long, void *) = dlsym(RTLD_NEXT, "ioctl");
    return real(fd, number, argument);
}

static int ends_with(const char *path, const char *end) {
    size_t length = strlen(path), wanted = strlen(end);
    return length >= wanted && !strcmp(path + length - wanted, end);
}

/* The other end of a pipe is where events come from. */
static int open_path(const char *path, int flags, unsigned mode) {
    int is_utc = ends_with(path, "/utc-phc"), is_free = ends_with(path, "/free-phc"), ends[2];
    if (!is_utc && !is_free) {
        int (*real)(const char *, int, unsigned) = dlsym(RTLD_NEXT, "open64");
        return real(path, flags, mode);
    }
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC)) return -1;
    *(is_utc ? &utc : &free_running) = ends[0];
    if (is_free) pulses = ends[1];
    return ends[0];
}

#define OPEN(name)                                     \
    int name(const char *path, int flags, ...) {       \
        va_list arguments;                             \
        va_start(arguments, flags);                    \
        unsigned mode = va_arg(arguments, unsigned);   \
        va_end(arguments);                             \
        return open_path(path, flags, mode);           \
    }
OPEN(open)
OPEN(open64)

int __open_2(const char *path, int flags) { return open_path(path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_path(path, flags, 0); }
