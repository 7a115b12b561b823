// SPDX-License-Identifier: GPL-3.0-or-later
// Which parts a file has, and what no single key of the authority's can tell.
#include "gateway/config/schema.h"
#include "pki/hsm.h"
#include "pki/spiffe.h"

struct checker {
    struct gw_config *c;
    struct diags *diags;
};

#define ERROR(k, at, ...) gw_config_error((k)->c, (at), (k)->diags, __VA_ARGS__)
#define WARNING(k, where, ...) diag_warning((k)->diags, (k)->c->file, (where).line, (where).column, __VA_ARGS__)

static bool is_set(struct gw_config_text t)
{
    return !span_is_none(t.v);
}

// Half a gateway is none: its keys come together, or not at all.
void gw_config_check_parts(struct gw_config *c, struct diags *diags)
{
    struct checker k = { c, diags };
    const struct {
        const char *key;
        bool there;
        struct gw_config_place at;
    } of_gateway[] = {
        { "policy", c->policy.present, c->policy.at },
        { "shards", c->shards_n > 0, c->shards_n > 0 ? c->shards[0].at : c->authority.at },
        { "routes", c->routes_n > 0, c->routes_n > 0 ? c->routes[0].at : c->authority.at },
    };

    if (!c->authority.present)
        return; // then the reader asked for all of them
    for (size_t i = 0; i < sizeof of_gateway / sizeof *of_gateway; i++) {
        if (c->listener.present && !of_gateway[i].there)
            ERROR(&k, c->listener.at, "'%s' is missing, and there is a listener; add it, or remove the listener",
                  of_gateway[i].key);
        if (!c->listener.present && of_gateway[i].there)
            ERROR(&k, of_gateway[i].at, "'%s' is a gateway's, and there is no listener; add one, or remove it",
                  of_gateway[i].key);
    }
    if (c->listener.present && c->issuers_n == 0)
        ERROR(&k, c->listener.at, "'issuers' is missing, and there is a listener; add it, or remove the listener");
}

static bool domain_known(const struct gw_config *c, struct span name)
{
    for (size_t i = 0; i < c->trust_domains_n; i++)
        if (span_eq(c->trust_domains[i].name.v, name))
            return true;
    return false;
}

static void addresses(struct checker *k, const struct gw_config_texts *own)
{
    const struct gw_config_texts *listener = &k->c->listener.addresses;

    for (size_t i = 0; i < own->n; i++) {
        const struct gw_config_text *a = &own->v[i];
        if (span_ends(a->v, SPAN(":0")))
            continue;
        for (size_t j = 0; j < listener->n; j++)
            if (span_eq(listener->v[j].v, a->v))
                ERROR(k, a->at, "authority and listener have the same address '%.*s'; change one", SPAN_FMT(a->v));
        if (k->c->operations.enabled && span_eq(k->c->operations.listen.v, a->v))
            ERROR(k, a->at, "authority and operations have the same address '%.*s'; change one", SPAN_FMT(a->v));
    }
}

static void signing(struct checker *k, const struct gw_config_authority *a)
{
    const struct gw_config_signing *s = &a->signing;

    if (s->algorithm == PKI_ALG_NONE)
        return; // it is missing, or what stands there was refused
    if (is_set(s->passphrase_file) == is_set(s->pkcs11))
        ERROR(k, is_set(s->pkcs11) ? s->pkcs11.at : a->at,
              "signing has either 'passphrase_file' or 'pkcs11'; write one of them: a key does not lie on the disk in "
              "the clear");
    // Not by the field itself, which would show the value, and a PIN that somebody wrote into it.
    const char *why = NULL;
    if (is_set(s->pkcs11) && pki_hsm_check_uri(s->pkcs11.v, false, &why) != 0)
        ERROR(k, s->pkcs11.at, "signing.pkcs11: %s", why);
    if (s->rotate > 0 && s->rotate <= s->publish)
        ERROR(k, a->at,
              "signing.rotate must be longer than signing.publish, or the next key could not be published in time");
}

static void client(struct checker *k, const struct gw_config_client *client)
{
    struct gw_config_text id = is_set(client->workload) ? client->workload : client->id;
    struct pki_spiffe workload;
    int ways = is_set(client->san_dns) + is_set(client->san_uri) + is_set(client->subject);

    if (ways > 1)
        ERROR(k, client->at, "a client has one of 'san_dns', 'san_uri', 'subject' (RFC 8705 §2.1.2); keep one");
    if (!is_set(id))
        return;
    if (pki_spiffe_parse_workload(id.v, &workload, NULL) != 0)
        ERROR(k, client->id.at, "client '%.*s' is no workload; set 'workload' to the SPIFFE ID it acts as",
              SPAN_FMT(span_sub(id.v, 0, 200)));
    else if (!domain_known(k->c, workload.trust_domain))
        ERROR(k, id.at, "trust domain '%.*s' is not among trust_domains; add it there",
              SPAN_FMT(workload.trust_domain));
}

static void clients(struct checker *k, const struct gw_config_authority *a)
{
    for (size_t i = 0; i < a->clients_n; i++) {
        client(k, &a->clients[i]);
        for (size_t j = 0; j < i && is_set(a->clients[i].id); j++)
            if (is_set(a->clients[j].id) && span_eq(a->clients[j].id.v, a->clients[i].id.v)) {
                ERROR(k, a->clients[i].id.at, "client '%.*s' is already in line %u; one entry describes one client",
                      SPAN_FMT(span_sub(a->clients[i].id.v, 0, 200)), a->clients[j].id.at.line);
                break;
            }
    }
}

void gw_config_check_authority(struct gw_config *c, struct diags *diags)
{
    struct checker k = { c, diags };
    struct gw_config_authority *a = &c->authority;

    if (!a->present)
        return;
    a->policy.present = true;
    gw_config_check_policy(c, "authority.policy", &a->policy, diags);
    addresses(&k, &a->addresses);
    signing(&k, a);
    clients(&k, a);
    if (a->feed && !is_set(c->revocations.store))
        ERROR(&k, a->at, "feed: true publishes revocations.store, which is not set; set it");
    if (a->feed && a->followers.n == 0)
        WARNING(&k, a->at, "nobody may read the feed; list the gateways in followers");
    if (!a->feed && a->revokers.n > 0)
        ERROR(&k, a->revokers.at, "revokers write to the feed's endpoint, and feed is false; set it, or remove them");
}
