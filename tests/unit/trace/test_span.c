// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/trace/span.h"

static void a_batch_is_what_a_collector_reads(void **state)
{
    (void)state;
    const struct gw_span_attribute attributes[] = {
        { .key = "url.path", .text = SPAN("/a\n\"b\"") },
        { .key = "left.out", .text = SPAN_NONE },
        { .key = "http.response.status_code", .has_number = true, .number = 200 },
    };
    const struct gw_span_resource who = { .service = SPAN("s"), .version = SPAN_NONE };
    struct gw_span s = {
        .trace_id = "4bf92f3577b34da6a3ce929d0e0e4736",
        .span_id = "00f067aa0ba902b7",
        .parent_id = "1111111111111111",
        .state = SPAN("a=1"),
        .flags = 1,
        .remote = true,
        .kind = GW_SPAN_SERVER,
        .name = SPAN("GET x"),
        .start_ns = 1700000000123456789,
        .end_ns = 1700000000123999999,
        .attributes = attributes,
        .n = 3,
    };
    struct buf lines, body;
    buf_init(&lines, 0);
    buf_init(&body, 0);
    assert_true(gw_span_write(&s, &lines));
    s.parent_id = NULL;
    s.state = SPAN_NONE;
    s.remote = false;
    s.kind = GW_SPAN_CLIENT;
    s.n = 0;
    s.failed = true;
    assert_true(gw_span_write(&s, &lines));
    assert_true(gw_spans_wrap(&who, buf_span(&lines), &body));
    buf_byte(&body, '\0');
    assert_string_equal(
        buf_span(&body).p,
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"s\"}"
        "}]},"
        "\"scopeSpans\":[{\"scope\":{\"name\":\"sallyport\"},\"spans\":["
        "{\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"spanId\":\"00f067aa0ba902b7\",\"parentSpanId\":"
        "\"1111111111111111\",\"traceState\":\"a=1\",\"flags\":769,\"name\":\"GET x\",\"kind\":2,"
        "\"startTimeUnixNano\":\"1700000000123456789\",\"endTimeUnixNano\":\"1700000000123999999\",\"attributes\":["
        "{\"key\":\"url.path\",\"value\":{\"stringValue\":\"/a\\n\\\"b\\\"\"}},"
        "{\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"200\"}}]},"
        "{\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"spanId\":\"00f067aa0ba902b7\",\"flags\":257,\"name\":"
        "\"GET "
        "x\",\"kind\":3,\"startTimeUnixNano\":\"1700000000123456789\",\"endTimeUnixNano\":\"1700000000123999999\","
        "\"attributes\":[],\"status\":{\"code\":2}}]}]}]}");
    buf_fini(&lines);
    buf_fini(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_batch_is_what_a_collector_reads) };
    return cmocka_run_group_tests_name("spans", tests, NULL, NULL);
}
