// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/identity_map.h"

#include "pki/spiffe.h"

static bool host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// Labels of letters, digits, '-' and '_' between single dots.
static bool host_ok(struct span s)
{
    if (s.n == 0 || s.n > 253)
        return false;
    bool label = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.') {
            if (!label)
                return false;
            label = false;
        } else if (host_char(s.p[i])) {
            label = true;
        } else {
            return false;
        }
    }
    return label;
}

bool pki_dns_match(struct span pattern, struct span name)
{
    if (!host_ok(name))
        return false;
    if (!span_starts(pattern, SPAN("*.")))
        return span_ieq(pattern, name);
    // RFC 6125 §6.4.3: the star is the whole leftmost label, and stands for exactly one.
    struct span tail = span_sub(pattern, 1, pattern.n);
    size_t dot = span_find(name, '.');
    return host_ok(span_sub(tail, 1, tail.n)) && dot > 0 && dot < name.n && span_ieq(tail, span_sub(name, dot, name.n));
}

const char *pki_identity_rule_fault(const struct pki_identity_rule *rule)
{
    struct pki_spiffe id;
    const char *why = NULL;
    bool dns = !span_is_none(rule->dns), subject = !span_is_none(rule->subject);
    if (dns == subject)
        return "a mapping rule has exactly one of dns and subject";
    if (dns) {
        struct span host = span_starts(rule->dns, SPAN("*.")) ? span_sub(rule->dns, 2, rule->dns.n) : rule->dns;
        if (!host_ok(host))
            return "dns is a host name, or \"*.\" and a host name";
    } else if (rule->subject.n == 0) {
        return "subject is empty";
    }
    if (pki_spiffe_parse_workload(rule->spiffe_id, &id, &why) != 0)
        return why;
    return NULL;
}

struct span pki_identity_map_find(const struct pki_identity_map *map, const struct span *dns, size_t dns_n,
                                  struct span subject)
{
    for (size_t i = 0; i < dns_n; i++)
        for (size_t r = 0; r < map->n; r++)
            // A star in the certificate is no host name, so it matches nothing: only a rule may have one.
            if (!span_is_none(map->rules[r].dns) && pki_dns_match(map->rules[r].dns, dns[i]))
                return map->rules[r].spiffe_id;
    for (size_t r = 0; r < map->n; r++)
        if (!span_is_none(map->rules[r].subject) && span_eq(map->rules[r].subject, subject))
            return map->rules[r].spiffe_id;
    return SPAN_NONE;
}
