// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/modes.h"

#include "gateway/base/clock.h"

struct span gw_gate_name(enum gw_gate gate)
{
    return gate == GW_GATE_TOKEN ? SPAN("token") : SPAN("policy");
}

static bool says(const struct gw_config_mode *m, enum gw_gate gate)
{
    return gate == GW_GATE_TOKEN ? m->token : m->policy;
}

static bool observes(const struct gw_config_mode *m, enum gw_gate gate, int64_t wall_ms)
{
    return says(m, gate) && wall_ms < m->until_ms;
}

static bool names(const struct gw_config_mode *m, struct span workload)
{
    return span_ends(m->workloads.v, SPAN("/")) ? span_starts(workload, m->workloads.v)
                                                : span_eq(workload, m->workloads.v);
}

bool gw_gate_observes(const struct gw_config *c, enum gw_gate gate, struct span workload, int64_t wall_ms)
{
    for (size_t i = 0; i < c->modes_n; i++)
        if (names(&c->modes[i], workload))
            return observes(&c->modes[i], gate, wall_ms);
    return observes(&c->listener.modes, gate, wall_ms);
}

// The listener's, then those of the rules.
static const struct gw_config_mode *mode_at(const struct gw_config *c, size_t i)
{
    return i == 0 ? &c->listener.modes : &c->modes[i - 1];
}

size_t gw_gate_observers(const struct gw_config *c, enum gw_gate gate, int64_t wall_ms, int64_t *first_end_ms)
{
    size_t n = 0;
    *first_end_ms = 0;
    for (size_t i = 0; i <= c->modes_n; i++) {
        const struct gw_config_mode *m = mode_at(c, i);
        if (!observes(m, gate, wall_ms))
            continue;
        *first_end_ms = n == 0 || m->until_ms < *first_end_ms ? m->until_ms : *first_end_ms;
        n++;
    }
    return n;
}

static void warn(const struct gw_config *c, const struct gw_config_mode *m, int64_t wall_ms, struct diags *diags)
{
    const char *gates = m->token && m->policy ? "token gate and policy gate" : m->token ? "token gate" : "policy gate";
    struct span whose =
        span_is_none(m->workloads.v) ? SPAN("all workloads that no rule of modes names") : m->workloads.v;
    char end[CLOCK_TEXT];

    clock_format(m->until_ms, end);
    if (wall_ms < m->until_ms)
        diag_warning(diags, c->file, m->at.line, m->at.column,
                     "OBSERVED, NOT ENFORCED until %.19sZ: %s of %.*s; what would be refused is let through and "
                     "recorded",
                     end, gates, SPAN_FMT(whose));
    else
        diag_warning(diags, c->file, m->at.line, m->at.column,
                     "enforced again since %.19sZ: %s of %.*s; remove 'observe'", end, gates, SPAN_FMT(whose));
}

void gw_modes_warn(const struct gw_config *c, int64_t wall_ms, struct diags *diags)
{
    for (size_t i = 0; i <= c->modes_n; i++)
        if (mode_at(c, i)->token || mode_at(c, i)->policy)
            warn(c, mode_at(c, i), wall_ms, diags);
}

void gw_modes_warn_ended(const struct gw_config *c, int64_t since_ms, int64_t wall_ms, struct diags *diags)
{
    for (size_t i = 0; i <= c->modes_n; i++) {
        const struct gw_config_mode *m = mode_at(c, i);
        if ((m->token || m->policy) && since_ms < m->until_ms && m->until_ms <= wall_ms)
            warn(c, m, wall_ms, diags);
    }
}
