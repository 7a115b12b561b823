// SPDX-License-Identifier: GPL-3.0-or-later
// The extension types: what their constructors take, what their methods yield, and how both fail.
#include "tests/unit/policy/support.h"

#include "gateway/base/buf.h"
#include "policy/ext.h"
#include "policy/facts.h"

// "allow", "deny", or a part of the error's text.
static void assert_yields(const char *expr, const char *expected)
{
    struct fixture f;
    char text[4096];

    snprintf(text, sizeof text, "permit(principal, action, resource) when { %s };", expr);
    fixture_init(&f, text, NULL);
    ask(&f, "ann", "read", "d1");
    pol_request_context(&f.r, SPAN("s"), pol_string(SPAN("10.1.2.3")));
    pol_request_context(&f.r, SPAN("bad"), pol_string(SPAN("x")));
    pol_request_context(&f.r, SPAN("ip"), pol_request_ip(&f.r, SPAN("fe80::1/64")));
    pol_request_context(&f.r, SPAN("dec"), pol_decimal(-5));
    pol_request_context(&f.r, SPAN("now"), pol_datetime(1000));
    pol_request_context(&f.r, SPAN("age"), pol_duration(-1));
    pol_decide(&f.r, POL_MODE_CEDAR, 0, &f.a);
    if (f.a.n_failures) {
        if (!strstr(f.a.failures[0].text.p, expected))
            print_error("%s: %s\n", expr, f.a.failures[0].text.p);
        assert_non_null(strstr(f.a.failures[0].text.p, expected));
    } else {
        if (strcmp(f.a.allow ? "allow" : "deny", expected) != 0)
            print_error("%s\n", expr);
        assert_string_equal(f.a.allow ? "allow" : "deny", expected);
    }
    fixture_fini(&f);
}

struct row {
    const char *expr, *expected;
};

static void assert_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_yields(rows[i].expr, rows[i].expected);
}
#define ROWS(rows) assert_rows((rows), sizeof(rows) / sizeof *(rows))

static void decimals_have_four_digits_and_64_bits(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {
        { "0.0", 0 },
        { "1.0", 10000 },
        { "-1.0", -10000 },
        { "-0.0001", -1 },
        { "12.3456", 123456 },
        { "00012.5", 125000 },
        { "-0.5", -5000 },
        { "922337203685477.5807", INT64_MAX },
        { "-922337203685477.5808", INT64_MIN },
    };
    static const char *const bad[] = {
        "",
        "1",
        ".5",
        "5.",
        "1.23456",
        "+1.0",
        " 1.0",
        "1.0 ",
        "1,0",
        "1.0x",
        "--1.0",
        "1.-5",
        "0x1.0",
        "1e3.0",
        "-",
        "922337203685477.5808",
        "-922337203685477.5809",
        "99999999999999999999.0",
        "1.00000",
    };
    char text[POL_EXT_TEXT_MAX];
    int64_t v, again;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct pol_value value;

        assert_null(pol_decimal_read(span_str(good[i].text), &v));
        assert_true(v == good[i].value);
        value = pol_decimal(v);
        assert_true(pol_ext_text(&value, text));
        assert_null(pol_decimal_read(span_str(text), &again));
        assert_true(again == v);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(pol_decimal_read(span_str(bad[i]), &v));
}

static void addresses_are_canonical_and_never_mixed(void **state)
{
    static const char *const good[][2] = {
        { "10.0.0.1", "10.0.0.1" },
        { "10.0.0.1/32", "10.0.0.1" },
        { "10.0.0.1/8", "10.0.0.1/8" },
        { "0.0.0.0/0", "0.0.0.0/0" },
        { "::", "::" },
        { "::1/128", "::1" },
        { "2001:DB8::/32", "2001:db8::/32" },
        { "2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1" },
        { "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
        { "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" },
        { "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
        { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127" },
    };
    static const char *const bad[] = {
        "",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "01.1.1.1",
        "1.1.1.1/",
        "1.1.1.1/33",
        "1.1.1.1/08",
        "1.1.1.1/-1",
        "1.1.1.1/8/8",
        "1.1.1.1 ",
        ":",
        ":::",
        "1::2::3",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "12345::",
        "::1/129",
        "::ffff:1.2.3.4",
        "fe80::1%eth0",
        "g::",
        "1:",
        ":1",
        "[::1]",
        "::1/0128",
        "/8",
    };
    char text[POL_EXT_TEXT_MAX];
    struct pol_value v, again;
    uint32_t steps = 1000;
    struct arena a;

    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_null(pol_ip_read(span_str(good[i][0]), &a, &v));
        assert_true(pol_ext_text(&v, text));
        assert_string_equal(text, good[i][1]);
        assert_null(pol_ip_read(span_str(text), &a, &again));
        assert_int_equal(pol_value_cmp(&v, &again, &steps), 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(pol_ip_read(span_str(bad[i]), &a, &v));
    arena_fini(&a);
}

static void ranges_hold_what_is_wholly_inside(void **state)
{
    static const struct row rows[] = {
        { "ip(\"10.1.2.3\").isInRange(ip(\"10.0.0.0/8\"))", "allow" },
        { "ip(\"10.1.2.3\").isInRange(ip(\"10.9.9.9/8\"))", "allow" },
        { "ip(\"11.1.2.3\").isInRange(ip(\"10.0.0.0/8\"))", "deny" },
        { "ip(\"10.0.0.0/7\").isInRange(ip(\"10.0.0.0/8\"))", "deny" },
        { "ip(\"10.0.0.0/8\").isInRange(ip(\"0.0.0.0/0\"))", "allow" },
        { "ip(\"::1\").isInRange(ip(\"0.0.0.0/0\"))", "deny" },
        { "ip(\"::1\").isInRange(ip(\"::/0\"))", "allow" },
        { "ip(\"2001:db8:8000::1\").isInRange(ip(\"2001:db8:8000::/33\"))", "allow" },
        { "ip(\"2001:db8::1\").isInRange(ip(\"2001:db8:8000::/33\"))", "deny" },
        { "ip(\"127.1.2.3\").isLoopback()", "allow" },
        { "ip(\"127.0.0.0/8\").isLoopback()", "allow" },
        { "ip(\"127.0.0.0/7\").isLoopback()", "deny" },
        { "ip(\"::1\").isLoopback()", "allow" },
        { "ip(\"::1/127\").isLoopback()", "deny" },
        { "ip(\"224.0.0.0/4\").isMulticast()", "allow" },
        { "ip(\"224.0.0.0/3\").isMulticast()", "deny" },
        { "ip(\"ff02::1\").isMulticast()", "allow" },
        { "ip(\"ff00::/7\").isMulticast()", "deny" },
        { "ip(\"10.0.0.1\").isIpv4() && !ip(\"::\").isIpv4() && ip(\"::\").isIpv6()", "allow" },
        { "ip(context.s).isInRange(ip(\"10.0.0.0/8\"))", "allow" },
        { "context.ip.isInRange(ip(\"fe80::/10\"))", "allow" },
    };

    (void)state;
    ROWS(rows);
}

static void datetimes_are_gregorian(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        { "1970-01-01", 0 },
        { "1969-12-31T23:59:59.999Z", -1 },
        { "2024-02-29", 1709164800000 },
        { "2000-02-29T12:34:56.789Z", 951827696789 },
        { "2024-01-01T00:00:00+0130", 1704067200000 - 5400000 },
        { "2024-01-01T00:00:00-2359", 1704067200000 + 86340000 },
        { "0000-01-01", -62167219200000 },
        { "9999-12-31T23:59:59.999Z", 253402300799999 },
    };
    static const char *const bad[] = {
        "",
        "2024",
        "2024-1-1",
        "2023-02-29",
        "1900-02-29",
        "2024-13-01",
        "2024-00-01",
        "2024-01-00",
        "2024-04-31",
        "2024-01-01Z",
        "2024-01-01T",
        "2024-01-01T00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T23:59:60Z",
        "2024-01-01T00:00:00",
        "2024-01-01T00:00:00.1Z",
        "2024-01-01T00:00:00.1234Z",
        "2024-01-01T00:00:00+2400",
        "2024-01-01T00:00:00+0060",
        "2024-01-01T00:00:00+01:00",
        "2024-01-01T00:00:00z",
        "2024-01-01t00:00:00Z",
        "2024-01-01T00:00:00Z ",
        "-2024-01-01",
        "12024-01-01",
        "2024-01-01T00:00:00.Z",
    };
    char text[POL_EXT_TEXT_MAX];
    int64_t v, again;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_null(pol_datetime_read(span_str(good[i].text), &v));
        assert_true(v == good[i].ms);
        assert_true(pol_datetime_text(v, text));
        assert_null(pol_datetime_read(span_str(text), &again));
        assert_true(again == v);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(pol_datetime_read(span_str(bad[i]), &v));
    // Every day of 400 years and one of each other century.
    for (int64_t ms = -62167219200000; ms <= 253402300799999; ms += ms < -49544611200000 ? 86400000 : 3155692600777) {
        assert_true(pol_datetime_text(ms, text));
        assert_null(pol_datetime_read(span_str(text), &v));
        assert_true(v == ms);
    }
    assert_false(pol_datetime_text(-62167219200001, text));
    assert_false(pol_datetime_text(253402300800000, text));
    assert_false(pol_datetime_text(INT64_MIN, text));
}

static void durations_go_from_days_to_milliseconds(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        { "0ms", 0 },
        { "5ms", 5 },
        { "5m5ms", 300005 },
        { "1d2h3m4s5ms", 93784005 },
        { "-90s", -90000 },
        { "106751991167d7h12m55s807ms", INT64_MAX },
        { "-106751991167d7h12m55s808ms", INT64_MIN },
        { "-9223372036854775808ms", INT64_MIN },
        { "0000000000000000000000000000001s", 1000 },
    };
    static const char *const bad[] = {
        "",
        "-",
        "1",
        "d",
        "1x",
        "1s1m",
        "1s1s",
        "1ms1s",
        "+1s",
        "1.5h",
        "1 d",
        "1D",
        "--1s",
        "1d-1h",
        "106751991167d7h12m55s808ms",
        "-106751991167d7h12m55s809ms",
        "9223372036854775808ms",
        "99999999999999999999d",
    };
    char text[POL_EXT_TEXT_MAX];
    int64_t v, again;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct pol_value value;

        assert_null(pol_duration_read(span_str(good[i].text), &v));
        assert_true(v == good[i].ms);
        value = pol_duration(v);
        assert_true(pol_ext_text(&value, text));
        assert_null(pol_duration_read(span_str(text), &again));
        assert_true(again == v);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(pol_duration_read(span_str(bad[i]), &v));
}

static void times_are_computed_and_compared(void **state)
{
    static const struct row rows[] = {
        { "datetime(\"2024-01-01\") < datetime(\"2024-01-02\") && duration(\"1s\") >= duration(\"1000ms\")", "allow" },
        { "datetime(\"2024-01-01T10:00:00+0130\").toTime() == duration(\"8h30m\")", "allow" },
        { "datetime(\"1969-12-31T23:00:00Z\").toTime() == duration(\"23h\")", "allow" },
        { "datetime(\"1969-12-31T23:00:00Z\").toDate() == datetime(\"1969-12-31\")", "allow" },
        { "datetime(\"2024-01-01\").offset(duration(\"-1ms\")).toDate() == datetime(\"2023-12-31\")", "allow" },
        { "datetime(\"2024-03-01\").durationSince(datetime(\"2024-02-01\")).toDays() == 29", "allow" },
        { "duration(\"-90061001ms\").toDays() == -1 && duration(\"-90061001ms\").toHours() == -25", "allow" },
        { "duration(\"90061001ms\").toMinutes() == 1501 && duration(\"90061001ms\").toSeconds() == 90061", "allow" },
        { "context.age.toMilliseconds() == -1 && context.now.toTime() == duration(\"1s\")", "allow" },
        { "context.now.offset(duration(\"9223372036854775807ms\")) == context.now", "overflow" },
        { "datetime(\"1970-01-01\").offset(duration(\"-9223372036854775808ms\")).toDate() == context.now", "overflow" },
        { "context.now.durationSince(context.now.offset(duration(\"-9223372036854775808ms\"))) == context.age",
          "overflow" },
    };

    (void)state;
    ROWS(rows);
}

static void values_of_different_types_are_unequal_and_unordered(void **state)
{
    static const struct row rows[] = {
        { "decimal(\"1.0\") == decimal(\"1.0000\") && decimal(\"1.0\") != 1", "allow" },
        { "ip(\"10.0.0.0/8\") != ip(\"10.0.0.1/8\") && ip(\"10.0.0.1\") == ip(\"10.0.0.1/32\")", "allow" },
        { "datetime(\"1970-01-01\") == duration(\"0ms\")", "deny" },
        { "decimal(\"0.0001\") == duration(\"1ms\") || duration(\"1ms\") == 1", "deny" },
        { "[ip(\"::1\"), ip(\"0::1\"), decimal(\"1.0\"), 1] == [1, decimal(\"1.00\"), ip(\"::1\")]", "allow" },
        { "{a: duration(\"1m\")} == {a: duration(\"60s\")}", "allow" },
        { "[context.ip, context.dec].containsAll([decimal(\"-0.0005\"), ip(\"fe80::1/64\")])", "allow" },
        { "datetime(\"1970-01-01\") < duration(\"1ms\")", "expected datetime, got duration" },
        { "duration(\"1ms\") < 5", "expected duration, got long" },
        { "5 < duration(\"1ms\")", "expected long, got duration" },
        { "decimal(\"1.0\") < decimal(\"2.0\")", "expected long, datetime or duration, got decimal" },
        { "ip(\"::1\") in principal", "expected entity, got ipaddr" },
        { "principal in [principal, ip(\"::1\")]", "an element is a ipaddr" },
        { "ip(\"::1\") has a", "expected entity or record, got ipaddr" },
        { "decimal(\"1.0\") + 1 == 2", "expected long, got decimal" },
    };

    (void)state;
    ROWS(rows);
}

static void invalid_constants_fail_the_policy_not_the_load(void **state)
{
    static const struct row rows[] = {
        { "decimal(\"x\") == 1", "not a decimal" },
        { "ip(\"x\").isIpv4()", "not an address" },
        { "datetime(\"x\") == 1", "not a datetime" },
        { "duration(\"x\") == 1", "not a duration" },
        { "true || decimal(\"x\") == 1", "allow" },
        { "false && ip().isIpv4()", "deny" },
        { "ip(context.bad).isIpv4()", "not an address" },
        { "decimal(1) == 1", "expected string, got long" },
        { "\"1.0\".lessThan(decimal(\"1.0\"))", "expected decimal, got string" },
        { "decimal(\"1.0\").lessThan(1)", "expected decimal, got long" },
        { "principal.toDate() == 1", "expected datetime, got entity" },
        { "ip() == 1", "ip() takes one argument, got 0" },
        { "ip(\"::1\", \"::2\") == 1", "ip() takes one argument, got 2" },
        { "ip(\"::1\").isInRange() == 1", "isInRange() takes one argument, got 0" },
        { "ip(\"::1\").isIpv4(1)", "isIpv4() takes no arguments, got 1" },
        { "ip(\"::1\",).isInRange(ip(\"::1\"),)", "allow" },
    };

    (void)state;
    ROWS(rows);
}

static void long_texts_cost_steps(void **state)
{
    size_t n = 1u << 20;
    char *digits = malloc(n);
    struct fixture f;

    (void)state;
    assert_non_null(digits);
    memset(digits, '0', n);
    memcpy(digits + n - 2, "1d", 2);
    fixture_init(&f, "permit(principal, action, resource) when { duration(context.d) == duration(\"1d\") };", NULL);
    ask(&f, "ann", "read", "d1");
    pol_request_context(&f.r, SPAN("d"), pol_string(span_of(digits, n)));
    assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 10000, &f.a), ERR_POLICY_BUDGET);
    assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 20000, &f.a), 0);
    fixture_fini(&f);
    free(digits);
}

static void an_address_that_cannot_be_read_spoils_the_request(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, "permit(principal, action, resource);", NULL);
    ask(&f, "ann", "read", "d1");
    assert_int_equal(pol_request_ip(&f.r, SPAN("1.2.3.256")).kind, POL_NONE);
    assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a), ERR_INTERNAL);
    assert_false(f.a.allow);
    fixture_fini(&f);
}

static bool decides_from(struct fixture *f, const char *context)
{
    struct buf b;
    bool ok;

    buf_init(&b, 0);
    fixture_again(f);
    buf_printf(&b,
               "{\"principal\":\"User::\\\"a\\\"\",\"action\":\"Action::\\\"a\\\"\",\"resource\":\"Doc::\\\"d\\\"\","
               "\"context\":%s}",
               context);
    ok = pol_request_from_json(&f->r, SPAN("r.json"), buf_span(&b), false, &f->diags);
    if (ok)
        pol_decide(&f->r, POL_MODE_GATEWAY, 0, &f->a);
    buf_fini(&b);
    return ok && f->a.allow;
}

static void json_values_come_back_from_the_audit_form(void **state)
{
    static const char *const contexts[] = {
        "{\"v\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"2001:db8::1/64\"}}}",
        "{\"v\":{\"__extn\":{\"fn\":\"ip\",\"args\":[\"10.0.0.0/8\"]}}}",
        "{\"v\":{\"__extn\":{\"fn\":\"decimal\",\"arg\":\"-0.5\"}}}",
        "{\"v\":{\"__extn\":{\"fn\":\"datetime\",\"arg\":\"2024-01-01T00:00:00.001+0100\"}}}",
        "{\"v\":[{\"__extn\":{\"fn\":\"duration\",\"arg\":\"1d\"}},{\"a\":{\"__extn\":{\"fn\":\"duration\",\"arg\":"
        "\"-1h\"}}}]}",
        // Beyond what a text can say.
        "{\"v\":{\"__extn\":{\"fn\":\"offset\",\"args\":[{\"__extn\":{\"fn\":\"datetime\",\"arg\":\"1970-01-01\"}},{\"_"
        "_"
        "extn\":{\"fn\":\"duration\",\"arg\":\"-9223372036854775808ms\"}}]}}}",
        "{\"v\":{\"__extn\":{\"fn\":\"toDays\",\"arg\":{\"__extn\":{\"fn\":\"duration\",\"arg\":\"48h\"}}}}}",
    };
    struct fixture f;
    struct buf once, twice;

    (void)state;
    fixture_init(&f, "permit(principal, action, resource) when { context has v };", NULL);
    buf_init(&once, 0);
    buf_init(&twice, 0);
    for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++) {
        struct pol_value before;
        uint32_t steps = 1000;

        assert_true(decides_from(&f, contexts[i]));
        buf_clear(&once);
        buf_clear(&twice);
        before = f.r.context->fields[0].value;
        assert_true(pol_request_to_json(&f.r, &once));
        fixture_again(&f);
        assert_true(pol_request_from_json(&f.r, SPAN("audit"), buf_span(&once), false, &f.diags));
        assert_int_equal(pol_value_cmp(&before, &f.r.context->fields[0].value, &steps), 0);
        assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a), 0);
        assert_true(pol_request_to_json(&f.r, &twice));
        assert_true(span_eq(buf_span(&once), buf_span(&twice)));
    }
    buf_fini(&once);
    buf_fini(&twice);
    fixture_fini(&f);
}

static void json_that_is_no_extension_value_is_refused(void **state)
{
    static const struct row rows[] = {
        { "{\"v\":{\"__extn\":\"x\"}}", "r.json: error: context: at .v: '__extn' is {\"fn\": …, \"arg\": …}" },
        { "{\"v\":{\"__extn\":{\"fn\":\"ip\"}}}", "r.json: error: context: at .v: '__extn' is {\"fn\"" },
        { "{\"v\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"::1\",\"x\":1}}}",
          "r.json: error: context: at .v: '__extn' is {\"fn\"" },
        { "{\"v\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"::1\"},\"x\":1}}",
          "r.json: error: context: at .v: '__extn' stands alone in its object" },
        { "{\"v\":{\"__extn\":{\"fn\":\"foo\",\"arg\":\"::1\"}}}",
          "r.json: error: context: at .v: there is no extension function 'foo'" },
        { "{\"v\":{\"__extn\":{\"fn\":\"ip\",\"arg\":1}}}",
          "r.json: error: context: at .v: ip() takes a string, got a long" },
        { "{\"v\":{\"__extn\":{\"fn\":\"ip\",\"args\":[\"::1\",\"::1\"]}}}",
          "r.json: error: context: at .v: ip takes 1 arguments, got 2" },
        { "{\"v\":[{\"__extn\":{\"fn\":\"decimal\",\"arg\":\"1\"}}]}",
          "r.json: error: context: at .v[0]: decimal(): not a decimal" },
        { "{\"v\":{\"__expr\":\"ip()\"}}",
          "r.json: error: context: at .v: '__expr' is not supported by Cedar any more" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;

        fixture_init(&f, "permit(principal, action, resource);", NULL);
        assert_false(decides_from(&f, rows[i].expr));
        if (strncmp(complaint(&f), rows[i].expected, strlen(rows[i].expected)) != 0)
            print_error("%s\n", complaint(&f));
        assert_int_equal(strncmp(complaint(&f), rows[i].expected, strlen(rows[i].expected)), 0);
        fixture_fini(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_have_four_digits_and_64_bits),
        cmocka_unit_test(addresses_are_canonical_and_never_mixed),
        cmocka_unit_test(ranges_hold_what_is_wholly_inside),
        cmocka_unit_test(datetimes_are_gregorian),
        cmocka_unit_test(durations_go_from_days_to_milliseconds),
        cmocka_unit_test(times_are_computed_and_compared),
        cmocka_unit_test(values_of_different_types_are_unequal_and_unordered),
        cmocka_unit_test(invalid_constants_fail_the_policy_not_the_load),
        cmocka_unit_test(long_texts_cost_steps),
        cmocka_unit_test(an_address_that_cannot_be_read_spoils_the_request),
        cmocka_unit_test(json_values_come_back_from_the_audit_form),
        cmocka_unit_test(json_that_is_no_extension_value_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
