// SPDX-License-Identifier: GPL-3.0-or-later
// The configuration's grammar as tables: one row a key, saying its type, bounds, default, and where the value goes. The reader (read.c) knows no
// key, docs/config.md is checked against the same rows, so the three cannot disagree. A default is written as the YAML a person would write,
// and read the same way.
#ifndef SALLYPORT_CONFIG_SCHEMA_H
#define SALLYPORT_CONFIG_SCHEMA_H

#include "gateway/config/config.h"
#include "gateway/config/yaml.h"

enum gw_field_type {
    GW_FIELD_TEXT,     // struct gw_config_text
    GW_FIELD_PATH,     // struct gw_config_text
    GW_FIELD_TEXTS,    // struct gw_config_texts; `choices` bounds the elements
    GW_FIELD_PATHS,    // struct gw_config_texts
    GW_FIELD_BOOL,     // bool
    GW_FIELD_COUNT,    // uint64_t
    GW_FIELD_NUMBER,   // unsigned
    GW_FIELD_SIZE,     // uint64_t; "8KiB", or a number of bytes
    GW_FIELD_DURATION, // int64_t; "90s"
    GW_FIELD_CHOICE,   // an enum; one of `choices`
    GW_FIELD_SWITCH,   // bool; one of two `choices`
    GW_FIELD_FLAGS,    // unsigned; a list of `choices`, whose values are or'ed
    GW_FIELD_MAP,      // a struct described by `schema`, in place
    GW_FIELD_LIST,     // an array of such structs: pointer at `offset`, size_t at `extra`
    GW_FIELD_CUSTOM,   // `custom` reads it
};

struct gw_reader;

struct gw_choice {
    struct span name;
    int value;
};

struct gw_field {
    struct span key;
    enum gw_field_type type;
    bool required;      // a list that is required has at least one element
    struct span unless; // … but it may be left out where its map has this key, or one of these ("a b"); empty: never
    size_t offset;
    size_t
        extra; // GW_FIELD_LIST: of the count; GW_FIELD_MAP: of a bool that says the map was there (then it may be left out whole); 0: none
    const char *fallback; // YAML; NULL: none
    int64_t low, high;    // of numbers, sizes (bytes), durations (ms); both 0: no bounds
    const struct gw_choice *choices;
    size_t choices_n;
    const struct gw_schema *schema;
    // What is wrong with a text, as static text, or NULL.
    const char *(*fault)(struct span text);
    void (*custom)(struct gw_reader *r, const struct gw_yaml *node, void *at);
    const char *doc; // one line
};

struct gw_schema {
    const struct gw_field *fields;
    size_t n;
    size_t size;  // of the struct
    size_t place; // offset of its struct gw_config_place, or GW_NO_PLACE
};
#define GW_NO_PLACE SIZE_MAX

extern const struct gw_schema gw_config_schema; // of struct gw_config

// What a reading is about. Complaints go to `diags`; `failed` is out of memory.
struct gw_reader {
    struct arena *arena;
    struct diags *diags;
    struct span file, folder; // folder: with its slash, or empty
    bool failed;
};

// Reads a map into the struct at `to`, which is zeroed. `map` is NULL when the key was absent: then defaults are set and what is required is
// complained about under `parent`.
void gw_config_read(struct gw_reader *r, const struct gw_schema *schema, const struct gw_yaml *map,
                    struct gw_config_place parent, void *to);
// For custom fields.
bool gw_config_read_text(struct gw_reader *r, const struct gw_yaml *node, struct gw_config_text *out);
bool gw_config_read_is(struct gw_reader *r, const struct gw_yaml *node, enum gw_yaml_kind kind, const char *what);
void gw_config_complain(struct gw_reader *r, const struct gw_yaml *node, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
// A number, size or duration as a person writes it, in the largest unit that says it exactly.
void gw_config_format(enum gw_field_type type, int64_t v, char *out, size_t cap);
void gw_config_read_scopes(struct gw_reader *r, const struct gw_yaml *node, void *issuer);
void gw_config_read_api_key_scopes(struct gw_reader *r, const struct gw_yaml *node, void *api_keys);
void gw_config_read_endpoints(struct gw_reader *r, const struct gw_yaml *node, void *shard);
void gw_config_read_hedge_after(struct gw_reader *r, const struct gw_yaml *node, void *hedge);
void gw_config_read_url(struct gw_reader *r, const struct gw_yaml *node, void *remote);
void gw_config_read_discovery(struct gw_reader *r, const struct gw_yaml *node, void *issuer);

// host[:port] for the Host field, in the arena.
struct span gw_config_authority(struct arena *a, const struct gw_config_endpoint *e);

// Checks between values (check.c): names that must be unique or exist, pairs that belong together. Resolves the names of the routes' shards and
// what follows from a file's name.
void gw_config_check(struct gw_config *c, struct diags *diags);
// Of one part's policies (check_policy.c). `key`: what it is called.
void gw_config_check_policy(struct gw_config *c, const char *key, const struct gw_config_policy *policy,
                            struct diags *diags);
// Of the authority's part, and of which parts there are (check_authority.c).
void gw_config_check_parts(struct gw_config *c, struct diags *diags);
void gw_config_check_authority(struct gw_config *c, struct diags *diags);
// Of the connect role's part (check_connect.c), beside which there is no other.
void gw_config_check_connect(struct gw_config *c, struct diags *diags);
// Of where workloads get their certificates (check_enrolment.c).
void gw_config_check_enrolment(struct gw_config *c, struct diags *diags);
// Of who enrols, and the files that would stand in for it (likewise).
void gw_config_check_enrol(struct gw_config *c, const struct gw_config_enrol *e,
                           const struct gw_config_text *certificate, const struct gw_config_text *key,
                           const struct gw_config_text *passphrase, struct diags *diags);
// Of the operator's API tables, which it compiles, and of the shards' APIs, which it looks up (schema_api.c).
void gw_config_check_apis(struct gw_config *c, struct diags *diags);
// Of modes, whose dates it reads (schema_modes.c).
void gw_config_check_modes(struct gw_config *c, struct diags *diags);
// Of limits, whose rates it takes apart (schema_limits.c).
void gw_config_check_limits(struct gw_config *c, struct diags *diags);

#endif
