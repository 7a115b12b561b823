// SPDX-License-Identifier: GPL-3.0-or-later
// The files of an audit log and their order. The one that is written has the configured name; when it is rotated it becomes NAME.000001, the next one
// NAME.000002 and so on: numbers only grow, and the order of the numbers is the order of the records.
#ifndef SALLYPORT_AUDIT_FILES_H
#define SALLYPORT_AUDIT_FILES_H

#include "gateway/base/span.h"

// Names have six digits, or more where that is not enough.
#define GW_AUDIT_DIGITS 6
#define GW_AUDIT_NUMBER_MAX 999999999u

struct gw_audit_numbers {
    uint32_t *v; // ascending
    size_t n;
};

// The rotated files beside `path`, by number. 0 or -errno. Nothing but the name is looked at.
int gw_audit_numbers(const char *path, struct gw_audit_numbers *out);
void gw_audit_numbers_fini(struct gw_audit_numbers *n);
// "PATH.000042", to be freed; number 0: PATH itself. NULL: out of memory.
char *gw_audit_file_name(const char *path, uint32_t number);

struct gw_audit_list {
    char **paths;
    size_t n;
};

// What a person means by FILE...: each for itself and for the files that were rotated from it, in the order of their records, none twice; "-" is
// standard input. Whatever names end in a number of ours stand for themselves, and are put in order of theirs. 0 or -errno.
int gw_audit_list(const char *const *paths, size_t n, struct gw_audit_list *out);
void gw_audit_list_fini(struct gw_audit_list *l);

#endif
