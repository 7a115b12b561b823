// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/fixed.h"

bool gw_fixed_roles(const struct gw_config *old, const struct gw_config *new, struct diags *diags)
{
    if (old->listener.present != new->listener.present)
        gw_config_error(new, new->listener.at, diags, "'listener' was %s; restart the process",
                        new->listener.present ? "added" : "removed");
    if (old->authority.present != new->authority.present)
        gw_config_error(new, new->authority.at, diags, "'authority' was %s; restart the process",
                        new->authority.present ? "added" : "removed");
    bool own = old->listener.tls.enrol.present == new->listener.tls.enrol.present;
    if (!own && old->listener.present && new->listener.present)
        gw_config_error(new, new->listener.at, diags, "'listener.tls.enrol' was %s; restart the process",
                        new->listener.tls.enrol.present ? "added" : "removed");
    bool desk = old->authority.enrolment.present == new->authority.enrolment.present;
    if (!desk && old->authority.present == new->authority.present)
        gw_config_error(new, new->authority.at, diags, "'authority.enrolment' was %s; restart the process",
                        new->authority.enrolment.present ? "added" : "removed");
    return old->listener.present == new->listener.present &&
           old->authority.present == new->authority.present &&desk &&own;
}

static bool same_texts(const struct gw_config_texts *a, const struct gw_config_texts *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++)
        if (!span_eq(a->v[i].v, b->v[i].v))
            return false;
    return a->n == b->n;
}

static bool same(const struct gw_config_text *a, const struct gw_config_text *b)
{
    return span_is_none(a->v) == span_is_none(b->v) && span_eq(a->v, b->v);
}

bool gw_fixed_same_enrol(const struct gw_config_enrol *a, const struct gw_config_enrol *b)
{
    return a->present == b->present && same(&a->url, &b->url) && same(&a->ca, &b->ca) &&
           same(&a->authority, &b->authority) && same(&a->server_name, &b->server_name) &&
           same(&a->token_file, &b->token_file) && same(&a->join_token_file, &b->join_token_file) &&
           same(&a->state, &b->state) && same(&a->spiffe_id, &b->spiffe_id) && same_texts(&a->dns, &b->dns);
}

void gw_fixed_warn(struct log *log, const struct gw_config *old, const struct gw_config *new)
{
    const struct gw_config_authority *a = &old->authority, *b = &new->authority;
    const struct {
        const char *key;
        bool same;
    } fixed[] = {
        { "loops", old->loops == new->loops },
        { "process", same(&old->process.user, &new->process.user) && same(&old->process.group, &new->process.group) &&
                         old->process.unconfined == new->process.unconfined &&
                         old->process.lock_memory ==
                             new->process.lock_memory &&same(&old->process.handover, &new->process.handover) },
        { "audit.file", same(&old->audit.file, &new->audit.file) && old->audit.to_stdout == new->audit.to_stdout },
        { "audit.signing", same(&old->audit.signing.key, &new->audit.signing.key) &&
                               same(&old->audit.signing.pkcs11, &new->audit.signing.pkcs11) &&
                               old->audit.signing.every == new->audit.signing.every &&
                               old->audit.signing.records == new->audit.signing.records },
        { "audit.rotate", old->audit.rotate.size == new->audit.rotate.size &&
                              old->audit.rotate.every == new->audit.rotate.every &&
                              old->audit.rotate.keep == new->audit.rotate.keep },
        { "audit.sync", old->audit.sync_request == new->audit.sync_request },
        { "audit.on_full", old->audit.drop_when_full == new->audit.drop_when_full },
        { "operations.listen", span_eq(old->operations.listen.v, new->operations.listen.v) },
        { "dpop.replay", old->dpop.replay.capacity == new->dpop.replay.capacity &&
                             old->dpop.replay.share_percent == new->dpop.replay.share_percent },
        { "limits.buckets", old->limits.buckets == new->limits.buckets },
        { "dpop.key_memory", old->dpop.key_memory == new->dpop.key_memory },
        { "dpop.nonce_lifetime", old->dpop.nonce_lifetime == new->dpop.nonce_lifetime },
        { "listener.addresses", same_texts(&old->listener.addresses, &new->listener.addresses) },
        { "listener.tls.enrol", gw_fixed_same_enrol(&old->listener.tls.enrol, &new->listener.tls.enrol) },
        { "authority.addresses", same_texts(&a->addresses, &b->addresses) },
        { "authority.enrolment.addresses", same_texts(&a->enrolment.addresses, &b->enrolment.addresses) },
        { "authority.state", same(&a->state, &b->state) },
        { "authority.signing", a->signing.algorithm == b->signing.algorithm &&
                                   same(&a->signing.passphrase_file, &b->signing.passphrase_file) &&
                                   same(&a->signing.pkcs11, &b->signing.pkcs11) &&
                                   a->signing.rotate == b->signing.rotate && a->signing.publish == b->signing.publish },
        // Keys stay published as long as the tokens that they signed live.
        { "authority.lifetime", a->lifetime == b->lifetime },
        { "revocations.store", !a->present || same(&old->revocations.store, &new->revocations.store) },
    };
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (!fixed[i].same)
            log_warn(log, "%.*s: %s changed; it takes effect at the next start", SPAN_FMT(new->file), fixed[i].key);
}
