/* A chronyd that does not know the record "compliant 128-GCM export" (1024): preloaded into that of Debian 13 by
 * tests/interop_nts_peers.rs, and never installed.
 *
 * HIDE names who does not see the record, for whom it becomes one that nobody knows: "server" is a chronyd before 4.6.1,
 * which exports keys of AEAD 30 with the number 15; "client" is a server that keeps to RFC 8915 and never heard of it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum { HEADER = 4, COMPLIANT_EXPORT = 1024, UNKNOWN = 0x4321 };

static void hide(unsigned char *message, size_t length, const char *from) {
    for (size_t at = 0; at + HEADER <= length; at += HEADER + (message[at + 2] << 8 | message[at + 3])) {
        if ((message[at] << 8 | message[at + 1]) != COMPLIANT_EXPORT) continue;
        message[at] = UNKNOWN >> 8;
        message[at + 1] = UNKNOWN & 0xff;
        fprintf(stderr, "record 1024 is hidden from the %s\n", from);
    }
}

static int is_hidden_from(const char *whom) {
    const char *from = getenv("HIDE");
    return from && strcmp(from, whom) == 0;
}

ssize_t gnutls_record_recv(void *session, void *data, size_t size) {
    ssize_t (*real)(void *, void *, size_t) = dlsym(RTLD_NEXT, "gnutls_record_recv");
    ssize_t length = real(session, data, size);
    if (length > 0 && is_hidden_from("server")) hide(data, length, "server");
    return length;
}

ssize_t gnutls_record_send(void *session, const void *data, size_t size) {
    ssize_t (*real)(void *, const void *, size_t) = dlsym(RTLD_NEXT, "gnutls_record_send");
    unsigned char copy[16384];
    if (size > sizeof copy || !is_hidden_from("client")) return real(session, data, size);
    memcpy(copy, data, size);
    hide(copy, size, "client");
    return real(session, copy, size);
}
