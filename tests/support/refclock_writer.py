"""Tells the time to reference clocks as gpsd does: each sample goes to all segments and sockets that are named.

Arguments: seconds to run, then numbers of SHM segments and paths of sockets. Sockets called pulse.sock are told of a pulse, and
not which second it began. Says what it sent, one offset in ns a line.
"""
import ctypes, os, random, socket, struct, sys, time

IPC_CREAT, IPC_RMID = 0o1000, 0
libc = ctypes.CDLL(None, use_errno=True)
libc.shmget.argtypes = [ctypes.c_int, ctypes.c_size_t, ctypes.c_int]
libc.shmat.restype, libc.shmat.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]

length, targets = float(sys.argv[1]), sys.argv[2:]
sockets = [target for target in targets if target.startswith("/")]
ids = [libc.shmget(0x4E545030 + int(target), 96, IPC_CREAT | 0o600) for target in targets if target.isdigit()]
segments = [libc.shmat(segment, None, 0) for segment in ids]
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
random.seed(1)


def poke(segment, at, kind, *values):
    record = struct.pack(kind, *values)
    ctypes.memmove(segment + at, record, len(record))


ends, count = time.monotonic() + length, 0
while time.monotonic() < ends:
    # To the microsecond: a socket cannot say more.
    now = time.time_ns() // 1000 * 1000
    offset = 12_345_000 + 1000 * round(random.gauss(0, 20))
    clock, count = now + offset, count + 1
    for segment in segments:
        poke(segment, 48, "i", 0)
        poke(segment, 0, "ii", 1, count)
        poke(segment, 8, "qi", clock // 10**9, clock % 10**9 // 1000)
        poke(segment, 24, "qiiii", now // 10**9, now % 10**9 // 1000, 0, -20, 0)
        poke(segment, 52, "II", clock % 10**9, now % 10**9)
        poke(segment, 48, "i", 1)
    for path in sockets:
        is_pulse = path.endswith("pulse.sock")
        # Of a pulse: by how much the system clock was ahead of the second.
        told = -offset / 1e9 if is_pulse else offset / 1e9
        try:
            sender.sendto(struct.pack("qqdiiii", now // 10**9, now % 10**9 // 1000, told, is_pulse, 0, 0, 0x534F434B), path)
        except OSError:
            pass
    print(offset, flush=True)
    time.sleep(1)
for segment in ids:
    libc.shmctl(segment, IPC_RMID, None)
