// SPDX-License-Identifier: GPL-3.0-or-later
// The format of a policy bundle: a tar archive as POSIX has it (ustar, IEEE Std 1003.1 "pax"), not compressed, of which this reads and writes the
// least that can hold files: regular ones, with relative names. Anybody can look into one with `tar tvf`; nobody needs more of the format
// than this, and what is not here cannot go wrong: no links, no devices, no folders, no extensions, no compression, no numbers but octal ones.
//
// Two archives that mean the same to this reader mean the same to tar: every byte outside of the members' contents is checked or is without
// meaning (owner, mode, time). Pure: bytes in, members out, which are borrowed from them.
#ifndef SALLYPORT_CONFIG_POLICY_ARCHIVE_H
#define SALLYPORT_CONFIG_POLICY_ARCHIVE_H

#include "gateway/base/arena.h"
#include "gateway/base/buf.h"

#define GW_ARCHIVE_MEMBERS_MAX 10000u
#define GW_ARCHIVE_MEMBER_MAX (16u << 20)  // bytes of one
#define GW_ARCHIVE_CONTENT_MAX (64u << 20) // bytes of all contents together
#define GW_ARCHIVE_MAX (80u << 20)         // bytes of the whole

struct gw_archive_member {
    struct span name, content;
};

struct gw_archive {
    struct gw_archive_member *v; // in the order of the archive
    size_t n;
    const struct gw_archive_member **by_name;
};

struct gw_archive_fault {
    const char *what; // static text
    size_t offset;    // of the header or byte it is about
};

// Names are 1 to 255 printable ASCII characters, no backslash, and segments with '/' between that are not empty, "." or "..". Each is there
// once, and none is the folder of another. `*out` is in `arena`; its spans are in `bytes` or (names of two parts) in `arena`.
// 0, ERR_CONFIG with `*fault`, ERR_NOMEM.
int gw_archive_read(struct span bytes, struct arena *arena, struct gw_archive *out, struct gw_archive_fault *fault);

// Appends an archive of these members, in this order. The same members and `mtime_s` are the same bytes, everywhere. 0; ERR_CONFIG with the
// member's index in `*bad` (may be NULL): its name is none of the above or fits no header (up to 100 bytes, or more with a '/' in the right
// place), it is too large, or there are too many; ERR_NOMEM.
int gw_archive_write(const struct gw_archive_member *v, size_t n, int64_t mtime_s, struct buf *out, size_t *bad);

// A name that may stand in an archive.
bool gw_archive_is_name(struct span name);
// NULL: not there.
const struct gw_archive_member *gw_archive_find(const struct gw_archive *a, struct span name);

#endif
