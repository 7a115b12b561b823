// SPDX-License-Identifier: GPL-3.0-or-later
// Who is at the other end, remembered past the handshake. A `gw_tls_peer` is one verified certificate: its identity, and the path
// it was verified along. It never changes once made, is counted by references (any thread), and is shared by all connections
// that present the same leaf, so an idle connection carries a pointer and no certificate.
//
// `gw_tls_peers` is the bounded table, one a process, from the leaf's SHA-256 to its peer. A resumed TLS session brings no certificate:
// the ticket holds the leaf's hash, and this table says who that was. A miss means a full handshake, nothing worse.
// When a set of the table is full, the entry that was used longest ago goes. It takes a striped lock, at handshakes only.
#ifndef SALLYPORT_TLS_PEER_H
#define SALLYPORT_TLS_PEER_H

#include "pki/identity_map.h"
#include "pki/trust.h"

// What a handshake is judged by: a slot that its event loop owns and overwrites, on its own thread, when it takes up a new
// snapshot. Engines keep a pointer to the slot, so the handshake that is under way sees the generation of the moment.
struct gw_tls_trust {
    const struct pki_trust *trust;
    const struct pki_revocation *revocation; // NULL: no CRLs, no removals
    struct pki_verify_options options;       // with the mapping rules; `purpose` is set by the engine
    uint32_t trust_generation;               // a ticket of another one means a full handshake
    uint32_t revocation_generation;          // the identity in a ticket is looked at again in the present one
};

struct gw_tls_peer {
    _Atomic(unsigned) refs;
    struct arena arena;        // holds everything in `identity`
    _Atomic(uint32_t) *mapped; // the trust generation whose mapping rules the identity was last held against
    struct pki_identity identity;
};

// A verified certificate as a peer with one reference. `server_name` SPAN_NONE: the peer names itself by SPIFFE ID, or by mapping; otherwise it is a
// server that must have that DNS name or address. 0, or the error of pki_trust_verify or pki_trust_verify_server.
int gw_tls_peer_verify(const struct gw_tls_trust *trust, enum pki_purpose purpose, struct span server_name,
                       struct span leaf, const struct span *intermediates, size_t n, int64_t now_s,
                       struct gw_tls_peer **out);
struct gw_tls_peer *gw_tls_peer_ref(struct gw_tls_peer *p); // NULL is fine, and gives NULL
void gw_tls_peer_unref(struct gw_tls_peer *p);              // NULL is fine
// The every-request look: expiry, revocations, removals, and that the path still ends in the trust domain's bundle.
// In a new trust generation the mapping is recomputed, once. No signature is verified but a CRL's, once a revocation generation. 0 or ERR_CERT_*,
// ERR_CRL_STALE: then close the connection.
int gw_tls_peer_recheck(const struct gw_tls_peer *p, const struct gw_tls_trust *trust, int64_t now_s);

struct gw_tls_peers;
// `capacity` entries are allocated at once (rounded up to a power of two, 64 at least). NULL when out of memory.
struct gw_tls_peers *gw_tls_peers_new(size_t capacity);
void gw_tls_peers_free(struct gw_tls_peers *t);
// Puts `p` (a reference of its own is taken) in place of an entry with the same leaf. Returns the peer to use from now on, with a
// reference for the caller, who gave up his on `p`: an entry that is the same in everything is kept and shared.
struct gw_tls_peer *gw_tls_peers_put(struct gw_tls_peers *t, struct gw_tls_peer *p, int64_t now_s);
// A reference for the caller, or NULL.
struct gw_tls_peer *gw_tls_peers_get(struct gw_tls_peers *t, const uint8_t leaf_sha256[static 32], int64_t now_s);
// How many are held, for metrics. Revoked ones stay until they are pushed out: an entry is judged again at every use.
size_t gw_tls_peers_count(struct gw_tls_peers *t);

#endif
