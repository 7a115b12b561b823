// SPDX-License-Identifier: GPL-3.0-or-later
// What a certificate must be for the place it stands in, and whom it names.
#include "pki/cert.h"

#include <arpa/inet.h>

int pki_cert_leaf_profile(const struct pki_cert *leaf, enum pki_purpose purpose)
{
    if (leaf->ca || (leaf->has_usage && (leaf->usage & (PKI_KU_CERT_SIGN | PKI_KU_CRL_SIGN))))
        return ERR_CERT_IS_CA;
    if (!leaf->has_usage || !leaf->usage_critical || !(leaf->usage & PKI_KU_DIGITAL_SIGNATURE))
        return ERR_CERT_USAGE;
    unsigned wanted = purpose == PKI_PURPOSE_SERVER ? PKI_EKU_SERVER : PKI_EKU_CLIENT;
    if (leaf->has_eku && !(leaf->eku & wanted))
        return ERR_CERT_USAGE;
    return 0;
}

int pki_cert_server_profile(const struct pki_cert *leaf)
{
    if (leaf->ca || (leaf->has_usage && (leaf->usage & PKI_KU_CERT_SIGN)))
        return ERR_CERT_IS_CA;
    bool usable = !leaf->has_usage || (leaf->usage & PKI_KU_DIGITAL_SIGNATURE);
    bool meant = !leaf->has_eku || (leaf->eku & (PKI_EKU_SERVER | PKI_EKU_ANY));
    return usable && meant ? 0 : ERR_CERT_USAGE;
}

int pki_cert_ca_profile(const struct pki_cert *ca, bool workload, const char **why)
{
    const char *fault = NULL;
    if (!ca->has_basic || !ca->ca)
        fault = "it is not a CA certificate";
    else if (workload && !ca->basic_critical)
        fault = "its basic constraints are not critical";
    else if (ca->has_usage ? !(ca->usage & PKI_KU_CERT_SIGN) : workload)
        fault = "its key usage does not let it sign certificates";
    if (fault && why)
        *why = fault;
    return fault ? ERR_CERT_UNTRUSTED : 0;
}

static int mapped_workload(const struct pki_cert *leaf, const struct pki_identity_map *map, struct arena *scratch,
                           struct pki_spiffe *id)
{
    if (!map || map->n == 0)
        return ERR_CERT_UNMAPPED;
    struct span *dns = arena_array(scratch, leaf->names_n ? leaf->names_n : 1, sizeof *dns);
    struct span subject = pki_dn_text(leaf->subject, scratch);
    if (!dns || span_is_none(subject))
        return ERR_NOMEM;
    size_t n = 0;
    for (size_t i = 0; i < leaf->names_n; i++)
        if (leaf->names[i].type == PKI_NAME_DNS)
            dns[n++] = leaf->names[i].value;
    struct span found = pki_identity_map_find(map, dns, n, subject);
    return span_is_none(found) ? ERR_CERT_UNMAPPED : pki_spiffe_parse_workload(found, id, NULL);
}

int pki_cert_workload(const struct pki_cert *leaf, const struct pki_identity_map *map, struct arena *scratch,
                      struct pki_spiffe *id)
{
    size_t uris = 0;
    bool spiffe = false;
    struct span uri = SPAN_NONE;
    for (size_t i = 0; i < leaf->names_n; i++) {
        if (leaf->names[i].type != PKI_NAME_URI)
            continue;
        uris++;
        uri = leaf->names[i].value;
        spiffe |= pki_spiffe_looks_like(uri);
    }
    if (!spiffe)
        return mapped_workload(leaf, map, scratch, id);
    if (uris != 1) // X.509-SVID §2: another URI beside the ID makes both invalid
        return ERR_CERT_SAN;
    return pki_spiffe_parse_workload(uri, id, NULL);
}

bool pki_cert_has_host(const struct pki_cert *leaf, struct span name)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[16];
    size_t address_n = 0;
    if (name.n && name.n < sizeof text) {
        memcpy(text, name.p, name.n);
        text[name.n] = 0;
        address_n = inet_pton(AF_INET, text, address) == 1 ? 4 : inet_pton(AF_INET6, text, address) == 1 ? 16 : 0;
    }
    for (size_t i = 0; i < leaf->names_n; i++) {
        const struct pki_general_name *n = &leaf->names[i];
        if (address_n) {
            if (n->type == PKI_NAME_IP && span_eq(n->value, span_of(address, address_n)))
                return true;
        } else if (n->type == PKI_NAME_DNS && pki_dns_match(n->value, name)) {
            return true;
        }
    }
    return false;
}

struct span pki_serial_text(struct span magnitude, struct arena *arena)
{
    static const char digits[] = "0123456789abcdef";
    while (magnitude.n && magnitude.p[0] == 0)
        magnitude = span_sub(magnitude, 1, magnitude.n);
    char *out = arena_alloc(arena, 2 * magnitude.n + 2);
    if (!out)
        return SPAN_NONE;
    size_t n = 0;
    for (size_t i = 0; i < magnitude.n; i++) {
        unsigned char b = (unsigned char)magnitude.p[i];
        if (n || b >> 4)
            out[n++] = digits[b >> 4];
        out[n++] = digits[b & 15];
    }
    if (n == 0)
        out[n++] = '0';
    return span_of(out, n);
}
