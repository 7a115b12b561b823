// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/oauth_form.h"

#include "gateway/http/query.h"

static const struct {
    struct span name;
    size_t most;
} fields[GW_FORM_COUNT] = {
#define X(id, text, bytes) [GW_FORM_##id] = { .name = { text, sizeof(text) - 1 }, .most = bytes },
    GW_FORM_TABLE(X)
#undef X
};

#define TARGET_MOST 2048

static int refuse(const char **why, const char *what)
{
    *why = what;
    return ERR_OAUTH_FORM;
}

// RFC 6749 appendix B: UTF-8, so a charset parameter may only say so.
static bool is_form(struct span type)
{
    struct span rest = type, media = span_trim(span_cut(&rest, ';'));
    return span_ieq(media, SPAN("application/x-www-form-urlencoded")) &&
           (span_is_none(rest) || span_ieq(span_trim(rest), SPAN("charset=utf-8")));
}

static int check_message(const struct gw_visit *v, const char **why)
{
    const struct gw_headers *h = &v->request->headers;
    if (!span_is_none(v->to.query))
        return refuse(why, "parameters belong into the body, not into the URL");
    if (gw_headers_count(h, GW_FIELD_CONTENT_TYPE) != 1 || !is_form(gw_headers_get(h, GW_FIELD_CONTENT_TYPE)))
        return refuse(why, "the body must be application/x-www-form-urlencoded");
    if (gw_headers_has(h, GW_FIELD_CONTENT_ENCODING))
        return refuse(why, "the body must not be encoded");
    if (v->body.n > GW_FORM_BYTES)
        return refuse(why, "the form is too long");
    return 0;
}

static int add_target(struct gw_oauth_form *f, struct span value, const char **why)
{
    if (value.n > TARGET_MOST)
        return refuse(why, "a parameter is too long");
    for (size_t i = 0; i < f->n_targets; i++)
        if (span_eq(f->targets[i], value))
            return 0;
    if (f->n_targets == GW_FORM_TARGETS)
        return refuse(why, "too many resources and audiences");
    f->targets[f->n_targets++] = value;
    return 0;
}

static int add(struct gw_oauth_form *f, struct span name, struct span value, const char **why)
{
    for (size_t i = 0; i < GW_FORM_COUNT; i++) {
        if (!span_eq(name, fields[i].name))
            continue;
        if (value.n > fields[i].most)
            return refuse(why, "a parameter is too long");
        f->v[i] = value;
    }
    return 0;
}

int gw_oauth_form_read(const struct gw_visit *v, struct gw_oauth_form *out, const char **why)
{
    struct gw_oauth_form f = { 0 };
    struct span names[GW_FORM_PAIRS], name, value;
    size_t n = 0;
    int rc = check_message(v, why);
    if (rc != 0)
        return rc;
    struct gw_query q = gw_query(v->body, v->arena);
    while ((rc = gw_query_next(&q, &name, &value)) == 1) {
        if (n == GW_FORM_PAIRS)
            return refuse(why, "too many parameters");
        bool target = span_eq(name, SPAN("resource")) || span_eq(name, SPAN("audience"));
        for (size_t i = 0; i < n && !target; i++)
            if (span_eq(names[i], name))
                return refuse(why, "a parameter is there twice");
        names[n++] = name;
        if (value.n == 0)
            continue;
        rc = target ? add_target(&f, value, why) : add(&f, name, value, why);
        if (rc != 0)
            return rc;
    }
    if (rc == ERR_NOMEM)
        return rc;
    if (rc != 0)
        return refuse(why, "the form is malformed");
    *out = f;
    return 0;
}
