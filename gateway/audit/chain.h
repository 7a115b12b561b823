// SPDX-License-Identifier: GPL-3.0-or-later
// The chain of hashes through the audit log: every line ends with its number and the hash of the line before it, so that none can be altered, taken out,
// put in or moved without the next one telling. Nothing here reads or writes a file: lines go in, lines with two more members come out.
//
//   {"time":…,"kind":"request",…,"seq":7,"prev":"…"}      prev: SHA-256 of the bytes of line 6 without its '\n', base64url
//
// Two kinds of line are the chain's own, and links of it like any other:
//   - `chain`: a file, a process or a part begins here, or a process ends (`cause`). It names the log (128 random bits, the same for as long as the
//     chain goes on), the file's number, and what a kill left of a line before it (`torn`).
//   - `checkpoint`: a compact JWS over the log's name, the number and hash of the line before it, and the time. Who has no key cannot make one for a
//     chain that he wrote himself.
#ifndef SALLYPORT_AUDIT_CHAIN_H
#define SALLYPORT_AUDIT_CHAIN_H

#include "gateway/base/arena.h"
#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/base/json.h"
#include "pki/key.h"

#define GW_CHAIN_HASH 32
#define GW_CHAIN_LOG 33  // hex digits of a log's name, and a NUL
#define GW_CHAIN_TEXT 43 // base64url characters of a hash

struct gw_chain {
    char log[GW_CHAIN_LOG];
    uint64_t seq;                // of the last line; 0: none yet
    uint8_t head[GW_CHAIN_HASH]; // its hash
    bool linked;                 // there is a line before, perhaps one without a number (seq 0)
    char before[GW_CHAIN_LOG];   // the log that this one was begun beside, and …
    uint64_t before_seq;         // … its number at the time; for the line of GW_CHAIN_TAKEOVER
};

enum gw_chain_cause {
    GW_CHAIN_GOES_ON,  // no line of its own is due
    GW_CHAIN_START,    // a process
    GW_CHAIN_ROTATE,   // a file, after the one before it was full or old enough
    GW_CHAIN_REOPEN,   // a file, after the one before it was moved away
    GW_CHAIN_TORN,     // the same process after a line that could be written in part only
    GW_CHAIN_STOP,     // a process ends as it should
    GW_CHAIN_TAKEOVER, // a process, and a log of its own, beside one that still writes another (`before`)
};

// A new log: a random name, no line. Or the same one, without a line.
void gw_chain_begin(struct gw_chain *c);
// Whether that is the name of a log.
bool gw_chain_is_log(struct span name);
// What the chain is after this line, which has its members already, without its '\n'.
void gw_chain_follow(struct gw_chain *c, struct span line);

// Appends a record, whole JSON object and '\n' in one or two pieces, with its place in the chain. False when out of memory (nothing changed).
bool gw_chain_add(struct gw_chain *c, struct span a, struct span b, struct buf *out);
// Appends a `chain` line. `torn`: the bytes that stand between it and the last line of the chain; SPAN_NONE: none.
bool gw_chain_mark(struct gw_chain *c, enum gw_chain_cause cause, uint32_t file, struct span torn, int64_t wall_ms,
                   struct buf *out);
// A key that checkpoints are made or verified with. Its name is its RFC 7638 thumbprint, its algorithm the one of its type.
struct gw_chain_key {
    const struct pki_key *key; // borrowed
    char kid[GW_CHAIN_TEXT + 1];
};
void gw_chain_key_init(struct gw_chain_key *k, const struct pki_key *key);

// Appends a `checkpoint` line. 0, or ERR_INTERNAL, ERR_HSM, ERR_NOMEM (nothing changed).
int gw_chain_sign(struct gw_chain *c, const struct gw_chain_key *key, int64_t wall_ms, struct buf *out);

// The two members of a line that was read. False: it is no line of a chain. `prev` is all zero where the line has none: the first of a log.
bool gw_chain_read(json line, uint64_t *seq, uint8_t prev[static GW_CHAIN_HASH]);

// What a checkpoint says; texts are in the arena.
struct gw_checkpoint {
    struct span log, time, kid;
    uint64_t seq;
    uint8_t head[GW_CHAIN_HASH];
    bool trusted; // signed with one of the keys
};
// Without keys (n 0) nothing is verified. 0; ERR_TOKEN_MALFORMED; ERR_TOKEN_TYP; ERR_TOKEN_KEY (signed with none of these);
// ERR_TOKEN_SIGNATURE; ERR_NOMEM.
int gw_checkpoint_read(struct span jws, const struct gw_chain_key *keys, size_t n, struct arena *arena,
                       struct gw_checkpoint *out);

#endif
