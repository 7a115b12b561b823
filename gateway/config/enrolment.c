// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/enrolment.h"

#include "gateway/base/json.h"
#include "gateway/base/secret.h"
#include "pki/cert.h"
#include "pki/csr_make.h"
#include "pki/pem.h"
#include "pki/trust.h"
#include "pki/x509_make.h"

#include <stdarg.h>
#include <stdio.h>

#define CHAIN_MAX 8 // intermediates
#define DETAIL_MAX 200
#define CODE_MAX 40

void gw_enrolled_fini(struct gw_enrolled *e)
{
    buf_fini(&e->chain);
    buf_fini(&e->bundle);
    buf_wipe(&e->key);
}

static bool copy(struct buf *to, struct span from)
{
    buf_init(to, 0);
    return buf_append(to, from);
}

bool gw_enrolled_copy(struct gw_enrolled *out, const struct gw_enrolled *e)
{
    struct gw_enrolled fresh = *e;
    bool whole = copy(&fresh.chain, buf_span(&e->chain));
    whole = copy(&fresh.key, buf_span(&e->key)) && whole;
    whole = copy(&fresh.bundle, buf_span(&e->bundle)) && whole;
    if (whole)
        *out = fresh;
    else
        gw_enrolled_fini(&fresh);
    return whole;
}

int gw_enrol_ask(struct span spiffe_id, const struct span *dns, size_t n_dns, struct buf *key, struct buf *csr)
{
    struct pki_key *k = pki_key_generate(PKI_KEY_P256, 0);
    struct buf der;
    buf_init(&der, 0);
    int rc = k ? pki_key_write_private(k, SPAN_NONE, key) : ERR_NOMEM;
    if (rc == 0)
        rc = pki_csr_make(k, spiffe_id, dns, n_dns, &der);
    if (rc == 0) {
        pki_pem_write(csr, SPAN("CERTIFICATE REQUEST"), buf_span(&der));
        rc = csr->failed || key->failed ? ERR_NOMEM : 0;
    }
    buf_fini(&der);
    pki_key_free(k);
    return rc;
}

// ---------------------------------------------------------------------------------------------------------- answers

static int say(char *what, size_t n, int rc, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static int say(char *what, size_t n, int rc, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, n, fmt, args);
    va_end(args);
    return rc;
}

// The leaf and what follows it, each in the arena. False: no certificate, too many, or no PEM.
static bool read_chain(struct span pem, struct arena *a, struct span *ders, size_t *n)
{
    struct buf der;
    struct span label;
    int rc;
    buf_init(&der, 0);
    *n = 0;
    while ((rc = pki_pem_next(&pem, &label, &der)) == 1 && span_eq(label, SPAN("CERTIFICATE")) && *n <= CHAIN_MAX)
        ders[(*n)++] = arena_dup(a, buf_span(&der));
    buf_fini(&der);
    return rc == 0 && *n > 0 && !a->failed;
}

static bool is_key_of(struct span key_pem, struct span leaf)
{
    struct pki_x509_view view;
    struct pki_key *key = NULL;
    struct buf spki;
    buf_init(&spki, 0);
    bool same = pki_key_read_private(key_pem, SPAN_NONE, &key) == 0 && pki_x509_view(leaf, &view) == 0 &&
                pki_key_spki(key, &spki) == 0 && span_eq(buf_span(&spki), view.spki);
    buf_fini(&spki);
    pki_key_free(key);
    return same;
}

struct parts {
    struct span chain, key, bundle;
};

// Checks that they belong together, in `a`; `id` is what the certificate says.
static int look(const struct parts *p, struct span spiffe_id, int64_t now_s, struct arena *a, struct pki_identity *id,
                char *what, size_t what_n)
{
    struct span ders[CHAIN_MAX + 1];
    struct pki_cert leaf;
    struct pki_spiffe name;
    const struct pki_verify_options options = { .purpose = PKI_PURPOSE_CLIENT };
    struct diags diags;
    size_t n;
    if (!read_chain(p->chain, a, ders, &n) || pki_cert_parse(ders[0], a, &leaf, NULL) != 0)
        return say(what, what_n, ERR_CERT_MALFORMED, "there is no usable certificate in it");
    if (!is_key_of(p->key, ders[0]))
        return say(what, what_n, ERR_CERT_MALFORMED, "the certificate is for another key");
    if (pki_cert_workload(&leaf, NULL, a, &name) != 0)
        return say(what, what_n, ERR_CERT_SPIFFE_ID, "the certificate has no SPIFFE ID");
    if (!span_is_none(spiffe_id) && !span_eq(name.id, spiffe_id))
        return say(what, what_n, ERR_CERT_SPIFFE_ID, "the certificate is for %.*s, which was not asked for",
                   SPAN_FMT(span_sub(name.id, 0, DETAIL_MAX)));
    diags_init(&diags);
    struct pki_trust *trust = pki_trust_new();
    int rc = trust ? pki_trust_add_pem(trust, name.trust_domain, p->bundle, SPAN("bundle"), &diags) : ERR_NOMEM;
    if (rc == 0)
        rc = pki_trust_verify(trust, NULL, &options, ders[0], ders + 1, n - 1, now_s, a, id);
    if (rc != 0)
        say(what, what_n, rc, "the certificate does not hold under the bundle that came with it: %.*s",
            SPAN_FMT(err_info(rc)->reason));
    pki_trust_free(trust);
    diags_fini(&diags);
    return rc;
}

static int take(const struct parts *p, struct span spiffe_id, int64_t now_s, struct gw_enrolled *out, char *what,
                size_t what_n)
{
    struct pki_identity id;
    struct arena a;
    arena_init(&a, 4 << 20);
    int rc = look(p, spiffe_id, now_s, &a, &id, what, what_n);
    if (rc == 0) {
        struct gw_enrolled e = { .not_before_s = id.not_before, .not_after_s = id.not_after };
        int64_t life = id.not_after - now_s;
        // Of what was issued just now: notBefore lies in the past for clocks that are slow.
        e.renew_s = now_s + life * 2 / 3;
        snprintf(e.spiffe_id, sizeof e.spiffe_id, "%.*s", SPAN_FMT(id.spiffe_id));
        snprintf(e.serial, sizeof e.serial, "%.*s", SPAN_FMT(id.serial));
        bool whole = copy(&e.chain, p->chain);
        whole = copy(&e.key, p->key) && whole;
        whole = copy(&e.bundle, p->bundle) && whole;
        if (whole)
            *out = e;
        else
            gw_enrolled_fini(&e), rc = say(what, what_n, ERR_NOMEM, "out of memory");
    }
    arena_fini(&a);
    return rc;
}

// What the authority says of a refusal, as far as it can be shown.
static int refused(unsigned status, json root, char *what, size_t what_n)
{
    char detail[DETAIL_MAX + 1], code[CODE_MAX + 1];
    size_t n_detail = span_show(json_string(json_get(root, SPAN("detail"))), detail, sizeof detail);
    size_t n_code = span_show(json_string(json_get(root, SPAN("code"))), code, sizeof code);
    return say(what, what_n, ERR_CA_REFUSED, "the authority answered %u%s%s%s%s", status, n_detail + n_code ? ": " : "",
               detail, n_detail && n_code ? ", " : "", code);
}

int gw_enrol_take(unsigned status, struct span body, struct span key_pem, struct span spiffe_id, int64_t now_s,
                  struct gw_enrolled *out, char *what, size_t what_n)
{
    const struct json_limits limits = { .bytes = GW_ENROL_ANSWER_MAX, .depth = 8 };
    struct json_doc *doc = json_parse(body, &limits, NULL);
    json root = doc ? json_root(doc) : NULL;
    int64_t renew_s;
    struct parts p = { json_string(json_get(root, SPAN("certificate"))), key_pem,
                       json_string(json_get(root, SPAN("bundle"))) };
    int rc;
    if (status != 200)
        rc = refused(status, root, what, what_n);
    else if (span_is_none(p.chain) || span_is_none(p.bundle))
        rc = say(what, what_n, ERR_SHARD_ANSWER, "the answer is not one of an authority: no certificate or bundle");
    else
        rc = take(&p, spiffe_id, now_s, out, what, what_n);
    // Sooner, if the authority wants that; never later than a tenth before the end.
    if (rc == 0 && json_i64(json_get(root, SPAN("renew_after")), &renew_s) && renew_s > now_s && renew_s < out->renew_s)
        out->renew_s = renew_s;
    json_free(doc);
    return rc;
}

int gw_enrol_keep(struct span chain, struct span key, struct span bundle, struct span spiffe_id, int64_t now_s,
                  struct gw_enrolled *out, char *what, size_t what_n)
{
    const struct parts p = { chain, key, bundle };
    int rc = take(&p, spiffe_id, now_s, out, what, what_n);
    if (rc != 0)
        return rc;
    // Nobody knows when it was issued but by its notBefore, so two thirds are counted from there.
    int64_t due = out->not_before_s + (out->not_after_s - out->not_before_s) * 2 / 3;
    out->renew_s = due < now_s ? now_s : due;
    return 0;
}

// --------------------------------------------------------------------------------------------------------- schedule

int64_t gw_enrol_wait_ms(const struct gw_enrolled *held, unsigned failures, int64_t now_s, uint64_t random)
{
    int64_t wait;
    if (failures == 0) {
        int64_t left = held ? (held->renew_s - now_s) * 1000 : 0;
        wait = left > 0 ? left - (int64_t)(random % ((uint64_t)left / 10 + 1)) : 0;
        return held && wait < GW_ENROL_RETRY_MIN_MS ? GW_ENROL_RETRY_MIN_MS : wait;
    }
    wait = GW_ENROL_RETRY_MIN_MS;
    for (unsigned i = 1; i < failures && wait < GW_ENROL_RETRY_MAX_MS; i++)
        wait *= 2;
    if (wait > GW_ENROL_RETRY_MAX_MS)
        wait = GW_ENROL_RETRY_MAX_MS;
    wait -= (int64_t)(random % ((uint64_t)wait / 4 + 1));
    // While something can still be saved, several more attempts fit before the end.
    int64_t left = held ? (held->not_after_s - now_s) * 1000 : 0;
    if (left > 0 && wait > left / 4)
        wait = left / 4;
    return wait < GW_ENROL_RETRY_MIN_MS / 2 ? GW_ENROL_RETRY_MIN_MS / 2 : wait;
}

bool gw_enrol_overtaken(const struct gw_enrolled *held, unsigned failures, int64_t now_s)
{
    return held && failures == 0 && now_s >= held->renew_s + GW_ENROL_RETRY_MIN_MS / 1000;
}
