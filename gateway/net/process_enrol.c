// SPDX-License-Identifier: GPL-3.0-or-later
// The gateway's own certificate, where `listener.tls.enrol` says that the authority issues it. The first is waited for, before anything else is loaded and on a
// loop of its own, so that a gateway without a certificate listens to nobody; SIGTERM ends the process then as it ends any. From then on the main thread
// renews it and hands each new one to the loops, which use it for new handshakes: connections stay as they are.
#include "gateway/net/enrolment.h"
#include "gateway/net/process_inside.h"

static struct gw_enrolment *client_new(struct gw_process *p, const struct gw_config *c, struct gw_control *control,
                                       void (*on_certificate)(void *, const struct gw_enrolled *), void *ctx)
{
    const struct gw_config_enrol *e = &c->listener.tls.enrol;
    struct span dns[GW_ENROLMENT_DNS];
    char what[GW_ENROLMENT_WHAT];
    struct gw_enrolment_options options = {
        .ground = gw_control_ground(control), .log = &p->log, .on_certificate = on_certificate, .ctx = ctx
    };
    gw_enrolment_configure(&options, e, dns);
    struct gw_enrolment *client = gw_enrolment_new(&options, what, sizeof what);
    struct diags diags;
    diags_init(&diags);
    if (!client)
        gw_config_error(c, e->at, &diags, "enrol: %s", what);
    gw_process_print(p, &diags);
    diags_fini(&diags);
    return client;
}

// -------------------------------------------------------------------------------------------------------- the first

struct first {
    struct gw_process *p;
    struct gw_control control;
    uv_loop_t uv;
    bool over;
};

static void on_first(void *ctx, const struct gw_enrolled *e)
{
    struct first *f = ctx;
    f->p->own = gw_own_certificate_new(e);
    f->over = true;
}

static void close_handle(uv_handle_t *h, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

bool gw_process_enrol_first(struct gw_process *p, const struct gw_config *c)
{
    struct first f = { .p = p };
    if (!c->listener.tls.enrol.present)
        return true;
    if (uv_loop_init(&f.uv) != 0)
        return false;
    if (gw_control_init(&f.control, &f.uv) != 0) {
        uv_loop_close(&f.uv);
        return false;
    }
    log_info(&p->log, "waiting for a certificate of %.*s", SPAN_FMT(c->listener.tls.enrol.url.v));
    struct gw_enrolment *client = client_new(p, c, &f.control, on_first, &f);
    if (client) {
        gw_enrolment_start(client);
        while (!f.over)
            uv_run(&f.uv, UV_RUN_ONCE);
    }
    gw_enrolment_free(client);
    uv_walk(&f.uv, close_handle, NULL);
    uv_run(&f.uv, UV_RUN_DEFAULT);
    gw_control_fini(&f.control);
    uv_loop_close(&f.uv);
    return p->own != NULL;
}

// ---------------------------------------------------------------------------------------------------------- renewal

static void on_next(void *ctx, const struct gw_enrolled *e)
{
    struct gw_process *p = ctx;
    struct gw_own_certificate *next = gw_own_certificate_new(e);
    if (!next) {
        log_error(&p->log, "out of memory: the listener's certificate stays the old one");
        return;
    }
    gw_own_certificate_unref(p->own);
    p->own = next;
    gw_process_publish_own(p);
}

bool gw_process_enrol(struct gw_process *p)
{
    if (!p->own)
        return true;
    p->enrolment = client_new(p, p->snapshot->config, &p->control, on_next, p);
    return p->enrolment && gw_enrolment_seed(p->enrolment, &p->own->e) && (gw_enrolment_start(p->enrolment), true);
}
