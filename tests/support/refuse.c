/* A kernel that refuses or distorts single calls: preloaded into slewd by tests/degradation.rs, and never installed.
 *
 * REFUSE names what is refused, words separated by spaces (the table of words is in docs/interop.md). SYSCALLS names a
 * file to which the number of every call through syscall(3) is added. FULL_AFTER is how many writes to files the disk has
 * room for. Nothing here lets a program change the clock:
 * requests of adjtimex(2) with a change in them, and clock_settime(2), never reach the kernel, whatever REFUSE says. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

/* The function that this library stands before. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define REFUSED_WITH(number) return errno = (number), -1

static int refused(const char *word) {
    const char *words = getenv("REFUSE");
    size_t length = strlen(word);
    for (const char *at = words; at && (at = strstr(at, word)); at += length) {
        int begins = at == words || at[-1] == ' ';
        if (begins && (at[length] == ' ' || at[length] == 0)) return 1;
    }
    return 0;
}

int timerfd_create(int clock, int flags) {
    if (refused("timerfd")) REFUSED_WITH(ENOSYS);
    int (*real)(int, int) = dlsym(RTLD_NEXT, "timerfd_create");
    return real(clock, flags);
}

int socket(int domain, int type, int protocol) {
    if (domain == AF_NETLINK && refused("netlink")) REFUSED_WITH(EAFNOSUPPORT);
    return REAL(socket)(domain, type, protocol);
}

/* A disk that does not answer. */
int fsync(int fd) {
    if (refused("slow-disk")) sleep(60);
    return REAL(fsync)(fd);
}

/* A disk that is full after so many writes, or a quota that is used up: one more write is cut short, and then there is no
 * room. The standard streams are spared. */
ssize_t write(int fd, const void *bytes, size_t length) {
    static atomic_int writes;
    const char *room = getenv("FULL_AFTER");
    struct stat file;
    if (room && fd > 2 && fstat(fd, &file) == 0 && S_ISREG(file.st_mode)) {
        int beyond = atomic_fetch_add(&writes, 1) - atoi(room);
        if (beyond == 0 && length > 1) return REAL(write)(fd, bytes, length / 2);
        if (beyond >= 0) REFUSED_WITH(refused("quota") ? EDQUOT : ENOSPC);
    }
    return REAL(write)(fd, bytes, length);
}

int statx(int directory, const char *path, int flags, unsigned mask, struct statx *found) {
    if (refused("statx")) REFUSED_WITH(ENOSYS);
    return REAL(statx)(directory, path, flags, mask, found);
}

int close_range(unsigned first, unsigned last, int flags) {
    if (refused("close_range")) REFUSED_WITH(ENOSYS);
    int (*real)(unsigned, unsigned, int) = dlsym(RTLD_NEXT, "close_range");
    if (!real) REFUSED_WITH(ENOSYS);
    return real(first, last, flags);
}

ssize_t getrandom(void *buffer, size_t length, unsigned flags) {
    if (refused("getrandom")) REFUSED_WITH(ENOSYS);
    if (refused("entropy")) REFUSED_WITH(EAGAIN);
    return REAL(getrandom)(buffer, length, flags);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t length) {
    if (level == SOL_SOCKET && option == SO_TIMESTAMPING && refused("timestamping")) REFUSED_WITH(ENOPROTOOPT);
    if (level == SOL_SOCKET && option == SO_TIMESTAMPNS && refused("timestampns")) REFUSED_WITH(ENOPROTOOPT);
    return REAL(setsockopt)(fd, level, option, value, length);
}

/* Moves every stamp of the kernel by whole seconds. */
static void move_stamps(struct msghdr *message, int seconds) {
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        int is_stamp = part->cmsg_type == SCM_TIMESTAMPING || part->cmsg_type == SCM_TIMESTAMPNS;
        if (part->cmsg_level != SOL_SOCKET || !is_stamp) continue;
        struct timespec stamp;
        memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
        stamp.tv_sec += seconds;
        memcpy(CMSG_DATA(part), &stamp, sizeof stamp);
    }
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    int of_sent = flags & MSG_ERRQUEUE;
    if (of_sent && refused("tx-stamps")) REFUSED_WITH(EAGAIN);
    ssize_t length = REAL(recvmsg)(fd, message, flags);
    if (length < 0) return length;
    if (!of_sent && refused("rx-stamps")) message->msg_controllen = 0;
    if (refused(of_sent ? "tx-stamps-early" : "rx-stamps-early")) move_stamps(message, -1);
    if (refused(of_sent ? "tx-stamps-late" : "rx-stamps-late")) move_stamps(message, 1);
    return length;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    /* Changes nothing, needs no rights, and is nothing that a time daemon does. */
    if (refused("unshare")) unshare(0);
    if (clock == CLOCK_MONOTONIC_RAW && refused("raw-clock")) REFUSED_WITH(EINVAL);
    if (clock == CLOCK_BOOTTIME && refused("boot-clock")) REFUSED_WITH(EINVAL);
    return REAL(clock_gettime)(clock, now);
}

int clock_settime(clockid_t clock, const struct timespec *now) {
    (void)clock, (void)now;
    REFUSED_WITH(EPERM);
}

int clock_adjtime(clockid_t clock, struct timex *request) {
    if (refused("clock_adjtime")) REFUSED_WITH(ENOSYS);
    /* Success that changes nothing: for programs that are to believe that they may. */
    if (request->modes && refused("no-clock")) request->modes = 0;
    if (request->modes) REFUSED_WITH(refused("clock-einval") ? EINVAL : refused("clock-ebusy") ? EBUSY : EPERM);
    return REAL(clock_adjtime)(clock, request);
}

int adjtimex(struct timex *request) { return clock_adjtime(CLOCK_REALTIME, request); }

int ntp_adjtime(struct timex *request) { return clock_adjtime(CLOCK_REALTIME, request); }

long syscall(long number, ...) {
    long word[6];
    va_list words;
    va_start(words, number);
    for (int i = 0; i < 6; i++) word[i] = va_arg(words, long);
    va_end(words);
    const char *path = getenv("SYSCALLS");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (fd >= 0) {
        dprintf(fd, "%ld\n", number);
        close(fd);
    }
    return REAL(syscall)(number, word[0], word[1], word[2], word[3], word[4], word[5]);
}
