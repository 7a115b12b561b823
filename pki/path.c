// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/path.h"

#include "pki/name_constraint.h"

struct search {
    const struct pki_path_input *in;
    struct pki_path path;
    unsigned signatures;
    int error;
};

// How telling an error is. Of two ways that fail, the one that is told of failed last.
static int weight(int error)
{
    switch (error) {
    case ERR_CERT_UNTRUSTED: return 0;
    case ERR_CRL_STALE: return 2;
    case ERR_CERT_REVOKED: return 3;
    default: return 1;
    }
}

static void note(struct search *s, int error)
{
    if (weight(error) > weight(s->error))
        s->error = error;
}

static int dates(const struct pki_cert *c, int64_t now_s)
{
    return now_s < c->not_before ? ERR_CERT_NOT_YET : now_s > c->not_after ? ERR_CERT_EXPIRED : 0;
}

static bool self_issued(const struct pki_cert *c)
{
    return span_eq(c->issuer, c->subject);
}

static bool may_have_issued(const struct pki_cert *issuer, const struct pki_cert *cert)
{
    if (!span_eq(issuer->subject, cert->issuer))
        return false;
    return span_is_none(cert->akid) || span_is_none(issuer->skid) || span_eq(cert->akid, issuer->skid);
}

static int check_ca(const struct search *s, size_t at)
{
    const struct pki_cert *ca = s->path.certs[at];
    int e = pki_cert_ca_profile(ca, s->in->workload, NULL);
    if (!e)
        e = dates(ca, s->in->now_s);
    if (e)
        return e;
    unsigned wanted = s->in->purpose == PKI_PURPOSE_SERVER ? PKI_EKU_SERVER : PKI_EKU_CLIENT;
    if (ca->has_eku && !(ca->eku & (wanted | PKI_EKU_ANY)))
        return ERR_CERT_USAGE;
    int below = 0; // RFC 5280 §4.2.1.9: self-issued ones do not count
    for (size_t i = 1; i < at; i++)
        below += !self_issued(s->path.certs[i]);
    if (ca->path_len >= 0 && below > ca->path_len)
        return ERR_CERT_UNTRUSTED;
    for (size_t i = 0; i < at; i++) {
        if (i > 0 && self_issued(s->path.certs[i])) // §6.1.3 (b)
            continue;
        if ((e = pki_name_constraint_check(ca, s->path.certs[i])) != 0)
            return e;
    }
    return 0;
}

static int check_whole(const struct search *s)
{
    int e = dates(s->path.certs[0], s->in->now_s);
    for (size_t i = 1; i < s->path.n && !e; i++)
        e = check_ca(s, i);
    if (!e && s->in->check)
        e = s->in->check(s->in->ctx, s->path.certs, s->path.n);
    return e;
}

static bool in_path(const struct search *s, const struct pki_cert *c)
{
    for (size_t i = 0; i < s->path.n; i++)
        if (memcmp(s->path.certs[i]->sha256, c->sha256, sizeof c->sha256) == 0)
            return true;
    return false;
}

// Puts `issuer` on top if it is the issuer of what is there.
static bool push(struct search *s, const struct pki_cert *issuer)
{
    const struct pki_cert *top = s->path.certs[s->path.n - 1];
    if (!may_have_issued(issuer, top) || in_path(s, issuer) || s->signatures == PKI_PATH_SIGNATURES)
        return false;
    s->signatures++;
    int e = pki_cert_signed_by(top, issuer);
    if (e) {
        note(s, e);
        return false;
    }
    s->path.certs[s->path.n++] = issuer;
    return true;
}

static bool extend(struct search *s)
{
    for (size_t i = 0; i < s->in->anchors_n; i++) {
        if (!push(s, &s->in->anchors[i]))
            continue;
        int e = check_whole(s);
        if (!e)
            return true;
        note(s, e);
        s->path.n--;
    }
    if (s->path.n + 1 >= PKI_PATH_MAX)
        return false;
    for (size_t i = 0; i < s->in->intermediates_n; i++) {
        if (!push(s, &s->in->intermediates[i]))
            continue;
        if (extend(s))
            return true;
        s->path.n--;
    }
    return false;
}

int pki_path_find(const struct pki_path_input *in, struct pki_path *out)
{
    struct search s = { .in = in, .error = ERR_CERT_UNTRUSTED };
    s.path.certs[s.path.n++] = in->leaf;
    if (!extend(&s))
        return s.error;
    *out = s.path;
    return 0;
}
