// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/policy_bundle.h"

#include "gateway/base/base64url.h"
#include "gateway/base/err.h"
#include "gateway/base/json.h"
#include "pki/digest.h"
#include "pki/jws.h"

#include <stdlib.h>

unsigned gw_bundle_algs(void)
{
    unsigned algs = 0;
    for (enum pki_alg a = PKI_ALG_NONE + 1; a < PKI_HS256; a++)
        algs |= PKI_ALG_BIT(a);
    return algs;
}

// A stranger's word in a complaint: only when it can do no harm there.
static struct span shown(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7e)
            return SPAN("(unprintable)");
    return s.n <= 255 ? s : SPAN("(too long)");
}

// -------------------------------------------------------------------------------------------------- manifest: JSON

static const char *read_names(json v, const char *what, struct arena *arena, struct gw_bundle_names *out)
{
    struct span name, ignored;
    json item;
    if (!v)
        return NULL;
    if (json_type(v) != JSON_ARRAY)
        return what;
    out->v = arena_array(arena, json_count(v) + 1, sizeof *out->v);
    for (struct json_iter it = json_iter(v); out->v && json_next(&it, &ignored, &item);) {
        name = json_string(item);
        if (span_is_none(name))
            return what;
        out->v[out->n++] = arena_dup(arena, name);
    }
    return NULL;
}

// A text that is printed: no control characters.
static bool read_text(json v, struct arena *arena, struct span *out)
{
    struct span s = json_string(v);
    if (span_is_none(s) || s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    *out = arena_dup(arena, s);
    return true;
}

// 2026-11-22T06:00:00Z
static bool is_moment(struct span s)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
    bool ok = s.n == sizeof shape - 1;
    for (size_t i = 0; ok && i < s.n; i++)
        ok = shape[i] == 'd' ? s.p[i] >= '0' && s.p[i] <= '9' : s.p[i] == shape[i];
    return ok;
}

static const char *unknown(json v, const struct span *known, size_t n, struct arena *arena)
{
    struct span name;
    json ignored;
    for (struct json_iter it = json_iter(v); json_next(&it, &name, &ignored);) {
        bool found = false;
        for (size_t i = 0; i < n && !found; i++)
            found = span_eq(name, known[i]);
        if (!found)
            return arena_printf(arena, "bundle.json: '%.*s' is not known; this gateway may be too old for the bundle",
                                SPAN_FMT(shown(name)))
                .p;
    }
    return NULL;
}

static const char *read_owner(json v, struct arena *arena, struct gw_bundle_owner *out)
{
    static const struct span known[] = { { "name", 4 }, { "files", 5 }, { "scope", 5 } };
    *out = (struct gw_bundle_owner){ .name = SPAN_NONE };
    const char *what = unknown(v, known, 3, arena);
    what = what ? what
                : read_names(json_get(v, SPAN("files")), "bundle.json: 'files' of an owner is a list of names", arena,
                             &out->files);
    if (what)
        return what;
    if (!read_text(json_get(v, SPAN("name")), arena, &out->name) ||
        !read_text(json_get(v, SPAN("scope")), arena, &out->scope) || out->files.n == 0)
        return "bundle.json: an owner is {\"name\", \"files\", \"scope\"}";
    return NULL;
}

static const char *read_owners(json v, struct arena *arena, struct gw_bundle_manifest *m)
{
    struct span ignored;
    json item;
    const char *what = NULL;
    if (!v)
        return NULL;
    if (json_type(v) != JSON_ARRAY)
        return "bundle.json: 'owners' is a list";
    m->owners = arena_array(arena, json_count(v) + 1, sizeof *m->owners);
    for (struct json_iter it = json_iter(v); m->owners && !what && json_next(&it, &ignored, &item);)
        what = read_owner(item, arena, &m->owners[m->owners_n++]);
    return what;
}

static const char *read_json(json root, struct arena *arena, struct gw_bundle_manifest *m)
{
    static const struct span known[] = { { "version", 7 }, { "created", 7 }, { "policies", 8 }, { "entities", 8 },
                                         { "links", 5 },   { "schema", 6 },  { "owners", 6 } };
    json created = json_get(root, SPAN("created")), entities = json_get(root, SPAN("entities"));
    int64_t version = 0;
    const char *what;
    if (json_type(root) != JSON_OBJECT)
        return "bundle.json: not a JSON object";
    if ((what = unknown(root, known, sizeof known / sizeof *known, arena)))
        return what;
    if (!json_i64(json_get(root, SPAN("version")), &version) || version < 1 || version > (int64_t)GW_BUNDLE_VERSION_MAX)
        return "bundle.json: 'version' is a whole number from 1 on";
    m->version = (uint64_t)version;
    if (created && (!read_text(created, arena, &m->created) || !is_moment(m->created)))
        return "bundle.json: 'created' is a moment such as 2026-11-22T06:00:00Z";
    if (entities && !read_text(entities, arena, &m->entities))
        return "bundle.json: 'entities' is the name of a member";
    what =
        read_names(json_get(root, SPAN("policies")), "bundle.json: 'policies' is a list of names", arena, &m->policies);
    if (!what)
        what = read_names(json_get(root, SPAN("links")), "bundle.json: 'links' is a list of names", arena, &m->links);
    if (!what)
        what =
            read_names(json_get(root, SPAN("schema")), "bundle.json: 'schema' is a list of names", arena, &m->schema);
    if (!what)
        what = read_owners(json_get(root, SPAN("owners")), arena, m);
    if (!what && m->policies.n == 0 && m->owners_n == 0)
        what = "bundle.json: it names no policies";
    return what;
}

// ----------------------------------------------------------------------------------------------- manifest: members

// Counts how often each member is named. NULL, or the name that no member has.
static const char *name_all(const struct gw_archive *a, const struct gw_bundle_names *names, unsigned *named,
                            struct arena *arena)
{
    for (size_t i = 0; i < names->n; i++) {
        const struct gw_archive_member *m = gw_archive_find(a, names->v[i]);
        if (!m)
            return arena_printf(arena, "bundle.json names '%.*s', which is not in the archive",
                                SPAN_FMT(shown(names->v[i])))
                .p;
        named[m - a->v]++;
    }
    return NULL;
}

static const char *hold(const struct gw_archive *a, const struct gw_bundle_manifest *m, struct arena *arena)
{
    const struct gw_bundle_names entities = { (struct span *)(uintptr_t)&m->entities, !span_is_none(m->entities) };
    unsigned *named = arena_array(arena, a->n + 1, sizeof *named);
    if (!named)
        return "out of memory";
    memset(named, 0, a->n * sizeof *named);
    named[0] = 1; // the manifest itself
    const char *what = name_all(a, &m->policies, named, arena);
    what = what ? what : name_all(a, &m->links, named, arena);
    what = what ? what : name_all(a, &m->schema, named, arena);
    what = what ? what : name_all(a, &entities, named, arena);
    for (size_t i = 0; !what && i < m->owners_n; i++)
        what = name_all(a, &m->owners[i].files, named, arena);
    for (size_t i = 0; !what && i < a->n; i++)
        if (named[i] != 1)
            what = arena_printf(arena,
                                named[i] ? "bundle.json names '%.*s' twice"
                                         : "'%.*s' is in the archive, and bundle.json does not name it",
                                SPAN_FMT(a->v[i].name))
                       .p;
    return what;
}

const char *gw_bundle_manifest_read(const struct gw_archive *a, struct arena *arena, struct gw_bundle_manifest *out)
{
    struct gw_bundle_manifest m = { .version = 0 };
    struct json_error error = { .what = "" };
    if (a->n == 0 || !span_eq(a->v[0].name, GW_BUNDLE_MANIFEST))
        return "its first member is not bundle.json";
    struct json_doc *doc = json_parse(a->v[0].content, NULL, &error);
    if (!doc) {
        struct span text = arena_printf(arena, "bundle.json:%u:%u: not JSON: %s", error.line, error.column, error.what);
        return text.p ? text.p : "out of memory";
    }
    const char *what = read_json(json_root(doc), arena, &m);
    json_free(doc);
    what = what || arena->failed ? what : hold(a, &m, arena);
    if (arena->failed)
        what = "out of memory";
    if (!what)
        *out = m;
    return what;
}

static void write_names(struct json_writer *w, struct span key, const struct gw_bundle_names *names)
{
    if (names->n == 0)
        return;
    json_w_key(w, key);
    json_w_array(w);
    for (size_t i = 0; i < names->n; i++)
        json_w_string(w, names->v[i]);
    json_w_end(w);
}

bool gw_bundle_manifest_write(const struct gw_bundle_manifest *m, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_w_object(&w);
    json_w_key(&w, SPAN("version"));
    json_w_uint(&w, m->version);
    if (!span_is_none(m->created)) {
        json_w_key(&w, SPAN("created"));
        json_w_string(&w, m->created);
    }
    write_names(&w, SPAN("policies"), &m->policies);
    if (!span_is_none(m->entities)) {
        json_w_key(&w, SPAN("entities"));
        json_w_string(&w, m->entities);
    }
    write_names(&w, SPAN("links"), &m->links);
    write_names(&w, SPAN("schema"), &m->schema);
    if (m->owners_n > 0) {
        json_w_key(&w, SPAN("owners"));
        json_w_array(&w);
        for (size_t i = 0; i < m->owners_n; i++) {
            json_w_object(&w);
            json_w_key(&w, SPAN("name"));
            json_w_string(&w, m->owners[i].name);
            write_names(&w, SPAN("files"), &m->owners[i].files);
            json_w_key(&w, SPAN("scope"));
            json_w_string(&w, m->owners[i].scope);
            json_w_end(&w);
        }
        json_w_end(&w);
    }
    json_w_end(&w);
    return buf_byte(out, '\n') && !out->failed;
}

// ------------------------------------------------------------------------------------------------------- signature

static bool verify(struct gw_policy_bundle *b, struct span name, const struct pki_jwks *keys, struct diags *diags)
{
    struct span text = buf_span(&b->signature), archive = buf_span(&b->archive);
    struct pki_jws jws;
    struct pki_jws_header h;
    while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
        text.n--;
    int rc = pki_jws_split_detached(text, GW_BUNDLE_SIGNATURE_MAX, &jws);
    rc = rc == 0 ? pki_jws_header_read(jws.header, &h) : rc;
    if (rc != 0) {
        diag_error(diags, name, 0, 0, "%s",
                   rc == ERR_NOMEM        ? "out of memory"
                   : rc == ERR_TOKEN_CRIT ? "the signature has a critical header that is not understood"
                                          : "the signature is not a detached JWS (RFC 7515 appendix F)");
        return false;
    }
    const struct pki_jwks_key *key = NULL;
    bool alg = h.alg != PKI_ALG_NONE && (gw_bundle_algs() & PKI_ALG_BIT(h.alg));
    const char *what = NULL;
    if (!span_eq(h.typ, GW_BUNDLE_TYP))
        what = "the signature is not one of a policy bundle: its typ is another";
    else if (!alg)
        what = "the signature's alg is not one that bundles are signed with";
    else if (h.brings_key)
        what = "the signature brings its own key";
    else if (span_is_none(h.kid))
        what = "the signature does not say by which key (kid)";
    if (what)
        diag_error(diags, name, 0, 0, "%s", what);
    else if (!(key = pki_jwks_find(keys, h.kid, h.alg)))
        diag_error(diags, name, 0, 0, "it is signed with the key '%.*s' (%.*s), which may not sign bundles here",
                   SPAN_FMT(shown(h.kid)), SPAN_FMT(pki_alg_name(h.alg)));
    else if ((rc = pki_jws_verify_detached(&jws, archive, key->key, h.alg)) == ERR_NOMEM)
        diag_error(diags, name, 0, 0, "out of memory");
    else if (rc != 0)
        diag_error(diags, name, 0, 0,
                   "the signature is not that of this archive: one of the two was changed, or is still to be replaced");
    bool ok = key && rc == 0;
    if (ok) {
        b->kid = arena_dup(&b->arena, h.kid);
        b->alg = h.alg;
    }
    pki_jws_header_fini(&h);
    return ok;
}

// ------------------------------------------------------------------------------------------------------ the bundle

struct gw_policy_bundle *gw_policy_bundle_open(struct span name, struct buf *archive, struct buf *signature,
                                               const struct pki_jwks *keys, struct diags *diags)
{
    struct gw_policy_bundle *b = calloc(1, sizeof *b);
    struct gw_archive_fault fault;
    if (!b) {
        diag_error(diags, name, 0, 0, "out of memory");
        buf_fini(archive);
        buf_fini(signature);
        return NULL;
    }
    arena_init(&b->arena, 0);
    b->archive = *archive;
    b->signature = *signature;
    buf_init(archive, 0);
    buf_init(signature, 0);
    // Nothing of what follows sees a byte that was not signed.
    bool ok = verify(b, name, keys, diags);
    int rc = ok ? gw_archive_read(buf_span(&b->archive), &b->arena, &b->members, &fault) : ERR_CONFIG;
    if (ok && rc != 0)
        diag_error(diags, name, 0, 0, "%s (at byte %zu)", rc == ERR_NOMEM ? "out of memory" : fault.what,
                   rc == ERR_NOMEM ? 0 : fault.offset);
    const char *what = rc == 0 ? gw_bundle_manifest_read(&b->members, &b->arena, &b->manifest) : NULL;
    if (what)
        diag_error(diags, name, 0, 0, "%s", what);
    if (rc == 0 && !what && !b->arena.failed) {
        pki_sha256(buf_span(&b->archive), b->digest);
        return b;
    }
    gw_policy_bundle_free(b);
    return NULL;
}

static bool add(const struct gw_policy_bundle *b, const struct gw_bundle_names *names, struct gw_policy_texts *t,
                struct gw_policy_list *list)
{
    for (size_t i = 0; i < names->n; i++)
        if (!gw_policy_texts_add(t, list, names->v[i], gw_archive_find(&b->members, names->v[i])->content))
            return false;
    return true;
}

bool gw_policy_bundle_texts(const struct gw_policy_bundle *b, struct gw_policy_texts *t, struct diags *diags)
{
    const struct gw_bundle_manifest *m = &b->manifest;
    bool ok = add(b, &m->policies, t, &t->policies);
    for (size_t i = 0; ok && i < m->owners_n; i++) {
        if (!gw_policy_texts_owner(t, m->owners[i].name, m->owners[i].scope)) {
            diag_error(diags, GW_BUNDLE_MANIFEST, 0, 0, "the scope of owner '%.*s' is not an entity: Namespace::\"a\"",
                       SPAN_FMT(m->owners[i].name));
            return false;
        }
        ok = add(b, &m->owners[i].files, t, &t->policies);
        gw_policy_texts_owned(t);
    }
    ok = ok && add(b, &m->links, t, &t->links) && add(b, &m->schema, t, &t->schemas);
    if (!ok)
        diag_error(diags, GW_BUNDLE_MANIFEST, 0, 0, "out of memory");
    if (!ok || span_is_none(m->entities))
        return ok;
    return gw_policy_texts_add_entities(t, m->entities, gw_archive_find(&b->members, m->entities)->content, diags);
}

void gw_policy_bundle_release(struct gw_policy_bundle *b)
{
    b->members = (struct gw_archive){ .n = 0 };
    buf_fini(&b->archive);
    buf_fini(&b->signature);
}

void gw_policy_bundle_free(struct gw_policy_bundle *b)
{
    if (!b)
        return;
    buf_fini(&b->archive);
    buf_fini(&b->signature);
    arena_fini(&b->arena);
    free(b);
}

// --------------------------------------------------------------------------------------------------------- making

static int by_name(const void *a, const void *b)
{
    return span_cmp(((const struct gw_archive_member *)a)->name, ((const struct gw_archive_member *)b)->name);
}

static int sign(struct span archive, const struct pki_key *key, enum pki_alg alg, struct span kid, struct buf *out)
{
    char text[BASE64URL_ENCODED(32)];
    uint8_t thumbprint[32];
    struct buf header;
    if (alg == PKI_ALG_NONE || !(gw_bundle_algs() & PKI_ALG_BIT(alg)))
        return ERR_INTERNAL;
    if (span_is_none(kid)) {
        pki_key_thumbprint(key, thumbprint);
        kid = span_of(text, base64url_encode(span_of(thumbprint, sizeof thumbprint), text));
    }
    buf_init(&header, 0);
    struct json_writer w = json_writer(&header);
    json_w_object(&w);
    json_w_key(&w, SPAN("alg"));
    json_w_string(&w, pki_alg_name(alg));
    json_w_key(&w, SPAN("kid"));
    json_w_string(&w, kid);
    json_w_key(&w, SPAN("typ"));
    json_w_string(&w, GW_BUNDLE_TYP);
    json_w_end(&w);
    int rc = header.failed ? ERR_NOMEM : pki_jws_sign_detached(buf_span(&header), archive, key, alg, out);
    if (rc == 0 && !buf_byte(out, '\n'))
        rc = ERR_NOMEM;
    buf_fini(&header);
    return rc;
}

int gw_policy_bundle_make(const struct gw_bundle_manifest *m, const struct gw_archive_member *members, size_t n,
                          int64_t mtime_s, const struct pki_key *key, enum pki_alg alg, struct span kid,
                          struct arena *arena, struct buf *archive, struct buf *signature, const char **why)
{
    struct gw_archive_member *all = arena_array(arena, n + 1, sizeof *all);
    struct gw_bundle_manifest again;
    struct gw_archive read;
    struct gw_archive_fault fault;
    struct buf text;
    size_t bad = 0, before = buf_len(archive);
    if (!all)
        return ERR_NOMEM;
    buf_init(&text, 0);
    if (n > 0)
        memcpy(all + 1, members, n * sizeof *all);
    qsort(all + 1, n, sizeof *all, by_name);
    int rc = gw_bundle_manifest_write(m, &text) ? 0 : ERR_NOMEM;
    all[0] = (struct gw_archive_member){ GW_BUNDLE_MANIFEST, buf_span(&text) };
    rc = rc == 0 ? gw_archive_write(all, n + 1, mtime_s, archive, &bad) : rc;
    if (rc == ERR_CONFIG)
        *why = arena_printf(arena, "'%.*s' does not fit into an archive; use a shorter name in printable ASCII",
                            SPAN_FMT(all[bad].name))
                   .p;
    buf_fini(&text);
    if (rc != 0)
        return rc;
    // What is signed is what every reader takes.
    struct span bytes = span_sub(buf_span(archive), before, SIZE_MAX);
    rc = gw_archive_read(bytes, arena, &read, &fault);
    *why = rc == ERR_CONFIG ? fault.what : rc == 0 ? gw_bundle_manifest_read(&read, arena, &again) : NULL;
    if (rc == 0 && *why)
        rc = ERR_CONFIG;
    return rc == 0 ? sign(bytes, key, alg, kid, signature) : rc;
}
