// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/audit/verify.h"

#include <stdarg.h>
#include <stdio.h>

#include "gateway/base/base64url.h"
#include "pki/digest.h"

#define TORN_MAX (4 * GW_AUDIT_LINE_MAX)

static const struct span names[] = {
    [GW_AUDIT_NOTE] = { "note", 4 },         [GW_AUDIT_ALTERED] = { "altered", 7 },
    [GW_AUDIT_REMOVED] = { "removed", 7 },   [GW_AUDIT_MOVED] = { "moved", 5 },
    [GW_AUDIT_INSERTED] = { "inserted", 8 }, [GW_AUDIT_SIGNATURE] = { "signature", 9 },
};

struct span gw_audit_finding_name(enum gw_audit_finding_kind kind)
{
    return names[kind];
}

// A line as it was read.
struct link {
    json root;
    struct gw_audit_place at;
    uint64_t seq;
    uint8_t prev[GW_CHAIN_HASH], hash[GW_CHAIN_HASH];
    struct span kind;
    bool mark, first;
    struct span text;
};

static void found(struct gw_audit_verifier *v, enum gw_audit_finding_kind kind, struct gw_audit_place at,
                  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void found(struct gw_audit_verifier *v, enum gw_audit_finding_kind kind, struct gw_audit_place at,
                  const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (kind != GW_AUDIT_NOTE && v->faults++ == 0)
        v->first_fault = at;
    if (v->on_finding)
        v->on_finding(v->ctx, &(struct gw_audit_finding){ kind, at, text });
}

// ---------------------------------------------------------------------------------------------- lines of no chain

// No writer leaves more than that behind; what has more is no piece of a line, and need not be kept to say so.
static void keep(struct gw_audit_verifier *v, struct span text)
{
    v->torn_long = v->torn_long || buf_len(&v->torn) + text.n > TORN_MAX || !buf_append(&v->torn, text);
}

static void forget_strays(struct gw_audit_verifier *v)
{
    buf_clear(&v->torn);
    v->strays = 0;
    v->torn_long = false;
}

static void stray(struct gw_audit_verifier *v, const struct gw_audit_reader *r)
{
    struct gw_audit_place at = { r->file, r->number, 0 };

    // A log that is older than its chain begins with lines that nothing vouches for but their last one's successor.
    if (!v->begun) {
        v->before_chain++;
        v->chain.linked = true;
        pki_sha256(r->line, v->chain.head);
        v->place = at;
        return;
    }
    if (v->strays++ == 0)
        v->torn_at = at;
    else
        keep(v, SPAN("\n"));
    keep(v, r->line);
    v->torn_open = !r->whole;
}

static bool torn_is(json torn, struct span text)
{
    uint8_t hash[GW_CHAIN_HASH];
    char encoded[GW_CHAIN_TEXT];
    int64_t bytes;

    pki_sha256(text, hash);
    return json_i64(json_get(torn, SPAN("bytes")), &bytes) && (uint64_t)bytes == text.n &&
           span_eq(json_string(json_get(torn, SPAN("sha256"))),
                   span_of(encoded, base64url_encode(span_of(hash, sizeof hash), encoded)));
}

// What stands between the last line and this one. False: a fault was found, and what comes is taken as it is.
static bool settle_torn(struct gw_audit_verifier *v, const struct link *l)
{
    json torn = l->mark ? json_get(l->root, SPAN("torn")) : NULL;
    bool ok = true;

    if (v->strays) {
        ok = torn && !v->torn_long && torn_is(torn, buf_span(&v->torn));
        if (ok)
            found(v, GW_AUDIT_NOTE, v->torn_at,
                  "cut short when the process was killed or the disk was full; the line "
                  "behind it says so");
        else
            found(v, GW_AUDIT_INSERTED, v->torn_at,
                  "no line of this log: put in, or altered so that its number and "
                  "hash are gone");
    } else if (torn) {
        ok = false;
        found(v, GW_AUDIT_REMOVED, l->at, "this line tells of a piece of a line before it, which is gone");
    }
    forget_strays(v);
    return ok;
}

// ------------------------------------------------------------------------------------------------------------- links

static void follow(struct gw_audit_verifier *v, const struct link *l)
{
    v->chain.seq = l->seq;
    v->chain.linked = true;
    memcpy(v->chain.head, l->hash, sizeof l->hash);
    v->place = v->last = l->at;
    v->lines++;
}

static void begin(struct gw_audit_verifier *v, const struct link *l)
{
    static const uint8_t none[GW_CHAIN_HASH];

    if (!l->mark && l->first)
        found(v, GW_AUDIT_REMOVED, l->at,
              "every file begins with a line of kind chain, and this one with number %llu: "
              "what stood before it is gone",
              (unsigned long long)l->seq);
    else if (!l->mark)
        found(v, GW_AUDIT_INSERTED, v->place, "lines before the first of the chain (number %llu) are none of this log",
              (unsigned long long)l->seq);
    else if (l->seq == 1 && memcmp(l->prev, v->chain.linked ? v->chain.head : none, sizeof none) != 0)
        found(v, GW_AUDIT_ALTERED, v->before_chain ? v->place : l->at,
              "the chain begins behind another line than this one");
    else if (l->seq > 1 && v->before_chain)
        found(v, GW_AUDIT_INSERTED, v->place, "lines before the first of the chain (number %llu) are none of this log",
              (unsigned long long)l->seq);
    else if (json_get(l->root, SPAN("before")))
        found(v, GW_AUDIT_NOTE, l->at,
              "the log begins here, beside another one that is not among the files: it was not given, or deleted");
    else if (l->seq > 1)
        found(v, GW_AUDIT_NOTE, l->at,
              "the log begins here with number %llu; lines before that are in files that were "
              "not given, or deleted",
              (unsigned long long)l->seq);
    v->begun = true;
    v->first = l->at;
}

static struct span base_of(const char *file)
{
    struct span s = span_str(file);
    size_t n = s.n;

    while (n > 0 && s.p[n - 1] >= '0' && s.p[n - 1] <= '9')
        n--;
    return n < s.n && n > 0 && s.p[n - 1] == '.' ? span_sub(s, 0, n - 1) : s;
}

// Nothing of a later log vouches for the lines of this one: no hash leads from there to here.
static void end_log(struct gw_audit_verifier *v)
{
    gw_audit_verify_end(v);
    uint64_t n = v->lines - v->vouched_lines;
    if (v->n_keys > 0 && !v->signed_here)
        found(v, GW_AUDIT_SIGNATURE, v->place, "no checkpoint vouches for any of the log that ends here");
    else if (v->n_keys > 0 && v->faults == 0 && n > 0)
        found(v, GW_AUDIT_NOTE, v->place,
              "the log ends here, and %llu line%s behind its last checkpoint: nothing vouches for %s",
              (unsigned long long)n, n == 1 ? " stands" : "s stand", n == 1 ? "it" : "them");
    v->signed_here = false;
}

// Another log: in files of another name, or begun by a process that took over from the one that wrote this log, and knew how far it had got.
static bool other_log(struct gw_audit_verifier *v, const struct link *l)
{
    if (!l->first || !l->mark || l->seq != 1)
        return false;
    if (!span_eq(base_of(l->at.file), base_of(v->place.file)))
        return true;
    json before = json_get(l->root, SPAN("before"));
    int64_t seq;
    if (!json_i64(json_get(before, SPAN("seq")), &seq) || seq < 0 ||
        !span_eq(json_string(json_get(before, SPAN("log"))), span_str(v->log)))
        return false;
    if ((uint64_t)seq > v->chain.seq)
        found(v, GW_AUDIT_REMOVED, l->at,
              "the log before had got to number %llu when this one was begun, and ends with number %llu: what stood "
              "behind that is gone",
              (unsigned long long)seq, (unsigned long long)v->chain.seq);
    else if (!v->stopped)
        found(v, GW_AUDIT_NOTE, l->at,
              "the process that wrote the log before did not end in order behind number %llu: it was killed, or lines "
              "were taken from its end",
              (unsigned long long)v->chain.seq);
    return true;
}

static void check_place(struct gw_audit_verifier *v, const struct link *l)
{
    uint64_t seq = v->chain.seq;
    bool links = memcmp(l->prev, v->chain.head, sizeof l->prev) == 0;

    if (l->seq == seq + 1 && links)
        return;
    if (l->seq == seq + 1)
        found(v, GW_AUDIT_ALTERED, v->place, "its hash is not the one that the next line, %s:%zu, names", l->at.file,
              l->at.number);
    else if (l->seq > seq + 1)
        found(v, GW_AUDIT_REMOVED, l->at,
              "number %llu comes after number %llu: %llu between them are gone, or stand "
              "elsewhere",
              (unsigned long long)l->seq, (unsigned long long)seq, (unsigned long long)(l->seq - seq - 1));
    else if (memcmp(l->hash, v->chain.head, sizeof l->hash) == 0)
        found(v, GW_AUDIT_MOVED, l->at, "the line before it once more");
    else
        found(v, GW_AUDIT_MOVED, l->at, "number %llu comes after number %llu: moved here, repeated or put in",
              (unsigned long long)l->seq, (unsigned long long)seq);
}

// ------------------------------------------------------------------------------------------------ the chain's own lines

static void check_mark(struct gw_audit_verifier *v, const struct link *l)
{
    struct span log = json_string(json_get(l->root, SPAN("log"))),
                cause = json_string(json_get(l->root, SPAN("cause")));

    if (!gw_chain_is_log(log) || (v->log[0] && !span_eq(log, span_str(v->log))))
        found(v, GW_AUDIT_INSERTED, l->at, "of another log: %.*s", (int)(log.n < 64 ? log.n : 64), log.p ? log.p : "");
    else
        memcpy(v->log, log.p, log.n);
    if (span_eq(cause, SPAN("start")) && v->lines > 0 && !v->stopped)
        found(v, GW_AUDIT_NOTE, l->at,
              "a process starts here, and the one before did not end in order behind number "
              "%llu: it was killed, or lines were taken from its end",
              (unsigned long long)v->chain.seq);
}

static void check_signature(struct gw_audit_verifier *v, const struct link *l)
{
    struct gw_checkpoint c;
    struct arena arena;

    arena_init(&arena, 0);
    int rc = gw_checkpoint_read(json_string(json_get(l->root, SPAN("checkpoint"))), v->keys, v->n_keys, &arena, &c);
    if (rc == ERR_TOKEN_KEY)
        found(v, GW_AUDIT_SIGNATURE, l->at, "this checkpoint is signed with a key that was not given");
    else if (rc == ERR_TOKEN_SIGNATURE)
        found(v, GW_AUDIT_SIGNATURE, l->at, "the signature of this checkpoint does not verify");
    else if (rc != 0)
        found(v, GW_AUDIT_SIGNATURE, l->at, "this checkpoint cannot be read");
    else if (c.seq != v->chain.seq || memcmp(c.head, v->chain.head, sizeof c.head) != 0 ||
             !span_eq(c.log, span_str(v->log)))
        found(v, GW_AUDIT_SIGNATURE, l->at,
              "this checkpoint was made for other lines than those before it, back to %s:%zu",
              v->vouched.file ? v->vouched.file : v->first.file, v->vouched.file ? v->vouched.number : v->first.number);
    else if (c.trusted && v->faults == 0) {
        v->signed_here = true;
        v->vouched = l->at;
        v->vouched_lines = v->lines + 1; // this one has not been counted yet
        snprintf(v->vouched_time, sizeof v->vouched_time, "%.*s", (int)(c.time.n < 31 ? c.time.n : 31), c.time.p);
    }
    v->checkpoints++;
    arena_fini(&arena);
}

// ------------------------------------------------------------------------------------------------------------- public

void gw_audit_verify_line(struct gw_audit_verifier *v, struct gw_audit_reader *r)
{
    struct link l = {
        .root = gw_audit_reader_json(r, NULL), .at = { r->file, r->number, 0 }, .first = r->first, .text = r->line
    };

    if (!gw_chain_read(l.root, &l.seq, l.prev)) {
        stray(v, r);
        return;
    }
    l.at.seq = l.seq;
    l.kind = json_string(json_get(l.root, SPAN("kind")));
    l.mark = span_eq(l.kind, SPAN("chain"));
    pki_sha256(r->line, l.hash);
    if (!v->begun) {
        begin(v, &l);
    } else if (other_log(v, &l)) {
        end_log(v);
        found(v, GW_AUDIT_NOTE, l.at, "another log begins");
        memset(v->log, 0, sizeof v->log);
        v->stopped = true;
    } else if (settle_torn(v, &l)) {
        check_place(v, &l);
    }
    if (l.mark)
        check_mark(v, &l);
    bool checkpoint = span_eq(l.kind, SPAN("checkpoint"));
    if (checkpoint)
        check_signature(v, &l);
    v->stopped =
        l.mark ? span_eq(json_string(json_get(l.root, SPAN("cause"))), SPAN("stop")) : checkpoint && v->stopped;
    v->records += !l.mark && !checkpoint;
    follow(v, &l);
}

void gw_audit_verify_end(struct gw_audit_verifier *v)
{
    if (v->strays == 0)
        return;
    if (v->torn_open && v->strays == 1)
        found(v, GW_AUDIT_NOTE, v->torn_at,
              "the log ends in the middle of a line: a process writes it just now, was killed, or "
              "the end was cut off");
    else
        found(v, GW_AUDIT_INSERTED, v->torn_at,
              "no line of this log: put in, or altered so that its number and hash are "
              "gone");
    forget_strays(v);
}

void gw_audit_verifier_fini(struct gw_audit_verifier *v)
{
    buf_fini(&v->torn);
}
