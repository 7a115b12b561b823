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

bool remote_network(struct span host, uint8_t out[static REMOTE_NETWORK])
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
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
