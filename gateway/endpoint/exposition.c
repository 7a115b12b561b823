// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/exposition.h"

const struct gw_family gw_families[GW_FAMILY_COUNT] = {
#define X(id, name, type, labels, help) [GW_FAMILY_##id] = { name, type, labels, help },
    GW_FAMILY_TABLE(X)
#undef X
};

void gw_page_head(const struct gw_page *p, const char *name, const char *type, const char *help)
{
    static const struct span total = { "_total", 6 };
    static const struct span units[] = { { "_seconds", 8 }, { "_bytes", 6 } };
    struct span family = span_str(name);
    if (p->open && span_ends(family, total))
        family = span_sub(family, 0, family.n - total.n);
    buf_printf(p->out, "# HELP sallyport_%.*s %s\n# TYPE sallyport_%.*s %s\n", SPAN_FMT(family), help, SPAN_FMT(family),
               type);
    for (size_t i = 0; p->open && i < sizeof units / sizeof *units; i++)
        if (span_ends(family, units[i]))
            buf_printf(p->out, "# UNIT sallyport_%.*s %s\n", SPAN_FMT(family), units[i].p + 1);
}

void gw_page_family(const struct gw_page *p, enum gw_family_id f)
{
    gw_page_head(p, gw_families[f].name, gw_families[f].type, gw_families[f].help);
}

void gw_page_quoted(const struct gw_page *p, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n') {
            buf_append(p->out, SPAN("\\n"));
            continue;
        }
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_byte(p->out, '\\');
        buf_byte(p->out, s.p[i]);
    }
}

void gw_page_end(const struct gw_page *p)
{
    if (p->open)
        buf_append(p->out, SPAN("# EOF\n"));
}

// -------------------------------------------------------------------------------------------------------- accepted

// "0.5" in thousandths; what is none is nothing.
static unsigned weight(struct span s)
{
    unsigned v = 0, unit = 1000;
    if (s.n == 0 || (s.p[0] != '0' && s.p[0] != '1') || s.n > 5 || (s.n > 1 && s.p[1] != '.'))
        return 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.')
            continue;
        if (s.p[i] < '0' || s.p[i] > '9')
            return 0;
        v += (unsigned)(s.p[i] - '0') * unit;
        unit /= 10;
    }
    return v > 1000 ? 1000 : v;
}

bool gw_page_wants_open(struct span accept)
{
    unsigned open = 0, text = 0;
    if (span_is_none(accept))
        return false;
    while (accept.n > 0) {
        struct span rest = span_cut(&accept, ','), type = span_trim(span_cut(&rest, ';'));
        unsigned q = 1000;
        bool ours = true; // we speak 1.0.0, and nothing was asked of the others
        while (rest.n > 0) {
            struct span value = span_trim(span_cut(&rest, ';')), name = span_cut(&value, '=');
            if (span_ieq(name, SPAN("q")))
                q = weight(value);
            else if (span_ieq(name, SPAN("version")))
                ours = span_eq(value, SPAN("1.0.0"));
        }
        if (span_ieq(type, SPAN("application/openmetrics-text")) && ours && q > open)
            open = q;
        else if ((span_ieq(type, SPAN("text/plain")) || span_ieq(type, SPAN("text/*"))) && q > text)
            text = q;
    }
    return open > 0 && open >= text;
}
