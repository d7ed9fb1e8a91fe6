/* A pseudo terminal that looks like a serial line with a pulse at each second: preloaded into gpsd by tests/interop_refclock.rs.
 *
 * gpsd tells NTP daemons nothing of what it reads from a pseudo terminal, because its own tests use them. And a pseudo
 * terminal has no line for a pulse: here DCD rises when a second of the system clock begins, and falls 0.02 s later. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

/* linux/major.h */
#define TTY_MAJOR 4
#define UNIX98_PTY_SLAVE_MAJOR 136
#define FIRST_SERIAL_LINE 64

#define PULSE_NS 20000000L

int stat(const char *path, struct stat *found) {
    int (*real)(const char *, struct stat *) = dlsym(RTLD_NEXT, "stat");
    int result = real(path, found);
    if (result == 0 && S_ISCHR(found->st_mode) && major(found->st_rdev) == UNIX98_PTY_SLAVE_MAJOR)
        found->st_rdev = makedev(TTY_MAJOR, FIRST_SERIAL_LINE);
    return result;
}

static struct timespec now(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return time;
}

/* Waits for the next edge. */
static int wait_for_edge(void) {
    struct timespec edge = now();
    if (edge.tv_nsec < PULSE_NS) {
        edge.tv_nsec = PULSE_NS;
    } else {
        edge = (struct timespec){ edge.tv_sec + 1, 0 };
    }
    while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &edge, NULL) == EINTR) {}
    return 0;
}

int ioctl(int fd, unsigned long request, ...) {
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    switch (request) {
    case TIOCMIWAIT:
        return wait_for_edge();
    case TIOCMGET:
        *(int *)argument = now().tv_nsec < PULSE_NS ? TIOCM_CAR : 0;
        return 0;
    /* A line discipline for pulses would be the kernel's business. */
    case TIOCSETD:
        return errno = EINVAL, -1;
    }
    int (*real)(int, unsigned long, void *) = dlsym(RTLD_NEXT, "ioctl");
    return real(fd, request, argument);
}
