// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/tls/context_inside.h"

#include "pki/cert.h"
#include "pki/key.h"
#include "pki/pem.h"

#include <stdlib.h>

#define WARN_BEFORE_END_S 3600

// No build of ours may have these: each is a way around the client's certificate.
#if defined(WOLFSSL_EARLY_DATA) || defined(HAVE_ANON) || defined(HAVE_RPK) || defined(WOLFSSL_ALWAYS_VERIFY_CB) || \
    defined(HAVE_SECURE_RENEGOTIATION) || defined(OPENSSL_EXTRA) || defined(WOLFSSL_POST_HANDSHAKE_AUTH)
#error "wolfSSL was built with an option that Sallyport must not have"
#endif
#if !defined(NO_PSK) || !defined(WOLFSSL_ALT_CERT_CHAINS) || !defined(HAVE_EXTENDED_MASTER)
#error "wolfSSL was built without an option that Sallyport needs"
#endif

// Forward secret, authenticated encryption only. The 1.2 suites do nothing unless the version is allowed.
static const char suites[] = "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:TLS13-CHACHA20-POLY1305-SHA256:"
                             "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                             "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                             "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

static const struct {
    struct span name;
    int id;
} groups[] = {
    { SPAN("X25519MLKEM768"), WOLFSSL_X25519MLKEM768 }, { SPAN("X25519"), WOLFSSL_ECC_X25519 },
    { SPAN("secp256r1"), WOLFSSL_ECC_SECP256R1 },       { SPAN("secp384r1"), WOLFSSL_ECC_SECP384R1 },
    { SPAN("secp521r1"), WOLFSSL_ECC_SECP521R1 },       { SPAN("SecP256r1MLKEM768"), WOLFSSL_SECP256R1MLKEM768 },
};
#define GROUPS (sizeof groups / sizeof groups[0])

static const struct span default_groups[] = { SPAN("X25519MLKEM768"), SPAN("X25519") };
static const struct span default_alpn[] = { SPAN("http/1.1") };

// ---- our certificate and key

struct chain {
    struct gw_tls_context *c;
    const struct gw_tls_config *config;
    int64_t now_s;
    struct diags *diags;
};

static bool check_dates(const struct chain *ch, const struct pki_cert *cert, size_t number)
{
    struct span file = ch->config->cert_file;
    if (ch->now_s > cert->not_after) {
        diag_error(ch->diags, file, 0, 0, "certificate %zu has expired; renew it", number);
        return false;
    }
    if (ch->now_s < cert->not_before) {
        diag_error(ch->diags, file, 0, 0, "certificate %zu is not valid yet; check the clock", number);
        return false;
    }
    if (cert->not_after - ch->now_s < WARN_BEFORE_END_S && !ch->config->renewed)
        diag_warning(ch->diags, file, 0, 0, "certificate %zu expires within the hour; renew it", number);
    return true;
}

static bool check_leaf(const struct chain *ch, const struct pki_cert *leaf, const struct pki_key *key)
{
    struct span file = ch->config->cert_file;
    unsigned wanted = ch->c->server ? PKI_EKU_SERVER : PKI_EKU_CLIENT;
    if (leaf->ca)
        diag_error(ch->diags, file, 0, 0, "the first certificate is a CA; put the leaf first, then its issuers");
    else if (leaf->has_eku && !(leaf->eku & (wanted | PKI_EKU_ANY)))
        diag_error(ch->diags, file, 0, 0, "the certificate's extended key usage lacks %s; have it issued with it",
                   ch->c->server ? "serverAuth" : "clientAuth");
    else if (leaf->has_usage && !(leaf->usage & PKI_KU_DIGITAL_SIGNATURE))
        diag_error(ch->diags, file, 0, 0, "the certificate's key usage lacks digitalSignature; have it issued with it");
    else {
        struct buf spki;
        buf_init(&spki, 0);
        int e = pki_key_spki(key, &spki);
        struct span s = buf_span(&spki);
        // A SubjectPublicKeyInfo ends in the key, and in an EC or Ed25519 one that is all that can differ.
        bool same = e == 0 && s.n >= leaf->key.n && span_eq(span_sub(s, s.n - leaf->key.n, s.n), leaf->key);
        buf_fini(&spki);
        if (!same)
            diag_error(ch->diags, ch->config->key_file, 0, 0, "the key is not that of the certificate in %.*s",
                       SPAN_FMT(file));
        return same;
    }
    return false;
}

// Parses every certificate of the chain; the leaf must fit the key.
static bool check_chain(const struct chain *ch, const struct pki_key *key)
{
    struct arena scratch;
    struct buf der;
    struct span rest = ch->config->cert_pem, label;
    size_t number = 0;
    bool ok = true;
    int more;
    arena_init(&scratch, 0);
    buf_init(&der, 0);
    while (ok && (more = pki_pem_next(&rest, &label, &der)) == 1) {
        struct pki_cert cert;
        const char *why = "";
        if (!span_eq(label, SPAN("CERTIFICATE")))
            continue; // a file with the key in it, too, is common
        number++;
        if (pki_cert_parse(buf_span(&der), &scratch, &cert, &why) != 0) {
            diag_error(ch->diags, ch->config->cert_file, 0, 0, "certificate %zu cannot be used: %s", number, why);
            ok = false;
        } else {
            ok = check_dates(ch, &cert, number) && (number > 1 || check_leaf(ch, &cert, key));
            if (number == 1)
                ch->c->not_after = cert.not_after;
        }
    }
    if (ok && (more < 0 || number == 0)) {
        diag_error(ch->diags, ch->config->cert_file, 0, 0,
                   more < 0 ? "the PEM is broken" : "there is no certificate in it");
        ok = false;
    }
    buf_fini(&der);
    arena_fini(&scratch);
    return ok;
}

static bool load_key(const struct chain *ch, struct pki_key **key)
{
    int e = pki_key_read_private(ch->config->key_pem, ch->config->passphrase, key);
    if (e == 0)
        return true;
    diag_error(ch->diags, ch->config->key_file, 0, 0, "%s",
               e == ERR_NOMEM       ? "out of memory"
               : e == ERR_CERT_WEAK ? "the private key is of a type or size that is not accepted"
               : span_is_none(ch->config->passphrase)
                   ? "this is no private key that can be read; if it is encrypted, give its passphrase"
                   : "this is no private key that can be read, or the passphrase is wrong");
    return false;
}

static bool use_certificate(const struct chain *ch)
{
    struct pki_key *key = NULL;
    struct buf pem;
    WOLFSSL_CTX *ctx = ch->c->ctx;
    buf_init(&pem, 0);
    bool ok = load_key(ch, &key) && check_chain(ch, key);
    if (ok) {
        struct span chain = ch->config->cert_pem;
        struct span plain;
        ok = pki_key_write_private(key, SPAN_NONE, &pem) == 0 && (plain = buf_span(&pem), true) &&
             wolfSSL_CTX_use_certificate_chain_buffer(ctx, (const unsigned char *)chain.p, (long)chain.n) ==
                 WOLFSSL_SUCCESS &&
             wolfSSL_CTX_use_PrivateKey_buffer(ctx, (const unsigned char *)plain.p, (long)plain.n,
                                               WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS &&
             wolfSSL_CTX_check_private_key(ctx) == WOLFSSL_SUCCESS;
        if (!ok)
            diag_error(ch->diags, ch->config->cert_file, 0, 0,
                       "the TLS library does not take the certificate with its key");
    }
    buf_wipe(&pem);
    pki_key_free(key);
    return ok;
}

// ---- the rest

static bool use_groups(struct gw_tls_context *c, const struct gw_tls_config *config, struct diags *diags)
{
    const struct span *names = config->groups_n ? config->groups : default_groups;
    size_t n = config->groups_n ? config->groups_n : sizeof default_groups / sizeof default_groups[0], used = 0;
    int ids[GROUPS];
    struct span known[GROUPS];
    for (size_t g = 0; g < GROUPS; g++)
        known[g] = groups[g].name;
    for (size_t i = 0; i < n; i++) {
        size_t g = 0;
        while (g < GROUPS && !span_eq(names[i], groups[g].name))
            g++;
        if (g == GROUPS) {
            struct span near = diag_suggest(names[i], known, GROUPS);
            diag_error(diags, SPAN_NONE, 0, 0, "unknown TLS group \"%.*s\"%s%.*s%s", SPAN_FMT(names[i]),
                       near.n ? "; did you mean \"" : "", SPAN_FMT(near), near.n ? "\"?" : "");
            return false;
        }
        bool twice = false;
        for (size_t k = 0; k < used; k++)
            twice |= ids[k] == groups[g].id;
        if (!twice)
            ids[used++] = groups[g].id;
    }
    if (wolfSSL_CTX_set_groups(c->ctx, ids, (int)used) != WOLFSSL_SUCCESS) {
        diag_error(diags, SPAN_NONE, 0, 0, "the TLS library does not take these groups");
        return false;
    }
    return true;
}

static bool use_alpn(struct gw_tls_context *c, const struct gw_tls_config *config, struct diags *diags)
{
    const struct span *names = config->alpn_n ? config->alpn : default_alpn;
    size_t n = config->alpn_n ? config->alpn_n : 1;
    struct buf list;
    bool ok = n <= GW_TLS_ALPN_MAX;
    buf_init(&list, 0);
    for (size_t i = 0; ok && i < n; i++) {
        ok = names[i].n > 0 && names[i].n < 64 && span_find(names[i], ',') == names[i].n;
        c->alpn[i] = arena_dup(&c->arena, names[i]);
        buf_append(&list, i ? SPAN(",") : SPAN(""));
        buf_append(&list, names[i]);
    }
    c->alpn_n = n;
    c->alpn_list = (char *)(uintptr_t)arena_dup(&c->arena, buf_span(&list)).p;
    if (!ok || list.failed || c->arena.failed) {
        diag_error(diags, SPAN_NONE, 0, 0, "the list of ALPN protocols cannot be used");
        ok = false;
    }
    buf_fini(&list);
    return ok;
}

static bool use_verification(struct gw_tls_context *c)
{
    WOLFSSL_CTX *ctx = c->ctx;
    // The store of the CTX stays empty, so wolfSSL itself can never call a certificate good.
    bool demanded = c->server && !c->certificate_optional;
    wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_PEER | (demanded ? WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                           gw_tls_on_verify);
    if (demanded && wolfSSL_CTX_mutual_auth(ctx, 1) != 0)
        return false;
    return wolfSSL_CTX_SetMinRsaKey_Sz(ctx, 2048) == WOLFSSL_SUCCESS &&
           wolfSSL_CTX_SetMinEccKey_Sz(ctx, 256) == WOLFSSL_SUCCESS;
}

static bool use_tickets(struct gw_tls_context *c, const struct gw_tls_config *config)
{
    WOLFSSL_CTX *ctx = c->ctx;
    wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF);
    if (wolfSSL_CTX_only_dhe_psk(ctx) != 0)
        return false;
    if (!c->server)
        return true;
    if (wolfSSL_CTX_NoTicketTLSv12(ctx) != WOLFSSL_SUCCESS)
        return false;
    if (!config->tickets || !config->peers || c->certificate_optional)
        return wolfSSL_CTX_no_ticket_TLSv13(ctx) == 0 && wolfSSL_CTX_set_TicketEncCb(ctx, NULL) == WOLFSSL_SUCCESS;
    c->tickets = config->tickets;
    c->peers = config->peers;
    // wolfSSL looks at the age by its own clock, too; ours decides first.
    int lifetime = (int)gw_tls_ticket_keys_lifetime_s(c->tickets);
    return wolfSSL_CTX_set_TicketEncCb(ctx, gw_tls_on_ticket) == WOLFSSL_SUCCESS &&
           wolfSSL_CTX_set_TicketHint(ctx, lifetime) == WOLFSSL_SUCCESS &&
           wolfSSL_CTX_set_timeout(ctx, (unsigned)lifetime) == WOLFSSL_SUCCESS;
}

static WOLFSSL_CTX *ctx_new(bool server, enum gw_tls_version min_version)
{
    bool v12 = min_version == GW_TLS_1_2;
    WOLFSSL_METHOD *method = server ? (v12 ? wolfSSLv23_server_method() : wolfTLSv1_3_server_method())
                                    : (v12 ? wolfSSLv23_client_method() : wolfTLSv1_3_client_method());
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(method);
    if (ctx && v12 && wolfSSL_CTX_SetMinVersion(ctx, WOLFSSL_TLSV1_2) != WOLFSSL_SUCCESS) {
        wolfSSL_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

static struct gw_tls_context *context_new(bool server, const struct gw_tls_config *config, int64_t now_s,
                                          struct diags *diags)
{
    struct gw_tls_context *c = calloc(1, sizeof *c);
    if (!c)
        goto fail;
    c->refs = 1;
    c->server = server;
    c->certificate_optional = server && config->certificate_optional;
    c->min_version = config->min_version;
    c->listener = config->listener;
    arena_init(&c->arena, 0);
    c->ctx = ctx_new(server, config->min_version);
    if (!c->ctx)
        goto fail;
    wolfSSL_CTX_SetIORecv(c->ctx, gw_tls_on_recv);
    wolfSSL_CTX_SetIOSend(c->ctx, gw_tls_on_send);
    if (wolfSSL_CTX_set_cipher_list(c->ctx, suites) != WOLFSSL_SUCCESS || !use_verification(c) ||
        !use_tickets(c, config) || wolfSSL_CTX_set_group_messages(c->ctx) != WOLFSSL_SUCCESS)
        goto fail;
    struct chain ch = { .c = c, .config = config, .now_s = now_s, .diags = diags };
    bool certificate = server || !span_is_none(config->cert_pem);
    if (use_groups(c, config, diags) && use_alpn(c, config, diags) && (!certificate || use_certificate(&ch)))
        return c;
    gw_tls_context_unref(c);
    return NULL;
fail:
    diag_error(diags, config->cert_file, 0, 0, "the TLS context cannot be made (out of memory?)");
    gw_tls_context_unref(c);
    return NULL;
}

struct gw_tls_context *gw_tls_context_server(const struct gw_tls_config *config, int64_t now_s, struct diags *diags)
{
    return context_new(true, config, now_s, diags);
}

struct gw_tls_context *gw_tls_context_client(const struct gw_tls_config *config, int64_t now_s, struct diags *diags)
{
    return context_new(false, config, now_s, diags);
}

struct gw_tls_context *gw_tls_context_ref(struct gw_tls_context *c)
{
    c->refs++;
    return c;
}

void gw_tls_context_unref(struct gw_tls_context *c)
{
    if (!c || --c->refs > 0)
        return;
    wolfSSL_CTX_free(c->ctx);
    arena_fini(&c->arena);
    free(c);
}

int64_t gw_tls_context_not_after(const struct gw_tls_context *c)
{
    return c->not_after;
}
