// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/enrol_desk.h"

#include "gateway/net/watch.h"

#include <stdio.h>

#define BUSY_MS 2000

static int review(void *ctx, size_t cluster, struct span token, const uint8_t sha256[static 32], struct span *answer)
{
    struct gw_enrol_desk *d = ctx;
    return gw_reviews_ask(&d->reviews, d->snapshot, cluster, token, sha256, answer);
}

static void on_answer(void *ctx)
{
    struct gw_enrol_desk *d = ctx;
    gw_visitors_changed(&d->visitors);
}

static uint64_t look(const struct gw_snapshot *s)
{
    char path[4200];
    const char *files[] = { path };
    snprintf(path, sizeof path, "%.*s/issuing/cert.pem", SPAN_FMT(s->authority.config->enrolment.ca.v));
    return gw_watch_look(files, 1);
}

// Opened and unlocked, for the trust domain that others verify it by. NULL with the reason in `diags`.
static struct pki_ca *open_ca(const struct gw_snapshot *s, int64_t now_s, struct diags *diags)
{
    const struct gw_config_enrolment *e = &s->authority.config->enrolment;
    struct pki_ca *ca = NULL;
    char what[512] = "";
    int rc = pki_ca_open(e->ca.v.p, BUSY_MS, &ca, what, sizeof what);
    if (rc == 0 && (rc = pki_ca_unlock(ca, PKI_CA_ISSUING, NULL, s->authority.ca_passphrase, now_s)) != 0)
        snprintf(what, sizeof what, "%s", pki_ca_what(ca));
    bool known = false;
    for (size_t i = 0; rc == 0 && i < s->config->trust_domains_n; i++)
        known |= span_eq(s->config->trust_domains[i].name.v, pki_ca_trust_domain(ca));
    if (rc == 0 && !known) {
        rc = ERR_CONFIG;
        snprintf(what, sizeof what, "its trust domain '%.*s' is not among trust_domains; add it there",
                 SPAN_FMT(pki_ca_trust_domain(ca)));
    }
    if (rc == 0)
        return ca;
    gw_config_error(s->config, e->ca.at, diags, "%.*s: %s", SPAN_FMT(e->ca.v), what);
    pki_ca_close(ca);
    return NULL;
}

static bool use(struct gw_enrol_desk *d, struct gw_snapshot *s, struct diags *diags)
{
    const struct gw_config_enrolment *e = &s->authority.config->enrolment;
    uint64_t issuing = look(s);
    int64_t now_s = d->visitors.now.wall_ms / 1000;
    struct gw_tls_context *tls = gw_snapshot_enrolment_tls(s, now_s, diags);
    bool same = d->endpoints.ca && issuing == d->issuing && span_eq(span_str(d->ca_dir), e->ca.v);
    struct pki_ca *ca = tls && !same ? open_ca(s, now_s, diags) : NULL;
    if (!tls || (!same && !ca)) {
        gw_tls_context_unref(tls);
        return false;
    }
    if (ca) {
        pki_ca_close(d->endpoints.ca);
        d->endpoints.ca = ca;
        d->issuing = issuing;
        snprintf(d->ca_dir, sizeof d->ca_dir, "%.*s", SPAN_FMT(e->ca.v));
    }
    gw_tls_context_unref(d->visitors.tls);
    d->visitors.tls = tls;
    d->visitors.target = &s->authority.enrol_target;
    d->endpoints.snapshot = d->snapshot = s;
    return true;
}

int gw_enrol_desk_open(struct gw_enrol_desk *d, const struct gw_origin_ground *ground, struct log *log,
                       struct gw_snapshot *s, struct diags *diags)
{
    d->log = log;
    gw_enrol_rate_init(&d->endpoints.rate);
    d->endpoints.review = review;
    d->endpoints.ctx = d;
    d->reviews = (struct gw_reviews){ .ground = *ground, .log = log, .on_answer = on_answer, .ctx = d };
    d->open = use(d, s, diags);
    return d->open ? 0 : ERR_CONFIG;
}

void gw_enrol_desk_adopt(struct gw_enrol_desk *d, struct gw_snapshot *s, const struct gw_revocations *r,
                         struct gw_metrics *metrics)
{
    struct diags diags;
    diags_init(&diags);
    d->endpoints.revocations = r;
    d->endpoints.metrics = metrics;
    if (d->open && s != d->snapshot && s->authority.config && s->authority.config->enrolment.present &&
        !use(d, s, &diags)) {
        log_error(d->log, "enrolment goes on with the CA as it was: %.*s",
                  SPAN_FMT(diags.first ? diags.first->text : SPAN("out of memory")));
        // The rest is as configured now; the old snapshot goes.
        d->visitors.target = &s->authority.enrol_target;
        d->endpoints.snapshot = d->snapshot = s;
    }
    diags_fini(&diags);
}

void gw_enrol_desk_close(struct gw_enrol_desk *d)
{
    gw_reviews_end(&d->reviews);
    pki_ca_close(d->endpoints.ca);
    gw_tls_context_unref(d->visitors.tls);
    d->endpoints.ca = NULL;
    d->visitors.tls = NULL;
    d->open = false;
}
