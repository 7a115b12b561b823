// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/revoked_file.h"

#include "gateway/base/clock.h"
#include "gateway/base/json.h"
#include "gateway/config/yaml.h"

#include <stdio.h>

struct reading {
    struct span file;
    struct diags *diags;
    int (*put)(void *ctx, const struct pki_revoked_entry *e);
    void *ctx;
    struct arena arena; // of one entry
    // Of the entry that is being read.
    struct pki_revoked_entry entry;
    unsigned line, seen; // bits of `members`
};

enum member { ISSUER, ISSUED_BEFORE, UNTIL, REASON, VALUE };
static const struct {
    struct span name;
    enum member member;
    enum pki_revoked_kind kind;
} members[] = {
    { { "jti", 3 }, VALUE, PKI_REVOKED_JTI },
    { { "subject", 7 }, VALUE, PKI_REVOKED_SUBJECT },
    { { "client", 6 }, VALUE, PKI_REVOKED_CLIENT },
    { { "workload", 8 }, VALUE, PKI_REVOKED_WORKLOAD },
    { { "thumbprint", 10 }, VALUE, PKI_REVOKED_THUMBPRINT },
    { { "serial", 6 }, VALUE, PKI_REVOKED_SERIAL },
    { { "issuer", 6 }, ISSUER, 0 },
    { { "issued_before", 13 }, ISSUED_BEFORE, 0 },
    { { "until", 5 }, UNTIL, 0 },
    { { "reason", 6 }, REASON, 0 },
};
#define MEMBERS (sizeof members / sizeof *members)

#define COMPLAIN(r, ...) diag_error((r)->diags, (r)->file, (r)->line, 0, __VA_ARGS__)

// -------------------------------------------------------------------------------------------------------- one entry

static void begin(struct reading *r, unsigned line)
{
    r->entry = (struct pki_revoked_entry){ .kind = 0 };
    r->line = line;
    r->seen = 0;
    arena_fini(&r->arena);
}

static void take_moment(struct reading *r, struct span name, struct span text, int64_t *out)
{
    const uint64_t last = 253402300799; // year 9999
    uint64_t seconds = 0;
    int64_t ms = 0;
    if (span_to_u64(text, &seconds) ? seconds > 0 && seconds <= last : clock_parse_date(text, &ms) && ms > 0)
        *out = ms ? ms / 1000 : (int64_t)seconds;
    else
        COMPLAIN(r, "'%.*s' for '%.*s' is no moment; write 2026-11-21T23:52:55Z, or seconds since the epoch",
                 SPAN_FMT(span_sub(text, 0, 64)), SPAN_FMT(name));
}

static void take_value(struct reading *r, enum pki_revoked_kind kind, struct span text)
{
    if (r->entry.kind != 0) {
        COMPLAIN(r, "'%.*s' and '%.*s' in one entry; make it two", SPAN_FMT(pki_revoked_kind_name(r->entry.kind)),
                 SPAN_FMT(pki_revoked_kind_name(kind)));
        return;
    }
    r->entry.kind = kind;
    r->entry.value = text;
    if (kind == PKI_REVOKED_SERIAL) {
        struct span serial = pki_revoked_serial(&r->arena, text);
        r->entry.value = span_is_none(serial) ? text : serial;
    }
}

static void unknown(struct reading *r, struct span name)
{
    struct span names[MEMBERS];
    for (size_t i = 0; i < MEMBERS; i++)
        names[i] = members[i].name;
    struct span near = diag_suggest(name, names, MEMBERS);
    if (span_is_none(near))
        COMPLAIN(r, "unknown member '%.*s'; see docs/tokens.md", SPAN_FMT(span_sub(name, 0, 64)));
    else
        COMPLAIN(r, "unknown member '%.*s'; did you mean '%.*s'?", SPAN_FMT(span_sub(name, 0, 64)), SPAN_FMT(near));
}

static void take(struct reading *r, struct span name, struct span text)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        if (!span_eq(members[i].name, name))
            continue;
        r->seen |= 1u << i;
        switch (members[i].member) {
        case VALUE: take_value(r, members[i].kind, text); break;
        case ISSUER: r->entry.issuer = text; break;
        case ISSUED_BEFORE: take_moment(r, name, text, &r->entry.before_s); break;
        case UNTIL: take_moment(r, name, text, &r->entry.expires_s); break;
        case REASON: r->entry.reason = text; break;
        }
        if (text.n == 0)
            COMPLAIN(r, "'%.*s' is empty; write a value, or remove it", SPAN_FMT(name));
        return;
    }
    unknown(r, name);
}

// 0, or ERR_NOMEM; what is wrong with the entry is in diags.
static int finish(struct reading *r, size_t errors)
{
    if (r->diags->errors > errors)
        return 0;
    if (r->entry.kind == 0 && r->entry.before_s > 0)
        r->entry.kind = PKI_REVOKED_ALL;
    if (r->entry.kind == 0) {
        COMPLAIN(r, "the entry says nothing that could be revoked; write jti, subject, client, workload, thumbprint, "
                    "serial or issued_before");
        return 0;
    }
    const char *fault = pki_revoked_fault(&r->entry);
    if (fault) {
        COMPLAIN(r, "%s", fault);
        return 0;
    }
    int rc = r->put(r->ctx, &r->entry);
    if (rc == ERR_STORE_FAILED)
        COMPLAIN(r, "more than %u revocations", PKI_REVOKED_MAX);
    return rc == ERR_NOMEM ? rc : 0;
}

// --------------------------------------------------------------------------------------------------------- formats

static int read_yaml_entry(struct reading *r, const struct gw_yaml *node)
{
    size_t errors = r->diags->errors;
    begin(r, node->line);
    if (node->kind != GW_YAML_MAP)
        COMPLAIN(r, "an entry is a map: 'jti: …'");
    for (const struct gw_yaml *m = node->kind == GW_YAML_MAP ? node->first : NULL; m; m = m->next) {
        r->line = m->line;
        if (m->kind == GW_YAML_SCALAR && !gw_yaml_is_null(m))
            take(r, m->key, m->text); // a plain 3400 is a text like another: serial numbers look like that
        else
            COMPLAIN(r, "'%.*s' has no text as its value", SPAN_FMT(span_sub(m->key, 0, 64)));
    }
    r->line = node->line;
    return finish(r, errors);
}

static int read_yaml(struct reading *r, struct span text)
{
    struct arena arena;
    struct gw_yaml *root = NULL;
    arena_init(&arena, 0);
    int rc = gw_yaml_parse(text, r->file, &arena, r->diags, &root);
    r->line = root ? root->line : 1;
    if (rc == 0 && (!root || root->kind != GW_YAML_LIST))
        COMPLAIN(r, "this is not a list of entries; for none write []");
    else if (rc == 0)
        for (const struct gw_yaml *node = root->first; rc == 0 && node; node = node->next)
            rc = read_yaml_entry(r, node);
    arena_fini(&arena);
    return rc == ERR_NOMEM ? rc : 0;
}

// A text, or a moment in whole seconds.
static void take_json(struct reading *r, struct span name, json v)
{
    char number[24];
    int64_t seconds;
    bool moment = span_eq(name, SPAN("issued_before")) || span_eq(name, SPAN("until"));
    if (moment && json_i64(v, &seconds)) {
        snprintf(number, sizeof number, "%lld", (long long)seconds);
        take(r, name, span_str(number));
    } else if (json_type(v) == JSON_STRING) {
        take(r, name, json_string(v));
    } else {
        COMPLAIN(r, "'%.*s' has no text as its value", SPAN_FMT(span_sub(name, 0, 64)));
    }
}

static int take_object(struct reading *r, json object)
{
    size_t errors = r->diags->errors;
    struct span name;
    json v;
    for (struct json_iter it = json_iter(object); json_next(&it, &name, &v);)
        take_json(r, name, v);
    return finish(r, errors);
}

static int read_json_line(struct reading *r, struct span line, unsigned number)
{
    static const struct json_limits limits = { .bytes = 16384, .depth = 2 };
    struct json_error error = { .what = "" };
    begin(r, number);
    struct json_doc *doc = json_parse(line, &limits, &error);
    if (!doc || json_type(json_root(doc)) != JSON_OBJECT) {
        COMPLAIN(r, "not a JSON object: %s", doc ? "another value" : error.what);
        json_free(doc);
        return 0;
    }
    int rc = take_object(r, json_root(doc));
    json_free(doc);
    return rc;
}

static int read_json_lines(struct reading *r, struct span text)
{
    unsigned number = 0;
    int rc = 0;
    if (text.p[text.n - 1] != '\n') {
        // A writer is in the middle of it, or was.
        diag_error(r->diags, r->file, 0, 0, "the last line has no end; write the file beside it and rename it");
        return 0;
    }
    for (struct span rest = text; rc == 0 && rest.n > 0;) {
        struct span line = span_cut(&rest, '\n');
        number++;
        if (span_trim(line).n > 0)
            rc = read_json_line(r, line, number);
    }
    return rc;
}

int gw_revoked_json_read(json list, struct diags *diags, int (*put)(void *ctx, const struct pki_revoked_entry *e),
                         void *ctx)
{
    struct reading r = { .file = SPAN("revocations"), .diags = diags, .put = put, .ctx = ctx };
    struct span name;
    unsigned number = 0;
    size_t errors = diags->errors;
    json v;
    int rc = 0;
    arena_init(&r.arena, 0);
    for (struct json_iter it = json_iter(list); rc == 0 && diags->errors == errors && json_next(&it, &name, &v);) {
        begin(&r, ++number);
        if (json_type(v) == JSON_OBJECT)
            rc = take_object(&r, v);
        else
            COMPLAIN(&r, "not a JSON object");
    }
    arena_fini(&r.arena);
    return rc == 0 && diags->errors > errors ? ERR_CONFIG : rc;
}

static int into_set(void *ctx, const struct pki_revoked_entry *e)
{
    return pki_revoked_add(ctx, e);
}

int gw_revoked_file_read(struct span text, struct span path, struct diags *diags, struct pki_revoked **out)
{
    struct pki_revoked *set = pki_revoked_new();
    struct reading r = { .file = path, .diags = diags, .put = into_set, .ctx = set };
    size_t errors = diags->errors;
    bool yaml = span_ends(path, SPAN(".yaml")) || span_ends(path, SPAN(".yml"));
    if (!set)
        return ERR_NOMEM;
    arena_init(&r.arena, 0);
    int rc = 0;
    if (text.n == 0)
        diag_error(diags, path, 0, 0, "the file is empty; for no revocations write %s", yaml ? "[]" : "an empty line");
    else
        rc = yaml ? read_yaml(&r, text) : read_json_lines(&r, text);
    if (rc == 0 && diags->errors > errors)
        rc = ERR_CONFIG;
    arena_fini(&r.arena);
    if (rc == 0)
        *out = set;
    else
        pki_revoked_unref(set);
    return rc;
}
