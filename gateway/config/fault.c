// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/fault.h"

#include "pki/spiffe.h"
#include "policy/value_json.h"

#include <arpa/inet.h>
#include <sys/un.h>

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Letters and digits, and what `more` names.
static bool only(struct span s, const char *more)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && (!s.p[i] || !strchr(more, s.p[i])))
            return false;
    return s.n > 0;
}

const char *gw_fault_name(struct span s)
{
    return s.n <= 64 && only(s, "-_.") ? NULL : "a name of at most 64 letters, digits, '-', '_' and '.' is expected";
}

const char *gw_fault_host(struct span s)
{
    return s.n <= 253 && only(s, "-_.:") ? NULL : "a host name or an address is expected";
}

// "host:port" or "[v6]:port"; the port may be absent (SPAN_NONE).
static bool split(struct span s, struct span *host, struct span *port)
{
    size_t at;

    if (s.n && s.p[0] == '[') {
        at = span_find(s, ']');
        *host = span_sub(s, 1, at);
        if (at == s.n || !only(*host, ":."))
            return false;
        s = span_sub(s, at + 1, s.n);
        if (s.n && s.p[0] != ':')
            return false;
        *port = s.n ? span_sub(s, 1, s.n) : SPAN_NONE;
        return span_find(*host, ':') < host->n;
    }
    *port = s;
    *host = span_cut(port, ':');
    return host->n <= 253 && only(*host, "-_.");
}

static bool port_holds(struct span text, uint64_t *port)
{
    return span_to_u64(text, port) && *port <= 65535;
}

const char *gw_fault_host_port(struct span s)
{
    struct span host, port;
    uint64_t v;

    return split(s, &host, &port) && port_holds(port, &v)
               ? NULL
               : "host:port is expected, such as 127.0.0.1:8443 or [::1]:8443";
}

const char *gw_fault_local(struct span s)
{
    struct span host, port;
    uint64_t v;

    if (span_starts(s, SPAN("unix:")))
        return s.n > 6 && s.p[5] == '/' && s.n - 5 < sizeof((struct sockaddr_un *)0)->sun_path
                   ? NULL
                   : "unix: and an absolute path of at most 107 bytes are expected";
    return split(s, &host, &port) && port_holds(port, &v) && gw_is_loopback_address(host)
               ? NULL
               : "an address of this machine's own is expected, such as 127.0.0.1:6333 or [::1]:6333, or unix:/PATH; "
                 "it "
                 "is plain HTTP, so no other machine may reach it";
}

const char *gw_fault_dialled(struct span s)
{
    static const char *expected = "host:port is expected, such as 10.0.0.7:8443, or $NODE_IP:8443 with an environment "
                                  "variable in place of the host";
    if (!span_starts(s, SPAN("$")))
        return gw_fault_host_port(s) ? expected : NULL;
    size_t colon = span_find(s, ':');
    uint64_t v;
    for (size_t i = 1; i < colon; i++)
        if (!((s.p[i] >= 'A' && s.p[i] <= 'Z') || s.p[i] == '_' || (i > 1 && s.p[i] >= '0' && s.p[i] <= '9')))
            return expected;
    return colon > 1 && colon < s.n && port_holds(span_sub(s, colon + 1, s.n), &v) ? NULL : expected;
}

const char *gw_fault_address_port(struct span s)
{
    struct span host, port;
    uint64_t v;
    char text[INET6_ADDRSTRLEN];
    unsigned char address[16];

    if (!split(s, &host, &port) || !port_holds(port, &v) || v == 0 || host.n >= sizeof text)
        return "address:port is expected, such as 10.0.0.53:53 or [::1]:53";
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1
               ? NULL
               : "an IP address and a port are expected, such as 10.0.0.53:53: a name could not be looked up";
}

const char *gw_fault_authority(struct span s)
{
    struct span host, port;
    uint64_t v;

    if (!split(s, &host, &port) || (!span_is_none(port) && (!port_holds(port, &v) || v == 0)))
        return "host or host:port is expected, without a scheme or path, such as gateway.example:8443";
    return NULL;
}

const char *gw_fault_trust_domain(struct span s)
{
    return pki_spiffe_trust_domain_ok(s) ? NULL
                                         : "a trust domain is expected, such as example.org: lower-case letters, "
                                           "digits, '.', '-', '_', no scheme";
}

const char *gw_fault_workload_id(struct span s)
{
    struct pki_spiffe id;

    return pki_spiffe_parse_workload(s, &id, NULL) == 0
               ? NULL
               : "a workload's SPIFFE ID is expected, such as spiffe://example.org/search";
}

const char *gw_fault_workloads(struct span s)
{
    bool several = span_ends(s, SPAN("/"));
    struct pki_spiffe id;

    if (several)
        s = span_sub(s, 0, s.n - 1);
    return (several ? pki_spiffe_parse(s, &id, NULL) : pki_spiffe_parse_workload(s, &id, NULL)) == 0
               ? NULL
               : "a workload's SPIFFE ID is expected, or with a '/' at its end the beginning of several, such as "
                 "spiffe://example.org/ns/team-a/";
}

const char *gw_fault_glob(struct span s)
{
    size_t stars = 0;

    for (size_t i = 0; i < s.n; i++)
        stars += s.p[i] == '*';
    if (s.n > 512)
        return "a pattern has at most 512 bytes";
    return stars <= 8 ? NULL : "a pattern has at most 8 stars";
}

const char *gw_fault_field_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= 'A' && s.p[i] <= 'Z')
            return "a header's name in lower case is expected";
    return s.n <= 64 && only(s, "-_") ? NULL : "a header's name of letters, digits, '-' and '_' is expected";
}

const char *gw_fault_scheme(struct span s)
{
    return s.n <= 64 && only(s, "-") ? NULL : "an authentication scheme is expected, such as Bearer";
}

const char *gw_fault_endpoint(struct span s, bool *tls, struct span *host, uint16_t *port)
{
    static const char expected[] = "http://host:port or https://host:port is expected, without path, query or user";
    struct span h, p;
    uint64_t v;
    bool secure;

    if (span_starts(s, SPAN("https://"))) {
        secure = true;
        s = span_sub(s, 8, s.n);
    } else if (span_starts(s, SPAN("http://"))) {
        secure = false;
        s = span_sub(s, 7, s.n);
    } else {
        return expected;
    }
    if (span_ends(s, SPAN("/")))
        s.n--;
    v = secure ? 443 : 80;
    if (!split(s, &h, &p) || (!span_is_none(p) && (!port_holds(p, &v) || v == 0)))
        return expected;
    *tls = secure;
    *host = h;
    *port = (uint16_t)v;
    return NULL;
}

bool gw_is_loopback_address(struct span host)
{
    uint64_t part;
    if (span_eq(host, SPAN("::1")))
        return true;
    if (!span_starts(host, SPAN("127.")))
        return false;
    size_t parts = 0;
    for (struct span rest = host; !span_is_none(rest); parts++) {
        struct span text = span_cut(&rest, '.');
        if (text.n > 3 || !span_to_u64(text, &part) || part > 255)
            return false;
    }
    return parts == 4;
}

// What a request's target may be made of, from its first '/' on.
static bool is_target(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || s.p[i] == '#' || s.p[i] == '\\' || s.p[i] == '"')
            return false;
    return true;
}

const char *gw_fault_path(struct span s)
{
    return s.n > 0 && s.n <= 1024 && s.p[0] == '/' && is_target(s)
               ? NULL
               : "a path is expected, such as /readyz, with a query or without";
}

const char *gw_fault_url(struct span s, bool *tls, struct span *host, uint16_t *port, struct span *target)
{
    static const char expected[] = "https://host[:port]/path is expected, without user or fragment";
    size_t authority = span_starts(s, SPAN("https://")) ? 8 : 7, end = authority;
    bool secure;
    struct span h;
    uint16_t p;

    while (end < s.n && s.p[end] != '/' && s.p[end] != '?')
        end++;
    struct span rest = span_sub(s, end, s.n);
    if (!is_target(rest))
        return expected;
    if (s.n > 2048 || (rest.n > 0 && rest.p[0] == '?') || gw_fault_endpoint(span_sub(s, 0, end), &secure, &h, &p))
        return expected;
    if (!secure && !gw_is_loopback_address(h))
        return "https:// is expected; plain http is for 127.0.0.1 and [::1] only";
    *tls = secure;
    *host = h;
    *port = p;
    *target = rest.n > 0 ? rest : SPAN("/");
    return NULL;
}

const char *gw_fault_client_id(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7e)
            return "a client_id of printable ASCII is expected";
    return s.n <= 256 ? NULL : "a client_id has at most 256 bytes";
}

// RFC 8414 §2; without a path, so that the metadata stand where everybody looks for them.
const char *gw_fault_issuer_url(struct span s)
{
    bool tls = false;
    struct span host;
    uint16_t port;

    return gw_fault_endpoint(s, &tls, &host, &port) == NULL && tls
               ? NULL
               : "https://host or https://host:port is expected, without path, query, fragment or user";
}

const char *gw_fault_entity(struct span s)
{
    struct arena arena;
    struct span type, id;

    arena_init(&arena, 0);
    struct pol_json j = { .arena = &arena };
    bool ok = pol_json_uid_text(&j, s, &type, &id);
    arena_fini(&arena);
    return ok ? NULL : "a Cedar entity is expected, such as 'Namespace::\"team-a\"'";
}
