// SPDX-License-Identifier: GPL-3.0-or-later
// docs/policy.md is tested by itself: every `cedar` block loads by the gateway's rules and validates against the schema, and every row of
// a table of requests is decided as its last cell says. The form, section by section (a heading starts another):
//
//   ```cedar [authority]   policies, several blocks are one set; of the authority: against its actions, and a set of their own
//   ```cedarschema         a schema instead of the shipped one
//   ```json                entities (or, where they have a "templateId", links)
//   | workload | context | action | resource | decision |
//
// Context cells hold assignments in backticks, the value as JSON; "the same …" starts from the row above. A decision is `allow` or `deny`,
// then the determining policies in backticks, then maybe "tried out: allow" or "deny" and the shadow policies that make the difference.
#include "tests/unit/policy/support.h"

#include "gateway/api/action.h"
#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "policy/ext.h"
#include "policy/links_json.h"
#include "policy/schema.h"

#ifndef SALLYPORT_SOURCE_DIR
#define SALLYPORT_SOURCE_DIR "."
#endif

enum { SECTIONS = 96, ROWS = 256, MEMBERS = 64 };

#define HEADER SPAN("| workload | context | action | resource | decision |")

struct row {
    struct span cells[5];
    unsigned line;
};

struct section {
    struct span heading;
    bool authority;
    struct buf policies, schema, entities, links;
    size_t first, n; // of the rows
};

struct page {
    struct buf text;
    struct section sections[SECTIONS];
    struct row rows[ROWS];
    size_t n_sections, n_rows;
};

// ------------------------------------------------------------------------------------------------------------- reading

static struct section *section_add(struct page *p, struct span heading, bool authority)
{
    struct section *s = &p->sections[p->n_sections++];

    assert_true(p->n_sections <= SECTIONS);
    *s = (struct section){ .heading = heading, .authority = authority, .first = p->n_rows };
    buf_init(&s->policies, 0);
    buf_init(&s->schema, 0);
    buf_init(&s->entities, 0);
    buf_init(&s->links, 0);
    return s;
}

static struct buf *block_of(struct page *p, struct span language, struct span text)
{
    struct section *s = &p->sections[p->n_sections - 1];
    bool authority = span_eq(language, SPAN("cedar authority"));

    if (span_eq(language, SPAN("cedarschema")))
        return &s->schema;
    if (span_eq(language, SPAN("json")))
        return memmem(text.p, text.n, "\"templateId\"", 12) ? &s->links
               : memmem(text.p, text.n, "\"uid\"", 5)       ? &s->entities
                                                            : NULL;
    if (!span_starts(language, SPAN("cedar")))
        return NULL;
    assert_true(authority || span_eq(language, SPAN("cedar")));
    if (authority != s->authority && buf_len(&s->policies) > 0)
        s = section_add(p, s->heading, authority);
    s->authority = authority;
    return &s->policies;
}

static void row_add(struct page *p, struct span line, unsigned number)
{
    struct row *r = &p->rows[p->n_rows++];

    assert_true(p->n_rows <= ROWS);
    r->line = number;
    span_cut(&line, '|');
    for (size_t i = 0; i < 5; i++)
        r->cells[i] = span_trim(span_cut(&line, '|'));
    p->sections[p->n_sections - 1].n++;
}

static void read_page(struct page *p, struct span text)
{
    struct span language = SPAN_NONE, block = SPAN_NONE, line;
    bool fenced = false, table = false;

    section_add(p, SPAN("(top)"), false);
    for (unsigned number = 1; !span_is_none(text); number++) {
        line = span_cut(&text, '\n');
        if (span_starts(line, SPAN("```")) && !fenced) {
            language = span_trim(span_sub(line, 3, line.n));
            block = span_of(text.p, 0);
            fenced = true;
        } else if (span_starts(line, SPAN("```"))) {
            struct buf *to = block_of(p, language, block);
            if (to)
                assert_true(buf_append(to, block));
            fenced = false;
        } else if (fenced) {
            block.n = (size_t)(line.p + line.n + 1 - block.p);
        } else if (span_starts(line, SPAN("#"))) {
            section_add(p, line, false);
        } else if (span_eq(line, HEADER)) {
            table = true;
        } else if (table && span_starts(line, SPAN("|"))) {
            if (!span_starts(line, SPAN("|---")))
                row_add(p, line, number);
        } else {
            table = false;
        }
    }
    assert_false(fenced);
}

static int setup(void **state)
{
    static struct page p;

    buf_init(&p.text, 0);
    assert_int_equal(file_read(SALLYPORT_SOURCE_DIR "/docs/policy.md", 1 << 20, &p.text), 0);
    read_page(&p, buf_span(&p.text));
    *state = &p;
    return 0;
}

static int teardown(void **state)
{
    struct page *p = *state;

    for (size_t i = 0; i < p->n_sections; i++) {
        buf_fini(&p->sections[i].policies);
        buf_fini(&p->sections[i].schema);
        buf_fini(&p->sections[i].entities);
        buf_fini(&p->sections[i].links);
    }
    buf_fini(&p->text);
    return 0;
}

// ------------------------------------------------------------------------------------------------------------- loading

static void add_action(struct buf *b, struct span name, unsigned mask)
{
    const char *comma = "";

    buf_printf(b, "%s{\"uid\":{\"type\":\"Action\",\"id\":\"%.*s\"},\"attrs\":{},\"parents\":[", buf_len(b) ? "," : "[",
               SPAN_FMT(name));
    for (unsigned g = 0; mask && g < GW_ACTION_GROUPS; g++)
        if ((mask & ~gw_action_groups[g].mask) == 0 && !span_eq(name, gw_action_groups[g].name)) {
            buf_printf(b, "%s{\"type\":\"Action\",\"id\":\"%.*s\"}", comma, SPAN_FMT(gw_action_groups[g].name));
            comma = ",";
        }
    buf_append(b, SPAN("]}"));
}

static void add_actions(struct buf *b, bool authority)
{
    static const struct span own[] = { SPAN("token:issue"), SPAN("token:exchange"), SPAN("token:impersonate") };

    for (unsigned i = 0; authority && i < 3; i++)
        add_action(b, own[i], 0);
    for (unsigned i = 0; !authority && i < GW_ACTION_COUNT; i++)
        add_action(b, gw_action_name((enum gw_action)i), GW_ACTION_BIT(i));
    for (unsigned g = 0; !authority && g < GW_ACTION_GROUPS; g++)
        add_action(b, gw_action_groups[g].name, gw_action_groups[g].mask);
    buf_byte(b, ']');
}

struct loaded {
    struct fixture f;
    struct pol_schema *schema;
};

static void complain(const struct section *s, struct fixture *f)
{
    print_error("docs/policy.md, %.*s:\n", SPAN_FMT(s->heading));
    for (const struct diag *d = f->diags.first; d; d = d->next)
        print_error("  %.*s\n", SPAN_FMT(diag_format(&f->arena, d)));
    fail();
}

static void load(const struct section *s, struct loaded *out)
{
    struct fixture *f = &out->f;
    struct pol_options o = { .strict_annotations = true, .declared_actions = true, .linked_templates = true };
    struct pol_source p = { SPAN("policies"), buf_span(&s->policies) };
    struct pol_source schema = { SPAN("schema"), buf_span(&s->schema) }, links = { SPAN("links"), buf_span(&s->links) };
    struct pol_source e[2] = { { .name = SPAN("actions") }, { SPAN("entities"), buf_span(&s->entities) } };
    size_t n_entities = buf_len(&s->entities) ? 2 : 1;
    struct buf actions;

    buf_init(&actions, 0);
    diags_init(&f->diags);
    arena_init(&f->arena, 0);
    add_actions(&actions, s->authority);
    e[0].text = buf_span(&actions);
    if (links.text.n)
        pol_links_read(&links, &f->arena, &o.links, &o.n_links, &f->diags);
    f->set = pol_set_new(&p, 1, e, n_entities, &o, &f->diags);
    out->schema = pol_schema_new(schema.text.n ? &schema : &pol_schema_shipped, 1, &f->diags);
    if (f->set && out->schema) {
        if (!schema.text.n)
            pol_schema_confine(out->schema, (struct span[]){ SPAN("token:"), SPAN("svid:") }, 2, !s->authority);
        pol_schema_validate(out->schema, &p, 1, &o, &f->diags);
        if (n_entities == 2)
            pol_schema_validate_entities(out->schema, &e[1], 1, false, &f->diags);
    }
    buf_fini(&actions);
    // A warning is a policy that can never apply: no example.
    if (f->diags.first)
        complain(s, f);
    assert_non_null(f->set);
}

static void unload(struct loaded *l)
{
    pol_schema_free(l->schema);
    fixture_fini(&l->f);
}

// ------------------------------------------------------------------------------------------------------------ requests

// What of the context is so in every request, unless its row says otherwise.
struct member {
    struct span path, value;
};

static const struct member gateway_base[] = {
    { SPAN("token.issuer"), SPAN("\"https://id.corp.example\"") },
    { SPAN("token.subject"), SPAN("\"carol\"") },
    { SPAN("token.bound_to"), SPAN("\"dpop\"") },
    { SPAN("token.scopes"), SPAN("[]") },
    { SPAN("token.roles"), SPAN("[]") },
    { SPAN("token.groups"), SPAN("[]") },
    { SPAN("token.claims.iss"), SPAN("\"https://id.corp.example\"") },
    { SPAN("tls.version"), SPAN("\"TLSv1.3\"") },
    { SPAN("tls.cipher"), SPAN("\"TLS_AES_128_GCM_SHA256\"") },
    { SPAN("tls.resumed"), SPAN("false") },
    { SPAN("http.method"), SPAN("\"POST\"") },
    { SPAN("http.path"), SPAN("\"/\"") },
    { SPAN("http.api"), SPAN("\"qdrant\"") },
    { SPAN("http.operation"), SPAN("\"any\"") },
    { SPAN("request.has_filter"), SPAN("false") },
    { SPAN("request.by_id"), SPAN("false") },
    { SPAN("request.with_vectors"), SPAN("false") },
    { SPAN("request.with_payload"), SPAN("true") },
    { SPAN("time.now"), SPAN("2026-11-22T04:00:00Z") },
};

static const struct member authority_base[] = {
    { SPAN("grant_type"), SPAN("\"urn:ietf:params:oauth:grant-type:token-exchange\"") },
    { SPAN("client_auth"), SPAN("\"tls_client_auth\"") },
    { SPAN("scopes"), SPAN("[\"vectors:read\"]") },
    { SPAN("bound_to"), SPAN("\"dpop\"") },
    { SPAN("time.now"), SPAN("2026-11-22T04:00:00Z") },
};

struct members {
    struct member at[MEMBERS];
    size_t n;
};

// The text between the next two backticks; SPAN_NONE: there are none.
static struct span next_code(struct span *rest)
{
    span_cut(rest, '`');
    return span_is_none(*rest) ? SPAN_NONE : span_cut(rest, '`');
}

static struct span value_of(const struct members *m, struct span path)
{
    struct span v = SPAN_NONE;

    for (size_t i = 0; i < m->n; i++)
        if (span_eq(m->at[i].path, path))
            v = m->at[i].value;
    return v;
}

static void members_read(struct members *m, const struct section *s, struct span cell)
{
    const struct member *base = s->authority ? authority_base : gateway_base;
    size_t n = s->authority ? sizeof authority_base / sizeof *base : sizeof gateway_base / sizeof *base;
    struct span code;

    if (!span_starts(cell, SPAN("the same"))) {
        memcpy(m->at, base, n * sizeof *base);
        m->n = n;
    }
    while (!span_is_none(code = next_code(&cell))) {
        struct member *to = &m->at[m->n++];
        assert_true(m->n <= MEMBERS);
        *to = (struct member){ .path = span_trim(span_cut(&code, '=')), .value = span_trim(code) };
    }
}

static bool below(struct span path, struct span prefix)
{
    return prefix.n == 0 || (span_starts(path, prefix) &&
                             (path.n == prefix.n || path.p[prefix.n] == '.' || prefix.p[prefix.n - 1] == '.'));
}

// The time is written as people write it, and has its day of the week.
static void value_write(struct span path, struct span v, struct json_writer *w)
{
    int64_t ms;

    if (!span_eq(path, SPAN("time.now"))) {
        json_w_raw(w, v);
        return;
    }
    assert_null(pol_datetime_read(v, &ms));
    json_w_object(w);
    json_w_key(w, SPAN("__extn"));
    json_w_object(w);
    json_w_key(w, SPAN("fn"));
    json_w_string(w, SPAN("datetime"));
    json_w_key(w, SPAN("arg"));
    json_w_string(w, v);
    json_w_end(w);
    json_w_end(w);
    json_w_key(w, SPAN("weekday"));
    json_w_string(w, clock_weekday(ms));
}

// The object of all members whose path starts with `prefix`.
static void members_write(const struct members *m, struct span prefix, struct json_writer *w)
{
    json_w_object(w);
    for (size_t i = 0; i < m->n; i++) {
        struct span path = m->at[i].path, rest = span_sub(path, prefix.n, path.n), name;
        bool before = false;

        if (!below(path, prefix))
            continue;
        name = span_cut(&rest, '.');
        path = span_sub(path, 0, prefix.n + name.n);
        for (size_t k = 0; k < i && !before; k++)
            before = below(m->at[k].path, prefix) && below(m->at[k].path, path);
        if (before)
            continue;
        json_w_key(w, name);
        if (span_is_none(rest))
            value_write(path, value_of(m, path), w);
        else
            members_write(m, span_sub(m->at[i].path, 0, path.n + 1), w);
    }
    json_w_end(w);
}

static void write_uid(struct json_writer *w, struct span type, struct span id)
{
    json_w_object(w);
    json_w_key(w, SPAN("type"));
    json_w_string(w, type);
    json_w_key(w, SPAN("id"));
    json_w_string(w, id);
    json_w_end(w);
}

static void write_text(struct json_writer *w, struct span name, struct span v)
{
    json_w_key(w, name);
    json_w_string(w, v);
}

// The workload as gateway/stages/facts.c has it: its trust domain, and a role for each of the token's.
static void write_principal(struct json_writer *w, struct span id, struct span path, const struct members *m)
{
    struct span issuer = value_of(m, SPAN("token.issuer"));
    const char *name = issuer.n > 0 && memmem(issuer.p, issuer.n, "//authority.", 12) ? "authority" : "corp";
    struct span roles = value_of(m, SPAN("token.roles")), role;
    char text[128];

    json_w_object(w);
    json_w_key(w, SPAN("uid"));
    write_uid(w, SPAN("Workload"), id);
    json_w_key(w, SPAN("attrs"));
    json_w_object(w);
    write_text(w, SPAN("trust_domain"), SPAN("prod.example"));
    write_text(w, SPAN("path"), path);
    json_w_end(w);
    json_w_key(w, SPAN("parents"));
    json_w_array(w);
    write_uid(w, SPAN("TrustDomain"), SPAN("prod.example"));
    while (!span_is_none(roles)) {
        span_cut(&roles, '"');
        role = span_cut(&roles, '"');
        if (span_is_none(role) || role.n == 0)
            continue;
        snprintf(text, sizeof text, "%s/%.*s", name, SPAN_FMT(role));
        write_uid(w, SPAN("Role"), span_str(text));
    }
    json_w_end(w);
    json_w_end(w);
}

// A collection by its short name, of Chroma where it is tenant/database/name; anything else as Type::"id".
static void write_resource(struct json_writer *w, struct span text, struct span *type, struct span *id)
{
    struct span first = SPAN_NONE, second = SPAN_NONE, name = text;
    size_t colon = span_find(text, ':');

    *type = SPAN("Collection");
    *id = text;
    if (colon < text.n) {
        *type = span_sub(text, 0, colon);
        *id = span_sub(text, colon + 3, text.n - 1);
        name = *id;
    }
    if (span_find(name, '/') < name.n && !span_eq(*type, SPAN("Audience"))) {
        first = span_cut(&name, '/');
        second = span_eq(*type, SPAN("Database")) ? name : span_cut(&name, '/');
    }
    json_w_object(w);
    json_w_key(w, SPAN("uid"));
    write_uid(w, *type, *id);
    json_w_key(w, SPAN("attrs"));
    json_w_object(w);
    if (!span_eq(*type, SPAN("Audience")))
        write_text(w, SPAN("api"), span_is_none(first) ? SPAN("qdrant") : SPAN("chroma"));
    if (span_eq(*type, SPAN("Collection")))
        write_text(w, SPAN("name"), name);
    if (!span_is_none(first)) {
        write_text(w, SPAN("tenant"), first);
        write_text(w, SPAN("database"), second);
    } else if (span_eq(*type, SPAN("Tenant"))) {
        write_text(w, SPAN("tenant"), *id);
    }
    json_w_end(w);
    json_w_key(w, SPAN("parents"));
    json_w_array(w);
    if (!span_is_none(first)) {
        if (span_eq(*type, SPAN("Collection")))
            write_uid(w, SPAN("Database"), span_sub(*id, 0, first.n + 1 + second.n));
        write_uid(w, SPAN("Tenant"), first);
    }
    json_w_end(w);
    json_w_end(w);
}

static void request(struct loaded *l, const struct row *row, const struct members *m, struct buf *out)
{
    struct json_writer w = json_writer(out);
    struct span cell = row->cells[0], workload = next_code(&cell), type, id;
    char spiffe[256];

    assert_true(span_starts(workload, SPAN("/")));
    snprintf(spiffe, sizeof spiffe, "spiffe://prod.example%.*s", SPAN_FMT(workload));
    json_w_object(&w);
    json_w_key(&w, SPAN("entities"));
    json_w_array(&w);
    write_principal(&w, span_str(spiffe), workload, m);
    cell = row->cells[3];
    write_resource(&w, next_code(&cell), &type, &id);
    json_w_end(&w);
    json_w_key(&w, SPAN("principal"));
    write_uid(&w, SPAN("Workload"), span_str(spiffe));
    json_w_key(&w, SPAN("action"));
    cell = row->cells[2];
    write_uid(&w, SPAN("Action"), next_code(&cell));
    json_w_key(&w, SPAN("resource"));
    write_uid(&w, type, id);
    json_w_key(&w, SPAN("context"));
    members_write(m, SPAN(""), &w);
    json_w_end(&w);
    assert_false(out->failed);
    fixture_again(&l->f);
    if (pol_request_from_json(&l->f.r, SPAN("request"), buf_span(out), false, &l->f.diags))
        pol_schema_validate_request(l->schema, &l->f.r, false, SPAN("request"), &l->f.diags);
}

// ----------------------------------------------------------------------------------------------------------- decisions

static void answer_text(struct buf *b, const struct fixture *f)
{
    buf_append(b, f->a.allow ? SPAN("allow") : SPAN("deny"));
    for (size_t i = 0; i < f->a.n_determining; i++)
        buf_printf(b, "%s `%.*s`", i ? "" : ":", SPAN_FMT(pol_answer_id(&f->r, &f->a, i)));
    for (size_t i = 0; i < f->a.n_failures; i++)
        buf_printf(b, "%s `%.*s`", i ? "" : ", errors in",
                   SPAN_FMT(pol_set_policy(f->set, f->a.failures[i].policy)->id));
    if (f->a.shadow.differs)
        buf_append(b, f->a.allow ? SPAN(", tried out: deny") : SPAN(", tried out: allow"));
    for (size_t i = 0; f->a.shadow.differs && i < f->a.shadow.n; i++)
        buf_printf(b, " `%.*s`", SPAN_FMT(pol_set_policy(f->set, f->a.shadow.policies[i])->id));
}

static bool row_holds(const struct section *s, struct loaded *l, const struct row *row, const struct members *m)
{
    struct buf text, got;
    bool holds;

    buf_init(&text, 0);
    buf_init(&got, 0);
    request(l, row, m, &text);
    if (l->f.diags.first) {
        print_error("docs/policy.md:%u: %.*s\n", row->line, SPAN_FMT(buf_span(&text)));
        complain(s, &l->f);
    }
    pol_decide(&l->f.r, POL_MODE_GATEWAY, 0, &l->f.a);
    answer_text(&got, &l->f);
    holds = span_eq(buf_span(&got), row->cells[4]);
    if (!holds)
        print_error("docs/policy.md:%u: the page says `%.*s`, it is `%.*s`\n", row->line, SPAN_FMT(row->cells[4]),
                    SPAN_FMT(buf_span(&got)));
    buf_fini(&text);
    buf_fini(&got);
    return holds;
}

// --------------------------------------------------------------------------------------------------------------- tests

static void every_policy_of_the_page_loads_and_validates(void **state)
{
    const struct page *p = *state;
    size_t policies = 0;

    for (size_t i = 0; i < p->n_sections; i++) {
        const struct section *s = &p->sections[i];
        struct loaded l;

        if (buf_len(&s->policies) == 0 && buf_len(&s->entities) == 0)
            continue;
        load(s, &l);
        policies += pol_set_count(l.f.set);
        unload(&l);
    }
    assert_true(policies >= 20);
}

static void every_request_of_the_page_is_decided_as_it_says(void **state)
{
    const struct page *p = *state;
    size_t wrong = 0;

    for (size_t i = 0; i < p->n_sections; i++) {
        const struct section *s = &p->sections[i];
        struct members m = { .n = 0 };
        struct loaded l;

        if (s->n == 0)
            continue;
        load(s, &l);
        assert_true(pol_set_count(l.f.set) > 0);
        for (size_t k = 0; k < s->n; k++) {
            members_read(&m, s, p->rows[s->first + k].cells[1]);
            wrong += !row_holds(s, &l, &p->rows[s->first + k], &m);
        }
        unload(&l);
    }
    assert_int_equal(wrong, 0);
    assert_true(p->n_rows >= 40);
}

// Each with something that it allows and something that it denies.
static void the_examples_people_look_for_are_there(void **state)
{
    static const struct span wanted[] = { SPAN("RBAC"),        SPAN("ABAC"), SPAN("Tenants"), SPAN("Delegation"),
                                          SPAN("Break-glass"), SPAN("Time"), SPAN("shadow") };
    const struct page *p = *state;

    for (size_t w = 0; w < sizeof wanted / sizeof *wanted; w++) {
        bool allows = false, denies = false;

        for (size_t i = 0; i < p->n_sections; i++) {
            const struct section *s = &p->sections[i];
            if (!memmem(s->heading.p, s->heading.n, wanted[w].p, wanted[w].n))
                continue;
            for (size_t k = 0; k < s->n; k++) {
                struct span d = p->rows[s->first + k].cells[4];
                allows |= span_starts(d, SPAN("allow"));
                denies |= memmem(d.p, d.n, "deny", 4) != NULL;
            }
        }
        if (!allows || !denies)
            print_error("docs/policy.md: %.*s\n", SPAN_FMT(wanted[w]));
        assert_true(allows && denies);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_policy_of_the_page_loads_and_validates),
        cmocka_unit_test(every_request_of_the_page_is_decided_as_it_says),
        cmocka_unit_test(the_examples_people_look_for_are_there),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
