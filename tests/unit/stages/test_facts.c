// SPDX-License-Identifier: GPL-3.0-or-later
// What policies see of an exchange: all of it, or nothing; never a part that looks whole.
#include "tests/unit/stages/asked.h"
#include <stdio.h>
#include <stdlib.h>

#include "gateway/stages/facts.h"
#include "gateway/stages/token_facts.h"
#include "policy/request_json.h"
#include "policy/schema.h"

static void init(struct asked *f, const char *policies, const char *claims)
{
    asked_init(f, policies, claims, 1);
    f->issuer.claims.scope = SPAN("scope");
    f->authorisations[0] = (struct gw_api_authorisation){ .action = GW_ACTION_WRITE, .collection = SPAN("docs") };
}

static int decide(const char *policies, const char *claims, bool unread)
{
    struct asked f;
    init(&f, policies, claims);
    f.x.meaning.facts.unread = unread;
    int rc = gw_stage_policy(&f.x);
    asked_fini(&f);
    return rc;
}

#define PERMIT "permit(principal, action, resource);\n"

static void a_fact_of_an_unread_body_is_absent_and_not_false(void **state)
{
    (void)state;
    static const char *const facts[] = { "has_filter", "by_id", "with_vectors", "with_payload" };
    for (size_t i = 0; i < 4; i++) {
        char policies[160];
        // Who forbids it cannot be told that there is none of it...
        snprintf(policies, sizeof policies, PERMIT "forbid(principal, action, resource) when { context.request.%s };",
                 facts[i]);
        assert_int_equal(decide(policies, "{}", false), 0);
        assert_int_equal(decide(policies, "{}", true), ERR_POLICY_FORBID_ERROR);
        // ... nor who permits only without it.
        snprintf(policies, sizeof policies, "permit(principal, action, resource) unless { context.request.%s };",
                 facts[i]);
        assert_int_equal(decide(policies, "{}", false), 0);
        assert_int_equal(decide(policies, "{}", true), ERR_POLICY_NO_PERMIT);
        snprintf(policies, sizeof policies, "permit(principal, action, resource) unless { context.request has %s };",
                 facts[i]);
        assert_int_equal(decide(policies, "{}", true), 0);
    }
}

static void shard_keys_of_an_unread_body_are_not_taken_for_none(void **state)
{
    (void)state;
    static const char only_eu[] =
        "permit(principal, action, resource) when { [\"eu\"].containsAll(context.request.shard_keys) };";
    assert_int_equal(decide(only_eu, "{}", true), ERR_POLICY_NO_PERMIT);
    assert_int_equal(decide(only_eu, "{}", false), 0);
}

static void every_scope_is_seen_however_many_there_are(void **state)
{
    (void)state;
    static const char policies[] =
        PERMIT "forbid(principal, action, resource) when { context.token.scopes.contains(\"restricted\") };";
    char claims[4096] = "{\"scope\":\"";
    for (unsigned i = 0; i < 200; i++)
        sprintf(claims + strlen(claims), "s%u ", i);
    strcat(claims, "restricted\"}");
    assert_int_equal(decide(policies, claims, false), ERR_POLICY_FORBID);
    assert_int_equal(decide(policies, "{\"scope\":\"a b\"}", false), 0);
    assert_int_equal(decide(policies, "{}", false), 0);
}

static void scopes_in_a_list_are_seen_as_those_in_a_string(void **state)
{
    (void)state;
    static const char policies[] =
        PERMIT "forbid(principal, action, resource) when { context.token.scopes.contains(\"restricted\") };";
    assert_int_equal(decide(policies, "{\"scope\":[\"a\",\"restricted\"]}", false), ERR_POLICY_FORBID);
}

static void a_claim_is_seen_at_any_depth_that_a_token_may_have(void **state)
{
    (void)state;
    static const char policies[] =
        PERMIT "forbid(principal, action, resource) when { context.token.claims has a.a.a.a.a.a.a.a.a.a.a.a };";
    assert_int_equal(
        decide(policies,
               "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}}}}",
               false),
        ERR_POLICY_FORBID);
}

static void a_long_list_does_not_use_up_the_exchange(void **state)
{
    (void)state;
    struct asked f;
    char *claims = malloc(16000);
    assert_non_null(claims);
    strcpy(claims, "{\"scope\":\"a\"");
    for (unsigned i = 0; i < 900; i++)
        sprintf(claims + strlen(claims), ",\"c%u\":[%u]", i, i);
    strcat(claims, "}");
    init(&f, PERMIT "forbid(principal, action, resource == Collection::\"secret\");", claims);
    for (unsigned i = 0; i < 2000; i++)
        assert_true(gw_policy_shows(&f.x, SPAN_NONE, SPAN_NONE, SPAN("docs")));
    assert_false(gw_policy_shows(&f.x, SPAN_NONE, SPAN_NONE, SPAN("secret")));
    assert_false(f.x.arena.failed);
    assert_true(f.x.arena.used < 1u << 20);
    asked_fini(&f);
    free(claims);
}

// ------------------------------------------------------------------------------------------------- the shipped schema

static const struct span versions[] = { SPAN("TLSv1.3"), SPAN("x25519"), SPAN("TLS_AES_128_GCM_SHA256") };

// All complaints; true when each is of a claim, of which the schema names only some.
static bool fits_but_for_claims(const struct diags *d)
{
    for (const struct diag *e = d->first; e; e = e->next)
        if (!span_starts(e->text, SPAN("context.token.claims."))) {
            print_error("%.*s\n", SPAN_FMT(e->text));
            return false;
        }
    return true;
}

static void what_policies_see_is_what_the_shipped_schema_says(void **state)
{
    static const struct gw_api_authorisation asked[] = {
        { .collection = SPAN("docs") },
        { .collection = SPAN("docs"), .database = SPAN("main"), .tenant = SPAN("acme") },
        { .database = SPAN("main"), .tenant = SPAN("acme") },
        { .tenant = SPAN("acme") },
        { .action = GW_ACTION_OPS },
    };
    struct pol_schema *schema;
    struct diags d;

    (void)state;
    diags_init(&d);
    schema = pol_schema_new(&pol_schema_shipped, 1, &d);
    assert_non_null(schema);
    for (size_t i = 0; i < 2 * GW_ACTION_COUNT * sizeof asked / sizeof *asked; i++) {
        struct gw_api_authorisation a = asked[i % 5];
        struct pki_names roles = { (struct span[]){ SPAN("reader") }, 1 };
        struct asked f;
        struct pol_request r;

        init(&f, PERMIT, "{\"sub\":\"s\",\"exp\":5,\"aud\":[\"x\"],\"cnf\":{\"jkt\":\"t\"},\"scope\":\"a b\"}");
        a.action = (enum gw_action)(i / 10 % GW_ACTION_COUNT);
        f.tls = (struct gw_tls_facts){ .version = versions[0], .group = versions[1], .cipher = versions[2] };
        f.token.subject = SPAN("s");
        f.token.roles = roles;
        f.x.request.method = GW_METHOD_POST;
        f.x.to.path = SPAN("/collections/docs");
        f.x.meaning.operation = SPAN("op");
        f.x.meaning.facts.unread = i & 1;
        f.x.meaning.facts.has_limit = f.x.meaning.facts.has_points = f.x.meaning.facts.has_queries = true;
        gw_facts(&f.x, &a, &r);
        assert_int_equal(r.err, 0);
        diags_fini(&d);
        diags_init(&d);
        pol_schema_validate_request(schema, &r, true, SPAN("request"), &d);
        assert_true(fits_but_for_claims(&d));
        // Two that the schema leaves to the operator: the test would not notice a schema without claims.
        assert_int_equal(d.errors, 2);
        asked_fini(&f);
    }
    pol_schema_free(schema);
    diags_fini(&d);
}

static struct pki_token *heap_token(const struct pki_token *t)
{
    struct pki_token *copy = malloc(sizeof *copy);
    *copy = *t;
    copy->exp = 100;
    copy->bytes = sizeof *copy;
    copy->refs = 1;
    return copy;
}

static char *as_seen(struct asked *f, bool cached)
{
    struct pol_request r;
    struct buf b;
    buf_init(&b, 0);
    f->x.token_cached = cached;
    f->x.token_facts = NULL;
    gw_facts(&f->x, &f->authorisations[0], &r);
    assert_int_equal(r.err, 0);
    assert_true(pol_request_to_json(&r, &b));
    buf_byte(&b, 0);
    char *text = strdup(buf_span(&b).p);
    buf_fini(&b);
    return text;
}

static void a_token_that_comes_again_is_seen_as_it_was_the_first_time(void **state)
{
    (void)state;
    struct asked f;
    struct pki_names names = { (struct span[]){ SPAN("reader"), { "ad\0min", 6 } }, 2 };
    init(&f, PERMIT,
         "{\"scope\":\"a b\",\"list\":[3,\"x\",[],{}],\"deep\":{\"a\":{\"b\":[true,-5]},\"e\":\"\"},\"n\":null}");
    f.config.audit.inputs = GW_CONFIG_INPUTS_ALWAYS; // as text, too
    f.issuer.skew_s = 5;
    f.token.roles = f.token.groups = names;
    f.token.subject = SPAN("s");
    f.token.tenant = SPAN("");
    struct pki_token *t = f.x.token = heap_token(&f.token);
    struct pki_token_cache *cache = f.services.tokens = pki_token_cache_new(10, 1 << 20, 0);
    assert_true(pki_token_cache_put(cache, t, SPAN("w"), 1));
    size_t bytes = pki_token_cache_bytes(cache);
    char *first = as_seen(&f, false);
    assert_null(t->extra); // it may not come again
    char *second = as_seen(&f, true);
    assert_non_null(t->extra);
    assert_true(gw_token_facts_kept(t)->text.n > 0);
    assert_true(pki_token_cache_bytes(cache) > bytes);
    bytes = pki_token_cache_bytes(cache);
    char *third = as_seen(&f, true);
    assert_string_equal(first, second);
    assert_string_equal(first, third);
    assert_int_equal(pki_token_cache_bytes(cache), bytes);
    assert_non_null(strstr(first, "ad\\u0000min"));
    // A token that the cache does not hold is read again each time.
    f.x.token = heap_token(&f.token);
    f.x.token->sha256[0] = 1;
    char *other = as_seen(&f, true);
    assert_string_equal(first, other);
    assert_null(f.x.token->extra);
    pki_token_unref(f.x.token);
    pki_token_unref(t);
    pki_token_cache_free(cache);
    free(first);
    free(second);
    free(third);
    free(other);
    asked_fini(&f);
}

static char *question(struct asked *f, bool partial)
{
    struct pol_request r;
    struct pol_answer answer;
    struct buf b;
    buf_init(&b, 0);
    if (partial)
        gw_facts_partial(&f->x, &f->authorisations[0], &r);
    else
        gw_facts(&f->x, &f->authorisations[0], &r);
    if (!partial)
        r.written = NULL;
    assert_int_equal(pol_decide(&r, POL_MODE_GATEWAY, 0, &answer), 0);
    assert_true(pol_request_to_json(&r, &b));
    buf_byte(&b, 0);
    char *text = strdup(buf_span(&b).p);
    buf_fini(&b);
    if (partial)
        pol_partial_release(&r);
    return text;
}

// Whatever of an exchange policies see is in the key, or made anew: each in turn is another one, while what is kept of the others is there. `text`: as
// records have it, byte for byte.
static void keep_and_ask(bool text)
{
    struct asked f;
    struct pki_names roles = { (struct span[]){ SPAN("reader") }, 1 };
    init(&f,
         PERMIT
         "permit(principal, action, resource) when { principal.serial == \"1\" && context.http.path like \"/c*\" };",
         "{\"sub\":\"s\"}");
    f.issuer.skew_s = 5;
    f.token.roles = roles;
    f.tls = (struct gw_tls_facts){ .version = SPAN("TLSv1.3"), .group = SPAN("g"), .cipher = SPAN("c") };
    f.services.tokens = pki_token_cache_new(10, 1 << 20, 0);
    f.services.partials = pol_partials_new(f.snapshot.policies, 256, 7);
    f.config.audit.inputs = text ? GW_CONFIG_INPUTS_ALWAYS : GW_CONFIG_INPUTS_DENIED;
    if (text)
        pol_partials_keep_text(f.services.partials);
    f.x.token_cached = true;
    f.x.to.path = SPAN("/collections");
    f.x.meaning.operation = SPAN("op");
    struct pki_token *t[2];
    for (int i = 0; i < 2; i++) {
        t[i] = heap_token(&f.token);
        t[i]->sha256[0] = (uint8_t)i;
        assert_true(pki_token_cache_put(f.services.tokens, t[i], SPAN("w"), 1));
    }
    t[1]->subject = SPAN("another");
    f.x.token = t[0];
    struct pki_identity *id = &f.peer.identity;
    struct gw_api_authorisation *a = &f.authorisations[0];
    struct span *texts[] = { &id->spiffe_id,         &id->trust_domain, &id->path,    &id->serial,  &id->dns,
                             &f.x.meaning.api,       &a->collection,    &a->database, &a->tenant,   &f.x.to.path,
                             &f.x.meaning.operation, &f.tls.version,    &f.tls.group, &f.tls.cipher };
    const size_t n = sizeof texts / sizeof *texts;
    char *seen[32] = { 0 };
    for (size_t round = 0; round < 4; round++) {
        for (size_t i = 0; i < n + 5; i++) {
            struct span before = i < n ? *texts[i] : SPAN_NONE;
            if (i < n)
                *texts[i] = SPAN("other");
            a->action = i == n ? GW_ACTION_READ : GW_ACTION_WRITE;
            f.tls.resumed = i == n + 1;
            f.x.meaning.facts.has_filter = i == n + 2;
            f.x.token = t[i == n + 3];
            f.x.token_facts = NULL; // an exchange has one token
            char *plain = question(&f, false), *partial = question(&f, true);
            assert_string_equal(plain, partial);
            free(partial);
            for (size_t k = 0; k < n + 5 && round > 0; k++)
                assert_int_equal(strcmp(plain, seen[k]) == 0, k == i);
            free(seen[i]);
            seen[i] = plain;
            if (i < n)
                *texts[i] = before;
        }
    }
    assert_true(pol_partials_count(f.services.partials) > n / 2);
    for (size_t i = 0; i < n + 5; i++)
        free(seen[i]);
    assert_int_equal(gw_token_facts_kept(t[0])->text.n > 0, text);
    // The token's facts are held by what is kept of it.
    pki_token_cache_free(f.services.tokens);
    pki_token_unref(t[0]);
    pki_token_unref(t[1]);
    pol_partials_free(f.services.partials);
    asked_fini(&f);
}

static void what_is_kept_is_of_the_same_question(void **state)
{
    (void)state;
    keep_and_ask(false);
    keep_and_ask(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fact_of_an_unread_body_is_absent_and_not_false),
        cmocka_unit_test(shard_keys_of_an_unread_body_are_not_taken_for_none),
        cmocka_unit_test(every_scope_is_seen_however_many_there_are),
        cmocka_unit_test(scopes_in_a_list_are_seen_as_those_in_a_string),
        cmocka_unit_test(a_claim_is_seen_at_any_depth_that_a_token_may_have),
        cmocka_unit_test(a_long_list_does_not_use_up_the_exchange),
        cmocka_unit_test(a_token_that_comes_again_is_seen_as_it_was_the_first_time),
        cmocka_unit_test(what_is_kept_is_of_the_same_question),
        cmocka_unit_test(what_policies_see_is_what_the_shipped_schema_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
