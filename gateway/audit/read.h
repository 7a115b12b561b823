// SPDX-License-Identifier: GPL-3.0-or-later
// Reads an audit log back: lines of one file or of several one after the other, whole, numbered, under a bound, with their JSON when it is wanted. What
// is in a record is for the caller to know; a line need not be one.
//
//   struct gw_audit_reader r;
//   gw_audit_reader_init(&r, list.paths, list.n);
//   while (gw_audit_reader_next(&r) == GW_AUDIT_LINE)
//       … r.file, r.number, r.line, gw_audit_reader_json(&r, NULL) …
//   gw_audit_reader_fini(&r);
#ifndef SALLYPORT_AUDIT_READ_H
#define SALLYPORT_AUDIT_READ_H

#include <stdio.h>

#include "gateway/base/buf.h"
#include "gateway/base/json.h"

#define GW_AUDIT_LINE_MAX ((size_t)64 << 20)

enum gw_audit_read {
    GW_AUDIT_END, // of the last file
    GW_AUDIT_LINE,
    GW_AUDIT_FAULT, // `file` cannot be read on: `what` says why
};

struct gw_audit_reader {
    // The line that was read last; borrowed until the next call.
    const char *file;
    size_t number;    // in its file, from 1
    struct span line; // without its '\n'
    bool whole;       // it had one: without, the file ends in the middle of a line
    bool first;       // of its file
    const char *what; // GW_AUDIT_FAULT: static text, or strerror's
    size_t line_max;  // bytes; GW_AUDIT_LINE_MAX unless set
    // the reader's own
    char *const *paths;
    size_t n, next;
    FILE *f;
    struct buf in;
    size_t taken; // bytes of `in` that the present line has
    bool eof;
    struct json_doc *doc;
};

// `paths` must outlive the reader; "-" is standard input.
void gw_audit_reader_init(struct gw_audit_reader *r, char *const *paths, size_t n);
// Reads lines from a stream that is open already, which the reader does not close; `name` is for `file`. Tests and pipes.
void gw_audit_reader_of(struct gw_audit_reader *r, FILE *f, const char *name);
enum gw_audit_read gw_audit_reader_next(struct gw_audit_reader *r);
// The object that the line is; NULL when it is none, with `*error` (may be NULL) as json_parse has it.
json gw_audit_reader_json(struct gw_audit_reader *r, struct json_error *error);
void gw_audit_reader_fini(struct gw_audit_reader *r);

#endif
