// SPDX-License-Identifier: GPL-3.0-or-later
// Where revocations come from: the registry and the file that the configuration names, kept an eye on. The control thread looks several times a second;
// a look that finds nothing new costs a stat or two and one question to SQLite. What is new is read whole and given out as a set of its own for
// each source, so that neither waits for the other.
//
// What cannot be read counts as it was read last. It is complained about once, and again when the reason changes.
#ifndef SALLYPORT_CONFIG_REVOKED_SOURCE_H
#define SALLYPORT_CONFIG_REVOKED_SOURCE_H

#include "gateway/config/snapshot.h"

struct gw_revoked_source;

// A registry that is not there when it is first looked for: with `create` it is made, empty, and a warning says so; else nothing is revoked, and that
// is no complaint (`check` changes nothing). One that goes away later is one.
// NULL: out of memory.
struct gw_revoked_source *gw_revoked_source_new(bool create);
void gw_revoked_source_free(struct gw_revoked_source *s); // NULL is fine
// Looks at what `config` names, and takes up what it names anew. True when a set is another one than before.
bool gw_revoked_source_look(struct gw_revoked_source *s, const struct gw_config *config, int64_t now_s,
                            struct diags *diags);
// The set that came over the feed, which is looked after elsewhere (net/follower.h), and until when it counts: both references are taken over; NULL: none.
void gw_revoked_source_put_feed(struct gw_revoked_source *s, struct pki_revoked *set, struct gw_revoked_term *fresh);
// Borrowed until the next look; NULL: none.
struct pki_revoked *gw_revoked_source_set(const struct gw_revoked_source *s, enum gw_revoked_from from);
// Puts the sets into `r`, which nobody else sees yet. `r->whole` stays only if everything that is configured was read well, now or before.
void gw_revoked_source_give(const struct gw_revoked_source *s, struct gw_revocations *r);
// For readiness: why the registry cannot be read at present; SPAN_NONE: it can, or there is none.
struct span gw_revoked_source_fault(const struct gw_revoked_source *s);

#endif
