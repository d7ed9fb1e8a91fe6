/* How long a program is away from poll(2): preloaded by nts_beside_chronyd, and never installed. When the program ends the
 * file that AWAY names gets the longest time between two calls, and the most processor time, which others cannot lengthen. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ELAPSED, PROCESSOR, CLOCKS };

static const clockid_t clocks[CLOCKS] = {CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID};
static double began[CLOCKS], longest[CLOCKS];

static double now(int clock) {
    struct timespec at;
    clock_gettime(clocks[clock], &at);
    return at.tv_sec * 1e6 + at.tv_nsec / 1e3;
}

int poll(struct pollfd *fds, nfds_t count, int timeout) {
    static int (*real)(struct pollfd *, nfds_t, int);
    if (!real) real = dlsym(RTLD_NEXT, "poll");
    for (int clock = 0; clock < CLOCKS; clock++) {
        double away = now(clock) - began[clock];
        if (began[clock] > 0 && away > longest[clock]) longest[clock] = away;
    }
    int ready = real(fds, count, timeout);
    for (int clock = 0; clock < CLOCKS; clock++) began[clock] = now(clock);
    return ready;
}

__attribute__((destructor)) static void report(void) {
    FILE *file = getenv("AWAY") ? fopen(getenv("AWAY"), "w") : 0;
    if (!file) return;
    fprintf(file, "%.0f us, or %.0f us of processor time\n", longest[ELAPSED], longest[PROCESSOR]);
    fclose(file);
}
