// SPDX-License-Identifier: GPL-3.0-or-later
// The connect role, without the event loop: applications' connections (local.h) bring requests (relay.h), which go to a gateway over the links
// (links.h) that the present certificate makes. connect.h puts libuv underneath; a test, memory.
//
//   application ──plain HTTP──▶ local ─▶ relay ─▶ links: pool of the first gateway, of the next …  ──mTLS──▶ gateway
//                                                 token, by the workload's certificate
//
// When the certificate's files change, other links are made beside those in force, and take their place when they have a token: a token that is
// bound to the old certificate would be refused under the new one. Requests under way end on the links that they began on.
#ifndef SALLYPORT_NET_CONNECTOR_H
#define SALLYPORT_NET_CONNECTOR_H

#include "gateway/base/log.h"
#include "gateway/net/origin.h"

struct gw_links;
struct gw_local;
struct gw_relay;
struct pki_key;

struct gw_connector {
    // The owner's: set before anything else, and kept.
    struct log *log;
    struct gw_origin_ground ground;
    const struct pki_key *key; // of proofs, in this process's memory alone
    int64_t wait_ms;           // of the configuration in force, which fixes what follows
    size_t max_locals, buffer;
    void (*on_idle)(struct gw_connector *c); // draining, and the last application is gone
    void *owner;
    // ----
    struct gw_links *links, *coming; // in force, and made but without a token yet; NULL: none
    size_t n_links;                  // all that are not freed yet
    struct gw_local *locals;
    size_t n_locals;
    struct gw_relay *waiting; // requests that wait for links or a token
    uint64_t requests, refused;
    char why[256]; // why there is no certificate, or a newer one was not taken; "": all is well
    bool draining;
};

static inline int64_t gw_connector_mono(const struct gw_connector *c)
{
    return c->ground.now->mono_ms;
}
// Looks whether the coming links can come into force, and lets requests that wait look again.
void gw_connector_progress(struct gw_connector *c);
// What a newer certificate made (the reference goes over). It comes into force now, or when it has a token.
void gw_connector_adopt(struct gw_connector *c, struct gw_links *links);
// Whether requests can be sent. SPAN_NONE: yes; else what is missing.
struct span gw_connector_missing(const struct gw_connector *c);
// No request after the present ones; then on_idle, perhaps at once.
void gw_connector_drain(struct gw_connector *c);
// Ends everything now. Links go when the loop has run once more.
void gw_connector_cut(struct gw_connector *c);

#endif
