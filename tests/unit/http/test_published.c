// SPDX-License-Identifier: GPL-3.0-or-later
// The published cases: llhttp's own test pages and the corpus of http-desync-guardian, read from
// $SALLYPORT_VECTORS. Neither names a Host, so each case is run as it is and once more with one. What must hold
// for every single one, however it is fed: what is accepted is forwarded as exactly one request of the same
// meaning, and what its authors call broken or ambiguous is not accepted.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "gateway/base/json.h"
#include "gateway/http/target.h"
#include "tests/support/http_run.h"

static FILE *open_cases(const char *name)
{
    char path[4096];
    const char *root = getenv("SALLYPORT_VECTORS");
    snprintf(path, sizeof(path), "%s/http1/%s", root ? root : "../shared/vectors", name);
    return fopen(path, "r");
}

// RFC 4648 §4, with padding.
static void base64(struct span text, struct buf *out)
{
    uint32_t bits = 0;
    unsigned n = 0;
    for (size_t i = 0; i < text.n; i++) {
        const char *alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *at = text.p[i] ? strchr(alphabet, text.p[i]) : NULL;
        if (!at)
            break;
        bits = bits << 6 | (uint32_t)(at - alphabet);
        if ((n += 6) >= 8) {
            n -= 8;
            buf_byte(out, (char)(bits >> n & 0xff));
        }
    }
}

// Adds "Host: host.test" behind the first line, when it ends as it should and there is no Host yet.
static void with_host(struct span raw, struct buf *out)
{
    const char *version = memmem(raw.p, raw.n, " HTTP/1.", 8);
    size_t at = version ? (size_t)(version - raw.p) + 11 : raw.n;
    if (at > raw.n || raw.p[at - 2] != '\r' || raw.p[at - 1] != '\n' || memmem(raw.p, raw.n, "\nHost:", 6)) {
        buf_append(out, raw);
        return;
    }
    buf_append(out, span_sub(raw, 0, at));
    buf_append(out, SPAN("Host: host.test\r\n"));
    buf_append(out, span_sub(raw, at, raw.n));
}

static void run(struct http_run *r, bool response, struct span in, const char *id)
{
    struct http_run other;
    if (response) {
        http_run_response(r, in, &gw_h1_default_limits, false, http_split_whole, NULL);
        http_run_response(&other, in, &gw_h1_default_limits, false, http_split_bytes, NULL);
    } else {
        http_run_requests(r, in, &gw_h1_default_limits, http_split_whole, NULL);
        http_run_requests(&other, in, &gw_h1_default_limits, http_split_bytes, NULL);
    }
    if (r->broken || !span_eq(buf_span(&r->text), buf_span(&other.text)))
        fail_msg("%s: %s\nwhole:\n%.*s\nbyte by byte:\n%.*s", id, r->broken ? r->broken : "depends on how it is fed",
                 SPAN_FMT(buf_span(&r->text)), SPAN_FMT(buf_span(&other.text)));
    http_run_fini(&other);
}

struct tally {
    unsigned cases, accepted, refused;
};

struct llhttp_case {
    const char *id;
    struct span type, expect;
    int64_t messages;
};

// Without an oracle: the lenient modes, which we never use, and the upgrades, which we refuse.
static bool has_oracle(const struct llhttp_case *c)
{
    return !memmem(c->type.p, c->type.n, "lenient", 7) && !span_eq(c->expect, SPAN("pause"));
}

static void run_llhttp_case(const struct llhttp_case *c, struct span in, struct tally *tally)
{
    struct http_run r;
    bool response = span_starts(c->type, SPAN("response"));
    run(&r, response, in, c->id);
    bool refused = r.error && !r.cut;
    // A case may break off inside its head, where llhttp has seen enough and we still wait: nothing was accepted.
    if (has_oracle(c) && span_eq(c->expect, SPAN("reject")) && !r.error)
        fail_msg("%s: accepted what llhttp refuses:\n%.*s", c->id, SPAN_FMT(buf_span(&r.text)));
    // A response that ends with the connection is whole for us where llhttp waits for the end.
    if (has_oracle(c) && !response && r.messages > c->messages)
        fail_msg("%s: %u messages where llhttp reads %d", c->id, r.messages, (int)c->messages);
    tally->accepted += !refused;
    tally->refused += refused;
    http_run_fini(&r);
}

static void llhttp_cases_are_refused_or_mean_one_thing(void **state)
{
    (void)state;
    FILE *f = open_cases("llhttp-md.jsonl");
    if (!f)
        skip();
    struct tally as_is = { 0 }, hosted = { 0 };
    char *line = NULL;
    size_t cap = 0;
    for (ssize_t n; (n = getline(&line, &cap, f)) > 0;) {
        struct json_doc *doc = json_parse(span_of(line, (size_t)n), NULL, NULL);
        assert_non_null(doc);
        json v = json_root(doc);
        struct span id = json_string(json_get(v, SPAN("id")));
        struct llhttp_case c = { .type = json_string(json_get(v, SPAN("type"))),
                                 .expect = json_string(json_get(v, SPAN("expect"))) };
        char name[200];
        snprintf(name, sizeof(name), "%.*s", SPAN_FMT(id));
        c.id = name;
        json_i64(json_get(v, SPAN("messages")), &c.messages);
        struct buf raw, host;
        buf_init(&raw, 0);
        buf_init(&host, 0);
        base64(json_string(json_get(v, SPAN("raw_b64"))), &raw);
        with_host(buf_span(&raw), &host);
        if (span_eq(json_string(json_get(v, SPAN("kind"))), SPAN("http"))) {
            as_is.cases++;
            run_llhttp_case(&c, buf_span(&raw), &as_is);
            run_llhttp_case(&c, buf_span(&host), &hosted);
        }
        buf_fini(&raw);
        buf_fini(&host);
        json_free(doc);
    }
    free(line);
    fclose(f);
    print_message("llhttp: %u cases; as published %u accepted, %u refused; with a Host %u accepted, %u refused\n",
                  as_is.cases, as_is.accepted, as_is.refused, hosted.accepted, hosted.refused);
    assert_true(as_is.cases >= 200 && hosted.accepted >= 60 && hosted.refused >= 60);
}

// A head is accepted when the parser gives it out and its target is acceptable.
static bool head_is_accepted(struct span head)
{
    struct arena arena;
    struct gw_h1 h;
    struct gw_request r;
    struct gw_target t;
    struct gw_target_options any = { .scheme = SPAN("https"), .any_authority = true };
    size_t n;
    const char *what;
    arena_init(&arena, 0);
    gw_h1_init_server(&h, &gw_h1_default_limits);
    gw_h1_begin_request(&h, &arena, &r);
    bool accepted =
        gw_h1_feed(&h, head, &n) == GW_H1_HEAD && n == head.n && gw_target_of(&r, &any, &arena, &t, &what) == 0;
    arena_fini(&arena);
    return accepted;
}

// What its authors call compliant, and we refuse all the same: other transfer codings, lengths of more than the
// bound, control characters or junk in the target.
static bool is_known_refusal(struct span head)
{
    static const struct span parts[] = {
        { "gzip", 4 },  { "%0D", 3 },    { "%0A", 3 },     { "%09", 3 },
        { "#form", 5 }, { "  HTTP", 6 }, { "%dd=%ee", 7 }, { "GET  ", 5 },
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (memmem(head.p, head.n, parts[i].p, parts[i].n))
            return true;
    return false;
}

static void desync_guardian_heads_that_are_not_compliant_are_refused(void **state)
{
    (void)state;
    FILE *f = open_cases("http-desync-guardian.jsonl");
    if (!f)
        skip();
    struct tally good = { 0 }, bad = { 0 };
    char *line = NULL;
    size_t cap = 0;
    for (ssize_t n; (n = getline(&line, &cap, f)) > 0;) {
        struct json_doc *doc = json_parse(span_of(line, (size_t)n), NULL, NULL);
        assert_non_null(doc);
        json v = json_root(doc);
        struct span id = json_string(json_get(v, SPAN("id"))), reason = json_string(json_get(v, SPAN("reason")));
        struct buf raw, head;
        buf_init(&raw, 0);
        buf_init(&head, 0);
        base64(json_string(json_get(v, SPAN("raw_head_b64"))), &raw);
        with_host(buf_span(&raw), &head);
        bool compliant = span_eq(json_string(json_get(v, SPAN("tier"))), SPAN("Compliant")) ||
                         span_eq(reason, SPAN("GetHeadZeroContentLength"));
        bool accepted = head_is_accepted(buf_span(&head));
        if (!compliant && accepted)
            fail_msg("%.*s (%.*s) was accepted", SPAN_FMT(id), SPAN_FMT(reason));
        if (compliant && !accepted && !is_known_refusal(buf_span(&head)))
            fail_msg("%.*s was refused:\n%.*s", SPAN_FMT(id), SPAN_FMT(buf_span(&head)));
        struct tally *tally = compliant ? &good : &bad;
        tally->cases++;
        tally->accepted += accepted;
        tally->refused += !accepted;
        struct http_run r;
        run(&r, false, buf_span(&head), "http-desync-guardian");
        http_run_fini(&r);
        buf_fini(&raw);
        buf_fini(&head);
        json_free(doc);
    }
    free(line);
    fclose(f);
    print_message("http-desync-guardian: %u compliant heads, %u accepted; %u others, %u refused\n", good.cases,
                  good.accepted, bad.cases, bad.refused);
    assert_true(good.accepted >= 15 && bad.cases >= 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llhttp_cases_are_refused_or_mean_one_thing),
        cmocka_unit_test(desync_guardian_heads_that_are_not_compliant_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
