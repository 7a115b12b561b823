// SPDX-License-Identifier: GPL-3.0-or-later
// What no single key of `policy` can tell.
#include "gateway/config/schema.h"

static bool is_set(struct gw_config_text t)
{
    return !span_is_none(t.v);
}

static void owners(struct gw_config *c, const struct gw_config_policy *policy, struct diags *diags)
{
    for (size_t i = 0; i < policy->owners_n; i++)
        for (size_t j = 0; j < i && is_set(policy->owners[i].name); j++)
            if (is_set(policy->owners[j].name) && span_eq(policy->owners[j].name.v, policy->owners[i].name.v)) {
                gw_config_error(c, policy->owners[i].name.at, diags,
                                "the owner '%.*s' is already in line %u; one entry describes one owner",
                                SPAN_FMT(policy->owners[i].name.v), policy->owners[j].name.at.line);
                break;
            }
}

// A bundle is the whole set: what stands beside it would be signed by nobody.
static void bundle(struct gw_config *c, const struct gw_config_policy *policy, struct diags *diags)
{
    const struct {
        const char *key;
        bool there;
        struct gw_config_place at;
    } beside[] = {
        { "files", policy->files.n > 0, policy->files.at },
        { "owners", policy->owners_n > 0, policy->owners_n > 0 ? policy->owners[0].at : policy->at },
        { "entities", is_set(policy->entities), policy->entities.at },
        { "links", policy->links.n > 0, policy->links.at },
        { "schema", policy->schema.n > 0, policy->schema.at },
    };
    for (size_t i = 0; policy->bundle.present && i < sizeof beside / sizeof *beside; i++)
        if (beside[i].there)
            gw_config_error(c, beside[i].at, diags,
                            "'%s' beside 'bundle': a bundle holds all of the policy set; remove one of the two",
                            beside[i].key);
    const struct gw_config_text *one = &c->policy.bundle.last_good, *two = &c->authority.policy.bundle.last_good;
    if (policy == &c->authority.policy && is_set(*one) && is_set(*two) && span_eq(one->v, two->v))
        gw_config_error(c, two->at, diags, "'last_good' is the folder of 'policy' in line %u; each has its own",
                        one->at.line);
}

void gw_config_check_policy(struct gw_config *c, const char *key, const struct gw_config_policy *policy,
                            struct diags *diags)
{
    if (!policy->present)
        return;
    if (diags->errors == 0 && policy->files.n == 0 && policy->owners_n == 0 && !policy->bundle.present)
        gw_config_error(c, policy->at, diags,
                        "'%s' names no policies, so nothing would be allowed; add files, owners or a bundle", key);
    if (!policy->validate && policy->schema.n > 0)
        gw_config_error(c, policy->schema.at, diags,
                        "'schema' is set, and with 'validate: false' nothing is held to it; remove one of the two");
    owners(c, policy, diags);
    bundle(c, policy, diags);
}
