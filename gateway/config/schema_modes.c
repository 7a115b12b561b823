// SPDX-License-Identifier: GPL-3.0-or-later
// Which gates enforce, for whom, until when.
#include "gateway/config/schema_table.h"

#include "gateway/base/clock.h"
#include "pki/spiffe.h"

#define DATE_ONLY 10 // bytes of 2026-12-31

static const struct gw_choice enforce_observe[] = { { NAME("enforce"), 0 }, { NAME("observe"), 1 } };

static const char *fault_date(struct span s)
{
    int64_t ms;
    return clock_parse_date(s, &ms)
               ? NULL
               : "a day or a moment in UTC is expected, such as 2026-12-31 or 2026-12-31T18:00:00Z";
}

#define GATES                                                                                                          \
    { .key = NAME("token"),                                                                                            \
      .type = GW_FIELD_SWITCH,                                                                                         \
      AT(gw_config_mode, token),                                                                                       \
      CHOICES(enforce_observe),                                                                                        \
      .fallback = "enforce",                                                                                           \
      .doc = "the token gate: enforce, or observe: a request without a good token goes on as the workload alone, and " \
             "the record says so" },                                                                                   \
        { .key = NAME("policy"),                                                                                       \
          .type = GW_FIELD_SWITCH,                                                                                     \
          AT(gw_config_mode, policy),                                                                                  \
          CHOICES(enforce_observe),                                                                                    \
          .fallback = "enforce",                                                                                       \
          .doc = "the policy gate: enforce, or observe: what policies deny goes on, and the record says so" },         \
    {                                                                                                                  \
        .key = NAME("until"), .type = GW_FIELD_TEXT, AT(gw_config_mode, until), .fault = fault_date,                   \
        .doc = "last day of observing, or the moment it ends, in UTC; then all is enforced. Needed with observe"       \
    }

static const struct gw_field rule_fields[] = {
    { .key = NAME("workloads"),
      .type = GW_FIELD_TEXT,
      AT(gw_config_mode, workloads),
      .required = true,
      .fault = gw_fault_workloads,
      .doc = "a workload's SPIFFE ID, or with a '/' at its end the beginning of several: "
             "spiffe://example.org/ns/team-a/" },
    GATES,
};
const struct gw_schema gw_config_mode_schema = PLACED(rule_fields, gw_config_mode);

static const struct gw_field default_fields[] = { GATES };
const struct gw_schema gw_config_modes_schema = PLACED(default_fields, gw_config_mode);

static bool covers(struct span a, struct span b)
{
    return span_ends(a, SPAN("/")) ? span_starts(b, a) : span_eq(a, b);
}

static void check_until(struct gw_config *c, struct gw_config_mode *m, struct diags *diags)
{
    if (span_is_none(m->until.v)) {
        // Without an end nobody would ever be reminded of it.
        if (m->token || m->policy)
            gw_config_error(c, m->at, diags,
                            "'observe' needs an end; write until: with the last day of it, such as "
                            "2026-12-31");
        return;
    }
    if (clock_parse_date(m->until.v, &m->until_ms) && m->until.v.n == DATE_ONLY)
        m->until_ms += DAY;
    if (!m->token && !m->policy)
        diag_warning(diags, c->file, m->until.at.line, m->until.at.column,
                     "'until' ends nothing: both gates enforce anyway; remove it, or write what is to be observed");
}

static void check_rule(struct gw_config *c, size_t i, struct diags *diags)
{
    const struct gw_config_mode *m = &c->modes[i];
    struct span name = m->workloads.v, domain;
    struct pki_spiffe id;
    bool known = false;

    if (span_is_none(name) || gw_fault_workloads(name))
        return;
    for (size_t k = 0; k < i; k++)
        if (!span_is_none(c->modes[k].workloads.v) && covers(c->modes[k].workloads.v, name)) {
            gw_config_error(c, m->workloads.at, diags,
                            "never reached: the rule in line %u names these workloads; put this one before it",
                            c->modes[k].at.line);
            break;
        }
    domain = pki_spiffe_parse(span_ends(name, SPAN("/")) ? span_sub(name, 0, name.n - 1) : name, &id, NULL) == 0
                 ? id.trust_domain
                 : SPAN_NONE;
    for (size_t k = 0; k < c->trust_domains_n; k++)
        known = known || span_eq(c->trust_domains[k].name.v, domain);
    if (!known)
        gw_config_error(c, m->workloads.at, diags,
                        "trust domain '%.*s' is not among trust_domains, so the rule names nobody", SPAN_FMT(domain));
}

void gw_config_check_modes(struct gw_config *c, struct diags *diags)
{
    struct gw_config_mode *rules = (void *)(uintptr_t)c->modes;

    check_until(c, &c->listener.modes, diags);
    for (size_t i = 0; i < c->modes_n; i++) {
        check_until(c, &rules[i], diags);
        check_rule(c, i, diags);
    }
}
