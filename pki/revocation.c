// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/revocation.h"

#include "pki/bundle.h"
#include "pki/crl.h"
#include "pki/digest.h"
#include "pki/pem.h"

#include <stdlib.h>

struct unread {
    struct span file;
    struct unread *next;
};

struct domain {
    struct span name;
    struct pki_crl *crls;
    size_t crls_n, crls_cap;
    bool keeps;            // the CA set was given …
    struct unread *unread; // … but these files of it could not be read: nothing is removed then
    uint8_t (*kept)[32];
    size_t kept_n, kept_cap;
    bool demands, required;
    int64_t max_stale_s;
    struct domain *next;
};

struct pki_revocation {
    struct arena arena;
    struct domain *domains;
};

struct pki_revocation *pki_revocation_new(void)
{
    struct pki_revocation *r = calloc(1, sizeof *r);
    if (r)
        arena_init(&r->arena, 0);
    return r;
}

void pki_revocation_free(struct pki_revocation *r)
{
    if (!r)
        return;
    for (struct domain *d = r->domains; d; d = d->next) {
        free(d->crls);
        free(d->kept);
    }
    arena_fini(&r->arena);
    free(r);
}

static struct domain *find(const struct pki_revocation *r, struct span name)
{
    for (struct domain *d = r->domains; d; d = d->next)
        if (span_eq(d->name, name))
            return d;
    return NULL;
}

static struct domain *find_or_add(struct pki_revocation *r, struct span name)
{
    struct domain *d = find(r, name);
    if (d)
        return d;
    d = arena_alloc(&r->arena, sizeof *d);
    if (!d)
        return NULL;
    d->name = arena_dup(&r->arena, name);
    if (span_is_none(d->name))
        return NULL;
    d->next = r->domains;
    r->domains = d;
    return d;
}

// Makes room for one more of `size` bytes.
static bool room(void **list, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    size_t more = *cap ? *cap * 2 : 4;
    void *grown = reallocarray(*list, more, size);
    if (!grown)
        return false;
    *list = grown;
    *cap = more;
    return true;
}

static int nomem(struct span file, struct diags *diags)
{
    diag_error(diags, file, 0, 0, "out of memory");
    return ERR_NOMEM;
}

static int add_crl_der(struct pki_revocation *r, struct domain *d, struct span der, struct span file,
                       struct diags *diags)
{
    struct pki_crl crl;
    const char *why = NULL;
    struct span copy = arena_dup(&r->arena, der);
    if (span_is_none(copy) || !room((void **)&d->crls, d->crls_n, &d->crls_cap, sizeof *d->crls))
        return nomem(file, diags);
    int e = pki_crl_parse(copy, &r->arena, &crl, &why);
    if (e) {
        diag_error(diags, file, 0, 0, "the CRL cannot be used: %s", why);
        return e;
    }
    d->crls[d->crls_n++] = crl;
    return 0;
}

int pki_revocation_add_crl(struct pki_revocation *r, struct span domain, struct span crl, struct span file,
                           struct diags *diags)
{
    struct domain *d = find_or_add(r, domain);
    if (!d)
        return nomem(file, diags);
    if (!pki_pem_looks_like(crl))
        return add_crl_der(r, d, crl, file, diags);
    struct buf der;
    struct span label;
    size_t found = 0;
    int first = 0, more;
    buf_init(&der, 0);
    while ((more = pki_pem_next(&crl, &label, &der)) == 1) {
        if (!span_eq(label, SPAN("X509 CRL"))) {
            diag_error(diags, file, 0, 0, "there is a %.*s where only CRLs should be", SPAN_FMT(label));
            first = first ? first : ERR_CERT_MALFORMED;
            continue;
        }
        found++;
        int e = add_crl_der(r, d, buf_span(&der), file, diags);
        first = first ? first : e;
    }
    buf_fini(&der);
    if (more < 0 || !found) {
        diag_error(diags, file, 0, 0, more < 0 ? "the PEM is broken" : "there is no CRL in it");
        first = first ? first : more < 0 ? more : ERR_CERT_MALFORMED;
    }
    return first;
}

static int keep_ca(void *ctx, struct span der, size_t number)
{
    struct domain *d = ctx;
    (void)number;
    if (!room((void **)&d->kept, d->kept_n, &d->kept_cap, sizeof *d->kept))
        return ERR_NOMEM;
    pki_sha256(der, d->kept[d->kept_n++]);
    return 0;
}

int pki_revocation_keep_cas(struct pki_revocation *r, struct span domain, struct span text, struct span file,
                            struct diags *diags)
{
    struct domain *d = find_or_add(r, domain);
    if (!d)
        return nomem(file, diags);
    struct unread **link = &d->unread;
    while (*link && !span_eq((*link)->file, file))
        link = &(*link)->next;
    size_t before = d->kept_n;
    int e = pki_bundle_each(text, file, diags, keep_ca, d);
    d->keeps = true;
    if (e == 0) { // the last good text of a file that was given first as it is now
        if (*link)
            *link = (*link)->next;
        return 0;
    }
    d->kept_n = before;
    if (*link)
        return e;
    struct unread *u = arena_alloc(&r->arena, sizeof *u);
    if (!u) {
        d->keeps = false; // as long as nothing else is given, nothing is removed
        return nomem(file, diags);
    }
    *u = (struct unread){ .file = arena_dup(&r->arena, file) };
    *link = u;
    return e;
}

int pki_revocation_demand(struct pki_revocation *r, struct span domain, bool required, int64_t max_stale_s)
{
    struct domain *d = find_or_add(r, domain);
    if (!d)
        return ERR_NOMEM;
    d->demands = true;
    d->required = required;
    d->max_stale_s = max_stale_s;
    return 0;
}

// Whether a newer list of the same issuer makes this one history.
static bool superseded(const struct domain *d, const struct pki_crl *crl)
{
    for (size_t i = 0; i < d->crls_n; i++)
        if (d->crls[i].next_update > crl->next_update && span_eq(d->crls[i].issuer, crl->issuer) &&
            span_eq(d->crls[i].akid, crl->akid))
            return true;
    return false;
}

struct span pki_revocation_stale(const struct pki_revocation *r, int64_t now_s)
{
    for (const struct domain *d = r->domains; d; d = d->next) {
        if (d->demands && d->required && d->crls_n == 0)
            return d->name;
        for (size_t i = 0; d->demands && i < d->crls_n; i++)
            if (now_s > d->crls[i].next_update + d->max_stale_s && !superseded(d, &d->crls[i]))
                return d->name;
    }
    return SPAN_NONE;
}

static bool kept(const struct domain *d, const uint8_t sha256[static 32])
{
    for (size_t i = 0; i < d->kept_n; i++)
        if (memcmp(d->kept[i], sha256, 32) == 0)
            return true;
    return false;
}

// The newest CRL that `issuer` signed. `*forged` when there are only ones that bear its name.
static const struct pki_crl *newest(const struct domain *d, const struct pki_path_step *issuer, bool *forged)
{
    const struct pki_crl *best = NULL;
    *forged = false;
    for (size_t i = 0; i < d->crls_n; i++) {
        enum pki_crl_answer answer = pki_crl_speaks_for(&d->crls[i], issuer);
        if (answer == PKI_CRL_FORGED)
            *forged = true;
        else if (answer == PKI_CRL_GOOD && (!best || d->crls[i].this_update > best->this_update))
            best = &d->crls[i];
    }
    return best;
}

// Time is in whole seconds, so two lists of one second may each know what the other does not; their numbers would tell, had CAs not
// been seen to restart them. Both count.
static bool listed(const struct domain *d, const struct pki_path_step *issuer, int64_t this_update, struct span serial)
{
    for (size_t i = 0; i < d->crls_n; i++)
        if (d->crls[i].this_update == this_update && pki_crl_lists(&d->crls[i], serial) &&
            pki_crl_speaks_for(&d->crls[i], issuer) == PKI_CRL_GOOD)
            return true;
    return false;
}

int pki_revocation_check(const struct pki_revocation *r, struct span domain, const struct pki_verify_options *options,
                         const struct pki_path_step *steps, size_t n, int64_t now_s)
{
    const struct domain *d = r ? find(r, domain) : NULL;
    if (!d)
        return options->crl_required ? ERR_CRL_STALE : 0;
    bool required = d->demands ? d->required : options->crl_required;
    int64_t max_stale_s = d->demands ? d->max_stale_s : options->crl_max_stale_s;
    if (d->keeps && !d->unread && n > 0 && !kept(d, steps[n - 1].sha256))
        return ERR_CERT_REVOKED;
    for (size_t i = 0; i + 1 < n; i++) {
        bool forged;
        const struct pki_crl *crl = newest(d, &steps[i + 1], &forged);
        if (!crl) {
            if (forged || required)
                return ERR_CRL_STALE;
            continue;
        }
        // Also when it is old: nothing is un-revoked by time.
        if (listed(d, &steps[i + 1], crl->this_update, steps[i].serial_raw))
            return ERR_CERT_REVOKED;
        if (crl->this_update > now_s + PKI_CRL_SKEW_S || now_s > crl->next_update + max_stale_s)
            return ERR_CRL_STALE;
    }
    return 0;
}
