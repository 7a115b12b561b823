// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/revoked_source.h"

#include "gateway/base/file.h"
#include "gateway/config/revoked_file.h"
#include "gateway/config/yaml.h"
#include "pki/revoked_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

// A reader of a WAL waits for nobody but who recovers or takes the log away; longer than this would hold up the control thread.
#define BUSY_MS 100
// How long a lock in the way is nothing to speak of.
#define BUSY_S 2

// A file as it was looked at last; all zero: it is not there.
struct facts {
    uint64_t of[6];
};

struct gw_revoked_source {
    struct pki_revoked *sets[GW_REVOKED_FROM_COUNT];
    struct gw_revoked_term *fresh;           // of the feed's
    char *paths[GW_REVOKED_FROM_COUNT];      // as looked at last; NULL: none
    char faults[GW_REVOKED_FROM_COUNT][384]; // "": none
    struct facts facts[GW_REVOKED_FROM_COUNT];
    int64_t tried_s[GW_REVOKED_FROM_COUNT]; // when it last failed: it is tried again a second later, not at once
    struct pki_revoked_store *store;
    bool was_read[GW_REVOKED_FROM_COUNT]; // well, from the present path
    bool create;
    bool opened;          // the store at this path was, once
    bool unread;          // it has changed since it was read
    int64_t busy_since_s; // 0: it is not
};

struct gw_revoked_source *gw_revoked_source_new(bool create)
{
    struct gw_revoked_source *s = calloc(1, sizeof *s);
    if (s)
        s->create = create;
    return s;
}

void gw_revoked_source_free(struct gw_revoked_source *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < GW_REVOKED_FROM_COUNT; i++) {
        pki_revoked_unref(s->sets[i]);
        free(s->paths[i]);
    }
    gw_revoked_term_unref(s->fresh);
    pki_revoked_store_close(s->store);
    free(s);
}

void gw_revoked_source_put_feed(struct gw_revoked_source *s, struct pki_revoked *set, struct gw_revoked_term *fresh)
{
    gw_revoked_term_unref(s->fresh);
    s->fresh = fresh;
    pki_revoked_unref(s->sets[GW_REVOKED_FEED]);
    s->sets[GW_REVOKED_FEED] = set;
}

struct pki_revoked *gw_revoked_source_set(const struct gw_revoked_source *s, enum gw_revoked_from from)
{
    return s->sets[from];
}

void gw_revoked_source_give(const struct gw_revoked_source *s, struct gw_revocations *r)
{
    gw_revoked_term_unref(r->fresh);
    r->fresh = gw_revoked_term_ref(s->fresh);
    for (size_t i = 0; i < GW_REVOKED_FROM_COUNT; i++) {
        pki_revoked_unref(r->revoked[i]);
        r->revoked[i] = pki_revoked_ref(s->sets[i]);
        r->whole = r->whole && (!s->paths[i] || s->was_read[i]);
    }
}

struct span gw_revoked_source_fault(const struct gw_revoked_source *s)
{
    const char *fault = s->faults[GW_REVOKED_STORE];
    return *fault ? span_str(fault) : SPAN_NONE;
}

static struct facts look_at(const char *path)
{
    struct facts f = { { 0 } };
    struct stat st;
    if (stat(path, &st) == 0)
        f = (struct facts){ { (uint64_t)st.st_dev, (uint64_t)st.st_ino, (uint64_t)st.st_size,
                              (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec,
                              (uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec, 1 } };
    return f;
}

static bool is_there(const struct facts *f)
{
    return f->of[5] != 0;
}

// Once for each reason.
static void complain(struct gw_revoked_source *s, enum gw_revoked_from from, const struct gw_config *config,
                     struct gw_config_place at, const char *why, struct diags *diags)
{
    char text[sizeof s->faults[0]];
    snprintf(text, sizeof text, "%s: %s", s->paths[from], why);
    if (strcmp(text, s->faults[from]) == 0)
        return;
    memcpy(s->faults[from], text, sizeof text);
    gw_config_error(config, at, diags, "%s; what was read last stays in force", text);
}

// Another path than before: what was read from the old one is no longer meant. False: nothing is configured.
static bool point(struct gw_revoked_source *s, enum gw_revoked_from from, struct span path, bool *changed)
{
    bool same = s->paths[from] ? span_eq(span_str(s->paths[from]), path) : span_is_none(path);
    if (same)
        return s->paths[from] != NULL;
    char *copy = span_is_none(path) ? NULL : strndup(path.p, path.n);
    if (!copy && !span_is_none(path))
        return false; // out of memory: the old one stays
    free(s->paths[from]);
    s->paths[from] = copy;
    s->faults[from][0] = '\0';
    s->was_read[from] = false;
    s->facts[from] = (struct facts){ { 0 } };
    s->tried_s[from] = 0;
    if (from == GW_REVOKED_STORE) {
        pki_revoked_store_close(s->store);
        s->store = NULL;
        s->opened = false;
    }
    // Until the new one was read the old set stays; where there is no new one, it goes now.
    if (!copy && s->sets[from]) {
        pki_revoked_unref(s->sets[from]);
        s->sets[from] = NULL;
        *changed = true;
    }
    return copy != NULL;
}

static void take_up(struct gw_revoked_source *s, enum gw_revoked_from from, struct pki_revoked *set)
{
    pki_revoked_unref(s->sets[from]);
    s->sets[from] = set;
    s->was_read[from] = true;
    s->faults[from][0] = '\0';
    s->tried_s[from] = 0;
}

// -------------------------------------------------------------------------------------------------------- the store

static int open_store(struct gw_revoked_source *s, const struct gw_config *config, struct diags *diags)
{
    const char *path = s->paths[GW_REVOKED_STORE];
    struct gw_config_place at = config->revocations.store.at;
    int rc = pki_revoked_store_open(path, BUSY_MS, &s->store);
    if (rc == ERR_STORE_ABSENT && s->create && !s->opened) {
        pki_revoked_store_close(s->store);
        s->store = NULL;
        rc = pki_revoked_store_create(path, &s->store);
        if (rc == 0)
            diag_warning(diags, config->file, at.line, at.column,
                         "%s was not there; a new one was made, in which nothing is revoked", path);
    }
    // A commit by another process that is between open and the first look changes the version of the file, not of the connection: read it whatever
    // is said.
    s->unread = true;
    s->opened = s->opened || rc == 0;
    if (rc == 0)
        s->facts[GW_REVOKED_STORE] = look_at(path);
    return rc;
}

static int into_set(void *ctx, const struct pki_revoked_entry *e)
{
    return pki_revoked_add(ctx, e);
}

static int read_store(struct gw_revoked_source *s, bool *changed)
{
    struct pki_revoked *set = pki_revoked_new();
    int rc = set ? pki_revoked_store_each(s->store, 0, into_set, set) : ERR_NOMEM;
    if (rc != 0) {
        pki_revoked_unref(set);
        return rc;
    }
    take_up(s, GW_REVOKED_STORE, set);
    s->unread = false;
    *changed = true;
    return 0;
}

static void store_failed(struct gw_revoked_source *s, int rc, const struct gw_config *config, int64_t now_s,
                         struct diags *diags)
{
    if (rc == ERR_STORE_BUSY) {
        s->busy_since_s = s->busy_since_s ? s->busy_since_s : now_s;
        if (now_s - s->busy_since_s < BUSY_S)
            return;
    }
    s->tried_s[GW_REVOKED_STORE] = now_s;
    complain(s, GW_REVOKED_STORE, config, config->revocations.store.at,
             rc == ERR_STORE_ABSENT ? "the store of revocations is not there"
             : rc == ERR_NOMEM      ? "out of memory"
                                    : pki_revoked_store_what(s->store),
             diags);
    pki_revoked_store_close(s->store);
    s->store = NULL;
}

static void look_at_store(struct gw_revoked_source *s, const struct gw_config *config, int64_t now_s,
                          struct diags *diags, bool *changed)
{
    if (!point(s, GW_REVOKED_STORE, config->revocations.store.v, changed) || s->tried_s[GW_REVOKED_STORE] == now_s)
        return;
    // A file put in its place, from a backup perhaps: the connection still sees the old one.
    struct facts now = look_at(s->paths[GW_REVOKED_STORE]), *then = &s->facts[GW_REVOKED_STORE];
    if (s->store && (!is_there(&now) || now.of[0] != then->of[0] || now.of[1] != then->of[1])) {
        pki_revoked_store_close(s->store);
        s->store = NULL;
    }
    int rc = s->store ? 0 : open_store(s, config, diags);
    bool news = false;
    if (rc == ERR_STORE_ABSENT && !s->create && !s->opened) {
        s->was_read[GW_REVOKED_STORE] = true;
        pki_revoked_store_close(s->store);
        s->store = NULL;
        return;
    }
    if (rc == 0)
        rc = pki_revoked_store_changed(s->store, &news);
    s->unread = s->unread || news;
    if (rc == 0 && s->unread)
        rc = read_store(s, changed);
    if (rc != 0)
        store_failed(s, rc, config, now_s, diags);
    else
        s->busy_since_s = 0;
}

// --------------------------------------------------------------------------------------------------------- the file

static void look_at_file(struct gw_revoked_source *s, const struct gw_config *config, int64_t now_s,
                         struct diags *diags, bool *changed)
{
    const struct gw_config_text *file = &config->revocations.file;
    if (!point(s, GW_REVOKED_FILE, file->v, changed) || s->tried_s[GW_REVOKED_FILE] == now_s)
        return;
    const char *path = s->paths[GW_REVOKED_FILE];
    // From before it is read: what changes meanwhile is read again.
    struct facts now = look_at(path);
    if (is_there(&now) && memcmp(&now, &s->facts[GW_REVOKED_FILE], sizeof now) == 0)
        return;
    struct buf text;
    struct pki_revoked *set = NULL;
    buf_init(&text, 0);
    int rc = file_read(path, GW_REVOKED_FILE_BYTES, &text);
    if (rc != 0) {
        s->tried_s[GW_REVOKED_FILE] = now_s;
        complain(s, GW_REVOKED_FILE, config, file->at, strerror(-rc), diags);
    } else {
        // What cannot be understood is not tried again before it changes.
        s->facts[GW_REVOKED_FILE] = now;
        rc = gw_revoked_file_read(buf_span(&text), span_str(path), diags, &set);
        if (rc == 0) {
            take_up(s, GW_REVOKED_FILE, set);
            *changed = true;
        } else {
            if (rc == ERR_NOMEM)
                s->facts[GW_REVOKED_FILE] = (struct facts){ { 0 } };
            complain(s, GW_REVOKED_FILE, config, file->at,
                     rc == ERR_NOMEM ? "out of memory" : "the file of revocations cannot be used", diags);
        }
    }
    buf_fini(&text);
}

bool gw_revoked_source_look(struct gw_revoked_source *s, const struct gw_config *config, int64_t now_s,
                            struct diags *diags)
{
    bool changed = false;
    look_at_store(s, config, now_s, diags, &changed);
    look_at_file(s, config, now_s, diags, &changed);
    return changed;
}
