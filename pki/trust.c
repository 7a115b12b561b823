// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/trust.h"

#include "gateway/base/map.h"
#include "pki/bundle.h"
#include "pki/cert.h"
#include "pki/cert_agree.h"
#include "pki/digest.h"
#include "pki/path.h"
#include "pki/revocation.h"

#include <stdlib.h>

struct bundle {
    struct span domain;
    struct pki_cert *cas;
    size_t n, cap;
};

struct pki_trust {
    struct arena arena; // DER and parsed parts of every CA
    struct map bundles; // by domain
};

struct pki_trust *pki_trust_new(void)
{
    struct pki_trust *t = calloc(1, sizeof *t);
    uint64_t key[2];
    if (!t)
        return NULL;
    pki_random(key, sizeof key);
    arena_init(&t->arena, 0);
    map_init(&t->bundles, key);
    return t;
}

void pki_trust_free(struct pki_trust *t)
{
    struct span domain;
    void *bundle;
    if (!t)
        return;
    for (size_t i = 0; map_each(&t->bundles, &i, &domain, &bundle);)
        free(((struct bundle *)bundle)->cas);
    map_fini(&t->bundles);
    arena_fini(&t->arena);
    free(t);
}

// ---- building

static struct bundle *bundle_of(struct pki_trust *t, struct span domain)
{
    struct bundle *b = map_get(&t->bundles, domain);
    if (b)
        return b;
    b = arena_alloc(&t->arena, sizeof *b);
    if (!b)
        return NULL;
    b->domain = arena_dup(&t->arena, domain);
    return !span_is_none(b->domain) && map_put(&t->bundles, b->domain, b, NULL) ? b : NULL;
}

static int nomem(struct span file, struct diags *diags)
{
    diag_error(diags, file, 0, 0, "out of memory");
    return ERR_NOMEM;
}

struct adding {
    struct pki_trust *t;
    struct bundle *b;
    struct span file;
    struct diags *diags;
    // Of a bundle for servers: how many certificates there were, how many could not be used, and the first of those.
    size_t seen, skipped, first;
    const char *why;
};

// 0 where one that cannot be used is passed over.
static int refuse_ca(struct adding *a, size_t number, const char *why, int e)
{
    if (a->b->domain.n > 0 || e == ERR_NOMEM) {
        diag_error(a->diags, a->file, 0, 0, "certificate %zu cannot be used as a CA of \"%.*s\": %s", number,
                   SPAN_FMT(a->b->domain), why);
        return e;
    }
    if (a->skipped++ == 0) {
        a->first = number;
        a->why = why;
    }
    return 0;
}

static int add_ca(void *ctx, struct span der, size_t number)
{
    struct adding *a = ctx;
    struct bundle *b = a->b;
    struct pki_cert ca;
    const char *why = NULL;
    a->seen++;
    if (b->n == b->cap) {
        size_t more = b->cap ? b->cap * 2 : 4;
        struct pki_cert *grown = reallocarray(b->cas, more, sizeof *grown);
        if (!grown)
            return nomem(a->file, a->diags);
        b->cas = grown;
        b->cap = more;
    }
    struct span copy = arena_dup(&a->t->arena, der);
    if (span_is_none(copy))
        return nomem(a->file, a->diags);
    int e = pki_cert_parse(copy, &a->t->arena, &ca, &why);
    if (!e)
        e = pki_cert_ca_profile(&ca, b->domain.n > 0, &why);
    if (!e && (e = pki_cert_agree_anchor(&ca)) != 0)
        why = "the TLS library reads it otherwise, or not at all";
    if (e)
        return refuse_ca(a, number, why, e);
    for (size_t i = 0; i < b->n; i++)
        if (memcmp(b->cas[i].sha256, ca.sha256, sizeof ca.sha256) == 0)
            return 0;
    b->cas[b->n++] = ca;
    return 0;
}

// What a bundle for servers says of the certificates that were passed over.
static int tell_skipped(const struct adding *a)
{
    if (a->skipped == 0)
        return 0;
    if (a->skipped < a->seen) {
        diag_warning(
            a->diags, a->file, 0, 0,
            "%zu of %zu certificates were skipped, and what they signed is not trusted; the first: certificate "
            "%zu: %s",
            a->skipped, a->seen, a->first, a->why);
        return 0;
    }
    diag_error(a->diags, a->file, 0, 0, "none of its certificates can be used as a CA of servers; certificate %zu: %s",
               a->first, a->why);
    return ERR_CERT_UNTRUSTED;
}

static int check_domain(struct span domain, struct span file, struct diags *diags)
{
    if (domain.n == 0 || pki_spiffe_trust_domain_ok(domain))
        return 0;
    diag_error(diags, file, 0, 0,
               "\"%.*s\" is not a trust domain; write it as in \"example.org\": lower case, without spiffe://",
               SPAN_FMT(domain));
    return ERR_CERT_TRUST_DOMAIN;
}

static int add(struct pki_trust *t, struct span domain, struct span text, struct span file, struct diags *diags,
               int (*each)(struct span, struct span, struct diags *, pki_bundle_fn, void *))
{
    struct adding a = { .t = t, .file = file, .diags = diags };
    int e = check_domain(domain, file, diags);
    if (e)
        return e;
    a.b = bundle_of(t, domain);
    if (!a.b)
        return nomem(file, diags);
    e = each(text, file, diags, add_ca, &a);
    return e ? e : tell_skipped(&a);
}

int pki_trust_add_pem(struct pki_trust *t, struct span domain, struct span pem, struct span file, struct diags *diags)
{
    return add(t, domain, pem, file, diags, pki_bundle_each_pem);
}

int pki_trust_add_jwks(struct pki_trust *t, struct span domain, struct span jwks, struct span file, struct diags *diags)
{
    return add(t, domain, jwks, file, diags, pki_bundle_each_jwks);
}

// ---- verifying

static struct pki_path_step step_of(const struct pki_cert *c)
{
    struct pki_path_step s = { .der = c->der,
                               .serial_raw = c->serial,
                               .not_after = c->not_after,
                               .subject = c->subject,
                               .skid = c->skid,
                               .key = c->key };
    memcpy(s.sha256, c->sha256, sizeof s.sha256);
    s.key_type = (int)c->key_type;
    s.crl_sign = !c->has_usage || (c->usage & PKI_KU_CRL_SIGN);
    return s;
}

struct verification {
    const struct pki_revocation *r;
    const struct pki_verify_options *options;
    struct span domain;
    int64_t now_s;
};

static int check_revocation(void *ctx, const struct pki_cert *const *path, size_t n)
{
    const struct verification *v = ctx;
    struct pki_path_step steps[PKI_PATH_MAX];
    for (size_t i = 0; i < n; i++)
        steps[i] = step_of(path[i]);
    return pki_revocation_check(v->r, v->domain, v->options, steps, n, v->now_s);
}

// A span of the old DER as the same place of its copy.
static struct span moved(struct span s, struct span from, struct span to)
{
    return span_is_none(s) ? s : span_of(to.p + (s.p - from.p), s.n);
}

static bool keep_step(const struct pki_cert *c, struct pki_path_step *out, struct arena *arena)
{
    struct pki_path_step s = step_of(c);
    struct span copy = arena_dup(arena, c->der);
    if (span_is_none(copy))
        return false;
    s.der = copy;
    s.serial_raw = moved(s.serial_raw, c->der, copy);
    s.subject = moved(s.subject, c->der, copy);
    s.skid = moved(s.skid, c->der, copy);
    s.key = moved(s.key, c->der, copy);
    *out = s;
    return true;
}

static int keep_identity(const struct pki_path *path, const struct pki_spiffe *id, struct span dns, struct arena *arena,
                         struct pki_identity *out)
{
    const struct pki_cert *leaf = path->certs[0];
    struct pki_identity v = { .not_before = leaf->not_before,
                              .not_after = leaf->not_after,
                              .path_not_after = leaf->not_after };
    struct pki_path_step *steps = arena_array(arena, path->n, sizeof *steps);
    if (!steps)
        return ERR_NOMEM;
    for (size_t i = 0; i < path->n; i++) {
        if (!keep_step(path->certs[i], &steps[i], arena))
            return ERR_NOMEM;
        if (steps[i].not_after < v.path_not_after)
            v.path_not_after = steps[i].not_after;
    }
    v.steps = steps;
    v.steps_n = path->n;
    v.spiffe_id = v.trust_domain = v.path = SPAN_NONE;
    if (id) {
        v.spiffe_id = arena_dup(arena, id->id);
        v.trust_domain = moved(id->trust_domain, id->id, v.spiffe_id);
        v.path = moved(id->path, id->id, v.spiffe_id);
    }
    v.serial = pki_serial_text(leaf->serial, arena);
    v.dns = arena_dup(arena, dns);
    v.issuer = pki_dn_text(leaf->issuer, arena);
    memcpy(v.leaf_sha256, leaf->sha256, sizeof v.leaf_sha256);
    memcpy(v.issuer_sha256, path->certs[1]->sha256, sizeof v.issuer_sha256);
    if (arena->failed)
        return ERR_NOMEM;
    *out = v;
    return 0;
}

static struct span first_dns(const struct pki_cert *leaf)
{
    for (size_t i = 0; i < leaf->names_n; i++)
        if (leaf->names[i].type == PKI_NAME_DNS)
            return leaf->names[i].value;
    return SPAN_NONE;
}

static int find_path(const struct bundle *b, struct verification *v, enum pki_purpose purpose,
                     const struct pki_cert *leaf, const struct span *intermediates, size_t n, struct arena *scratch,
                     struct pki_path *path)
{
    struct pki_cert *sent = arena_array(scratch, PKI_PATH_INTERMEDIATES, sizeof *sent);
    if (!sent)
        return ERR_NOMEM;
    size_t sent_n = 0;
    for (size_t i = 0; i < n && sent_n < PKI_PATH_INTERMEDIATES; i++)
        // What does not parse cannot stand in the path; that is all that is wrong with it.
        if (pki_cert_parse(intermediates[i], scratch, &sent[sent_n], NULL) == 0 && pki_cert_agree(&sent[sent_n]) == 0)
            sent_n++;
    struct pki_path_input in = {
        .leaf = leaf,
        .intermediates = sent,
        .intermediates_n = sent_n,
        .anchors = b->cas,
        .anchors_n = b->n,
        .purpose = purpose,
        .workload = v->domain.n > 0,
        .now_s = v->now_s,
        .check = check_revocation,
        .ctx = v,
    };
    return pki_path_find(&in, path);
}

// `name` SPAN_NONE: a workload, which names itself.
static int verify(const struct pki_trust *t, struct verification *v, enum pki_purpose purpose, struct span name,
                  struct span der, const struct span *intermediates, size_t n, struct arena *scratch,
                  struct arena *arena, struct pki_identity *out)
{
    struct pki_cert leaf;
    struct pki_spiffe id;
    struct pki_path path;
    bool server = !span_is_none(name);
    int e = pki_cert_parse(der, scratch, &leaf, NULL);
    if (e)
        return e;
    e = server ? (pki_cert_has_host(&leaf, name) ? 0 : ERR_CERT_SAN)
               : pki_cert_workload(&leaf, v->options->map, scratch, &id);
    if (e)
        return e;
    if ((e = server ? pki_cert_server_profile(&leaf) : pki_cert_leaf_profile(&leaf, purpose)) != 0)
        return e;
    if ((e = pki_cert_agree(&leaf)) != 0)
        return e;
    v->domain = server ? PKI_TRUST_SERVERS : id.trust_domain;
    const struct bundle *b = map_get(&t->bundles, v->domain);
    if (!b || b->n == 0)
        return ERR_CERT_TRUST_DOMAIN;
    if ((e = find_path(b, v, purpose, &leaf, intermediates, n, scratch, &path)) != 0)
        return e;
    return keep_identity(&path, server ? NULL : &id, server ? name : first_dns(&leaf), arena, out);
}

static int verify_scratch(const struct pki_trust *t, const struct pki_revocation *r,
                          const struct pki_verify_options *options, enum pki_purpose purpose, struct span name,
                          struct span leaf, const struct span *intermediates, size_t n, int64_t now_s,
                          struct arena *arena, struct pki_identity *out)
{
    struct verification v = { .r = r, .options = options, .now_s = now_s };
    struct arena scratch;
    arena_init(&scratch, 1u << 20);
    int e = verify(t, &v, purpose, name, leaf, intermediates, n, &scratch, arena, out);
    arena_fini(&scratch);
    return e;
}

int pki_trust_verify(const struct pki_trust *t, const struct pki_revocation *r,
                     const struct pki_verify_options *options, struct span leaf, const struct span *intermediates,
                     size_t n, int64_t now_s, struct arena *arena, struct pki_identity *out)
{
    return verify_scratch(t, r, options, options->purpose, SPAN_NONE, leaf, intermediates, n, now_s, arena, out);
}

int pki_trust_verify_server(const struct pki_trust *t, const struct pki_revocation *r,
                            const struct pki_verify_options *options, struct span name, struct span leaf,
                            const struct span *intermediates, size_t n, int64_t now_s, struct arena *arena,
                            struct pki_identity *out)
{
    return verify_scratch(t, r, options, PKI_PURPOSE_SERVER, span_is_none(name) ? SPAN("") : name, leaf, intermediates,
                          n, now_s, arena, out);
}

int pki_trust_recheck(const struct pki_trust *t, const struct pki_revocation *r,
                      const struct pki_verify_options *options, const struct pki_identity *id, int64_t now_s)
{
    struct span domain = span_is_none(id->trust_domain) ? PKI_TRUST_SERVERS : id->trust_domain;
    if (now_s < id->not_before)
        return ERR_CERT_NOT_YET;
    if (now_s > id->path_not_after)
        return ERR_CERT_EXPIRED;
    const struct bundle *b = map_get(&t->bundles, domain);
    bool there = false;
    for (size_t i = 0; b && i < b->n && !there; i++)
        there = memcmp(b->cas[i].sha256, id->steps[id->steps_n - 1].sha256, 32) == 0;
    if (!there)
        return ERR_CERT_UNTRUSTED;
    return pki_revocation_check(r, domain, options, id->steps, id->steps_n, now_s);
}

int pki_trust_remap(const struct pki_identity *id, const struct pki_identity_map *map)
{
    struct arena scratch;
    struct pki_cert leaf;
    struct pki_spiffe now;
    if (span_is_none(id->spiffe_id))
        return 0;
    arena_init(&scratch, 1u << 20);
    bool same = pki_cert_parse(id->steps[0].der, &scratch, &leaf, NULL) == 0 &&
                pki_cert_workload(&leaf, map, &scratch, &now) == 0 && span_eq(now.id, id->spiffe_id);
    arena_fini(&scratch);
    return same ? 0 : ERR_CERT_UNMAPPED;
}
