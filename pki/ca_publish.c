// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/base/json.h"
#include "pki/ca_parts.h"
#include "pki/crl_make.h"
#include "pki/hsm.h"
#include "pki/pem.h"

#define CRL_ENTRIES_MAX 1000000 // about 40 MB: by then certificates should live for less long

// ---- CRLs

struct entries {
    struct arena *arena;
    struct pki_crl_entry *list;
    size_t n, cap;
};

static int add_entry(void *ctx, const struct pki_ca_record *r)
{
    struct entries *e = ctx;
    if (e->n == e->cap) {
        size_t cap = e->cap ? 2 * e->cap : 64;
        struct pki_crl_entry *list = cap <= CRL_ENTRIES_MAX ? arena_array(e->arena, cap, sizeof *list) : NULL;
        if (!list) {
            return ERR_NOMEM;
        }
        if (e->n) {
            memcpy(list, e->list, e->n * sizeof *list);
        }
        e->list = list;
        e->cap = cap;
    }
    struct span serial = arena_dup(e->arena, r->serial);
    if (span_is_none(serial)) {
        return ERR_NOMEM;
    }
    e->list[e->n++] = (struct pki_crl_entry){ .serial = serial, .revoked_at = r->revoked_at, .reason = r->reason };
    return 0;
}

static int collect(struct pki_ca *ca, int64_t authority, int64_t now_s, struct entries *e)
{
    int rc = pki_ca_store_each(
        ca->store,
        &(struct pki_ca_query){
            .filter = PKI_CA_REVOKED, .now_s = now_s, .issuer = authority, .not_after_min = now_s - PKI_CA_CRL_KEEP },
        add_entry, e);
    if (rc == ERR_NOMEM) {
        return pki_ca_say_(ca, rc, "out of memory, or the CRL has too many entries");
    }
    return rc ? pki_ca_store_said_(ca, rc) : 0;
}

// Inside a transaction: number, list and signature belong together.
static int sign_one(struct pki_ca *ca, size_t at, int64_t lifetime, int64_t now_s, struct arena *scratch)
{
    struct pki_ca_authority *authority = &ca->authorities[at];
    struct entries e = { .arena = scratch };
    struct pki_x509_view view;
    struct buf der;
    int rc = collect(ca, authority->id, now_s, &e);
    if (rc) {
        return rc;
    }
    if (pki_x509_view(authority->certificate, &view) != 0) {
        return pki_ca_say_(ca, ERR_STORE_FAILED, "a CA's certificate in the registry is damaged");
    }
    int64_t this_update = now_s - PKI_CA_BACKDATE > view.not_before ? now_s - PKI_CA_BACKDATE : view.not_before;
    buf_init(&der, 0);
    rc = pki_crl_make(&(struct pki_crl_plan){ .issuer = view.subject,
                                              .issuer_key = ca->keys[at],
                                              .number = authority->crl_number + 1,
                                              .this_update = this_update,
                                              .next_update = now_s + lifetime,
                                              .entries = e.list,
                                              .n = e.n },
                      &der);
    if (rc) {
        rc = pki_ca_say_(ca, rc, "the CRL cannot be signed%s%s", rc == ERR_HSM ? ": " : "",
                         rc == ERR_HSM ? pki_hsm_why(ca->keys[at]) : "");
    } else if ((rc = pki_ca_store_set_crl(ca->store, authority->id, authority->crl_number + 1, buf_span(&der), now_s,
                                          now_s + lifetime))) {
        pki_ca_store_said_(ca, rc);
    }
    buf_fini(&der);
    return rc;
}

static int sign_all(struct pki_ca *ca, enum pki_ca_kind kind, int64_t lifetime, int64_t now_s)
{
    struct arena scratch;
    arena_init(&scratch, 0);
    // Numbers as they are now that nobody else can write.
    int rc = pki_ca_reload_(ca);
    for (size_t i = 0; !rc && i < ca->n; i++) {
        if (ca->authorities[i].kind != kind || ca->authorities[i].not_after < now_s) {
            continue;
        }
        rc = ca->keys[i] ? sign_one(ca, i, lifetime, now_s, &scratch)
                         : pki_ca_say_(ca, ERR_INTERNAL, "a CA's key is locked");
    }
    arena_fini(&scratch);
    return rc;
}

int pki_ca_sign_crl(struct pki_ca *ca, enum pki_ca_kind kind, int64_t lifetime, int64_t now_s)
{
    if (lifetime < PKI_CA_CRL_MIN || lifetime > PKI_CA_ROOT_TTL) {
        return pki_ca_say_(ca, ERR_CA_REFUSED, "a CRL lives for a minute at least and ten years at most");
    }
    int rc = pki_ca_store_begin(ca->store);
    if (rc) {
        return pki_ca_store_said_(ca, rc);
    }
    if ((rc = sign_all(ca, kind, lifetime, now_s))) {
        pki_ca_store_abort(ca->store);
        return rc;
    }
    rc = pki_ca_store_commit(ca->store);
    return rc ? pki_ca_store_said_(ca, rc) : pki_ca_reload_(ca);
}

int pki_ca_crl_pem(struct pki_ca *ca, unsigned kinds, int64_t now_s, struct buf *out)
{
    static const enum pki_ca_kind order[] = { PKI_CA_ISSUING, PKI_CA_ROOT };
    bool any = false;
    int rc = pki_ca_reload_(ca);
    for (size_t k = 0; !rc && k < 2; k++) {
        for (size_t i = ca->n; i-- > 0;) { // the newest first
            const struct pki_ca_authority *a = &ca->authorities[i];
            if (a->kind == order[k] && (kinds & order[k]) && a->crl_number > 0 && a->not_after >= now_s) {
                pki_pem_write(out, SPAN("X509 CRL"), a->crl);
                any = true;
            }
        }
    }
    if (!rc && !any) {
        rc = pki_ca_say_(ca, ERR_STORE_ABSENT, "no CRL was signed yet");
    }
    return !rc && out->failed ? pki_ca_say_(ca, ERR_NOMEM, "out of memory") : rc;
}

int pki_ca_crl_der(struct pki_ca *ca, enum pki_ca_kind kind, struct buf *out)
{
    int rc = pki_ca_reload_(ca);
    size_t at = pki_ca_newest_(ca, kind);
    if (rc) {
        return rc;
    }
    if (at == SIZE_MAX || ca->authorities[at].crl_number == 0) {
        return pki_ca_say_(ca, ERR_STORE_ABSENT, "no CRL was signed yet");
    }
    return buf_append(out, ca->authorities[at].crl) ? 0 : pki_ca_say_(ca, ERR_NOMEM, "out of memory");
}

static int latest(void *ctx, const struct pki_ca_record *r)
{
    int64_t *at = ctx;
    *at = r->revoked_at > *at ? r->revoked_at : *at;
    return 0;
}

int pki_ca_root_crl_due(struct pki_ca *ca, int64_t now_s, bool *due, int64_t *next_update)
{
    int64_t revoked = 0;
    size_t at = pki_ca_newest_(ca, PKI_CA_ROOT);
    if (at == SIZE_MAX) {
        return pki_ca_say_(ca, ERR_STORE_ABSENT, "the registry has no such CA");
    }
    const struct pki_ca_authority *a = &ca->authorities[at];
    int rc = pki_ca_store_each(ca->store,
                               &(struct pki_ca_query){ .filter = PKI_CA_REVOKED, .now_s = now_s, .issuer = a->id },
                               latest, &revoked);
    if (rc) {
        return pki_ca_store_said_(ca, rc);
    }
    // In the same second: signed once too often rather than once too little.
    *due = a->crl_number == 0 || (revoked && revoked >= a->crl_signed_at) ||
           now_s - a->crl_signed_at > (a->crl_next_update - a->crl_signed_at) / 2;
    *next_update = a->crl_next_update;
    return 0;
}

// ---- bundles

int pki_ca_bundle_pem(struct pki_ca *ca, struct buf *out)
{
    for (size_t i = 0; i < ca->n; i++) {
        if (ca->authorities[i].kind == PKI_CA_ROOT) {
            pki_pem_write(out, SPAN("CERTIFICATE"), ca->authorities[i].certificate);
        }
    }
    return out->failed ? pki_ca_say_(ca, ERR_NOMEM, "out of memory") : 0;
}

static int put_root(struct pki_ca *ca, struct span certificate, struct json_writer *w)
{
    struct pki_x509_view view;
    struct pki_key *key;
    struct buf base64;
    int rc = pki_x509_view(certificate, &view);
    if (rc || (rc = pki_key_read_public(view.spki, &key))) {
        return pki_ca_say_(ca, rc, "a root's certificate in the registry is damaged");
    }
    buf_init(&base64, 0);
    pki_base64(&base64, certificate);
    json_w_object(w);
    json_w_key(w, SPAN("use"));
    json_w_string(w, SPAN("x509-svid"));
    pki_key_to_jwk(key, false, w);
    json_w_key(w, SPAN("x5c"));
    json_w_array(w);
    json_w_string(w, buf_span(&base64));
    json_w_end(w);
    json_w_end(w);
    rc = base64.failed ? pki_ca_say_(ca, ERR_NOMEM, "out of memory") : 0;
    buf_fini(&base64);
    pki_key_free(key);
    return rc;
}

int pki_ca_bundle_jwks(struct pki_ca *ca, uint64_t refresh_hint_s, struct buf *out)
{
    struct span text;
    uint64_t sequence = 0;
    struct arena scratch; // a server publishes it again and again
    arena_init(&scratch, 0);
    int rc = pki_ca_store_setting(ca->store, "sequence", &scratch, &text);
    bool number = !rc && span_to_u64(text, &sequence);
    arena_fini(&scratch);
    if (rc) {
        return pki_ca_store_said_(ca, rc);
    }
    if (!number) {
        return pki_ca_say_(ca, ERR_STORE_FAILED, "the registry's sequence is no number");
    }
    struct json_writer w = json_writer(out);
    json_w_object(&w);
    json_w_key(&w, SPAN("keys"));
    json_w_array(&w);
    for (size_t i = 0; !rc && i < ca->n; i++) {
        if (ca->authorities[i].kind == PKI_CA_ROOT) {
            rc = put_root(ca, ca->authorities[i].certificate, &w);
        }
    }
    json_w_end(&w);
    json_w_key(&w, SPAN("spiffe_sequence"));
    json_w_uint(&w, sequence);
    json_w_key(&w, SPAN("spiffe_refresh_hint"));
    json_w_uint(&w, refresh_hint_s);
    json_w_end(&w);
    return !rc && out->failed ? pki_ca_say_(ca, ERR_NOMEM, "out of memory") : rc;
}

int pki_ca_chain_pem(struct pki_ca *ca, struct buf *out)
{
    size_t at = pki_ca_newest_(ca, PKI_CA_ISSUING);
    if (at == SIZE_MAX) {
        return pki_ca_say_(ca, ERR_STORE_ABSENT, "the registry has no such CA");
    }
    pki_pem_write(out, SPAN("CERTIFICATE"), ca->authorities[at].certificate);
    return out->failed ? pki_ca_say_(ca, ERR_NOMEM, "out of memory") : 0;
}
