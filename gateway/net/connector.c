// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/connector.h"

#include "gateway/net/links.h"
#include "gateway/net/local.h"
#include "gateway/net/relay.h"

static bool has_ended(const struct gw_links *l)
{
    int64_t now_s = l->connector->ground.now->wall_ms / 1000;
    return span_is_none(gw_links_token(l)) || now_s >= l->snapshot->connect.certificate_not_after_s;
}

static void take_over(struct gw_connector *c)
{
    struct gw_links *old = c->links;
    c->links = c->coming;
    c->coming = NULL;
    log_debug(c->log, "requests go out under the newest certificate from now on");
    gw_links_unref(old);
}

void gw_connector_progress(struct gw_connector *c)
{
    if (c->coming && (!c->links || !span_is_none(gw_links_token(c->coming)) || has_ended(c->links)))
        take_over(c);
    // Those that have to wait on stand in another list by then.
    struct gw_relay *again = c->waiting;
    c->waiting = NULL;
    if (again)
        again->link = &again;
    while (again)
        gw_relay_again(again);
}

void gw_connector_adopt(struct gw_connector *c, struct gw_links *links)
{
    if (c->links)
        gw_links_inherit(links, c->links);
    gw_links_unref(c->coming);
    c->coming = links;
    c->wait_ms = links->snapshot->connect.config->wait;
    gw_links_ref(links);
    gw_connector_progress(c);
    gw_links_look(links);
    gw_links_unref(links);
}

struct span gw_connector_missing(const struct gw_connector *c)
{
    if (!c->links)
        return SPAN("no certificate yet");
    if (has_ended(c->links))
        return span_is_none(gw_links_token(c->links)) ? SPAN("no token") : SPAN("the certificate has expired");
    return SPAN_NONE;
}

void gw_connector_drain(struct gw_connector *c)
{
    c->draining = true;
    for (struct gw_local *l = c->locals, *next; l; l = next) {
        next = l->next;
        gw_local_drain(l);
    }
    if (c->n_locals == 0 && c->on_idle)
        c->on_idle(c);
}

void gw_connector_cut(struct gw_connector *c)
{
    for (struct gw_local *l = c->locals, *next; l; l = next) {
        next = l->next;
        gw_local_cut(l);
    }
    gw_links_unref(c->coming);
    gw_links_unref(c->links);
    c->coming = c->links = NULL;
}
