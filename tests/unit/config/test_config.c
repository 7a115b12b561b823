// SPDX-License-Identifier: GPL-3.0-or-later
// Every way a configuration can be wrong, each with its place and advice; and what a right one becomes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/api/action.h"
#include "gateway/base/file.h"
#include "gateway/config/config.h"
#include "pki/key.h"

struct section {
    const char *key, *text;
};

static const struct section sections[] = {
    { "listener", "listener:\n"
                  "  addresses: [\"127.0.0.1:8443\"]\n"
                  "  authorities: [localhost:8443]\n"
                  "  tls: {certificate: gw.pem, key: /keys/gw.key}\n" },
    { "trust_domains", "trust_domains:\n"
                       "  - {name: example.org, bundle: bundle.pem}\n" },
    { "issuers", "issuers:\n"
                 "  - name: local\n"
                 "    issuer: https://issuer.example\n"
                 "    jwks: issuer.jwks\n"
                 "    audiences: [sallyport]\n"
                 "    scopes: {vectors.read: [readonly], vectors.purge: [delete, drop]}\n"
                 "    asserts: {trust_domains: [example.org]}\n" },
    { "policy", "policy: {files: [policies], entities: entities.yaml}\n" },
    { "shards", "shards:\n"
                "  - {name: a, api: chroma, endpoints: [\"http://127.0.0.1:8001\"]}\n"
                "  - {name: b, api: chroma, endpoints: [\"http://[::1]:8002/\", \"http://db\"]}\n" },
    { "routes", "routes:\n"
                "  - {collection: docs-*, shard: b}\n"
                "  - {hash: [a, b]}\n" },
    { "audit", "audit: {file: audit.log}\n" },
};

// `text` first, so that its lines are known, then every section that `replaced` (a list with spaces) does not name.
static void compose(struct buf *b, const char *replaced, const char *text)
{
    buf_printf(b, "%s", text);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (!strstr(replaced, sections[i].key))
            buf_printf(b, "%s", sections[i].text);
}

struct wrong {
    const char *replaced, *text;
    const char *expected; // starts with
    size_t errors;        // 0: warnings only
};

static void expect(const struct wrong *w)
{
    struct gw_config *c = NULL;
    struct diags diags;
    struct arena a;
    struct buf b;
    bool found = false;

    arena_init(&a, 0);
    diags_init(&diags);
    buf_init(&b, 0);
    compose(&b, w->replaced, w->text);
    assert_int_equal(gw_config_parse(buf_span(&b), SPAN("/etc/f.yaml"), &c, &diags), w->errors ? ERR_CONFIG : 0);
    assert_int_equal(c == NULL, w->errors > 0);
    for (const struct diag *d = diags.first; d; d = d->next)
        found |= span_starts(diag_format(&a, d), span_str(w->expected));
    if (!found || diags.errors != w->errors) {
        for (const struct diag *d = diags.first; d; d = d->next)
            print_error("  got: %s\n", diag_format(&a, d).p);
        fail_msg("%s", w->expected);
    }
    gw_config_free(c);
    buf_fini(&b);
    diags_fini(&diags);
    arena_fini(&a);
}

static void expect_all(const struct wrong *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        expect(&w[i]);
}
#define EXPECT_ALL(rows) expect_all((rows), sizeof(rows) / sizeof *(rows))

#define F "/etc/f.yaml:"

static void unknown_keys_get_a_suggestion(void **state)
{
    static const struct wrong rows[] = {
        { "", "lop: {}\n", F "1:1: error: unknown key 'lop'; did you mean 'log'?", 1 },
        { "", "zzzzzz: 1\n", F "1:1: error: unknown key 'zzzzzz'; remove it", 1 },
        { "", "dpop:\n  nonse: off\n", F "2:3: error: unknown key 'nonse'; did you mean 'nonce'?", 1 },
        { "audit", "audit: {file: a, synch: batch}\n", F "1:18: error: unknown key 'synch'; did you mean 'sync'?", 1 },
    };

    (void)state;
    EXPECT_ALL(rows);
}

static void missing_keys_are_named_where_they_belong(void **state)
{
    static const struct wrong rows[] = {
        { "audit", "", F "1:1: error: 'audit' is missing; add it: ", 1 },
        { "audit", "audit: {sync: batch}\n", F "1:8: error: 'file' is missing; add it: ", 1 },
        { "listener", "listener:\n  addresses: [\"h:1\"]\n  authorities: [h]\n  tls: {certificate: c}\n",
          F "4:8: error: 'key' is missing; add it: ", 1 },
        { "issuers", "issuers: []\n", F "1:10: error: 'issuers' is an empty list; name at least one", 1 },
        { "policy", "policy: {files: []}\n", F "1:17: error: 'files' is an empty list", 1 },
        { "shards",
          "shards:\n  - {name: a, api: chroma, endpoints: []}\n  - {name: b, api: chroma, endpoints: "
          "[\"http://b:1\"]}\n",
          F "2:39: error: 'endpoints' is an empty list", 1 },
    };

    (void)state;
    EXPECT_ALL(rows);
}

static void wrong_types_are_refused(void **state)
{
    static const struct wrong rows[] = {
        { "", "log: info\n", F "1:6: error: a single value where a map belongs", 1 },
        { "", "log: [info]\n", F "1:6: error: a list where a map belongs", 1 },
        { "", "log:\n", F "1:5: error: no value; write a map", 1 },
        { "", "log: {level: }\n", F "1:14: error: no value; write one of the names", 1 },
        { "", "loops: {a: 1}\n", F "1:8: error: a map where a single value belongs; write a whole number", 1 },
        { "audit", "audit: {file: [a]}\n", F "1:15: error: a list where a single value belongs; write a text", 1 },
        { "audit", "audit: {file: ~}\n", F "1:15: error: no value; write a text", 1 },
        { "audit", "audit: {file: ''}\n", F "1:15: error: an empty text", 1 },
        { "audit", "audit: {file: \"a\\nb\"}\n", F "1:15: error: control characters or line breaks", 1 },
        { "policy", "policy: {files: policies}\n", F "1:17: error: a single value where a list belongs", 1 },
        { "policy", "policy: {files: [[a]]}\n", F "1:18: error: a list where a single value belongs", 1 },
        { "policy", "policy: {files: [a, a]}\n", F "1:21: error: '/etc/a' is in the list already", 1 },
        { "trust_domains", "trust_domains: {name: example.org}\n", F "1:16: error: a map where a list belongs", 2 },
        { "trust_domains", "trust_domains: [example.org]\n", F "1:17: error: a single value where a map belongs", 2 },
        { "trust_domains", "trust_domains: [{name: example.org, bundle: b, crls: [c], crl_required: yes}]\n",
          F "1:73: error: 'yes' is not a value of 'crl_required'; write true or false", 1 },
        { "trust_domains", "trust_domains: [{name: example.org, bundle: b, crls: [c], crl_required: \"true\"}]\n",
          F "1:73: error: 'true' is not", 1 },
    };

    (void)state;
    EXPECT_ALL(rows);
}

static void numbers_sizes_durations_and_choices_are_held_to_their_form_and_range(void **state)
{
    static const struct wrong rows[] = {
        { "", "loops: two\n", F "1:8: error: 'two' is not a value of 'loops'; write a whole number", 1 },
        { "", "loops: \"2\"\n", F "1:8: error: '2' is not a value of 'loops'; write a whole number", 1 },
        { "", "loops: -1\n", F "1:8: error: '-1' is not a value of 'loops'", 1 },
        { "", "loops: 08\n", F "1:8: error: '08' is not a value of 'loops'", 1 },
        { "", "loops: 4096\n", F "1:8: error: '4096' for 'loops' is out of range; write 0 to 1024", 1 },
        { "", "dpop: {past: 60}\n", F "1:14: error: '60' is not a value of 'past'; write a duration", 1 },
        { "", "dpop: {past: 1h}\n", F "1:14: error: '1h' for 'past' is out of range; write 1s to 10m", 1 },
        { "", "dpop: {past: 0s}\n", F "1:14: error: '0s' for 'past' is out of range", 1 },
        { "", "dpop: {replay: {share_percent: 101}}\n",
          F "1:32: error: '101' for 'share_percent' is out of range; write 1 to 100", 1 },
        { "", "dpop: {algorithms: []}\n", F "1:20: error: 'algorithms' is an empty list", 1 },
        { "", "dpop: {algorithms: [HS256]}\n",
          F "1:21: error: 'HS256' is not a value of 'algorithms'; did you mean 'ES256'?", 1 },
        { "", "dpop: {algorithms: [none]}\n",
          F "1:21: error: 'none' is not a value of 'algorithms'; write one of: ES256, ES384, EdDSA, RS256, PS256", 1 },
        { "", "dpop: {algorithms: [ES256, ES256]}\n", F "1:28: error: 'ES256' is in the list already", 1 },
        { "", "dpop: {nonce: on}\n",
          F "1:15: error: 'on' is not a value of 'nonce'; write one of: off, required, adaptive", 1 },
        { "", "dpop: {nonce: adaptive, nonce_adaptive: 0s}\n",
          F "1:41: error: '0s' for 'nonce_adaptive' is out of range", 1 },
        { "", "log: {level: verbose}\n",
          F "1:14: error: 'verbose' is not a value of 'level'; write one of: error, warn, info, debug", 1 },
        { "audit", "audit: {file: a, queue: 4MB}\n",
          F "1:25: error: '4MB' is not a value of 'queue'; write a size such as 8KiB", 1 },
        { "audit", "audit: {file: a, queue: 1KiB}\n",
          F "1:25: error: '1KiB' for 'queue' is out of range; write 64KiB to 1GiB", 1 },
        { "audit", "audit: {file: a, queue: 99999999999999999999GiB}\n",
          F "1:25: error: '99999999999999999999GiB' is not", 1 },
        { "audit", "audit: {file: a, queue: 18014398509481985KiB}\n", F "1:25: error: '18014398509481985KiB' is not",
          1 },
        { "listener",
          "listener: {addresses: [\"h:1\"], authorities: [h], tls: {certificate: c, key: k, groups: [x25519]}}\n",
          F "1:89: error: 'x25519' is not a value of 'groups'; did you mean 'X25519'?", 1 },
        { "listener",
          "listener: {addresses: [\"h:1\"], authorities: [h], tls: {certificate: c, key: k, min_version: tls1.1}}\n",
          F "1:93: error: 'tls1.1' is not a value of 'min_version'", 1 },
    };

    (void)state;
    EXPECT_ALL(rows);
}

static void texts_are_held_to_their_grammar(void **state)
{
    static const struct wrong rows[] = {
        { "listener", "listener: {addresses: [h], authorities: [h], tls: {certificate: c, key: k}}\n",
          F "1:24: error: 'h' for 'addresses': host:port", 1 },
        { "listener", "listener: {addresses: [\"h:70000\"], authorities: [h], tls: {certificate: c, key: k}}\n",
          F "1:24: error: 'h:70000' for", 1 },
        { "listener", "listener: {addresses: [\"::1:80\"], authorities: [h], tls: {certificate: c, key: k}}\n",
          F "1:24: error: '::1:80' for", 1 },
        { "listener", "listener: {addresses: [\"h:1\"], authorities: [\"https://h\"], tls: {certificate: c, key: k}}\n",
          F "1:46: error: 'https://h' for", 1 },
        { "listener", "listener: {addresses: [\"h:1\"], authorities: [\"u@h\"], tls: {certificate: c, key: k}}\n",
          F "1:46: error: 'u@h' for", 1 },
        { "trust_domains", "trust_domains: [{name: Example.org, bundle: b}]\n",
          F "1:24: error: 'Example.org' for 'name': a trust domain", 2 },
        { "trust_domains", "trust_domains: [{name: \"spiffe://example.org\", bundle: b}]\n",
          F "1:24: error: 'spiffe://example.org' for 'name'", 2 },
        { "", "identities: [{dns: a.example, spiffe_id: \"spiffe://example.org\"}]\n",
          F "1:42: error: 'spiffe://example.org' for 'spiffe_id': a workload", 1 },
        { "shards routes", "shards: [{name: a b, api: chroma, endpoints: [\"http://h:1\"]}]\nroutes: [{shard: a}]\n",
          F "1:17: error: 'a b' for 'name'", 2 },
        { "shards",
          "shards:\n  - {name: a, api: chroma, endpoints: [\"h:1\"]}\n  - {name: b, api: chroma, endpoints: "
          "[\"http://h:1/x\"]}\n",
          F "3:40: error: 'http://h:1/x' for 'endpoints'", 2 },
        { "shards",
          "shards:\n  - {name: a, api: chroma, endpoints: [\"http://u:p@h:1\"]}\n  - {name: b, api: chroma, endpoints: "
          "[\"http://h:0\"]}\n",
          F "2:40: error: 'http://u:p@h:1' for 'endpoints'", 2 },
        { "shards",
          "shards:\n  - {name: a, api: chroma, endpoints: [\"http://h:1\", \"http://H:1/\"]}\n  - {name: b, api: "
          "chroma, endpoints: [\"http://h:1\"]}\n",
          F "2:54: error: 'http://H:1/' is in the list already", 1 },
        { "routes", "routes:\n  - {collection: \"*a*b*c*d*e*f*g*h*\", shard: a}\n  - {shard: b}\n",
          F "2:18: error: '*a*b*c*d*e*f*g*h*' for 'collection': a pattern", 1 },
        { "shards",
          "shards:\n  - {name: a, api: chroma, endpoints: [\"http://localhost:1\"], credential: {header: X-Key, file: "
          "f}}\n"
          "  - {name: b, api: chroma, endpoints: [\"http://h:1\"]}\n",
          F "2:84: error: 'X-Key' for 'header': a header's name in lower case", 1 },
    };

    (void)state;
    EXPECT_ALL(rows);
}

#define ISSUER(more) \
    "issuers:\n  - {name: l, issuer: i, jwks: j, audiences: [s], asserts: {trust_domains: [example.org]}, " more "}\n"

static void scopes_are_checked(void **state)
{
    static const struct wrong rows[] = {
        { "issuers",
          "issuers: [{name: l, issuer: i, jwks: j, audiences: [s], asserts: {trust_domains: [example.org]}}]\n",
          F "1:11: error: 'scopes' is missing", 1 },
        { "issuers", ISSUER("scopes: {}"), F "2:100: error: 'scopes' is empty", 1 },
        { "issuers", ISSUER("scopes: all"),
          F "2:100: error: a single value where a map belongs; write a map 'scope: [actions]', or the word none", 1 },
        { "issuers", ISSUER("scopes: {r: [raed]}"), F "2:105: error: unknown action 'raed'; did you mean 'read'?", 1 },
        { "issuers", ISSUER("scopes: {r: [fly]}"), F "2:105: error: unknown action 'fly'; write search, ", 1 },
        { "issuers", ISSUER("scopes: {r: []}"), F "2:104: error: scope 'r' has no action", 1 },
        { "issuers", ISSUER("scopes: {r: read}"), F "2:104: error: a single value where a list belongs", 1 },
        { "issuers", ISSUER("scopes: {\"r s\": [read]}"), F "2:101: error: 'r s' is not a scope", 1 },
    };

    (void)state;
    EXPECT_ALL(rows);
}

static void a_bundle_is_the_whole_policy_set(void **state)
{
    static const struct wrong rows[] = {
        { "policy", "policy: {bundle: {file: p.tar, keys: k.json}, files: [a]}\n",
          F "1:54: error: 'files' beside 'bundle'", 1 },
        { "policy", "policy: {bundle: {file: p.tar, keys: k.json}, entities: e.json}\n",
          F "1:57: error: 'entities' beside 'bundle'", 1 },
        { "policy", "policy: {bundle: {file: p.tar, keys: k.json}, links: [l.json], schema: [s.json]}\n",
          F "1:54: error: 'links' beside 'bundle'", 2 },
        { "policy",
          "policy: {bundle: {file: p.tar, keys: k.json}, owners: [{name: a, files: [a], scope: 'A::\"a\"'}]}\n",
          F "1:56: error: 'owners' beside 'bundle'", 1 },
        { "policy", "policy: {bundle: {file: p.tar}}\n", F "1:18: error: 'keys' is missing", 1 },
        { "policy", "policy: {bundle: {keys: k.json}}\n", F "1:18: error: 'file' is missing", 1 },
        { "policy", "policy: {bundle: p.tar}\n", F "1:18: error: a single value where a map belongs", 1 },
    };

    (void)state;
    EXPECT_ALL(rows);
}

static void unbound_bearer_needs_its_name(void **state)
{
    static const struct wrong rows[] = {
        { "issuers", ISSUER("scopes: none, binding: none"), F "2:5: error: binding: none lets anyone", 1 },
        { "issuers", ISSUER("scopes: none, unbound_bearer: allow"),
          F "2:5: error: unbound_bearer: allow goes with binding: none only", 1 },
        { "issuers", ISSUER("scopes: none, binding: bearer"), F "2:115: error: 'bearer' is not a value of 'binding'",
          1 },
        { "issuers", ISSUER("scopes: none, workload_match: unchecked"),
          F "2:5: warning: workload_match: unchecked lets any workload", 0 },
    };

    (void)state;
    EXPECT_ALL(rows);
}

static void issuers_are_unique_and_contained(void **state)
{
    static const struct wrong rows[] = {
        { "issuers",
          ISSUER("scopes: none") "  - {name: l, issuer: i2, jwks: j, audiences: [s], scopes: none, asserts: "
                                 "{trust_domains: [example.org]}}\n",
          F "3:12: error: the name 'l' is already in line 2", 1 },
        { "issuers",
          ISSUER("scopes: none") "  - {name: l2, issuer: i, jwks: j, audiences: [s], scopes: none, asserts: "
                                 "{trust_domains: [example.org]}}\n",
          F "3:24: error: the issuer 'i' is already in line 2", 1 },
        { "issuers", "issuers: [{name: l, issuer: i, jwks: j, audiences: [s], scopes: none}]\n",
          F "1:11: error: asserts.trust_domains is empty", 1 },
        { "issuers",
          "issuers: [{name: l, issuer: i, jwks: j, audiences: [s], scopes: none, asserts: {trust_domains: "
          "[exmple.org]}}]\n",
          F "1:97: error: trust domain 'exmple.org' is not among trust_domains; did you mean 'example.org'?", 1 },
    };

    (void)state;
    EXPECT_ALL(rows);
}

#define KEYS(more)                                                                                                  \
    "issuers:\n  - {name: l, issuer: i, audiences: [s], scopes: none, asserts: {trust_domains: [example.org]}" more \
    "}\n"

// `expected` is in the one complaint, wherever.
static void complains(const struct wrong *w)
{
    struct gw_config *c = NULL;
    struct diags diags;
    struct buf b;

    diags_init(&diags);
    buf_init(&b, 0);
    compose(&b, w->replaced, w->text);
    assert_int_equal(gw_config_parse(buf_span(&b), SPAN("/etc/f.yaml"), &c, &diags), ERR_CONFIG);
    assert_null(c);
    if (diags.errors != w->errors || !strstr(diags.first->text.p, w->expected))
        fail_msg("%zu errors, %s, not %s", diags.errors, diags.first->text.p, w->expected);
    buf_fini(&b);
    diags_fini(&diags);
}

static void fetched_keys_have_one_source_that_something_vouches_for(void **state)
{
    static const struct wrong rows[] = {
        { "issuers", KEYS(", jwks: j, jwks_url: \"https://h/k\", fetch: {tls: {ca: c}}"),
          "an issuer has one of 'jwks', 'jwks_url', 'discovery' and 'symmetric_key_file'", 1 },
        { "issuers", KEYS(", jwks_url: \"https://h/k\", discovery: true, fetch: {tls: {ca: c}}"),
          "'jwks_url' and 'discovery' exclude each other", 1 },
        { "issuers", KEYS(", jwks_url: \"https://h/k\""), "jwks_url is https and nothing vouches for it", 1 },
        { "issuers", KEYS(", jwks_url: \"http://h/k\""), "plain http is for 127.0.0.1 and [::1] only", 1 },
        { "issuers", KEYS(", jwks_url: \"http://127.0.0.1.example/k\""), "plain http is for 127.0.0.1", 1 },
        { "issuers", KEYS(", jwks_url: \"http://localhost/k\""), "plain http is for 127.0.0.1", 1 },
        { "issuers", KEYS(", jwks_url: \"https://u@h/k\""), "https://host[:port]/path is expected", 1 },
        { "issuers", KEYS(", jwks_url: \"https://h/k#f\""), "https://host[:port]/path is expected", 1 },
        { "issuers", KEYS(", jwks_url: \"http://127.0.0.1/k\", fetch: {tls: {ca: c}}"),
          "tls is set, but jwks_url is not", 1 },
        { "issuers", KEYS(", jwks: j, fetch: {tls: {ca: c}}"), "fetch.tls is set, but nothing is fetched", 1 },
        { "issuers", KEYS(", discovery: true, fetch: {tls: {ca: c}}"), "needs an issuer whose name is an https URL",
          1 },
        { "issuers", KEYS(", jwks_url: \"http://[::1]:8/k\", max_stale: 10m"), "more than half of max_stale", 1 },
        { "issuers", KEYS(", jwks_url: \"http://[::1]:8/k\", uses: [logging]"), "'logging' is not a value of 'uses'",
          1 },
        { "issuers", KEYS(", jwks: j, typ: none"), "typ: none cannot tell an access token from another JWT", 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        complains(&rows[i]);
}

static void rule_21_public_keys_and_a_secret_exclude_each_other(void **state)
{
    static const struct wrong rows[] = {
        { "issuers", KEYS(""),
          F "2:5: error: an issuer has one of 'jwks', 'jwks_url', 'discovery' and 'symmetric_key_file'", 1 },
        { "issuers", KEYS(", jwks: j, symmetric_key_file: k, algorithms: [HS256]"),
          F "2:5: error: an issuer has one of 'jwks', 'jwks_url', 'discovery' and 'symmetric_key_file'", 1 },
        { "issuers", KEYS(", symmetric_key_file: k"), F "2:5: error: with 'symmetric_key_file' an issuer has one", 1 },
        { "issuers", KEYS(", symmetric_key_file: k, algorithms: [RS256]"),
          F "2:5: error: with 'symmetric_key_file' an issuer has one", 1 },
        { "issuers", KEYS(", symmetric_key_file: k, algorithms: [HS256, ES256]"),
          F "2:5: error: with 'symmetric_key_file' an issuer has one", 1 },
        { "issuers", KEYS(", symmetric_key_file: k, algorithms: [HS256, HS512]"),
          F "2:5: error: with 'symmetric_key_file' an issuer has one", 1 },
        { "issuers", KEYS(", jwks: j, algorithms: [ES256, HS256]"),
          F "2:5: error: HS256, HS384 and HS512 need 'symmetric_key_file'", 1 },
        { "issuers", KEYS(", jwks: j, algorithms: [none]"), F "2:", 1 },
        { "dpop", "dpop: {algorithms: [HS256]}\n", F "1:21: error: 'HS256' is not a value of 'algorithms'", 1 },
        { "dpop", "dpop: {algorithms: [ES512]}\n", F "1:21: error: 'ES512' is not a value of 'algorithms'", 1 },
    };

    (void)state;
    EXPECT_ALL(rows);
}

static void trust_domains_and_identities_are_checked(void **state)
{
    static const struct wrong rows[] = {
        { "trust_domains", "trust_domains:\n  - {name: example.org, bundle: a}\n  - {name: example.org, bundle: b}\n",
          F "3:12: error: trust domain 'example.org' is already in line 2", 1 },
        { "trust_domains", "trust_domains: [{name: example.org, bundle: a, crl_required: true}]\n",
          F "1:17: error: crl_required without crls", 1 },
        { "", "identities: [{spiffe_id: \"spiffe://example.org/a\"}]\n",
          F "1:14: error: a rule has either 'dns' or 'subject'", 1 },
        { "", "identities: [{dns: a, subject: CN=a, spiffe_id: \"spiffe://example.org/a\"}]\n",
          F "1:14: error: a rule has either 'dns' or 'subject'", 1 },
        { "", "identities: [{dns: a, spiffe_id: \"spiffe://other.org/a\"}]\n",
          F "1:34: error: trust domain 'other.org' is not among trust_domains; add", 1 },
    };

    (void)state;
    EXPECT_ALL(rows);
}

#define SHARD_B "  - {name: b, api: chroma, endpoints: [\"http://h:1\"]}\n"
#define SHARD_A(more) "shards:\n  - {name: a, api: chroma, endpoints: [\"https://h:1\"], tls: {" more "}}\n" SHARD_B

static void shards_are_checked(void **state)
{
    static const struct wrong rows[] = {
        { "shards", "shards:\n  - {name: a, api: chroma, endpoints: [\"http://h:1\"]}\n" SHARD_B SHARD_B,
          F "4:12: error: shard 'b' is already in line 3", 1 },
        { "shards",
          "shards:\n  - {name: a, api: chroma, endpoints: [\"http://h:1\", \"https://h:2\"], tls: {ca: c}}\n" SHARD_B,
          F "2:54: error: http and https endpoints in one shard", 1 },
        { "shards", "shards:\n  - {name: a, api: chroma, endpoints: [\"http://h:1\"], tls: {ca: c}}\n" SHARD_B,
          F "2:60: error: tls is set, but no endpoint", 1 },
        { "shards", "shards:\n  - {name: a, api: chroma, endpoints: [\"https://h:1\"]}\n" SHARD_B,
          F "2:5: error: shard 'a' is https and nothing vouches", 1 },
        { "shards", SHARD_A("server_name: x"), F "2:5: error: shard 'a' is https and nothing vouches", 1 },
        { "shards", SHARD_A("spiffe_id: \"spiffe://other.org/db\""),
          F "2:73: error: trust domain 'other.org' is not among", 1 },
        { "shards", SHARD_A("spiffe_id: \"spiffe://example.org/db\", server_name: x"),
          F "2:113: error: spiffe_id and server_name exclude", 1 },
        { "shards", SHARD_A("ca: c, certificate: x"), F "2:61: error: certificate and key belong together", 1 },
        { "shards", SHARD_A("ca: c, key_passphrase_file: x"), F "2:90: error: key_passphrase_file without key", 1 },
        { "shards",
          "shards:\n  - {name: a, api: chroma, endpoints: [\"http://h:1\"], pool: {max_connections: 1, max_idle: "
          "2}}\n" SHARD_B,
          F "2:5: error: pool.max_idle is above", 1 },
        { "shards",
          "shards:\n  - {name: a, api: chroma, endpoints: [\"http://localhost:1\"], credential: {header: host, file: "
          "f}}\n" SHARD_B,
          F "2:84: error: 'host' is a field of HTTP itself", 1 },
        { "shards",
          "shards:\n  - {name: a, api: chroma, endpoints: [\"http://h:1\"], credential: {header: api-key, file: "
          "f}}\n" SHARD_B,
          F "2:40: warning: the credential of shard 'a' goes to this endpoint unencrypted", 0 },
        { "shards",
          "shards:\n  - {name: a, api: chroma, endpoints: [\"http://h:1\"], credential: {header: api-key}}\n" SHARD_B,
          F "2:67: error: 'file' is missing", 1 },
    };

    (void)state;
    EXPECT_ALL(rows);
}

static void routes_are_checked(void **state)
{
    static const struct wrong rows[] = {
        { "routes", "routes:\n  - {shard: bb}\n  - {hash: [a, b]}\n",
          F "2:13: error: no shard is called 'bb'; did you mean 'b'?", 1 },
        { "routes", "routes:\n  - {collection: x}\n  - {hash: [a, b]}\n",
          F "2:5: error: a route has either 'shard' or 'hash'", 1 },
        { "routes", "routes:\n  - {shard: a, hash: [b]}\n", F "2:5: error: a route has either 'shard' or 'hash'", 1 },
        { "routes", "routes:\n  - {hash: []}\n", F "2:12: error: 'hash' is an empty list", 1 },
        { "routes", "routes:\n  - {hash: [a, a]}\n", F "2:16: error: 'a' is in the list already", 1 },
        { "shards routes",
          "shards:\n  - {name: a, api: qdrant, endpoints: [\"http://h:1\"]}\n" SHARD_B "routes: [{hash: [a, b]}]\n",
          F "4:21: error: shards of different databases in one hash", 1 },
        { "routes", "routes:\n  - {hash: [a, b]}\n  - {collection: x, shard: a}\n",
          F "3:5: warning: never reached: the route in line 2", 0 },
        { "shards routes",
          "shards:\n  - {name: a, api: chroma, endpoints: [\"http://h:1\"]}\n" SHARD_B "routes: [{shard: a}]\n",
          F "3:5: warning: no route leads to shard 'b'", 0 },
    };

    (void)state;
    EXPECT_ALL(rows);
}

static void the_operations_listener_is_its_own(void **state)
{
    static const struct wrong rows[] = {
        { "", "operations: {listen: \"127.0.0.1:8443\"}\n",
          F "1:22: error: operations and listener have the same address", 1 },
        { "", "operations: {listen: \"0.0.0.0:9901\"}\n", F "1:22: warning: the operations listener is plain HTTP", 0 },
    };

    (void)state;
    EXPECT_ALL(rows);
}

static void every_error_of_a_file_is_collected(void **state)
{
    static const struct wrong row = {
        "listener audit",
        "listener:\n  addresses: x\n  authorities: [\"/\"]\n  tls: {certificate: &c gw.pem}\nlog: {level: loud, level: "
        "info}\nloops: x\naudit: {file: a, x: *c}\n",
        F "6:8: error: 'x' is not a value of 'loops'",
        9,
    };

    (void)state;
    expect(&row);
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
    struct gw_config *c = NULL;
    struct diags diags;

    (void)state;
    diags_init(&diags);
    assert_int_equal(gw_config_load("/nonexistent/f.yaml", &c, &diags), ERR_CONFIG);
    assert_null(c);
    assert_int_equal(diags.errors, 1);
    assert_int_equal(gw_config_parse(SPAN(""), SPAN("f"), &c, &diags), ERR_CONFIG);
    assert_int_equal(gw_config_parse(SPAN("[a]"), SPAN("f"), &c, &diags), ERR_CONFIG);
    assert_null(c);
    diags_fini(&diags);
}

static struct gw_config *right(struct diags *diags)
{
    struct gw_config *c = NULL;
    struct buf b;

    buf_init(&b, 0);
    compose(&b, "", "");
    assert_int_equal(gw_config_parse(buf_span(&b), SPAN("/etc/sallyport/f.yaml"), &c, diags), 0);
    buf_fini(&b);
    assert_int_equal(diags->errors + diags->warnings, 0);
    return c;
}

static void defaults_are_those_of_the_tables(void **state)
{
    struct diags diags;
    struct gw_config *c;

    (void)state;
    diags_init(&diags);
    c = right(&diags);
    assert_false(c->listener.tls.tls12);
    assert_int_equal(c->listener.tls.groups.n, 2);
    assert_string_equal(c->listener.tls.groups.v[0].v.p, "X25519MLKEM768");
    assert_int_equal(c->listener.tls.groups.at.line, 0);
    assert_true(c->listener.tls.tickets.enabled);
    assert_int_equal(c->listener.tls.tickets.lifetime, 8 * 3600 * 1000);
    assert_int_equal(c->listener.limits.request_line, 8192);
    assert_int_equal(c->listener.timeouts.header, 10000);
    assert_int_equal(c->dpop.past, 60000);
    assert_int_equal(c->dpop.future, 5000);
    assert_int_equal(c->dpop.nonce, GW_NONCE_OFF);
    assert_int_equal(c->dpop.nonce_adaptive, 600000);
    assert_int_equal(c->dpop.replay.share_percent, 10);
    assert_int_equal(c->issuers[0].algorithms, PKI_ALG_BIT(PKI_ES256));
    assert_int_equal(c->issuers[0].binding, GW_BINDING_DPOP);
    assert_int_equal(c->issuers[0].workload_match, GW_WORKLOAD_EXACT);
    assert_false(c->issuers[0].unbound_bearer);
    assert_string_equal(c->issuers[0].typ.v.p, "at+jwt");
    assert_string_equal(c->issuers[0].claims.workload.v.p, "sub");
    assert_int_equal(c->issuers[0].asserts.roles.n, 0);
    assert_false(c->audit.sync_request);
    assert_false(c->audit.drop_when_full);
    assert_true(c->operations.enabled);
    assert_string_equal(c->operations.listen.v.p, "127.0.0.1:9901");
    assert_int_equal(c->log.level, LOG_INFO);
    assert_int_equal(c->loops, 0);
    assert_int_equal(c->identities_n, 0);
    assert_false(c->shards[0].has_credential);
    assert_int_equal(c->shards[0].timeouts.connect, 3000);
    gw_config_free(c);
    diags_fini(&diags);
}

static void values_arrive_where_they_belong(void **state)
{
    struct diags diags;
    struct gw_config *c;

    (void)state;
    diags_init(&diags);
    c = right(&diags);
    assert_string_equal(c->listener.tls.certificate.v.p, "/etc/sallyport/gw.pem");
    assert_string_equal(c->listener.tls.key.v.p, "/keys/gw.key");
    assert_int_equal(c->listener.tls.key.at.line, 4);
    assert_int_equal(c->listener.tls.key.at.column, 35);
    assert_string_equal(c->policy.files.v[0].v.p, "/etc/sallyport/policies");
    assert_false(c->trust_domains[0].bundle_is_jwks);
    assert_int_equal(c->issuers[0].scopes_n, 2);
    assert_int_equal(c->issuers[0].scopes[0].actions, GW_ACTIONS_READONLY);
    assert_int_equal(c->issuers[0].scopes[1].actions, GW_ACTION_BIT(GW_ACTION_DELETE) | GW_ACTION_BIT(GW_ACTION_DROP));
    assert_false(c->issuers[0].scopeless);
    assert_int_equal(c->shards_n, 2);
    assert_string_equal(c->shards[1].endpoints[0].host.p, "::1");
    assert_string_equal(c->shards[1].endpoints[0].authority.p, "[::1]:8002");
    assert_int_equal(c->shards[1].endpoints[1].port, 80);
    assert_string_equal(c->shards[1].endpoints[1].authority.p, "db");
    assert_int_equal(c->routes[0].shards_n, 1);
    assert_int_equal(c->routes[0].shards[0], 1);
    assert_true(span_is_none(c->routes[0].tenant.v));
    assert_string_equal(c->routes[0].collection.v.p, "docs-*");
    assert_int_equal(c->routes[1].shards_n, 2);
    assert_int_equal(c->routes[1].shards[1], 1);
    gw_config_free(c);
    diags_fini(&diags);
}

static void relative_paths_follow_the_file(void **state)
{
    char folder[] = "/tmp/sallyport-config-XXXXXX", path[128];
    struct gw_config *c = NULL;
    struct diags diags;
    struct buf b;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/f.yaml", folder);
    buf_init(&b, 0);
    compose(&b, "", "");
    assert_int_equal(file_write(path, buf_span(&b), 0600), 0);
    diags_init(&diags);
    assert_int_equal(gw_config_load(path, &c, &diags), 0);
    assert_true(span_starts(c->audit.file.v, span_str(folder)));
    assert_true(span_ends(c->audit.file.v, SPAN("/audit.log")));
    gw_config_free(c);
    // A bare name is in the folder the process is in.
    assert_int_equal(gw_config_parse(buf_span(&b), SPAN("f.yaml"), &c, &diags), 0);
    assert_string_equal(c->audit.file.v.p, "audit.log");
    gw_config_free(c);
    diags_fini(&diags);
    buf_fini(&b);
    unlink(path);
    rmdir(folder);
}

static void where_audit_records_go_and_who_signs_them_fits_together(void **state)
{
    static const struct wrong rows[] = {
        { "audit", "audit: {file: a, rotate: {size: 1KiB}}\n",
          "'1KiB' for 'size' is out of range; write 4KiB to 1024GiB", 1 },
        { "audit", "audit: {stdout: false}\n", "audit has neither 'file' nor 'stdout: true'; write one of them", 1 },
        { "audit", "audit: {stdout: true, http: {url: 'http://127.0.0.1/in'}}\n",
          "what is sent to a collector is read from audit.file; set it", 1 },
        { "audit", "audit: {stdout: true, rotate: {keep: 3}}\n",
          "audit.rotate without audit.file; standard output has no files", 1 },
        { "audit", "audit: {file: a, signing: {every: 1m}}\n",
          "audit.signing has either 'key' or 'pkcs11'; write one of them", 1 },
        { "audit", "audit: {file: a, signing: {pkcs11: 'pkcs11:token=t;object=k?pin-value=1'}}\n",
          "audit.signing.pkcs11: ", 1 },
        { "audit", "audit: {file: a, http: {url: 'http://c.example/'}}\n", "plain http is for 127.0.0.1", 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        complains(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_audit_records_go_and_who_signs_them_fits_together),
        cmocka_unit_test(unknown_keys_get_a_suggestion),
        cmocka_unit_test(missing_keys_are_named_where_they_belong),
        cmocka_unit_test(wrong_types_are_refused),
        cmocka_unit_test(numbers_sizes_durations_and_choices_are_held_to_their_form_and_range),
        cmocka_unit_test(texts_are_held_to_their_grammar),
        cmocka_unit_test(scopes_are_checked),
        cmocka_unit_test(a_bundle_is_the_whole_policy_set),
        cmocka_unit_test(unbound_bearer_needs_its_name),
        cmocka_unit_test(issuers_are_unique_and_contained),
        cmocka_unit_test(fetched_keys_have_one_source_that_something_vouches_for),
        cmocka_unit_test(rule_21_public_keys_and_a_secret_exclude_each_other),
        cmocka_unit_test(trust_domains_and_identities_are_checked),
        cmocka_unit_test(shards_are_checked),
        cmocka_unit_test(routes_are_checked),
        cmocka_unit_test(the_operations_listener_is_its_own),
        cmocka_unit_test(every_error_of_a_file_is_collected),
        cmocka_unit_test(a_file_that_cannot_be_read_is_an_error),
        cmocka_unit_test(defaults_are_those_of_the_tables),
        cmocka_unit_test(values_arrive_where_they_belong),
        cmocka_unit_test(relative_paths_follow_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
