// SPDX-License-Identifier: GPL-3.0-or-later
// What no single key of authority.enrolment can tell.
#include "gateway/config/fault.h"
#include "gateway/config/remote.h"
#include "gateway/config/schema.h"

#define CLUSTERS_MAX 64

#define ERROR(k, at, ...) gw_config_error((k)->c, (at), (k)->diags, __VA_ARGS__)

struct checker {
    struct gw_config *c;
    struct diags *diags;
};

static bool is_set(struct gw_config_text t)
{
    return !span_is_none(t.v);
}

static void addresses(struct checker *k, const struct gw_config_enrolment *e)
{
    const struct gw_config_texts *others[] = { &k->c->listener.addresses, &k->c->authority.addresses };

    for (size_t i = 0; i < e->addresses.n; i++) {
        const struct gw_config_text *a = &e->addresses.v[i];
        if (span_ends(a->v, SPAN(":0")))
            continue;
        for (size_t o = 0; o < 2; o++)
            for (size_t j = 0; j < others[o]->n; j++)
                if (span_eq(others[o]->v[j].v, a->v))
                    ERROR(k, a->at, "something else of this file listens on '%.*s' already; change one",
                          SPAN_FMT(a->v));
        if (k->c->operations.enabled && span_eq(k->c->operations.listen.v, a->v))
            ERROR(k, a->at, "operations listens on '%.*s' already; change one", SPAN_FMT(a->v));
    }
}

// Whether `between`, which stands between two names that are filled in, tells where one ends: names have letters, digits and '-', so `team` and `a-b` would be
// `team-a` and `b` with no more than that between them. A namespace has no dot, so one beside it is enough.
static bool parts(struct span between)
{
    for (size_t i = 0; i < between.n; i++)
        if (between.p[i] == '/' || between.p[i] == '_' || between.p[i] == '.')
            return true;
    return false;
}

// Only what can be filled in may stand in braces, and something must tell service accounts apart.
static void template(struct checker *k, const struct gw_config_text *t)
{
    static const struct span known[] = { { "{namespace}", 11 }, { "{service_account}", 17 }, { "{cluster}", 9 } };
    bool told[3] = { false };
    size_t end = SIZE_MAX; // of the last one

    for (size_t i = 0; i < t->v.n; i++) {
        if (t->v.p[i] != '{' && t->v.p[i] != '}')
            continue;
        size_t w = 0;
        while (w < 3 && !span_starts(span_sub(t->v, i, t->v.n), known[w]))
            w++;
        if (w == 3) {
            ERROR(k, t->at, "'%.*s': what stands in braces is {namespace}, {service_account} or {cluster}",
                  SPAN_FMT(t->v));
            return;
        }
        if (end != SIZE_MAX && !parts(span_sub(t->v, end, i))) {
            ERROR(k, t->at,
                  "'%.*s' could be the same for two service accounts, since names may have '-' in them; put a '/' "
                  "between the braces",
                  SPAN_FMT(t->v));
            return;
        }
        told[w] = true;
        i += known[w].n - 1;
        end = i + 1;
    }
    if (!told[0] || !told[1])
        ERROR(k, t->at, "'%.*s' gives several service accounts one ID; it has {namespace} and {service_account}",
              SPAN_FMT(t->v));
}

static void issuer(struct checker *k, struct gw_config_cluster *cluster)
{
    for (size_t i = 0; i < k->c->issuers_n; i++) {
        const struct gw_config_issuer *issuer = &k->c->issuers[i];
        if (!span_eq(issuer->name.v, cluster->issuer.v))
            continue;
        cluster->issuer_index = i;
        if (!(issuer->uses & GW_ISSUER_ENROLMENT))
            ERROR(k, cluster->issuer.at, "tokens of issuer '%.*s' are not for this; write 'uses: [enrolment]' there",
                  SPAN_FMT(cluster->issuer.v));
        return;
    }
    ERROR(k, cluster->issuer.at, "there is no issuer '%.*s'; add it to issuers", SPAN_FMT(cluster->issuer.v));
}

static struct span iss_of(const struct checker *k, const struct gw_config_cluster *c)
{
    return c->review.present     ? c->review.issuer.v
           : k->c->issuers_n > 0 ? k->c->issuers[c->issuer_index].issuer.v
                                 : SPAN("");
}

static void cluster(struct checker *k, struct gw_config_cluster *c)
{
    if (c->review.present == is_set(c->issuer))
        ERROR(k, c->at, "a cluster has either 'issuer' or 'token_review'; write one of them");
    else if (c->review.present)
        gw_config_remote_check(k->c, &c->review.server, "token_review.url", k->diags);
    else
        issuer(k, c);
    if (is_set(c->id))
        template(k, &c->id);
}

static void enrol(struct checker *k, const struct gw_config_enrol *e)
{
    const char *fault;
    struct span host, target;
    uint16_t port;
    bool tls = true;

    fault = is_set(e->url) ? gw_fault_url(e->url.v, &tls, &host, &port, &target) : NULL;
    if (fault || !tls)
        ERROR(k, e->url.at, "'%.*s': %s", SPAN_FMT(e->url.v), fault ? fault : "an authority is https");
    if (is_set(e->token_file) == is_set(e->join_token_file))
        ERROR(k, e->at, "enrol has either 'token_file' or 'join_token_file'; write one of them");
    if (is_set(e->authority) && is_set(e->server_name))
        ERROR(k, e->server_name.at, "authority and server_name exclude each other; keep one");
}

void gw_config_check_enrol(struct gw_config *c, const struct gw_config_enrol *e,
                           const struct gw_config_text *certificate, const struct gw_config_text *key,
                           const struct gw_config_text *passphrase, struct diags *diags)
{
    struct checker k = { c, diags };

    if (!e->present)
        return;
    if (is_set(*certificate) || is_set(*key) || is_set(*passphrase))
        ERROR(&k, e->at, "'enrol' and 'certificate' exclude each other; keep one");
    enrol(&k, e);
}

void gw_config_check_enrolment(struct gw_config *c, struct diags *diags)
{
    struct checker k = { c, diags };
    struct gw_config_enrolment *e = &c->authority.enrolment;
    struct gw_config_cluster *all = (void *)(uintptr_t)e->clusters;

    for (size_t i = 0; i < c->issuers_n; i++)
        if ((c->issuers[i].uses & GW_ISSUER_ENROLMENT) && !e->present)
            ERROR(&k, c->issuers[i].at,
                  "uses: enrolment, and there is no authority.enrolment; add it, or remove the use");
    const struct gw_config_tls *tls = &c->listener.tls;
    gw_config_check_enrol(c, &tls->enrol, &tls->certificate, &tls->key, &tls->key_passphrase_file, diags);
    if (c->authority.tls.enrol.present)
        ERROR(&k, c->authority.tls.enrol.at,
              "nobody enrols the authority itself; name certificate and key (sallyport ca issue)");
    if (!e->present)
        return;
    addresses(&k, e);
    if (e->clusters_n > CLUSTERS_MAX)
        ERROR(&k, all[CLUSTERS_MAX].at, "more than %d clusters", CLUSTERS_MAX);
    if (e->clusters_n == 0 && !e->join_tokens)
        ERROR(&k, e->at, "nobody could enrol: there is no cluster, and join_tokens is false");
    for (size_t i = 0; i < e->clusters_n && i < CLUSTERS_MAX; i++) {
        cluster(&k, &all[i]);
        for (size_t j = 0; j < i; j++) {
            if (is_set(all[i].name) && span_eq(all[j].name.v, all[i].name.v))
                ERROR(&k, all[i].name.at, "cluster '%.*s' is already in line %u; one entry describes one cluster",
                      SPAN_FMT(all[i].name.v), all[j].name.at.line);
            if (span_eq(iss_of(&k, &all[j]), iss_of(&k, &all[i])))
                ERROR(&k, all[i].at, "its tokens have the same iss as those of the cluster in line %u; change one",
                      all[j].at.line);
        }
    }
}
