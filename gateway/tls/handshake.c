// SPDX-License-Identifier: GPL-3.0-or-later
// The decisions of a handshake: who the peer is, whether a ticket brings a known one back, and whether the connection opens at all.
#include "gateway/tls/engine_inside.h"

#include "gateway/base/secret.h"

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

static const struct {
    int wolf, error;
} errors[] = {
    { NO_PEER_CERT, ERR_CERT_MISSING },
    { ASN_BEFORE_DATE_E, ERR_CERT_NOT_YET },
    { ASN_AFTER_DATE_E, ERR_CERT_EXPIRED },
    { ASN_NO_SIGNER_E, ERR_CERT_UNTRUSTED },
    { ASN_SELF_SIGNED_E, ERR_CERT_UNTRUSTED },
    { ASN_SIG_CONFIRM_E, ERR_CERT_UNTRUSTED },
    { ASN_PATHLEN_SIZE_E, ERR_CERT_UNTRUSTED },
    { ASN_PATHLEN_INV_E, ERR_CERT_UNTRUSTED },
    { MAX_CHAIN_ERROR, ERR_CERT_UNTRUSTED },
    { ASN_NAME_INVALID_E, ERR_CERT_NAME_CONSTRAINT },
    { KEYUSE_SIGNATURE_E, ERR_CERT_USAGE },
    { KEYUSE_ENCIPHER_E, ERR_CERT_USAGE },
    { EXTKEYUSE_AUTH_E, ERR_CERT_USAGE },
    { RSA_KEY_SIZE_E, ERR_CERT_WEAK },
    { ECC_KEY_SIZE_E, ERR_CERT_WEAK },
    { ASN_PARSE_E, ERR_CERT_MALFORMED },
    { ASN_VERSION_E, ERR_CERT_MALFORMED },
    { ASN_CRIT_EXT_E, ERR_CERT_MALFORMED },
    { ASN_ALT_NAME_E, ERR_CERT_MALFORMED },
    { PEER_KEY_ERROR, ERR_CERT_MALFORMED },
    { MEMORY_E, ERR_NOMEM },
};

int gw_tls_error_of(int wolf_error, const char **detail)
{
    *detail = wolfSSL_ERR_reason_error_string((unsigned long)(wolf_error < 0 ? -(long)wolf_error : wolf_error));
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].wolf == wolf_error)
            return errors[i].error;
    return ERR_TLS;
}

static void drop(struct gw_tls_peer **p)
{
    gw_tls_peer_unref(*p);
    *p = NULL;
}

static void refuse(struct gw_tls_engine *e, int error, const char *detail)
{
    if (e->error)
        return;
    e->error = error;
    e->detail = detail;
}

// ---- a certificate

static int verify_chain(struct gw_tls_engine *e, const WOLFSSL_X509_STORE_CTX *store)
{
    struct span certs[16];
    size_t n = 0;
    for (int i = 0; i < store->totalCerts && n < sizeof certs / sizeof certs[0]; i++)
        certs[n++] = span_of(store->certs[i].buffer, store->certs[i].length);
    if (n == 0)
        return ERR_CERT_MISSING;
    struct span name = e->target ? e->target->dns : SPAN_NONE;
    struct gw_tls_peer *found = NULL;
    int r = gw_tls_peer_verify(e->trust, e->server ? PKI_PURPOSE_CLIENT : PKI_PURPOSE_SERVER, name, certs[0], certs + 1,
                               n - 1, e->now_s, &found);
    if (r)
        return r;
    if (e->target && span_is_none(name) && !span_eq(found->identity.spiffe_id, e->target->spiffe_id)) {
        gw_tls_peer_unref(found);
        return ERR_CERT_SPIFFE_ID;
    }
    e->verified = found;
    return 0;
}

// wolfSSL calls it for what it found wrong, and with an empty store it finds "no signer" at least. It comes once for the leaf, and again
// when wolfSSL finds something else afterwards (key usage); so every call starts from nothing.
int gw_tls_on_verify(int preverified, WOLFSSL_X509_STORE_CTX *store)
{
    struct gw_tls_engine *e = store->userCtx;
    const char *detail = NULL;
    drop(&e->verified);
    e->callback_ran = true;
    if (store->error_depth != 0) {
        int error = gw_tls_error_of(store->error, &detail);
        refuse(e, error, "a certificate that was sent above the leaf is not acceptable");
        return 0;
    }
    int error = verify_chain(e, store);
    if (error) {
        refuse(e, error, NULL);
        return 0;
    }
    // Our path check held. That answers "no signer", and nothing else.
    if (!preverified && store->error != ASN_NO_SIGNER_E) {
        drop(&e->verified);
        error = gw_tls_error_of(store->error, &detail);
        refuse(e, error, detail);
        return 0;
    }
    return 1;
}

// ---- a ticket

bool gw_tls_ticket_accept(struct gw_tls_engine *e, const struct gw_tls_ticket_facts *facts,
                          const uint8_t tag[static GW_TLS_TICKET_TAG])
{
    struct gw_tls_context *c = e->context;
    if (e->resumed)
        return memcmp(e->ticket_tag, tag, GW_TLS_TICKET_TAG) == 0;
    if (facts->listener != c->listener || facts->trust_generation != e->trust->trust_generation ||
        facts->chain >= GW_TLS_TICKET_CHAIN_MAX || e->now_s > facts->until_s || e->now_s < facts->issued_s - 1 ||
        e->now_s - facts->issued_s > gw_tls_ticket_keys_lifetime_s(c->tickets))
        return false;
    struct gw_tls_peer *p = gw_tls_peers_get(c->peers, facts->leaf_sha256, e->now_s);
    if (!p || gw_tls_peer_recheck(p, e->trust, e->now_s) != 0) {
        gw_tls_peer_unref(p);
        return false;
    }
    e->resumed = p;
    e->chain = (uint16_t)(facts->chain + 1);
    memcpy(e->ticket_tag, tag, GW_TLS_TICKET_TAG);
    return true;
}

static int seal(struct gw_tls_engine *e, unsigned char *name, unsigned char *iv, unsigned char *mac,
                unsigned char *ticket, int n, int *out_n)
{
    bool resumed = wolfSSL_session_reused(e->ssl) != 0;
    const struct gw_tls_peer *p = resumed ? e->resumed : e->verified;
    if (!p || n < 0 || n + GW_TLS_TICKET_FACTS > *out_n)
        return WOLFSSL_TICKET_RET_FATAL;
    struct gw_tls_ticket_facts facts = {
        .issued_s = e->now_s,
        .until_s = e->now_s + gw_tls_ticket_keys_lifetime_s(e->context->tickets),
        .listener = e->context->listener,
        .trust_generation = e->trust->trust_generation,
        .chain = resumed ? e->chain : 0,
    };
    if (facts.until_s > p->identity.path_not_after)
        facts.until_s = p->identity.path_not_after;
    memcpy(facts.leaf_sha256, p->identity.leaf_sha256, sizeof facts.leaf_sha256);
    if (gw_tls_ticket_seal(e->context->tickets, e->now_s, &facts, ticket, (size_t)n, name, iv, mac) != 0)
        return WOLFSSL_TICKET_RET_FATAL;
    *out_n = n + GW_TLS_TICKET_FACTS;
    return WOLFSSL_TICKET_RET_OK;
}

int gw_tls_on_ticket(WOLFSSL *ssl, unsigned char name[WOLFSSL_TICKET_NAME_SZ], unsigned char iv[WOLFSSL_TICKET_IV_SZ],
                     unsigned char mac[WOLFSSL_TICKET_MAC_SZ], int encrypt, unsigned char *ticket, int n, int *out_n,
                     void *unused)
{
    _Static_assert(WOLFSSL_TICKET_NAME_SZ == GW_TLS_TICKET_NAME && WOLFSSL_TICKET_IV_SZ >= GW_TLS_TICKET_IV &&
                       WOLFSSL_TICKET_MAC_SZ >= GW_TLS_TICKET_TAG,
                   "wolfSSL's ticket has room for ours");
    struct gw_tls_engine *e = wolfSSL_GetIOReadCtx(ssl);
    struct gw_tls_ticket_facts facts;
    (void)unused;
    if (encrypt)
        return seal(e, name, iv, mac, ticket, n, out_n);
    // REJECT means: a full handshake. There is no other answer to a ticket that is not as it should be.
    if (n < GW_TLS_TICKET_FACTS ||
        gw_tls_ticket_open(e->context->tickets, e->now_s, ticket, (size_t)n, name, iv, mac, &facts) != 0)
        return WOLFSSL_TICKET_RET_REJECT;
    if (!gw_tls_ticket_accept(e, &facts, mac)) {
        secret_wipe(ticket, (size_t)n);
        return WOLFSSL_TICKET_RET_REJECT;
    }
    *out_n = n - GW_TLS_TICKET_FACTS;
    return WOLFSSL_TICKET_RET_OK;
}

// ---- the end

// RFC 7627 §4: whether the ServerHello of a TLS 1.2 handshake has the extended_master_secret extension. `hello` is the start of the server's
// bytes: one record of handshake type 22 with the ServerHello first.
static bool has_extended_master_secret(struct span hello)
{
    const uint8_t *p = (const uint8_t *)hello.p;
    size_t at = 5 + 4 + 2 + 32; // record header, handshake header, version, random
    if (hello.n < at + 1 || p[0] != 22 || p[5] != 2)
        return false;
    at += 1 + (size_t)p[at] + 2 + 1; // session id, cipher suite, compression
    if (hello.n < at + 2)
        return false;
    size_t end = at + 2 + ((size_t)p[at] << 8 | p[at + 1]);
    for (at += 2; at + 4 <= end && end <= hello.n;) {
        if (p[at] == 0 && p[at + 1] == 23)
            return true;
        at += 4 + ((size_t)p[at + 2] << 8 | p[at + 3]);
    }
    return false;
}

static struct span static_text(const char *s)
{
    return s ? span_str(s) : SPAN_NONE;
}

static void note_facts(struct gw_tls_engine *e, bool resumed)
{
    char *protocol = NULL;
    unsigned short n = 0;
    e->facts = (struct gw_tls_facts){
        .version = static_text(wolfSSL_get_version(e->ssl)),
        .group = static_text(wolfSSL_get_curve_name(e->ssl)),
        .cipher = static_text(wolfSSL_get_cipher(e->ssl)),
        .alpn = SPAN_NONE,
        .resumed = resumed,
    };
    if (wolfSSL_ALPN_GetProtocol(e->ssl, &protocol, &n) != WOLFSSL_SUCCESS)
        return;
    for (size_t i = 0; i < e->context->alpn_n; i++)
        if (span_eq(e->context->alpn[i], span_of(protocol, n)))
            e->facts.alpn = e->context->alpn[i];
}

static int open_without_peer(struct gw_tls_engine *e)
{
    drop(&e->resumed);
    buf_fini(&e->hello);
    note_facts(e, false);
    e->state = GW_TLS_OPEN;
    return 0;
}

// The one place where a connection gets its peer. Either this handshake verified a certificate, or it resumed a session whose ticket we
// opened and judged; never both. Neither is an error, but where a certificate is optional and none was looked at.
int gw_tls_handshake_done(struct gw_tls_engine *e)
{
    const char *version = wolfSSL_get_version(e->ssl);
    bool v13 = version && strcmp(version, "TLSv1.3") == 0;
    bool reused = wolfSSL_session_reused(e->ssl) != 0;
    if (e->error)
        return gw_tls_fail(e, e->error, e->detail);
    if (reused && (!v13 || !e->resumed || e->callback_ran))
        return gw_tls_fail(e, ERR_CERT_UNTRUSTED, "a session was resumed without a ticket of ours");
    // The store is empty, so a certificate that was presented does not get past the callback: where it did not run there was none.
    bool nobody = e->context->certificate_optional && !reused && !e->callback_ran;
    if (!reused && !nobody && (!e->callback_ran || !e->verified))
        return gw_tls_fail(e, ERR_CERT_UNTRUSTED, "the certificate was not verified");
    if (!v13 && (e->context->min_version != GW_TLS_1_2 || !has_extended_master_secret(buf_span(&e->hello))))
        return gw_tls_fail(e, ERR_TLS, "TLS 1.2 without extended master secret");
    if (nobody)
        return open_without_peer(e);
    struct gw_tls_peer *p = reused ? e->resumed : e->verified;
    // Time and generations may have moved since the first flight.
    int error = gw_tls_peer_recheck(p, e->trust, e->now_s);
    if (error)
        return gw_tls_fail(e, error, NULL);
    if (reused) {
        e->resumed = NULL;
    } else {
        e->verified = NULL;
        if (e->server && e->context->peers)
            p = gw_tls_peers_put(e->context->peers, p, e->now_s);
    }
    drop(&e->verified);
    drop(&e->resumed);
    buf_fini(&e->hello);
    e->peer = p;
    note_facts(e, reused);
    e->state = GW_TLS_OPEN;
    return 0;
}
