// SPDX-License-Identifier: GPL-3.0-or-later
// Verifies an audit log line by line: that each is the one that the next names, that none is missing, repeated or out of its place, that what stands between
// links is what a kill left, and that checkpoints are signed for what stands before them. Lines come from read.h, files in their order.
//
// A chain alone shows what was changed by somebody who did not write the rest anew. Who did is caught by the next checkpoint, whose key he does not have. What
// nothing that follows vouches for is at the end: lines behind the last checkpoint can be changed, and whatever stands last can be taken away.
#ifndef SALLYPORT_AUDIT_VERIFY_H
#define SALLYPORT_AUDIT_VERIFY_H

#include "gateway/audit/chain.h"
#include "gateway/audit/read.h"

struct gw_audit_place {
    const char *file; // NULL: nowhere
    size_t number;
    uint64_t seq; // 0: has none
};

enum gw_audit_finding_kind {
    GW_AUDIT_NOTE, // worth knowing, and no fault
    GW_AUDIT_ALTERED,
    GW_AUDIT_REMOVED,
    GW_AUDIT_MOVED, // out of order, or repeated
    GW_AUDIT_INSERTED,
    GW_AUDIT_SIGNATURE,
};
// "altered" …
struct span gw_audit_finding_name(enum gw_audit_finding_kind kind);

struct gw_audit_finding {
    enum gw_audit_finding_kind kind;
    struct gw_audit_place at;
    const char *text; // what it is, and how it is known
};
typedef void (*gw_audit_on_finding)(void *ctx, const struct gw_audit_finding *f);

struct gw_audit_verifier {
    // Set before the first line; the rest zeroed.
    const struct gw_chain_key *keys; // that checkpoints may be signed with; none: signatures are not looked at
    size_t n_keys;
    gw_audit_on_finding on_finding;
    void *ctx;

    // What was found.
    uint64_t lines, records; // of the chain; of them what gateways recorded
    uint64_t before_chain;   // lines from before the log had a chain
    uint64_t checkpoints, faults;
    struct gw_audit_place first_fault;
    struct gw_audit_place vouched; // the last checkpoint that verifies before the first fault
    uint64_t
        vouched_lines; // of `lines`, up to there; those of an earlier log that nothing vouches for are told of on their own
    char vouched_time[32];
    struct gw_audit_place first, last; // lines of the chain
    char log[GW_CHAIN_LOG];
    bool stopped; // the last process ended in order

    // its own
    struct gw_chain chain;
    struct gw_audit_place place; // of the line that `chain` ends with
    struct buf torn;             // lines that are none of the chain, if they are few enough …
    size_t strays;               // … and how many; an empty one is one, too
    bool torn_long;              // there is more than is kept
    struct gw_audit_place torn_at;
    bool begun, torn_open; // torn_open: the last of them has no '\n'
    bool signed_here;      // a checkpoint of the present log is trusted
};

void gw_audit_verify_line(struct gw_audit_verifier *v, struct gw_audit_reader *r);
// Behind the last line.
void gw_audit_verify_end(struct gw_audit_verifier *v);
void gw_audit_verifier_fini(struct gw_audit_verifier *v);

#endif
