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
    struct span host = remote_host(span_str(remote));
    if (remote_network(host, network))
        host = span_of(network, sizeof network);
    return (unsigned)(siphash24(c->source_key, host) % GW_CORE_SOURCES);
}

static const struct gw_config_failures *bounds(const struct gw_core *c)
{
    return &c->view->snapshot->config->limits.failures;
}

static void tell(struct gw_core *c, const char *remote)
{
    char detail[96];
    struct buf line;
    snprintf(detail, sizeof detail, "%llu connections of such addresses were turned away",
             (unsigned long long)c->turned_away);
    c->turned_away = 0;
    c->turned_away_ms = c->now.mono_ms;
    buf_init(&line, 0);
    bool told = gw_account_handshake(c->now.wall_ms, remote, ERR_FAILING_SOURCE, detail, &line) &&
                gw_audit_submit(c->shared->audit, c->index, buf_span(&line), NULL) == 0;
    gw_count(c->metrics, told ? GW_METRIC_AUDIT_WRITTEN : GW_METRIC_AUDIT_REFUSED, 1);
    buf_fini(&line);
}

bool gw_door_open(struct gw_core *c, const char *remote)
{
    const struct gw_config_failures *b = bounds(c);
    bool open = c->handshakes[place_of(c, remote)] < b->open_handshakes / c->loops + 1;
    if (open && c->shared->failures)
        open = gw_failures_source(c->shared->failures, &b->handshakes, span_str(remote), c->now.mono_ms) == 0;
    if (open)
        return true;
    c->turned_away++;
    gw_count_refused(c->metrics, ERR_FAILING_SOURCE);
    if (c->now.mono_ms - c->turned_away_ms >= TELL_MS)
        tell(c, remote);
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
    bool ours = err == ERR_NOMEM || err == ERR_INTERNAL || err == ERR_CRL_STALE || err == ERR_OVERLOADED;
    if (!ours && c->shared->failures)
        gw_failures_add_source(c->shared->failures, &bounds(c)->handshakes, span_str(remote), c->now.mono_ms);
}
