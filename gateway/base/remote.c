// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/base/remote.h"

#include <arpa/inet.h>

struct span remote_host(struct span remote)
{
    size_t n = remote.n;
    while (n > 0 && remote.p[n - 1] != ':')
        n--;
    return span_sub(remote, 0, n);
}

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

bool remote_network(struct span host, uint8_t out[static REMOTE_NETWORK])
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr a;
    if (host.n < 3 || host.p[0] != '[' || host.n - 3 >= sizeof text)
        return false;
    memcpy(text, host.p + 1, host.n - 3); // what is left are ']' and ':'
    text[host.n - 3] = '\0';
    if (inet_pton(AF_INET6, text, &a) != 1 || memcmp(a.s6_addr, mapped, sizeof mapped) == 0)
        return false;
    memcpy(out, a.s6_addr, REMOTE_NETWORK);
    return true;
}

struct span remote_source(struct span remote, uint8_t network[static REMOTE_NETWORK])
{
    struct span host = remote_host(remote);
    return remote_network(host, network) ? span_of(network, REMOTE_NETWORK) : host;
}

// IPv4 addresses as those inside IPv6.
static bool address(struct span s, uint8_t out[static 16], bool *v4)
{
    char text[INET6_ADDRSTRLEN];
    if (s.n == 0 || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    *v4 = inet_pton(AF_INET, text, out + sizeof mapped) == 1;
    if (*v4)
        memcpy(out, mapped, sizeof mapped);
    return *v4 || inet_pton(AF_INET6, text, out) == 1;
}

static bool network(struct span text, uint8_t out[static 16], unsigned *bits)
{
    struct span rest = text, host = span_cut(&rest, '/');
    uint64_t n;
    bool v4;
    if (!address(host, out, &v4))
        return false;
    unsigned most = v4 ? 32 : 128;
    *bits = 128;
    if (span_is_none(rest))
        return true;
    if (!span_to_u64(rest, &n) || n > most)
        return false;
    *bits = 128 - most + (unsigned)n;
    return true;
}

bool remote_network_parses(struct span text)
{
    uint8_t of[16];
    unsigned bits;
    return network(text, of, &bits);
}

bool remote_in(struct span host, struct span text)
{
    uint8_t a[16], of[16];
    unsigned bits;
    bool v4;
    if (host.n > 0 && host.p[host.n - 1] == ':')
        host = span_sub(host, 0, host.n - 1);
    if (host.n > 2 && host.p[0] == '[')
        host = span_sub(host, 1, host.n - 1);
    if (!address(host, a, &v4) || !network(text, of, &bits))
        return false;
    unsigned whole = bits / 8, some = bits % 8;
    return memcmp(a, of, whole) == 0 && (some == 0 || ((a[whole] ^ of[whole]) >> (8 - some)) == 0);
}
