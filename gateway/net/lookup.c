// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/lookup.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gw_lookup {
    uv_getaddrinfo_t req;
    struct gw_lookup *next, **link; // of the loop
    struct gw_lookup_wait *waiting;
    uint16_t port;
    char host[];
};

static void take_out(struct gw_lookup *k)
{
    if (!k->link)
        return;
    *k->link = k->next;
    if (k->next)
        k->next->link = k->link;
    k->link = NULL;
}

static void unlink_wait(struct gw_lookup_wait *w)
{
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    w->next = NULL;
    w->link = NULL;
    w->lookup = NULL;
}

void gw_addresses_unref(struct gw_addresses *a)
{
    if (!a || --a->refs > 0)
        return;
    uv_freeaddrinfo(a->first);
    free(a);
}

static struct gw_addresses *addresses_new(struct addrinfo *first)
{
    struct gw_addresses *a = malloc(sizeof *a);
    if (a)
        *a = (struct gw_addresses){ .refs = 1, .first = first };
    else
        uv_freeaddrinfo(first);
    return a;
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
    struct gw_lookup *k = req->data;
    struct gw_addresses *found = NULL;
    take_out(k);
    if (status == 0 && !res)
        status = UV_EAI_NODATA;
    if (status == 0 && !(found = addresses_new(res)))
        status = UV_ENOMEM;
    // Each may end others, which leave by themselves, and ask anew, which is another question.
    while (k->waiting) {
        struct gw_lookup_wait *w = k->waiting;
        unlink_wait(w);
        if (found)
            found->refs++;
        w->on_found(w, status, found);
    }
    gw_addresses_unref(found);
    free(k);
}

static struct gw_lookup *under_way(const struct gw_lookups *l, const char *host, uint16_t port)
{
    for (struct gw_lookup *k = l->first; k; k = k->next)
        if (k->port == port && strcmp(k->host, host) == 0)
            return k;
    return NULL;
}

static int ask(struct gw_lookups *l, const char *host, uint16_t port, struct gw_lookup **out)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    size_t n = strlen(host) + 1;
    char service[8];
    struct gw_lookup *k = calloc(1, sizeof *k + n);
    if (!k)
        return UV_ENOMEM;
    memcpy(k->host, host, n);
    k->port = port;
    k->req.data = k;
    snprintf(service, sizeof service, "%u", (unsigned)port);
    int rc = uv_getaddrinfo(l->uv, &k->req, on_resolved, host, service, &hints);
    if (rc != 0) {
        free(k);
        return rc;
    }
    k->next = l->first;
    if (k->next)
        k->next->link = &k->next;
    k->link = &l->first;
    l->first = k;
    *out = k;
    return 0;
}

int gw_lookup_begin(struct gw_lookups *l, const char *host, uint16_t port, struct gw_lookup_wait *w)
{
    struct gw_lookup *k = under_way(l, host, port);
    int rc = k ? 0 : ask(l, host, port, &k);
    if (rc != 0)
        return rc;
    w->lookup = k;
    w->next = k->waiting;
    if (w->next)
        w->next->link = &w->next;
    w->link = &k->waiting;
    k->waiting = w;
    return 0;
}

void gw_lookup_leave(struct gw_lookup_wait *w)
{
    struct gw_lookup *k = w->lookup;
    if (!k)
        return;
    unlink_wait(w);
    // One that no thread has begun is called off, and nobody may join it any more.
    if (!k->waiting && uv_cancel((uv_req_t *)&k->req) == 0)
        take_out(k);
}
