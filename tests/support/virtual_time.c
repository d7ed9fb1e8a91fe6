/* A program in a simulated world: preloaded into the real chronyd by tests/bench/chronyd/mod.rs.
 *
 * Its clocks, its waits and its UDP sockets belong to the simulator at the other end of standard input. Nothing that it
 * does reaches the machine's clock or a network. One message goes to the simulator and one comes back:
 *
 *   there   kind, eight numbers, length, data      WAIT until (raw, ns; -1: for ever)
 *                                                  SEND socket, address, port
 *                                                  ADJUST modes, offset, frequency, tick, status, maxerror, s, ns
 *                                                  SET s, ns
 *   back    kind (0), UTC, raw (ns), socket (0: none), frequency, tick, status, maxerror, 0, length, data
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

enum { WAIT, SEND, ADJUST, SET };

#define SIMULATOR 0
#define NUMBERS 8
#define DATA 1000
#define DESCRIPTORS 64
#define NANOS 1000000000LL
/* A look at a clock takes so long: a clock that stood still would have no precision. */
#define LOOK_NS 30

struct message {
    int64_t kind, number[NUMBERS], length;
    uint8_t data[DATA];
};

static int64_t utc, raw;
static int is_started;

/* Of each descriptor: the number of its socket, 0 if it is none of ours, and the server that it talks to. */
static int64_t sockets[DESCRIPTORS], opened;
static struct sockaddr_in peers[DESCRIPTORS];

/* The datagram that a wait ended with. */
static struct message arrived;
static int arrived_at = -1;

static void transfer(void *buffer, ssize_t (*act)(int, void *, size_t)) {
    for (size_t done = 0; done < sizeof(struct message);) {
        ssize_t part = act(SIMULATOR, (char *)buffer + done, sizeof(struct message) - done);
        if (part <= 0)
            _exit(0);
        done += part;
    }
}

static ssize_t put(int fd, void *buffer, size_t length) { return write(fd, buffer, length); }

/* Asks the simulator, and takes the time from what it says. */
static void ask(struct message *message) {
    message->number[NUMBERS - 1] = raw;
    transfer(message, put);
    transfer(message, read);
    utc = message->number[0];
    raw = message->number[1];
}

static void look(void) {
    if (!is_started) {
        struct message start = { .kind = WAIT };
        is_started = 1;
        ask(&start);
    }
    utc += LOOK_NS;
    raw += LOOK_NS;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    look();
    int64_t now = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? utc : raw;
    *time = (struct timespec){ now / NANOS, now % NANOS };
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    look();
    *time = (struct timeval){ utc / NANOS, utc % NANOS / 1000 };
    return 0;
}

time_t time(time_t *into) {
    look();
    return into ? (*into = utc / NANOS) : utc / NANOS;
}

int settimeofday(const struct timeval *time, const struct timezone *zone) {
    (void)zone;
    if (time) {
        look();
        struct message message = { .kind = SET, .number = { time->tv_sec, time->tv_usec * 1000 } };
        ask(&message);
    }
    return 0;
}

int clock_settime(clockid_t clock, const struct timespec *time) {
    struct timeval value = { time->tv_sec, time->tv_nsec / 1000 };
    return clock == CLOCK_REALTIME ? settimeofday(&value, NULL) : (errno = EINVAL, -1);
}

int adjtimex(struct timex *timex) {
    look();
    int64_t unit = timex->modes & ADJ_NANO ? 1 : 1000;
    struct message message = { .kind = ADJUST, .number = { timex->modes } };
    /* What no mode names has not been filled in. */
    if (timex->modes & ADJ_FREQUENCY)
        message.number[1] = timex->freq;
    if (timex->modes & ADJ_TICK)
        message.number[2] = timex->tick;
    if (timex->modes & ADJ_STATUS)
        message.number[3] = timex->status;
    if (timex->modes & ADJ_MAXERROR)
        message.number[4] = timex->maxerror;
    if (timex->modes & ADJ_SETOFFSET) {
        message.number[5] = timex->time.tv_sec;
        message.number[6] = timex->time.tv_usec * unit;
    }
    ask(&message);
    timex->freq = message.number[3];
    timex->tick = message.number[4];
    timex->status = message.number[5];
    timex->maxerror = message.number[6];
    timex->esterror = message.number[6];
    timex->offset = 0;
    timex->constant = 0;
    timex->precision = 1;
    timex->tolerance = 32768000;
    timex->time = (struct timeval){ utc / NANOS, utc % NANOS / 1000 };
    return timex->status & STA_UNSYNC ? TIME_ERROR : TIME_OK;
}

int ntp_adjtime(struct timex *timex) { return adjtimex(timex); }

int clock_adjtime(clockid_t clock, struct timex *timex) {
    return clock == CLOCK_REALTIME ? adjtimex(timex) : (errno = EINVAL, -1);
}

static int is_ours(int fd) { return fd >= 0 && fd < DESCRIPTORS && sockets[fd] != 0; }

int socket(int family, int type, int protocol) {
    (void)protocol;
    if (family != AF_INET || (type & 0xf) != SOCK_DGRAM)
        return errno = EAFNOSUPPORT, -1;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd >= DESCRIPTORS)
        return close(fd), errno = EMFILE, -1;
    if (fd >= 0) {
        sockets[fd] = ++opened;
        peers[fd] = (struct sockaddr_in){ .sin_family = AF_INET };
    }
    return fd;
}

int close(int fd) {
    static int (*real)(int);
    if (!real)
        real = dlsym(RTLD_NEXT, "close");
    if (is_ours(fd))
        sockets[fd] = 0;
    return real(fd);
}

int bind(int fd, const struct sockaddr *address, socklen_t length) {
    (void)address, (void)length;
    return is_ours(fd) ? 0 : (errno = ENOTSOCK, -1);
}

int connect(int fd, const struct sockaddr *address, socklen_t length) {
    if (!is_ours(fd) || length < sizeof peers[fd])
        return errno = ENOTSOCK, -1;
    memcpy(&peers[fd], address, sizeof peers[fd]);
    return 0;
}

int getsockname(int fd, struct sockaddr *address, socklen_t *length) {
    if (!is_ours(fd))
        return errno = ENOTSOCK, -1;
    struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc00002c8), .sin_port = htons(40000) };
    memcpy(address, &own, *length < sizeof own ? *length : sizeof own);
    *length = sizeof own;
    return 0;
}

/* No stamps of the kernel: here the program is as quick as the kernel. */
int setsockopt(int fd, int level, int option, const void *value, socklen_t length) {
    (void)value, (void)length;
    int stamps = level == SOL_SOCKET
        && (option == SO_TIMESTAMP || option == SO_TIMESTAMPNS || option == SO_TIMESTAMPING);
    return is_ours(fd) && !stamps ? 0 : (errno = ENOPROTOOPT, -1);
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *length) {
    (void)fd, (void)level, (void)option, (void)value, (void)length;
    return errno = ENOPROTOOPT, -1;
}

ssize_t sendmsg(int fd, const struct msghdr *packet, int flags) {
    (void)flags;
    if (!is_ours(fd))
        return errno = ENOTSOCK, -1;
    look();
    const struct sockaddr_in *to = packet->msg_name ? packet->msg_name : &peers[fd];
    struct message message = {
        .kind = SEND,
        .number = { sockets[fd], ntohl(to->sin_addr.s_addr), ntohs(to->sin_port) },
    };
    for (size_t part = 0; part < packet->msg_iovlen; part++) {
        size_t length = packet->msg_iov[part].iov_len;
        if (message.length + length > DATA)
            return errno = EMSGSIZE, -1;
        memcpy(message.data + message.length, packet->msg_iov[part].iov_base, length);
        message.length += length;
    }
    ssize_t sent = message.length;
    ask(&message);
    return sent;
}

int recvmmsg(int fd, struct mmsghdr *packets, unsigned count, int flags, struct timespec *timeout) {
    (void)count, (void)timeout;
    if (flags & MSG_ERRQUEUE || fd != arrived_at || count == 0)
        return errno = EAGAIN, -1;
    struct msghdr *packet = &packets[0].msg_hdr;
    size_t room = packet->msg_iov[0].iov_len;
    packets[0].msg_len = (size_t)arrived.length < room ? (size_t)arrived.length : room;
    memcpy(packet->msg_iov[0].iov_base, arrived.data, packets[0].msg_len);
    if (packet->msg_name) {
        memcpy(packet->msg_name, &peers[fd], sizeof peers[fd]);
        packet->msg_namelen = sizeof peers[fd];
    }
    packet->msg_controllen = 0;
    packet->msg_flags = 0;
    arrived_at = -1;
    return 1;
}

int select(int count, fd_set *restrict readable, fd_set *restrict writable, fd_set *restrict broken,
           struct timeval *restrict timeout) {
    look();
    int64_t until = timeout ? raw + timeout->tv_sec * NANOS + timeout->tv_usec * 1000 : -1;
    for (;;) {
        arrived = (struct message){ .kind = WAIT, .number = { until } };
        ask(&arrived);
        int64_t ended_by = arrived.number[2];
        int found = -1;
        for (int fd = 0; fd < count && ended_by != 0; fd++)
            if (is_ours(fd) && sockets[fd] == ended_by && readable && FD_ISSET(fd, readable))
                found = fd;
        /* A reply to a socket that is closed by now ends no wait. */
        if (ended_by != 0 && found < 0)
            continue;
        if (readable)
            FD_ZERO(readable);
        if (writable)
            FD_ZERO(writable);
        if (broken)
            FD_ZERO(broken);
        arrived_at = found;
        if (found < 0)
            return 0;
        FD_SET(found, readable);
        return 1;
    }
}

/* The program must not be able to set the machine's clock if a call is missing above. */
__attribute__((constructor)) static void refuse_rights(void) {
    if (prctl(PR_CAPBSET_READ, CAP_SYS_TIME) == 1 && getuid() == 0) {
        static const char said[] = "virtual_time: it could set the clock: start it without CAP_SYS_TIME\n";
        _exit(write(2, said, sizeof said - 1) < 0 ? 98 : 97);
    }
}

/* Who is not root has no rights either, and may not notice. */
uid_t geteuid(void) { return 0; }

/* Equal seeds give equal runs. */
ssize_t getrandom(void *buffer, size_t length, unsigned flags) {
    (void)flags;
    static uint64_t state;
    if (state == 0)
        state = strtoull(getenv("SEED"), NULL, 10) * 2 + 1;
    for (size_t place = 0; place < length; place++) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        ((uint8_t *)buffer)[place] = state >> 56;
    }
    return length;
}
