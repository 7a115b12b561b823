// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/attest.h"

#include "gateway/base/json.h"
#include "pki/jws.h"
#include "pki/token.h"

#define ACCOUNT SPAN("system:serviceaccount:")
#define UID_MAX 128

static const struct json_limits limits = { .bytes = GW_REVIEW_ANSWER_MAX, .depth = 16 };

// ------------------------------------------------------------------------------------------------------------ names

static bool alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// A DNS label (namespaces), or several with dots (service accounts, pods, nodes).
static bool is_name(struct span s, size_t most, bool dots)
{
    if (s.n == 0 || s.n > most || !alnum(s.p[0]) || !alnum(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        bool dot = s.p[i] == '.';
        if (!alnum(s.p[i]) && s.p[i] != '-' && !(dot && dots && s.p[i - 1] != '.'))
            return false;
    }
    return true;
}

static bool is_uid(struct span s)
{
    if (s.n == 0 || s.n > UID_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!alnum(s.p[i]) && !(s.p[i] >= 'A' && s.p[i] <= 'Z') && s.p[i] != '-')
            return false;
    return true;
}

// A text that may be absent: SPAN_NONE then, and false only when what is there is not what it has to be.
static bool optional(json v, bool uid, struct arena *a, struct span *out)
{
    struct span s = json_string(v);
    *out = SPAN_NONE;
    if (!v)
        return true;
    if (span_is_none(s) || !(uid ? is_uid(s) : is_name(s, 253, true)))
        return false;
    *out = arena_dup(a, s);
    return true;
}

static bool account(struct span namespace, struct span name, struct arena *a, struct gw_attested *out)
{
    if (!is_name(namespace, 63, false) || !is_name(name, 253, true))
        return false;
    out->namespace = arena_dup(a, namespace);
    out->account_name = arena_dup(a, name);
    return true;
}

// "system:serviceaccount:NAMESPACE:NAME"
static bool split_account(struct span s, struct span *namespace, struct span *name)
{
    if (!span_starts(s, ACCOUNT))
        return false;
    *name = span_sub(s, ACCOUNT.n, s.n);
    *namespace = span_cut(name, ':');
    return !span_is_none(*name);
}

// ----------------------------------------------------------------------------------------------------------- claims

static bool read_claims(json root, struct arena *a, struct gw_attested *out)
{
    json k = json_get(root, SPAN("kubernetes.io")), sa = json_get(k, SPAN("serviceaccount"));
    json pod = json_get(k, SPAN("pod")), node = json_get(k, SPAN("node"));
    struct span namespace = json_string(json_get(k, SPAN("namespace"))), name = json_string(json_get(sa, SPAN("name")));
    struct span of_subject, in_subject;
    // Said twice, it must be the same both times.
    if (!split_account(json_string(json_get(root, SPAN("sub"))), &in_subject, &of_subject) ||
        !span_eq(in_subject, namespace) || !span_eq(of_subject, name))
        return false;
    return account(namespace, name, a, out) && optional(json_get(sa, SPAN("uid")), true, a, &out->account_uid) &&
           optional(json_get(pod, SPAN("name")), false, a, &out->pod) &&
           optional(json_get(pod, SPAN("uid")), true, a, &out->pod_uid) &&
           optional(json_get(node, SPAN("name")), false, a, &out->node);
}

int gw_attest_claims(struct span claims, struct arena *a, struct gw_attested *out)
{
    struct gw_attested at;
    struct json_doc *doc = json_parse(claims, &limits, NULL);
    bool ok = doc && read_claims(json_root(doc), a, &at);
    json_free(doc);
    if (!ok)
        return ERR_ENROL_CLAIMS;
    if (a->failed)
        return ERR_NOMEM;
    *out = at;
    return 0;
}

struct span gw_attest_issuer(struct span compact, struct arena *a)
{
    struct pki_jws jws;
    struct span payload, iss = SPAN_NONE;
    if (pki_jws_split(compact, PKI_TOKEN_MAX, &jws) != 0 || pki_jws_decode(jws.payload, a, &payload) != 0)
        return SPAN_NONE;
    struct json_doc *doc = json_parse(payload, &limits, NULL);
    struct span said = doc ? json_string(json_get(json_root(doc), SPAN("iss"))) : SPAN_NONE;
    if (!span_is_none(said))
        iss = arena_dup(a, said);
    json_free(doc);
    return iss;
}

// ----------------------------------------------------------------------------------------------------------- review

bool gw_attest_ask(struct span token, struct span audience, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_w_object(&w);
    json_w_key(&w, SPAN("apiVersion"));
    json_w_string(&w, SPAN("authentication.k8s.io/v1"));
    json_w_key(&w, SPAN("kind"));
    json_w_string(&w, SPAN("TokenReview"));
    json_w_key(&w, SPAN("spec"));
    json_w_object(&w);
    json_w_key(&w, SPAN("token"));
    json_w_string(&w, token);
    json_w_key(&w, SPAN("audiences"));
    json_w_array(&w);
    json_w_string(&w, audience);
    json_w_end(&w);
    json_w_end(&w);
    json_w_end(&w);
    return !out->failed;
}

static bool has(json list, struct span wanted)
{
    json v;
    struct span none;
    for (struct json_iter it = json_iter(list); json_next(&it, &none, &v);)
        if (span_eq(json_string(v), wanted) && !span_is_none(json_string(v)))
            return true;
    return false;
}

// The one value of an entry of `extra`, which are lists.
static json only(json extra, struct span name)
{
    json list = json_get(extra, name);
    return json_type(list) == JSON_ARRAY && json_count(list) == 1 ? json_at(list, 0) : NULL;
}

static int read_review(json root, struct span audience, struct arena *a, struct gw_attested *out)
{
    json status = json_get(root, SPAN("status")), user = json_get(status, SPAN("user"));
    json extra = json_get(user, SPAN("extra"));
    struct span namespace, name;
    bool authenticated = false;
    if (!span_eq(json_string(json_get(root, SPAN("kind"))), SPAN("TokenReview")) || json_type(status) != JSON_OBJECT)
        return ERR_REVIEW_FAILED;
    // Absent is false: Go leaves it out.
    if (!json_bool(json_get(status, SPAN("authenticated")), &authenticated) || !authenticated)
        return ERR_REVIEW_REFUSED;
    // A server that knows nothing of audiences answers without them: the token may be for anybody then.
    if (!has(json_get(status, SPAN("audiences")), audience))
        return ERR_REVIEW_REFUSED;
    if (!split_account(json_string(json_get(user, SPAN("username"))), &namespace, &name) ||
        !account(namespace, name, a, out))
        return ERR_REVIEW_REFUSED;
    bool ok = optional(json_get(user, SPAN("uid")), true, a, &out->account_uid) &&
              optional(only(extra, SPAN("authentication.kubernetes.io/pod-name")), false, a, &out->pod) &&
              optional(only(extra, SPAN("authentication.kubernetes.io/pod-uid")), true, a, &out->pod_uid) &&
              optional(only(extra, SPAN("authentication.kubernetes.io/node-name")), false, a, &out->node);
    return ok ? 0 : ERR_REVIEW_REFUSED;
}

int gw_attest_review(struct span body, struct span audience, struct arena *a, struct gw_attested *out)
{
    struct gw_attested at;
    struct json_doc *doc = json_parse(body, &limits, NULL);
    int rc = doc ? read_review(json_root(doc), audience, a, &at) : ERR_REVIEW_FAILED;
    json_free(doc);
    if (rc == 0 && a->failed)
        rc = ERR_NOMEM;
    if (rc == 0)
        *out = at;
    return rc;
}

// ------------------------------------------------------------------------------------------------- what it may have

static bool any(const struct gw_config_texts *patterns, struct span s)
{
    for (size_t i = 0; i < patterns->n; i++)
        if (pki_pattern_match(patterns->v[i].v, s))
            return true;
    return false;
}

int gw_attest_check(const struct gw_config_cluster *c, const struct gw_attested *at)
{
    if (!any(&c->namespaces, at->namespace) || !any(&c->service_accounts, at->account_name))
        return ERR_ENROL_ACCOUNT;
    return c->pod_optional || (!span_is_none(at->pod) && !span_is_none(at->pod_uid)) ? 0 : ERR_ENROL_POD;
}

// What stands in braces filled in; other braces stay.
static struct span fill(struct span t, const struct gw_config_cluster *c, const struct gw_attested *at, struct arena *a)
{
    const struct {
        struct span name, value;
    } values[] = { { SPAN("{namespace}"), at->namespace },
                   { SPAN("{service_account}"), at->account_name },
                   { SPAN("{cluster}"), c->name.v } };
    struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < t.n;) {
        size_t k = 0;
        while (k < 3 && !span_starts(span_sub(t, i, t.n), values[k].name))
            k++;
        buf_append(&out, k < 3 ? values[k].value : span_sub(t, i, i + 1));
        i += k < 3 ? values[k].name.n : 1;
    }
    struct span filled = out.failed ? SPAN_NONE : arena_dup(a, buf_span(&out));
    buf_fini(&out);
    return filled;
}

struct span gw_attest_id(const struct gw_config_cluster *c, const struct gw_attested *at, struct span trust_domain,
                         struct arena *a)
{
    if (!span_is_none(c->id.v))
        return fill(c->id.v, c, at, a);
    return arena_printf(a, "spiffe://%.*s/ns/%.*s/sa/%.*s", SPAN_FMT(trust_domain), SPAN_FMT(at->namespace),
                        SPAN_FMT(at->account_name));
}

bool gw_attest_dns(const struct gw_config_cluster *c, const struct gw_attested *at, struct span name, struct arena *a)
{
    for (size_t i = 0; i < c->dns.n; i++) {
        struct span pattern = fill(c->dns.v[i].v, c, at, a);
        if (!span_is_none(pattern) && pki_pattern_match(pattern, name))
            return true;
    }
    return false;
}
