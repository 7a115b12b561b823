// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/door.h"

#include "gateway/base/map.h"
#include "gateway/base/remote.h"
#include "gateway/stages/account.h"

#include <stdio.h>

#define TELL_MS 1000

static unsigned place_of(const struct gw_core *c, const char *remote)
{
    uint8_t network[REMOTE_NETWORK];
    return (unsigned)(siphash24(c->source_key, remote_source(span_str(remote), network)) % GW_CORE_SOURCES);
}

static const struct gw_config_failures *bounds(const struct gw_core *c)
{
    return &c->view->snapshot->config->limits.failures;
}

static void tell(struct gw_core *c)
{
    char detail[96];
    struct buf line;
    snprintf(detail, sizeof detail, "%llu connections of such addresses were turned away",
             (unsigned long long)c->turned_away);
    c->turned_away = 0;
    c->turned_away_ms = c->now.mono_ms;
    buf_init(&line, 0);
    bool told = gw_account_handshake(c->now.wall_ms, c->turned_away_from, ERR_FAILING_SOURCE, detail, &line) &&
                gw_audit_submit(c->shared->audit, c->index, buf_span(&line), NULL) == 0;
    gw_count(c->metrics, told ? GW_METRIC_AUDIT_WRITTEN : GW_METRIC_AUDIT_REFUSED, 1);
    buf_fini(&line);
}

void gw_door_tell(struct gw_core *c, bool last)
{
    if (c->turned_away > 0 && (last || c->now.mono_ms - c->turned_away_ms >= TELL_MS))
        tell(c);
}

// What one of those who share an address does must not lock out the others.
static bool is_shared(const struct gw_core *c, const char *remote)
{
    const struct gw_config_texts *shared = &bounds(c)->shared_addresses;
    struct span host = remote_host(span_str(remote));
    for (size_t i = 0; i < shared->n; i++)
        if (remote_in(host, shared->v[i].v))
            return true;
    return false;
}

bool gw_door_open(struct gw_core *c, const char *remote)
{
    const struct gw_config_failures *b = bounds(c);
    bool open = c->handshakes[place_of(c, remote)] < b->open_handshakes / c->loops + 1;
    if (open && c->shared->failures)
        open = gw_failures_source(c->shared->failures, &b->handshakes, span_str(remote), c->now.mono_ms) == 0;
    if (open || is_shared(c, remote))
        return true;
    c->turned_away++;
    gw_count_refused(c->metrics, ERR_FAILING_SOURCE);
    snprintf(c->turned_away_from, sizeof c->turned_away_from, "%s", remote);
    gw_door_tell(c, false);
    return false;
}

unsigned gw_door_enter(struct gw_core *c, const char *remote)
{
    unsigned place = place_of(c, remote);
    c->handshakes[place]++;
    return place;
}

void gw_door_leave(struct gw_core *c, unsigned place)
{
    c->handshakes[place]--;
}

// What is our own fault is not held against anybody.
void gw_door_failed(struct gw_core *c, const char *remote, int err)
{
    bool ours = err_info(err)->status >= 500;
    if (!ours && c->shared->failures)
        gw_failures_add_source(c->shared->failures, &bounds(c)->handshakes, span_str(remote), c->now.mono_ms);
}
