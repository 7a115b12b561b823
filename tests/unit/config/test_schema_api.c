// SPDX-License-Identifier: GPL-3.0-or-later
// API tables as somebody writes them: what they become, and what is wrong with those that are none.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/api/api.h"
#include "gateway/config/config.h"
#include "tests/unit/config/least.h"

static struct gw_config *parse(const char *shard_api, const char *apis, struct diags *diags)
{
    struct gw_config *c = NULL;
    struct buf b;
    diags_init(diags);
    buf_init(&b, 0);
    buf_printf(&b, LEAST_BUT_SHARDS "shards:\n  - {name: s, api: %s, endpoints: [\"http://127.0.0.1:2\"]}\napis:\n%s",
               shard_api, apis);
    gw_config_parse(buf_span(&b), SPAN("f.yaml"), &c, diags);
    buf_fini(&b);
    return c;
}

static void a_table_is_compiled_and_served(void **state)
{
    (void)state;
    struct diags diags;
    struct gw_config *c = parse(
        "own",
        "  - name: own\n    query: [verbose]\n    rows:\n"
        "      - {method: GET, path: /, action: meta}\n"
        "      - method: POST\n        path: /v1/{d}/search\n        action: search\n"
        "        collection: $.collection_name\n        tenant: ?ns\n        limit: $.limit\n        filter: $.filter\n"
        "        members: [vector]\n"
        "      - {method: PUT, path: \"/v1/{d}/{c}\", action: create, new: true, members: any}\n",
        &diags);
    assert_int_equal(diags.errors, 0);
    assert_non_null(c);
    size_t i = gw_config_api_find(c, SPAN("own"));
    assert_int_equal(c->shards[0].api, i);
    assert_int_equal(i, 4);
    const struct gw_api_def *def = gw_config_api_at(c, i);
    assert_non_null(def);
    assert_true(span_eq(gw_api_def_name(def), SPAN("own")));
    assert_null(gw_config_api_at(c, i + 1));
    assert_null(gw_config_api_at(NULL, i));
    assert_int_equal(gw_config_api_find(NULL, SPAN("own")), SIZE_MAX);
    assert_int_equal(gw_config_api_find(c, SPAN("chroma")), 1);
    struct gw_api *api = gw_api_new(def);
    assert_non_null(api);
    gw_api_free(api);
    gw_config_free(c);
    diags_fini(&diags);
}

static void what_is_no_table_is_an_error_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *api, *apis, *complaint;
    } rows[] = {
        { "own", "  - {name: own, rows: []}\n", "f.yaml:16:" },
        { "owm", "  - name: own\n    rows: [{method: GET, path: /, action: meta}]\n",
          "'owm' is not a value of 'api'; did you mean 'own'?" },
        { "qdrant", "  - name: qdrant\n    rows: [{method: GET, path: /, action: meta}]\n", "'qdrant' is built in" },
        { "own",
          "  - name: own\n    rows: [{method: GET, path: /, action: meta}]\n"
          "  - name: own\n    rows: [{method: GET, path: /, action: meta}]\n",
          "API 'own' is already in line 16" },
        { "own",
          "  - name: own\n    rows:\n      - {method: GET, path: \"/a/{c}\", action: meta}\n"
          "      - {method: GET, path: \"/a/{x}\", action: read}\n",
          "f.yaml:19:9: error: two rows for one request: the row in line 18" },
        { "own", "  - name: own\n    rows: [{method: GET, path: /, action: look}]\n",
          "'look' is not a value of 'action'" },
        { "own", "  - name: own\n    rows: [{method: OPTIONS, path: /, action: meta}]\n",
          "'OPTIONS' is not a value of 'method'" },
        { "own", "  - name: own\n    rows: [{method: GET, path: \"/{y}\", action: meta}]\n", "a path's segments are" },
        { "own", "  - name: own\n    rows: [{method: POST, path: /, action: read, collection: name}]\n",
          "a place is '$.member'" },
        { "own", "  - name: own\n    rows: [{method: GET, path: /, action: read, collection: $.name}]\n",
          "a GET or HEAD has no body" },
        { "own", "  - name: own\n    rows: [{method: GET, path: /, action: list}]\n", "would name every collection" },
        { "own", "  - name: own\n    rows: [{method: POST, path: /, action: read, members: [\"a b\"]}]\n",
          "a member is named by" },
        { "own", "  - name: own\n    rows: [{method: POST, path: /, action: read, members: all}]\n",
          "or the word any" },
        { "own", "  - name: own\n    rows: [{method: POST, path: /, action: read, colection: $.a}]\n",
          "did you mean 'collection'?" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct diags diags;
        struct gw_config *c = parse(rows[i].api, rows[i].apis, &diags);
        struct arena arena;
        bool found = false;
        arena_init(&arena, 0);
        for (const struct diag *d = diags.first; d; d = d->next)
            found |= strstr(diag_format(&arena, d).p, rows[i].complaint) != NULL;
        if (c || !found)
            fail_msg("%s\nexpected: %s\ngot: %s", rows[i].apis, rows[i].complaint,
                     diags.first ? diag_format(&arena, diags.first).p : "nothing");
        arena_fini(&arena);
        diags_fini(&diags);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_compiled_and_served),
        cmocka_unit_test(what_is_no_table_is_an_error_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
