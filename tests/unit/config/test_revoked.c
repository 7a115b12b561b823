// SPDX-License-Identifier: GPL-3.0-or-later
// The file of revocations, and the control thread's eye on it and on the registry.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/file.h"
#include "gateway/config/revoked_file.h"
#include "gateway/config/revoked_source.h"
#include "pki/revoked_store.h"

enum { NOW = 1800000000 };

// ---- the file

static int read_text(const char *text, const char *path, struct pki_revoked **out, struct diags *diags)
{
    return gw_revoked_file_read(span_str(text), span_str(path), diags, out);
}

static bool hits(const struct pki_revoked *r, const char *jti, const char *subject, int64_t iat)
{
    static const struct pki_issuer issuer = { .iss = { "https://i.test", 14 } };
    struct pki_token t = { .issuer = &issuer, .jti = span_str(jti), .subject = span_str(subject), .iat = iat };
    return pki_revoked_token(r, &t, NOW, NULL) != 0;
}

static void a_file_is_read_in_both_formats(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "r.jsonl", "{\"jti\":\"t-1\",\"issuer\":\"https://i.test\",\"reason\":\"leaked\"}\n"
                     "\n"
                     "{\"subject\":\"alice\",\"issued_before\":1799999000}\n"
                     "{\"serial\":\"3C:00\"}\n"
                     "{\"jti\":\"over\",\"until\":\"2020-01-01T00:00:00Z\"}\n" },
        { "r.yaml", "- jti: t-1\n"
                    "  issuer: https://i.test\n"
                    "  reason: leaked\n"
                    "- { subject: alice, issued_before: 1799999000 }\n"
                    "- serial: 3400\n"
                    "- { jti: over, until: 2020-01-01T00:00:00Z }\n" },
    };
    for (size_t i = 0; i < 2; i++) {
        struct pki_revoked *r = NULL;
        struct diags diags;
        diags_init(&diags);
        assert_int_equal(0, read_text(rows[i][1], rows[i][0], &r, &diags));
        assert_int_equal(4, pki_revoked_count(r));
        assert_true(hits(r, "t-1", NULL, NOW));
        assert_true(hits(r, NULL, "alice", 1799998999));
        assert_false(hits(r, NULL, "alice", 1799999000));
        assert_false(hits(r, "over", NULL, NOW));
        pki_revoked_unref(r);
        diags_fini(&diags);
    }
}

static void a_file_in_which_nothing_is_revoked_says_so(void **state)
{
    (void)state;
    static const char *const good[][2] = { { "r.jsonl", "\n" }, { "r.yaml", "[]\n" } };
    struct diags diags;
    for (size_t i = 0; i < 2; i++) {
        struct pki_revoked *r = NULL;
        diags_init(&diags);
        assert_int_equal(0, read_text(good[i][1], good[i][0], &r, &diags));
        assert_int_equal(0, pki_revoked_count(r));
        pki_revoked_unref(r);
        diags_fini(&diags);
    }
}

static void a_file_is_read_strictly(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        { "r.jsonl", "", "empty" }, // what a writer leaves that was interrupted
        { "r.yaml", "", "empty" },
        { "r.yaml", "# nothing\n", "not a list" },
        { "r.jsonl", "{\"jti\":\"t-1\"}", "the last line has no end" },
        { "r.jsonl", "{\"jti\":\"t-1\"}\n{\"jti\":", "the last line has no end" },
        { "r.jsonl", "{\"jti\":\"a\"}\n{\"jit\":\"b\"}\n",
          "r.jsonl:2: error: unknown member 'jit'; did you mean 'jti'?" },
        { "r.jsonl", "{\"jti\":\"a\",\"jti\":\"b\"}\n", "not a JSON object" },
        { "r.jsonl", "{\"jti\":\"a\",\"subject\":\"b\"}\n", "in one entry" },
        { "r.jsonl", "{\"jti\":5}\n", "no text" },
        { "r.jsonl", "{\"jti\":\"\"}\n", "empty" },
        { "r.jsonl", "{\"jti\":\"a\",\"issued_before\":5}\n", "narrows only" },
        { "r.jsonl", "{\"reason\":\"why\"}\n", "nothing that could be revoked" },
        { "r.jsonl", "{\"issued_before\":\"yesterday\"}\n", "no moment" },
        { "r.jsonl", "{\"issued_before\":0}\n", "no moment" },
        { "r.jsonl", "{\"issued_before\":\"2026-02-30\"}\n", "no moment" },
        { "r.jsonl", "[\"a\"]\n", "not a JSON object" },
        { "r.jsonl", "{\"serial\":\"xyz\"}\n", "serial" },
        { "r.jsonl", "{\"workload\":\"planner\"}\n", "SPIFFE" },
        { "r.yaml", "jti: a\n", "not a list" },
        { "r.yaml", "- a\n", "an entry is a map" },
        { "r.yaml", "- jti: [a]\n", "no text" },
        { "r.yaml", "- jti: a\n- sbject: b\n", "r.yaml:2: error: unknown member 'sbject'; did you mean 'subject'?" },
        { "r.yaml", "- jti: a\n  jti: b\n", "jti" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pki_revoked *r = NULL;
        struct diags diags;
        struct arena a;
        bool said = false;
        diags_init(&diags);
        arena_init(&a, 0);
        if (read_text(rows[i][1], rows[i][0], &r, &diags) != ERR_CONFIG || r)
            fail_msg("row %zu is read", i);
        for (const struct diag *d = diags.first; d; d = d->next)
            said = said || strstr(diag_format(&a, d).p, rows[i][2]);
        if (!said)
            fail_msg("row %zu: %s", i, diag_format(&a, diags.first).p);
        arena_fini(&a);
        diags_fini(&diags);
    }
}

// ---- the eye

struct place {
    char dir[64], store[128], file[128];
    struct gw_config config;
    struct gw_revoked_source *source;
    struct diags diags;
    int64_t now_s;
};

static void place_init(struct place *p)
{
    *p = (struct place){ .now_s = NOW };
    snprintf(p->dir, sizeof p->dir, "/tmp/sallyport-source-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->store, sizeof p->store, "%s/revoked.db", p->dir);
    snprintf(p->file, sizeof p->file, "%s/revoked.jsonl", p->dir);
    p->config.file = SPAN("gateway.yaml");
    p->source = gw_revoked_source_new(true);
    diags_init(&p->diags);
}

static void place_fini(struct place *p)
{
    char command[128];
    gw_revoked_source_free(p->source);
    diags_fini(&p->diags);
    snprintf(command, sizeof command, "rm -rf %s", p->dir);
    assert_int_equal(0, system(command));
}

// A look, a second later; the complaints are those of this look.
static bool look(struct place *p)
{
    diags_fini(&p->diags);
    diags_init(&p->diags);
    return gw_revoked_source_look(p->source, &p->config, p->now_s++, &p->diags);
}

static bool revoked(struct place *p, enum gw_revoked_from from, const char *jti)
{
    return hits(gw_revoked_source_set(p->source, from), jti, NULL, NOW);
}

static void put(struct place *p, const char *text)
{
    assert_int_equal(0, file_write(p->file, span_str(text), 0600));
}

static void add(const char *path, const char *jti)
{
    struct pki_revoked_store *s = NULL;
    struct pki_revoked_entry e = { .kind = PKI_REVOKED_JTI, .value = span_str(jti) };
    assert_int_equal(0, pki_revoked_store_open(path, 1000, &s));
    assert_int_equal(0, pki_revoked_store_add(s, &e, 1, NOW));
    pki_revoked_store_close(s);
}

static void nothing_configured_is_nothing_looked_for(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    assert_false(look(&p));
    assert_int_equal(0, p.diags.errors);
    assert_null(gw_revoked_source_set(p.source, GW_REVOKED_STORE));
    place_fini(&p);
}

static void a_registry_is_made_and_what_others_enter_is_noticed(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    p.config.revocations.store.v = span_str(p.store);
    assert_true(look(&p));
    assert_int_equal(0, p.diags.errors);
    assert_int_equal(1, p.diags.warnings); // that it was made
    assert_false(look(&p));
    add(p.store, "t-1");
    assert_true(look(&p));
    assert_true(revoked(&p, GW_REVOKED_STORE, "t-1"));
    assert_false(look(&p));
    assert_int_equal(0, p.diags.errors + p.diags.warnings);
    place_fini(&p);
}

static void a_registry_that_goes_away_counts_as_it_was_and_is_not_made_again(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    p.config.revocations.store.v = span_str(p.store);
    look(&p);
    add(p.store, "t-1");
    look(&p);
    char away[160], log[160];
    snprintf(away, sizeof away, "%s.away", p.store);
    snprintf(log, sizeof log, "%s-wal", p.store);
    assert_int_equal(0, rename(p.store, away));
    assert_false(look(&p));
    assert_int_equal(1, p.diags.errors);
    assert_false(span_is_none(gw_revoked_source_fault(p.source)));
    assert_true(revoked(&p, GW_REVOKED_STORE, "t-1"));
    look(&p);
    assert_int_equal(0, p.diags.errors); // said once
    assert_int_not_equal(0, access(p.store, F_OK));
    // Another one in its place, from a backup: read anew.
    struct pki_revoked_store *s = NULL;
    unlink(log);
    assert_int_equal(0, pki_revoked_store_create(p.store, &s));
    pki_revoked_store_close(s);
    add(p.store, "t-2");
    assert_true(look(&p));
    assert_true(revoked(&p, GW_REVOKED_STORE, "t-2"));
    assert_true(span_is_none(gw_revoked_source_fault(p.source)));
    place_fini(&p);
}

static void a_file_that_breaks_counts_as_it_was(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    p.config.revocations.file.v = span_str(p.file);
    put(&p, "{\"jti\":\"t-1\"}\n");
    assert_true(look(&p));
    assert_true(revoked(&p, GW_REVOKED_FILE, "t-1"));
    put(&p, "{\"jti\":\"t-1\"}\n{\"jit\":\"t-2\"}\n");
    assert_false(look(&p));
    assert_true(p.diags.errors > 0);
    assert_true(revoked(&p, GW_REVOKED_FILE, "t-1"));
    assert_false(look(&p));
    assert_int_equal(0, p.diags.errors); // said once
    assert_int_equal(0, unlink(p.file));
    assert_false(look(&p));
    assert_int_equal(1, p.diags.errors);
    assert_true(revoked(&p, GW_REVOKED_FILE, "t-1"));
    put(&p, "{\"jti\":\"t-2\"}\n");
    assert_true(look(&p));
    assert_true(revoked(&p, GW_REVOKED_FILE, "t-2"));
    assert_false(revoked(&p, GW_REVOKED_FILE, "t-1"));
    place_fini(&p);
}

static void what_was_never_read_makes_no_whole_configuration(void **state)
{
    (void)state;
    struct place p;
    struct gw_revocations r = { .whole = true };
    place_init(&p);
    p.config.revocations.file.v = span_str(p.file);
    look(&p);
    assert_int_equal(1, p.diags.errors);
    gw_revoked_source_give(p.source, &r);
    assert_false(r.whole);
    put(&p, "{\"jti\":\"t-1\"}\n");
    look(&p);
    r.whole = true;
    gw_revoked_source_give(p.source, &r);
    assert_true(r.whole);
    assert_true(hits(r.revoked[GW_REVOKED_FILE], "t-1", NULL, NOW));
    for (size_t i = 0; i < GW_REVOKED_FROM_COUNT; i++)
        pki_revoked_unref(r.revoked[i]);
    place_fini(&p);
}

static void what_is_no_longer_configured_revokes_nothing(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    p.config.revocations.file.v = span_str(p.file);
    put(&p, "{\"jti\":\"t-1\"}\n");
    look(&p);
    p.config.revocations.file.v = SPAN_NONE;
    assert_true(look(&p));
    assert_null(gw_revoked_source_set(p.source, GW_REVOKED_FILE));
    assert_false(look(&p));
    place_fini(&p);
}

static void who_only_checks_makes_no_registry(void **state)
{
    (void)state;
    struct place p;
    struct gw_revocations r = { .whole = true };
    place_init(&p);
    gw_revoked_source_free(p.source);
    p.source = gw_revoked_source_new(false);
    p.config.revocations.store.v = span_str(p.store);
    look(&p);
    assert_int_equal(0, p.diags.errors);
    assert_int_not_equal(0, access(p.store, F_OK));
    gw_revoked_source_give(p.source, &r);
    assert_true(r.whole);
    place_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_in_both_formats),
        cmocka_unit_test(a_file_in_which_nothing_is_revoked_says_so),
        cmocka_unit_test(a_file_is_read_strictly),
        cmocka_unit_test(nothing_configured_is_nothing_looked_for),
        cmocka_unit_test(a_registry_is_made_and_what_others_enter_is_noticed),
        cmocka_unit_test(a_registry_that_goes_away_counts_as_it_was_and_is_not_made_again),
        cmocka_unit_test(a_file_that_breaks_counts_as_it_was),
        cmocka_unit_test(what_was_never_read_makes_no_whole_configuration),
        cmocka_unit_test(what_is_no_longer_configured_revokes_nothing),
        cmocka_unit_test(who_only_checks_makes_no_registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
