// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/api/survey.h"

#include "gateway/base/err.h"
#include "gateway/base/json.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_MAX 900
#define NAME_SHOWN 120
#define VERSION_MAX 64

// What is read of one answer.
struct reading {
    const struct gw_survey_subject *subject;
    struct arena *arena;
    struct gw_survey_finding *out;
    size_t n;
    bool failed; // out of memory
};

struct survey_api {
    struct span name;
    int (*ask)(const struct gw_survey_subject *s, struct arena *arena, struct gw_survey_question *q);
    int (*field)(struct reading *r, json root);
    int (*ids)(struct reading *r, json root); // NULL: nothing depends on them
    struct span version;                      // where it is asked for; SPAN_NONE: nowhere
};

struct span gw_finding_name(enum gw_finding f)
{
    static const char *const names[] = {
#define X(name, text) [GW_FINDING_##name] = text,
        GW_FINDING_TABLE(X)
#undef X
    };
    return span_str(names[f]);
}

// Names are shown so far: they may be long, and a line of a log may not.
static int shown(struct span s)
{
    return (int)(s.n < NAME_SHOWN ? s.n : NAME_SHOWN);
}
#define SHOWN(s) shown(s), (s).p ? (s).p : ""

__attribute__((format(printf, 4, 5))) static void found(struct reading *r, enum gw_finding kind,
                                                        enum gw_survey_weight weight, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct span kept = arena_dup(r->arena, span_str(text));
    if (span_is_none(kept))
        r->failed = true;
    else if (r->n < GW_SURVEY_FINDINGS_MAX)
        r->out[r->n++] = (struct gw_survey_finding){ kind, weight, kept };
}

// Whether values of this kind may be asked for.
static bool may_be(const struct gw_survey_subject *s, enum gw_api_value_kind kind)
{
    return s->any_kind || s->of == kind;
}

static const char *kind_name(const struct gw_survey_subject *s)
{
    static const char *const names[] = {
        [GW_API_TEXT] = "texts", [GW_API_NUMBER] = "integers", [GW_API_FLAG] = "booleans"
    };
    return s->any_kind ? "texts, integers or booleans" : names[s->of];
}

// The element of a list whose member `key` is `name`; NULL: none.
static json named(json list, struct span key, struct span name)
{
    struct json_iter it = json_iter(list);
    struct span none;
    json v;
    while (json_type(list) == JSON_ARRAY && json_next(&it, &none, &v))
        if (span_eq(json_string(json_get(v, key)), name))
            return v;
    return NULL;
}

static bool is_true(json v)
{
    bool b = false;
    return json_bool(v, &b) && b;
}

static bool is_false(json v)
{
    bool b = true;
    return json_bool(v, &b) && !b;
}

// ----------------------------------------------------------------------------------------------------------- Qdrant

static int qdrant_ask(const struct gw_survey_subject *s, struct arena *arena, struct gw_survey_question *q)
{
    const struct span segments[] = { SPAN("collections"), s->collection };
    *q = (struct gw_survey_question){ GW_METHOD_GET, gw_api_path(arena, segments, 2), SPAN_NONE };
    return 0;
}

// Whether equality is looked up in this index.
static bool qdrant_serves(const struct gw_survey_subject *s, struct span type, json params)
{
    if (span_eq(type, SPAN("keyword")) || span_eq(type, SPAN("uuid")))
        return may_be(s, GW_API_TEXT);
    if (span_eq(type, SPAN("integer")))
        return may_be(s, GW_API_NUMBER) && !is_false(json_get(params, SPAN("lookup")));
    return span_eq(type, SPAN("bool")) && may_be(s, GW_API_FLAG);
}

static const char *qdrant_schema(const struct gw_survey_subject *s)
{
    static const char *const schemas[] = {
        [GW_API_TEXT] = "{\"type\":\"keyword\",\"is_tenant\":true}",
        [GW_API_NUMBER] = "{\"type\":\"integer\",\"is_tenant\":true,\"lookup\":true,\"range\":false}",
        [GW_API_FLAG] = "{\"type\":\"bool\"}",
    };
    return schemas[s->any_kind ? GW_API_TEXT : s->of];
}

// Strict mode may forbid to filter by what no index serves.
static bool qdrant_forbids(json result)
{
    json strict = json_get(json_get(result, SPAN("config")), SPAN("strict_mode_config"));
    return is_true(json_get(strict, SPAN("enabled"))) &&
           (is_false(json_get(strict, SPAN("unindexed_filtering_retrieve"))) ||
            is_false(json_get(strict, SPAN("unindexed_filtering_update"))));
}

static int qdrant_field(struct reading *r, json root)
{
    const struct gw_survey_subject *s = r->subject;
    json result = json_get(root, SPAN("result")), schema = json_get(result, SPAN("payload_schema"));
    if (json_type(result) != JSON_OBJECT || json_type(json_get(result, SPAN("config"))) != JSON_OBJECT)
        return ERR_SHARD_ANSWER;
    json index = json_get(schema, s->field), params = json_get(index, SPAN("params"));
    struct span type = json_string(json_get(index, SPAN("data_type")));
    if (!index || !qdrant_serves(s, type, params)) {
        bool forbidden = qdrant_forbids(result);
        found(r, forbidden ? GW_FINDING_UNFILTERABLE : GW_FINDING_UNINDEXED,
              forbidden ? GW_SURVEY_ERROR : GW_SURVEY_WARNING,
              "the field '%.*s' has %s%.*s%s, so %s; PUT /collections/%.*s/index "
              "{\"field_name\":\"%.*s\",\"field_schema\":%s}",
              SHOWN(s->field), index ? "an index of type " : "no payload index", index ? shown(type) : 0,
              type.p ? type.p : "", index ? ", which does not serve the filter" : "",
              forbidden ? "the collection's strict mode refuses requests that are filtered by it"
                        : "filters on it are slow, and searches may find less than there is",
              SHOWN(s->collection), SHOWN(s->field), qdrant_schema(s));
    } else if (!span_eq(type, SPAN("bool")) && !is_true(json_get(params, SPAN("is_tenant")))) {
        found(r, GW_FINDING_NOT_BY_TENANT, GW_SURVEY_NOTE,
              "the index of '%.*s' is not made for tenants; where the field is one, make it anew with \"is_tenant\": "
              "true, and their records are kept together",
              SHOWN(s->field));
    }
    return 0;
}

// --------------------------------------------------------------------------------------------------------- Weaviate

static int weaviate_ask(const struct gw_survey_subject *s, struct arena *arena, struct gw_survey_question *q)
{
    const struct span segments[] = { SPAN("v1"), SPAN("schema"), s->collection };
    *q = (struct gw_survey_question){ GW_METHOD_GET, gw_api_path(arena, segments, 3), SPAN_NONE };
    return 0;
}

// Which of the three a type is, or -1. A list satisfies a condition when an element does.
static int weaviate_kind(struct span type)
{
    static const struct {
        struct span type;
        int kind;
    } kinds[] = {
        { { "text", 4 }, GW_API_TEXT },      { { "string", 6 }, GW_API_TEXT },  { { "uuid", 4 }, GW_API_TEXT },
        { { "int", 3 }, GW_API_NUMBER },     { { "boolean", 7 }, GW_API_FLAG }, { { "text[]", 6 }, GW_API_TEXT },
        { { "string[]", 8 }, GW_API_TEXT },  { { "uuid[]", 6 }, GW_API_TEXT },  { { "int[]", 5 }, GW_API_NUMBER },
        { { "boolean[]", 9 }, GW_API_FLAG },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (span_eq(kinds[i].type, type))
            return kinds[i].kind;
    return -1;
}

static int weaviate_tenants(struct reading *r, json root)
{
    if (!is_true(json_get(json_get(root, SPAN("multiTenancyConfig")), SPAN("enabled"))))
        found(r, GW_FINDING_NO_TENANTS, GW_SURVEY_ERROR,
              "the class %.*s has no multi-tenancy, and requests to it under a filter on \"$tenant\" fail; it can be "
              "chosen only when a class is made: \"multiTenancyConfig\": {\"enabled\": true}",
              SHOWN(r->subject->collection));
    return 0;
}

static int weaviate_property(struct reading *r, json property)
{
    const struct gw_survey_subject *s = r->subject;
    struct span type = json_string(json_at(json_get(property, SPAN("dataType")), 0));
    struct span tokens = json_string(json_get(property, SPAN("tokenization")));
    int kind = weaviate_kind(type);
    if (span_is_none(type))
        return ERR_SHARD_ANSWER;
    if (kind < 0 || !may_be(s, (enum gw_api_value_kind)kind)) {
        found(r, GW_FINDING_MISTYPED, GW_SURVEY_ERROR,
              "the property '%.*s' of %.*s is of type %.*s, and the filter asks for %s: such requests fail; make a "
              "property of the right type",
              SHOWN(s->field), SHOWN(s->collection), SHOWN(type), kind_name(s));
        return 0;
    }
    bool uuid = span_starts(type, SPAN("uuid"));
    if (kind == GW_API_TEXT && !uuid && !span_eq(tokens, SPAN("field")))
        found(
            r, GW_FINDING_BY_WORDS, GW_SURVEY_ERROR,
            "the property '%.*s' of %.*s has the tokenization '%.*s': its texts are compared by their words, so a "
            "filter on one tenant shows others ('acme' is equal to 'acme-eu'); make a property with \"tokenization\": "
            "\"field\", and until then take exact_text out of the shard's `assures`",
            SHOWN(s->field), SHOWN(s->collection), SHOWN(span_is_none(tokens) ? SPAN("word") : tokens));
    if (is_false(json_get(property, SPAN("indexFilterable"))) || is_false(json_get(property, SPAN("indexInverted"))))
        found(r, GW_FINDING_UNFILTERABLE, GW_SURVEY_ERROR,
              "the property '%.*s' of %.*s has \"indexFilterable\": false, and the server refuses to filter by it; "
              "make a "
              "property with the index",
              SHOWN(s->field), SHOWN(s->collection));
    return 0;
}

static int weaviate_field(struct reading *r, json root)
{
    const struct gw_survey_subject *s = r->subject;
    if (span_is_none(json_string(json_get(root, SPAN("class")))))
        return ERR_SHARD_ANSWER;
    if (span_eq(s->field, SPAN("$tenant")))
        return weaviate_tenants(r, root);
    json property = named(json_get(root, SPAN("properties")), SPAN("name"), s->field);
    if (property)
        return weaviate_property(r, property);
    found(r, GW_FINDING_MISSING, GW_SURVEY_ERROR,
          "the class %.*s has no property '%.*s', and the first object that has one decides how it is compared; POST "
          "/v1/schema/%.*s/properties {\"name\":\"%.*s\",\"dataType\":[\"text\"],\"tokenization\":\"field\"}",
          SHOWN(s->collection), SHOWN(s->field), SHOWN(s->collection), SHOWN(s->field));
    return 0;
}

// ----------------------------------------------------------------------------------------------------------- Milvus

static int milvus_ask(const struct gw_survey_subject *s, struct arena *arena, struct gw_survey_question *q)
{
    struct buf b;
    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    json_w_key(&w, SPAN("dbName"));
    json_w_string(&w, span_is_none(s->database) ? SPAN("default") : s->database);
    json_w_key(&w, SPAN("collectionName"));
    json_w_string(&w, s->collection);
    json_w_end(&w);
    struct span body = b.failed ? SPAN_NONE : arena_dup(arena, buf_span(&b));
    buf_fini(&b);
    *q = (struct gw_survey_question){ GW_METHOD_POST, SPAN("/v2/vectordb/collections/describe"), body };
    return span_is_none(body) ? ERR_NOMEM : 0;
}

static bool milvus_is_of(const struct gw_survey_subject *s, struct span type)
{
    if (span_ieq(type, SPAN("VarChar")))
        return may_be(s, GW_API_TEXT);
    if (span_ieq(type, SPAN("Bool")))
        return may_be(s, GW_API_FLAG);
    return type.n > 3 && span_ieq(span_sub(type, 0, 3), SPAN("Int")) && may_be(s, GW_API_NUMBER);
}

static int milvus_field(struct reading *r, json root)
{
    const struct gw_survey_subject *s = r->subject;
    json data = json_get(root, SPAN("data")), fields = json_get(data, SPAN("fields"));
    if (json_type(fields) != JSON_ARRAY)
        return ERR_SHARD_ANSWER;
    json field = named(fields, SPAN("name"), s->field);
    struct span type = json_string(json_get(field, SPAN("type")));
    bool dynamic = is_true(json_get(data, SPAN("enableDynamicField")));
    bool indexed = named(json_get(data, SPAN("indexes")), SPAN("fieldName"), s->field) != NULL;
    if (!field && !dynamic)
        found(
            r, GW_FINDING_MISSING, GW_SURVEY_ERROR,
            "%.*s has no field '%.*s' and no dynamic fields, so requests under the filter fail; make a collection with "
            "the field, best as its partition key",
            SHOWN(s->collection), SHOWN(s->field));
    else if (!field)
        found(
            r, GW_FINDING_UNINDEXED, GW_SURVEY_WARNING,
            "'%.*s' is a dynamic field of %.*s, so every record is looked at for a filter on it; make it a field, best "
            "as the partition key",
            SHOWN(s->field), SHOWN(s->collection));
    else if (!milvus_is_of(s, type))
        found(
            r, GW_FINDING_MISTYPED, GW_SURVEY_ERROR,
            "the field '%.*s' of %.*s is of type %.*s, and the filter asks for %s: such requests fail; make a field of "
            "the right type",
            SHOWN(s->field), SHOWN(s->collection), SHOWN(type), kind_name(s));
    else if (!is_true(json_get(field, SPAN("partitionKey"))) && !is_true(json_get(field, SPAN("primaryKey"))) &&
             !indexed)
        found(r, GW_FINDING_UNINDEXED, GW_SURVEY_WARNING,
              "the field '%.*s' is neither the partition key of %.*s nor indexed, so every record is looked at for a "
              "filter on it; POST /v2/vectordb/indexes/create {\"dbName\":\"%.*s\",\"collectionName\":\"%.*s\","
              "\"indexParams\":[{\"fieldName\":\"%.*s\",\"indexName\":\"%.*s\",\"indexType\":\"INVERTED\"}]}",
              SHOWN(s->field), SHOWN(s->collection), SHOWN(span_is_none(s->database) ? SPAN("default") : s->database),
              SHOWN(s->collection), SHOWN(s->field), SHOWN(s->field));
    return 0;
}

// Properties are {"key","value"} pairs, whose values are texts.
static bool milvus_takes_ids(json data)
{
    json allow = named(json_get(data, SPAN("properties")), SPAN("key"), SPAN("allow_insert_auto_id"));
    struct span value = json_string(json_get(allow, SPAN("value")));
    return allow && !span_ieq(value, SPAN("false"));
}

static int milvus_ids(struct reading *r, json root)
{
    const struct gw_survey_subject *s = r->subject;
    json data = json_get(root, SPAN("data")), fields = json_get(data, SPAN("fields")), key = NULL, v;
    struct json_iter it = json_iter(fields);
    struct span none;
    while (json_type(fields) == JSON_ARRAY && !key && json_next(&it, &none, &v))
        key = is_true(json_get(v, SPAN("primaryKey"))) ? v : NULL;
    if (!key)
        return ERR_SHARD_ANSWER;
    bool assigned = is_true(json_get(data, SPAN("autoId"))) || is_true(json_get(key, SPAN("autoId")));
    if (!assigned || milvus_takes_ids(data))
        found(
            r, GW_FINDING_CHOSEN_IDS, GW_SURVEY_ERROR,
            "%.*s lets clients choose primary keys (%s), so a deletion under a filter can take another tenant's record "
            "along; take assigned_ids out of the shard's `assures`, or make the collection anew with \"autoID\": true "
            "and without allow_insert_auto_id",
            SHOWN(s->collection), assigned ? "allow_insert_auto_id" : "autoID is off");
    return 0;
}

// ----------------------------------------------------------------------------------------------------------- Chroma

static int chroma_ask(const struct gw_survey_subject *s, struct arena *arena, struct gw_survey_question *q)
{
    const struct span segments[] = { SPAN("api"),       SPAN("v2"),  SPAN("tenants"),     s->tenant,
                                     SPAN("databases"), s->database, SPAN("collections"), s->collection };
    if (span_is_none(s->tenant) || span_is_none(s->database))
        return ERR_API_UNKNOWN;
    *q = (struct gw_survey_question){ GW_METHOD_GET, gw_api_path(arena, segments, 8), SPAN_NONE };
    return 0;
}

// Whether the schema has switched the index of a kind of value off, for a key or else by default.
static bool chroma_is_off(json schema, struct span key, enum gw_api_value_kind kind)
{
    static const struct {
        struct span type, index;
    } indexes[] = {
        [GW_API_TEXT] = { { "string", 6 }, { "string_inverted_index", 21 } },
        [GW_API_NUMBER] = { { "int", 3 }, { "int_inverted_index", 18 } },
        [GW_API_FLAG] = { { "bool", 4 }, { "bool_inverted_index", 19 } },
    };
    const json own = json_get(json_get(schema, SPAN("keys")), key), all = json_get(schema, SPAN("defaults"));
    json index = json_get(json_get(own, indexes[kind].type), indexes[kind].index);
    if (!index)
        index = json_get(json_get(all, indexes[kind].type), indexes[kind].index);
    return is_false(json_get(index, SPAN("enabled")));
}

static int chroma_field(struct reading *r, json root)
{
    const struct gw_survey_subject *s = r->subject;
    json schema = json_get(root, SPAN("schema"));
    if (span_is_none(json_string(json_get(root, SPAN("name")))))
        return ERR_SHARD_ANSWER;
    // Of values that may be anything, texts are the likely ones: one index that is off on purpose is no finding.
    if (chroma_is_off(schema, s->field, s->any_kind ? GW_API_TEXT : s->of))
        found(r, GW_FINDING_UNFILTERABLE, GW_SURVEY_ERROR,
              "the schema of %.*s has switched the index of '%.*s' off, and the server refuses to filter by it; make a "
              "collection whose schema has it",
              SHOWN(s->collection), SHOWN(s->field));
    return 0;
}

// ------------------------------------------------------------------------------------------------------------- all

static const struct survey_api apis[] = {
    { { "qdrant", 6 }, qdrant_ask, qdrant_field, NULL, { "/", 1 } },
    { { "weaviate", 8 }, weaviate_ask, weaviate_field, NULL, { "/v1/meta", 8 } },
    { { "milvus", 6 }, milvus_ask, milvus_field, milvus_ids, { NULL, 0 } },
    { { "chroma", 6 }, chroma_ask, chroma_field, NULL, { "/api/v2/version", 15 } },
};

static const struct survey_api *find(struct span name)
{
    for (size_t i = 0; i < sizeof apis / sizeof *apis; i++)
        if (span_eq(apis[i].name, name))
            return &apis[i];
    return NULL;
}

unsigned gw_survey_aspects(struct span api, enum gw_action action)
{
    const struct survey_api *a = find(api);
    unsigned bits = a ? 1u << GW_SURVEY_FIELD : 0;
    if (a && action == GW_ACTION_WRITE && span_eq(api, SPAN("qdrant")))
        bits |= 1u << GW_SURVEY_SERVER;
    if (a && action == GW_ACTION_DELETE && a->ids)
        bits |= 1u << GW_SURVEY_IDS;
    return bits;
}

int gw_survey_ask(const struct gw_survey_subject *subject, struct arena *arena, struct gw_survey_question *q)
{
    const struct survey_api *a = find(subject->api);
    struct gw_survey_question made = { .method = GW_METHOD_GET, .target = SPAN_NONE, .body = SPAN_NONE };
    int rc = 0;
    if (!a || (subject->aspect == GW_SURVEY_SERVER && span_is_none(a->version)) ||
        (subject->aspect == GW_SURVEY_IDS && !a->ids))
        return ERR_API_UNKNOWN;
    if (subject->aspect == GW_SURVEY_SERVER)
        made.target = a->version;
    else
        rc = a->ask(subject, arena, &made);
    if (rc == 0 && span_is_none(made.target))
        rc = ERR_NOMEM;
    if (rc == 0)
        *q = made;
    return rc;
}

// Chroma answers with a text, Weaviate and Qdrant with an object.
static struct span version_in(struct span api, json root)
{
    return span_eq(api, SPAN("chroma")) ? json_string(root) : json_string(json_get(root, SPAN("version")));
}

// "1.16.0", "v1.9.2-dev": the first two numbers.
static bool older(struct span version, unsigned major, unsigned minor)
{
    uint64_t have[2] = { 0, 0 };
    size_t i = version.n > 0 && version.p[0] == 'v';
    for (size_t k = 0; k < 2; k++, i++)
        for (; i < version.n && version.p[i] >= '0' && version.p[i] <= '9' && have[k] < UINT32_MAX; i++)
            have[k] = have[k] * 10 + (uint64_t)(version.p[i] - '0');
    return have[0] < major || (have[0] == major && have[1] < minor);
}

static int server(struct reading *r, json root)
{
    const struct gw_survey_subject *s = r->subject;
    struct span version = version_in(s->api, root);
    if (span_is_none(version) || version.n == 0 || version.n > VERSION_MAX)
        return ERR_SHARD_ANSWER;
    if (span_eq(s->api, SPAN("qdrant")) && older(version, 1, 16))
        found(r, GW_FINDING_OLD_SERVER, s->confined_writes ? GW_SURVEY_ERROR : GW_SURVEY_NOTE,
              "the server is Qdrant %.*s, which ignores `update_filter`: an upsert under a filter replaces whatever "
              "point "
              "has the id, whosever it is; use 1.16 or later, or permit `write` under a filter to nobody",
              SHOWN(version));
    return 0;
}

// Milvus answers 200 whatever happens.
static int64_t code_of(const struct gw_survey_subject *s, json root)
{
    int64_t code = 0;
    if (span_eq(s->api, SPAN("milvus")))
        json_i64(json_get(root, SPAN("code")), &code);
    return code;
}

// 1 not ready, 2 unavailable, 3 out of memory, 5 internal, 7 disk full, 8 rate limit: the question may be repeated.
static bool passes_by(int64_t code)
{
    return code == 1 || code == 2 || code == 3 || code == 5 || code == 7 || code == 8;
}

static int read_answer(struct reading *r, unsigned status, json root)
{
    const struct gw_survey_subject *s = r->subject;
    const struct survey_api *a = find(s->api);
    int64_t code = code_of(s, root);
    if (status == 429 || status >= 500 || passes_by(code) || !a)
        return ERR_SHARD_ANSWER;
    if (status == 404 || code == 100) {
        found(r, GW_FINDING_UNSEEN, GW_SURVEY_NOTE, "the shard has no collection %.*s", SHOWN(s->collection));
        return 0;
    }
    if (status != 200 || code != 0) {
        found(r, GW_FINDING_UNSEEN, GW_SURVEY_WARNING,
              "whether filters hold well cannot be told: the shard answers %s %lld; let its credential read %s",
              code != 0 ? "code" : "status", code != 0 ? (long long)code : (long long)status,
              s->aspect == GW_SURVEY_SERVER ? "the version" : "how collections are made");
        return 0;
    }
    switch (s->aspect) {
    case GW_SURVEY_FIELD: return a->field(r, root);
    case GW_SURVEY_IDS: return a->ids ? a->ids(r, root) : ERR_SHARD_ANSWER;
    default: return server(r, root);
    }
}

int gw_survey_read(const struct gw_survey_subject *subject, unsigned status, struct span body, struct arena *arena,
                   struct gw_survey_finding out[static GW_SURVEY_FINDINGS_MAX], size_t *n)
{
    const struct json_limits limits = { .bytes = GW_SURVEY_ANSWER_MAX, .raw_numbers = false };
    struct json_doc *doc = json_parse(body, &limits, NULL);
    struct gw_survey_finding made[GW_SURVEY_FINDINGS_MAX];
    struct reading r = { .subject = subject, .arena = arena, .out = made };
    // Of an answer that is not a good one the status says enough.
    int rc = !doc && status == 200 ? ERR_SHARD_ANSWER : read_answer(&r, status, doc ? json_root(doc) : NULL);
    json_free(doc);
    if (rc != 0 || r.failed)
        return rc != 0 ? rc : ERR_NOMEM;
    for (size_t i = 0; i < r.n; i++)
        out[i] = made[i];
    *n = r.n;
    return 0;
}

struct span gw_survey_version(struct span api, struct span body, struct arena *arena)
{
    struct json_doc *doc = json_parse(body, NULL, NULL);
    struct span version = doc ? version_in(api, json_root(doc)) : SPAN_NONE;
    bool good = !span_is_none(version) && version.n > 0 && version.n <= VERSION_MAX;
    version = good ? arena_dup(arena, version) : SPAN_NONE;
    json_free(doc);
    return version;
}
