// SPDX-License-Identifier: GPL-3.0-or-later
// The page of metrics in both formats, and docs/metrics.md, which lists every metric as the tables have it: rendered from them here and compared. With
// SALLYPORT_UPDATE_DOCS set in the environment it is put right instead.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/file.h"
#include "gateway/endpoint/metrics.h"
#include "gateway/endpoint/operations.h"

#define DOCS SALLYPORT_SOURCE_DIR "/docs/metrics.md"
#define BEGIN "<!-- metrics: rendered from gateway/endpoint/exposition.h and metrics.h -->\n"
#define END "<!-- /metrics -->\n"

// ------------------------------------------------------------------------------------------------------------- docs

static void row(struct buf *out, const struct gw_family *f, struct span labels)
{
    buf_printf(out, "| `sallyport_%s` | %s | %.*s | %s |\n", f->name, f->type, SPAN_FMT(labels), f->help);
}

static void render(struct buf *out)
{
    buf_printf(out, "\n| metric | type | labels | meaning |\n|---|---|---|---|\n");
    const char *last = "";
    for (size_t i = 0; gw_metrics_counted(i).name; i++) {
        struct gw_family f = gw_metrics_counted(i);
        struct span label = span_str(f.labels);
        if (strcmp(f.name, last) != 0)
            row(out, &f, span_cut(&label, '='));
        last = f.name;
    }
    for (size_t i = 0; i < GW_FAMILY_COUNT; i++)
        row(out, &gw_families[i], span_str(gw_families[i].labels));
    buf_byte(out, '\n');
}

static void every_metric_is_documented(void **state)
{
    (void)state;
    struct buf docs, fresh;
    buf_init(&docs, 0);
    buf_init(&fresh, 0);
    assert_int_equal(file_read(DOCS, 1 << 20, &docs), 0);
    buf_byte(&docs, '\0');
    const char *text = buf_span(&docs).p, *from = strstr(text, BEGIN), *to = strstr(text, END);
    assert_true(from && to && from < to);
    from += strlen(BEGIN);
    buf_append(&fresh, span_of(text, (size_t)(from - text)));
    render(&fresh);
    buf_append(&fresh, span_str(to));
    if (getenv("SALLYPORT_UPDATE_DOCS"))
        assert_int_equal(file_write(DOCS, buf_span(&fresh), 0644), 0);
    else if (!span_eq(buf_span(&fresh), span_str(text)))
        fail_msg("docs/metrics.md differs from the tables; run this test with SALLYPORT_UPDATE_DOCS=1");
    buf_fini(&docs);
    buf_fini(&fresh);
}

// ------------------------------------------------------------------------------------------------------------- page

struct page {
    struct gw_metrics *m;
    struct gw_named_rows shards;
    struct buf out;
    const char *text;
};

static void page_init(struct page *p)
{
    *p = (struct page){ .m = aligned_alloc(64, (sizeof *p->m + 63) / 64 * 64) };
    memset(p->m, 0, sizeof *p->m);
    buf_init(&p->out, 0);
}

static void page_fini(struct page *p)
{
    buf_fini(&p->out);
    free(p->m);
}

static void page_write(struct page *p, bool open)
{
    struct gw_metrics *const loops[] = { p->m, p->m }; // two, so that sums show
    struct gw_metrics_state state = { .shard_names = &p->shards,
                                      .feed = { .followed = true, .age_ms = 1500, .max_stale_ms = 30000 } };
    buf_clear(&p->out);
    gw_metrics_write(&(struct gw_page){ &p->out, open }, loops, 2, &state);
    buf_byte(&p->out, '\0');
    p->text = buf_span(&p->out).p;
}

static void expect(const struct page *p, const char *line)
{
    if (!strstr(p->text, line))
        fail_msg("no %s in\n%s", line, p->text);
}

static void openmetrics_names_families_units_and_an_end(void **state)
{
    (void)state;
    struct page p;
    page_init(&p);
    page_write(&p, true);
    expect(&p, "# TYPE sallyport_requests counter\n");
    expect(&p, "sallyport_requests_total{decision=\"allow\"} 0\n");
    expect(&p,
           "# TYPE sallyport_request_duration_seconds histogram\n# UNIT sallyport_request_duration_seconds seconds\n");
    expect(&p, "# UNIT sallyport_client_bytes bytes\n");
    assert_string_equal(p.text + strlen(p.text) - 6, "# EOF\n");
    assert_null(strstr(p.text, "TYPE sallyport_requests_total"));
    page_write(&p, false);
    expect(&p, "# TYPE sallyport_requests_total counter\n");
    assert_null(strstr(p.text, "# EOF"));
    assert_null(strstr(p.text, "# UNIT"));
    page_fini(&p);
}

static void histograms_are_cumulative_and_summed_over_loops(void **state)
{
    (void)state;
    struct page p;
    page_init(&p);
    gw_histogram_add(&p.m->stage[GW_STAGE_policy], GW_BOUNDS_FINE, 900);
    gw_histogram_add(&p.m->stage[GW_STAGE_policy], GW_BOUNDS_FINE, 2500);
    gw_histogram_add(&p.m->stage[GW_STAGE_policy], GW_BOUNDS_FINE, 7000000000);
    page_write(&p, false);
    expect(&p, "sallyport_stage_duration_seconds_bucket{stage=\"policy\",le=\"1e-06\"} 2\n");
    expect(&p, "sallyport_stage_duration_seconds_bucket{stage=\"policy\",le=\"2.5e-06\"} 4\n");
    expect(&p, "sallyport_stage_duration_seconds_bucket{stage=\"policy\",le=\"0.1\"} 4\n");
    expect(&p, "sallyport_stage_duration_seconds_bucket{stage=\"policy\",le=\"+Inf\"} 6\n");
    expect(&p, "sallyport_stage_duration_seconds_sum{stage=\"policy\"} 14.000006800\n");
    expect(&p, "sallyport_stage_duration_seconds_count{stage=\"policy\"} 6\n");
    expect(&p, "sallyport_stage_duration_seconds_count{stage=\"route\"} 0\n");
    page_fini(&p);
}

static void shards_are_counted_each_until_there_are_too_many(void **state)
{
    (void)state;
    struct page p;
    page_init(&p);
    assert_int_equal(gw_named_row(&p.shards, SPAN("one"), GW_SHARD_ROW_OTHERS), 0);
    gw_count_answer(&p.m->shard[0], 200);
    gw_count_answer(&p.m->shard[0], 503);
    gw_count_answer(&p.m->shard[0], 0);
    p.m->shard[0].busy = 3;
    page_write(&p, false);
    expect(&p, "sallyport_shard_answers_total{shard=\"one\",status=\"2xx\"} 2\n");
    expect(&p, "sallyport_shard_answers_total{shard=\"one\",status=\"4xx\"} 0\n");
    expect(&p, "sallyport_shard_answers_total{shard=\"one\",status=\"5xx\"} 2\n");
    expect(&p, "sallyport_shard_answers_total{shard=\"one\",status=\"none\"} 2\n");
    expect(&p, "sallyport_shard_connections{shard=\"one\",state=\"busy\"} 6\n");
    assert_null(strstr(p.text, "(others)"));
    for (int i = 0; i < 2 * GW_NAMED_ROWS; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        assert_true(gw_named_row(&p.shards, span_str(name), GW_SHARD_ROW_OTHERS) <= GW_SHARD_ROW_OTHERS);
    }
    page_write(&p, false);
    expect(&p, "sallyport_shard_waiting{shard=\"(others)\"} 0\n");
    assert_null(strstr(p.text, "shard=\"n100\""));
    page_fini(&p);
}

static void a_scraper_gets_the_format_that_it_accepts(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        bool open;
    } cases[] = {
        { "application/openmetrics-text; version=1.0.0", true },
        { "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1", true },
        { "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;"
          "version=0.0.4;q=0.5,*/*;q=0.1",
          true },
        { "application/openmetrics-text; version=1.0.0; charset=utf-8", true },
        { "Application/OpenMetrics-Text", true },
        { "application/openmetrics-text;version=1.0.0;q=0.2, text/plain;q=0.5", false },
        { "application/openmetrics-text;version=1.0.0;q=0", false },
        { "application/openmetrics-text;version=2.0.0", false },
        { "application/openmetrics-text;q=x", false },
        { "text/plain", false },
        { "*/*", false },
        { "", false },
        { ",;,;=q", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (gw_page_wants_open(span_str(cases[i].accept)) != cases[i].open)
            fail_msg("%s", cases[i].accept);
    assert_false(gw_page_wants_open(SPAN_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_metric_is_documented),
        cmocka_unit_test(openmetrics_names_families_units_and_an_end),
        cmocka_unit_test(histograms_are_cumulative_and_summed_over_loops),
        cmocka_unit_test(shards_are_counted_each_until_there_are_too_many),
        cmocka_unit_test(a_scraper_gets_the_format_that_it_accepts),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
