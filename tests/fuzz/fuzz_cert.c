// SPDX-License-Identifier: GPL-3.0-or-later
// A certificate from the network → an identity: what a client can make us parse before it has proven anything. What comes out must be an
// identity that the SPIFFE parser takes, and nothing may come out of certificates that no bundle vouches for.
#include <assert.h>
#include <stddef.h>

#include "pki/cert.h"
#include "pki/cert_agree.h"
#include "pki/name_constraint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct pki_identity_rule rules[] = {
    { .dns = SPAN("*.test"), .subject = SPAN_NONE, .spiffe_id = SPAN("spiffe://one.test/mapped") },
    { .dns = SPAN_NONE, .subject = SPAN("O=x"), .spiffe_id = SPAN("spiffe://one.test/subject") },
};
static const struct pki_identity_map map = { rules, 2 };

static void try_trust(struct span der, struct arena *arena)
{
    struct pki_trust *trust = pki_trust_new();
    struct pki_verify_options options = { .map = &map };
    struct pki_identity id;
    if (!trust)
        return;
    // A leaf with itself above it and an empty bundle.
    int e = pki_trust_verify(trust, NULL, &options, der, &der, 1, 1900000000, arena, &id);
    assert(e != 0);
    e = pki_trust_verify_server(trust, NULL, &options, SPAN("a.test"), der, &der, 1, 1900000000, arena, &id);
    assert(e != 0);
    pki_trust_free(trust);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span der = span_of(data, n);
    struct arena arena;
    struct pki_cert cert;
    struct pki_spiffe id;
    const char *why = NULL;
    arena_init(&arena, 8u << 20);
    if (pki_cert_parse(der, &arena, &cert, &why) != 0) {
        assert(why);
    } else {
        bool agree = pki_cert_agree(&cert) == 0;
        if (pki_cert_workload(&cert, &map, &arena, &id) == 0)
            assert(pki_spiffe_parse_workload(id.id, &id, NULL) == 0);
        pki_cert_leaf_profile(&cert, PKI_PURPOSE_CLIENT);
        pki_cert_server_profile(&cert);
        pki_cert_ca_profile(&cert, true, &why);
        pki_cert_has_host(&cert, SPAN("a.test"));
        pki_name_constraint_check(&cert, &cert);
        pki_dn_text(cert.issuer, &arena);
        pki_serial_text(cert.serial, &arena);
        if (agree)
            pki_cert_signed_by(&cert, &cert);
    }
    try_trust(der, &arena);
    arena_fini(&arena);
    return 0;
}
