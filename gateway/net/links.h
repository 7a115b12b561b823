// SPDX-License-Identifier: GPL-3.0-or-later
// The ways to the gateways that one generation of the workload's certificate opens: for each gateway its pool of connections and the last nonce it
// gave, and the token, asked for with that certificate and kept fresh. Counted by references: the connector, and each request that began on them.
#ifndef SALLYPORT_NET_LINKS_H
#define SALLYPORT_NET_LINKS_H

#include "gateway/config/snapshot.h"
#include "gateway/connect/token_source.h"
#include "gateway/net/connector.h"
#include "gateway/net/fetch.h"

struct gw_link {
    struct gw_origin origin;
    struct buf nonce; // empty: none was given yet
};

struct gw_links {
    unsigned refs;
    struct gw_connector *connector;
    struct gw_snapshot *snapshot;
    struct gw_h1_limits limits;
    struct gw_link *gateways; // in order of preference
    size_t n;
    bool asks; // for tokens, at the endpoint; else they come from a file
    struct gw_origin endpoint;
    struct gw_token_source source;
    struct gw_deadline due;
    struct gw_fetch fetch;
    struct buf form, proof;
    struct gw_fetch_field proof_field;
    size_t busy; // origins with connections, once retired
    bool retired;
};

// The snapshot's reference goes over. NULL with the reasons in `diags`.
struct gw_links *gw_links_new(struct gw_connector *c, struct gw_snapshot *snapshot, struct diags *diags);
struct gw_links *gw_links_ref(struct gw_links *l);
void gw_links_unref(struct gw_links *l); // NULL is fine
// Asks for a token if one is due, and comes back by itself when the next is.
void gw_links_look(struct gw_links *l);
// What now lies in the token's file.
void gw_links_read_token(struct gw_links *l, struct span content);
// What others learned is not learned again: nonces, and the token where it is not bound to the certificate.
void gw_links_inherit(struct gw_links *l, struct gw_links *from);
// A gateway refused the token of this serial number: another is asked for. False where none can be.
bool gw_links_token_refused(struct gw_links *l, unsigned serial);
struct span gw_links_token(const struct gw_links *l); // SPAN_NONE: none
// Whether requests carry proofs.
static inline bool gw_links_prove(const struct gw_links *l)
{
    return l->snapshot->connect.config->binding != GW_BINDING_CERTIFICATE;
}
// Keeps a gateway's nonce; SPAN_NONE, or one too long: nothing.
void gw_link_learn(struct gw_link *k, struct span nonce);

#endif
