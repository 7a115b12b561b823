// SPDX-License-Identifier: GPL-3.0-or-later
// Which tokens and certificates an entry hits, and which not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "pki/revoked.h"

enum { NOW = 1800000000, ISSUED = NOW - 100 };

#define ISS "https://issuer.test"
#define WORKLOAD "spiffe://example.org/rag"
// 32 bytes of 0x07, base64url
#define THUMBPRINT "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"

static const struct pki_issuer issuer = { .iss = { ISS, sizeof ISS - 1 } };

static struct pki_token token(void)
{
    struct pki_token t = {
        .issuer = &issuer,
        .subject = SPAN("alice"),
        .client_id = SPAN("notebook"),
        .jti = SPAN("t-1"),
        .workload = SPAN(WORKLOAD),
        .iat = ISSUED,
        .exp = NOW + 100,
        .has_jkt = true,
    };
    memset(t.jkt, 7, sizeof t.jkt);
    return t;
}

static struct pki_identity identity(void)
{
    return (struct pki_identity){
        .spiffe_id = SPAN(WORKLOAD),
        .trust_domain = SPAN("example.org"),
        .serial = SPAN("3c00cafc"),
    };
}

static struct pki_revoked *set_of(const struct pki_revoked_entry *entries, size_t n)
{
    struct pki_revoked *r = pki_revoked_new();
    assert_non_null(r);
    for (size_t i = 0; i < n; i++) {
        if (pki_revoked_fault(&entries[i]))
            fail_msg("%s", pki_revoked_fault(&entries[i]));
        assert_int_equal(0, pki_revoked_add(r, &entries[i]));
    }
    return r;
}

#define ENTRY(k, v, ...)                                           \
    (struct pki_revoked_entry)                                     \
    {                                                              \
        .kind = PKI_REVOKED_##k, .value = span_str(v), __VA_ARGS__ \
    }

static int look(struct pki_revoked_entry e, const struct pki_revoked_entry **by)
{
    struct pki_token t = token();
    struct pki_revoked *r = set_of(&e, 1);
    int rc = pki_revoked_token(r, &t, NOW, by);
    if (by && rc != 0)
        assert_int_equal(e.kind, (*by)->kind);
    pki_revoked_unref(r);
    return rc;
}

static void a_token_is_revoked_by_each_of_what_it_is_known_by(void **state)
{
    (void)state;
    const struct pki_revoked_entry hits[] = {
        ENTRY(JTI, "t-1"),
        ENTRY(SUBJECT, "alice"),
        ENTRY(CLIENT, "notebook"),
        ENTRY(WORKLOAD, WORKLOAD),
        ENTRY(THUMBPRINT, THUMBPRINT),
        ENTRY(ALL, "", .before_s = ISSUED + 1),
        ENTRY(SUBJECT, "alice", .before_s = ISSUED + 1),
        ENTRY(JTI, "t-1", .issuer = SPAN(ISS)),
        ENTRY(ALL, "", .issuer = SPAN(ISS), .before_s = ISSUED + 1),
    };
    const struct pki_revoked_entry misses[] = {
        ENTRY(JTI, "t-2"),
        ENTRY(JTI, "T-1"),
        ENTRY(SUBJECT, "notebook"),
        ENTRY(SUBJECT, "alic"),
        ENTRY(CLIENT, "alice"),
        ENTRY(WORKLOAD, WORKLOAD "/below"),
        ENTRY(WORKLOAD, "spiffe://example.org/ra"),
        ENTRY(THUMBPRINT, "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg"),
        ENTRY(SERIAL, "3c00cafc"),
        ENTRY(JTI, "t-1", .issuer = SPAN("https://other.test")),
        ENTRY(ALL, "", .before_s = ISSUED),
        ENTRY(ALL, "", .issuer = SPAN("https://other.test"), .before_s = NOW),
        ENTRY(SUBJECT, "alice", .before_s = ISSUED),
        ENTRY(SUBJECT, "alice", .expires_s = NOW),
    };
    const struct pki_revoked_entry *by;
    for (size_t i = 0; i < sizeof hits / sizeof *hits; i++)
        if (look(hits[i], NULL) != ERR_TOKEN_REVOKED)
            fail_msg("entry %zu does not hit", i);
    for (size_t i = 0; i < sizeof misses / sizeof *misses; i++)
        if (look(misses[i], NULL) != 0)
            fail_msg("entry %zu hits", i);
    struct pki_revoked *r = set_of(hits, 2);
    struct pki_token t = token();
    assert_int_equal(ERR_TOKEN_REVOKED, pki_revoked_token(r, &t, NOW, &by));
    assert_int_equal(PKI_REVOKED_JTI, by->kind);
    pki_revoked_unref(r);
}

static void what_a_token_does_not_say_hits_nothing(void **state)
{
    (void)state;
    const struct pki_revoked_entry all[] = {
        ENTRY(JTI, "t-1"),         ENTRY(SUBJECT, "alice"),       ENTRY(CLIENT, "notebook"),
        ENTRY(WORKLOAD, WORKLOAD), ENTRY(THUMBPRINT, THUMBPRINT),
    };
    struct pki_revoked *r = set_of(all, sizeof all / sizeof *all);
    struct pki_token t = token();
    t.jti = t.subject = t.client_id = t.workload = SPAN_NONE;
    t.has_jkt = false; // what lies in jkt then means nothing
    assert_int_equal(0, pki_revoked_token(r, &t, NOW, NULL));
    pki_revoked_unref(r);
    assert_int_equal(0, pki_revoked_token(NULL, &t, NOW, NULL));
}

static void a_certificate_is_revoked_by_serial_and_by_workload(void **state)
{
    (void)state;
    const struct {
        struct pki_revoked_entry e;
        int rc;
    } rows[] = {
        { ENTRY(SERIAL, "3c00cafc"), ERR_CERT_REVOKED },
        { ENTRY(SERIAL, "3c00cafc", .issuer = SPAN("example.org")), ERR_CERT_REVOKED },
        { ENTRY(WORKLOAD, WORKLOAD), ERR_CERT_REVOKED },
        // The same number from another CA is another certificate.
        { ENTRY(SERIAL, "3c00cafc", .issuer = SPAN("partner.example")), 0 },
        { ENTRY(SERIAL, "3c00caf"), 0 },
        { ENTRY(WORKLOAD, "spiffe://example.org/rag/2"), 0 },
        { ENTRY(SUBJECT, WORKLOAD), 0 },
        { ENTRY(SERIAL, "3c00cafc", .expires_s = NOW), 0 },
    };
    const struct pki_revoked_entry *by = NULL;
    struct pki_identity id = identity();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pki_revoked *r = set_of(&rows[i].e, 1);
        if (pki_revoked_certificate(r, &id, NOW, &by) != rows[i].rc)
            fail_msg("row %zu", i);
        pki_revoked_unref(r);
    }
    assert_int_equal(0, pki_revoked_certificate(NULL, &id, NOW, NULL));
}

static void several_entries_for_one_value_all_count(void **state)
{
    (void)state;
    const struct pki_revoked_entry all[] = {
        ENTRY(SUBJECT, "alice", .issuer = SPAN("https://other.test")),
        ENTRY(SUBJECT, "alice", .before_s = ISSUED - 10),
        ENTRY(SUBJECT, "alice", .before_s = ISSUED + 10),
    };
    struct pki_token t = token();
    struct pki_revoked *r = set_of(all, 2);
    assert_int_equal(0, pki_revoked_token(r, &t, NOW, NULL));
    pki_revoked_unref(r);
    r = set_of(all, 3);
    assert_int_equal(ERR_TOKEN_REVOKED, pki_revoked_token(r, &t, NOW, NULL));
    assert_int_equal(3, pki_revoked_count(r));
    t.iat = ISSUED + 10;
    assert_int_equal(0, pki_revoked_token(r, &t, NOW, NULL));
    pki_revoked_unref(r);
}

static void an_entry_ends_when_its_time_is_over(void **state)
{
    (void)state;
    struct pki_token t = token();
    struct pki_revoked *r = set_of(&ENTRY(JTI, "t-1", .expires_s = NOW + 10), 1);
    assert_int_equal(ERR_TOKEN_REVOKED, pki_revoked_token(r, &t, NOW + 9, NULL));
    assert_int_equal(0, pki_revoked_token(r, &t, NOW + 10, NULL));
    pki_revoked_unref(r);
}

static void entries_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    char long_text[PKI_REVOKED_VALUE + 2];
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    const struct pki_revoked_entry bad[] = {
        { .kind = 0, .value = SPAN("x") },
        { .kind = PKI_REVOKED_KINDS, .value = SPAN("x") },
        ENTRY(JTI, ""),
        ENTRY(JTI, long_text),
        ENTRY(JTI, "a\nb"),
        ENTRY(JTI, "\xff"),
        ENTRY(JTI, "x", .issuer = span_str(long_text)),
        ENTRY(JTI, "x", .reason = SPAN("\x1b[2J")),
        ENTRY(JTI, "x", .before_s = NOW),
        ENTRY(SERIAL, "0x3c"),
        ENTRY(SERIAL, "03c"),
        ENTRY(SERIAL, "3C"),
        ENTRY(SERIAL, "12345678901234567890123456789012345678901"),
        ENTRY(SERIAL, "3c", .before_s = NOW),
        ENTRY(THUMBPRINT, "abc"),
        ENTRY(THUMBPRINT, "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw="),
        ENTRY(WORKLOAD, "rag"),
        ENTRY(WORKLOAD, "spiffe://example.org"),
        ENTRY(WORKLOAD, WORKLOAD, .issuer = SPAN(ISS)),
        ENTRY(WORKLOAD, WORKLOAD, .before_s = NOW),
        ENTRY(ALL, ""),
        ENTRY(ALL, "x", .before_s = NOW),
        ENTRY(SUBJECT, "x", .before_s = -1),
        ENTRY(SUBJECT, "x", .expires_s = -1),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!pki_revoked_fault(&bad[i]))
            fail_msg("entry %zu passes", i);
}

static void a_serial_has_one_form(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "3C:00:CA:FC", "3c00cafc" }, { "003c00cafc", "3c00cafc" }, { "0", "0" }, { "00", "0" }, { "0a", "a" },
        { "3c00cafc", "3c00cafc" },
    };
    static const char *const bad[] = {
        "", ":", "3c:", ":3c", "0x3c", "3g", "1234567890123456789012345678901234567890a"
    };
    struct arena a;
    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!span_eq(pki_revoked_serial(&a, span_str(rows[i][0])), span_str(rows[i][1])))
            fail_msg("%s", rows[i][0]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!span_is_none(pki_revoked_serial(&a, span_str(bad[i]))))
            fail_msg("%s", bad[i]);
    arena_fini(&a);
}

static void what_hits_only_old_tokens_ends_and_a_lock_out_does_not(void **state)
{
    (void)state;
    const struct {
        struct pki_revoked_entry e;
        int64_t until;
    } rows[] = {
        { ENTRY(JTI, "x"), NOW + PKI_REVOKED_LINGER_S },
        { ENTRY(SUBJECT, "x", .before_s = NOW - 1000), NOW + PKI_REVOKED_LINGER_S },
        { ENTRY(ALL, "", .before_s = NOW + 1000), NOW + 1000 + PKI_REVOKED_LINGER_S },
        { ENTRY(ALL, "", .before_s = NOW, .issuer = SPAN("apikey:local")), 0 },
        { ENTRY(SUBJECT, "x"), 0 },
        { ENTRY(WORKLOAD, WORKLOAD), 0 },
        { ENTRY(SERIAL, "3c"), 0 },
        { ENTRY(THUMBPRINT, THUMBPRINT), 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (pki_revoked_until(&rows[i].e, NOW) != rows[i].until)
            fail_msg("row %zu", i);
}

static void kinds_have_names(void **state)
{
    (void)state;
    for (int k = 1; k < PKI_REVOKED_KINDS; k++) {
        enum pki_revoked_kind found = 0;
        assert_true(pki_revoked_kind_find(pki_revoked_kind_name((enum pki_revoked_kind)k), &found));
        assert_int_equal(k, found);
    }
    enum pki_revoked_kind untouched = 0;
    assert_false(pki_revoked_kind_find(SPAN("nobody"), &untouched));
    assert_false(pki_revoked_kind_find(SPAN(""), &untouched));
    assert_int_equal(0, untouched);
    assert_true(span_is_none(pki_revoked_kind_name(PKI_REVOKED_KINDS)));
}

static void a_set_of_many_finds_each(void **state)
{
    (void)state;
    enum { N = 20000 };
    struct pki_revoked *r = pki_revoked_new();
    struct pki_token t = token();
    char jti[32];
    assert_non_null(r);
    for (int i = 0; i < N; i++) {
        snprintf(jti, sizeof jti, "many-%d", i);
        assert_int_equal(0, pki_revoked_add(r, &ENTRY(JTI, jti)));
    }
    for (int i = 0; i < N; i += 7) {
        snprintf(jti, sizeof jti, "many-%d", i);
        t.jti = span_str(jti);
        assert_int_equal(ERR_TOKEN_REVOKED, pki_revoked_token(r, &t, NOW, NULL));
    }
    t.jti = SPAN("many-20000");
    assert_int_equal(0, pki_revoked_token(r, &t, NOW, NULL));
    pki_revoked_unref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_revoked_by_each_of_what_it_is_known_by),
        cmocka_unit_test(what_a_token_does_not_say_hits_nothing),
        cmocka_unit_test(a_certificate_is_revoked_by_serial_and_by_workload),
        cmocka_unit_test(several_entries_for_one_value_all_count),
        cmocka_unit_test(an_entry_ends_when_its_time_is_over),
        cmocka_unit_test(entries_that_make_no_sense_are_refused),
        cmocka_unit_test(a_serial_has_one_form),
        cmocka_unit_test(what_hits_only_old_tokens_ends_and_a_lock_out_does_not),
        cmocka_unit_test(kinds_have_names),
        cmocka_unit_test(a_set_of_many_finds_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
