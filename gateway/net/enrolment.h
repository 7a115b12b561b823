// SPDX-License-Identifier: GPL-3.0-or-later
// A certificate that renews itself: the client of the authority's enrolment (endpoint/enrol.h). It makes a fresh P-256 key in memory, shows its
// credential and a certification request at `POST /enrol`, hands chain, key and bundle over, and begins again at two thirds of the certificate's
// life, with a new key. What fails is tried again, ever less often up to once a minute; until the certificate expires its owner goes on with it. When
// to do what, and what to make of an answer, is config/enrolment.h's; here is the I/O.
//
//   new ─▶ start ─▶ on_certificate … on_certificate … ─▶ free
//
// The credential is a token file (a Kubernetes service-account token, read again at each use since the kubelet replaces it) or a join token, which is good
// once: after it, and whenever there is no token file, the certificate in hand is what the next one is asked for with (mutual TLS). With a folder
// (`state`) chain, key and bundle are written there after each enrolment (key.pem 0600, atomically), and read from there at start, so that a restart needs
// no second join token. Without, nothing is written and the key never leaves memory.
//
// Everything happens on the thread of the ground. All memory is the object's; what callbacks get is borrowed for the call.
#ifndef SALLYPORT_NET_ENROLMENT_H
#define SALLYPORT_NET_ENROLMENT_H

#include "gateway/base/log.h"
#include "gateway/config/enrolment.h"
#include "gateway/net/origin.h"

struct gw_enrolment;

// All is copied but the ground and `log`, which outlive it. Texts are SPAN_NONE where they are not configured; paths end in NUL.
struct gw_enrolment_options {
    struct gw_origin_ground ground; // its `bundles` are not used
    struct log *log;
    struct span url;         // https://host[:port], optionally with the path; without one it is GW_ENROL_PATH
    struct span ca;          // path, PEM: who may vouch for the authority; read again at each use
    struct span authority;   // SPIFFE ID that the authority must have …
    struct span server_name; // … or the DNS name; neither: the URL's host
    struct span token_file, join_token_file; // paths: at most one
    struct span state;                       // path of a folder of our own; made (0700) when it is not there
    struct span spiffe_id;                   // to ask for; SPAN_NONE: what the authority derives
    const struct span *dns;                  // DNS names to ask for
    size_t n_dns;
    // A certificate is there, the first or the next. Also in `start`, when the folder has one.
    void (*on_certificate)(void *ctx, const struct gw_enrolled *e);
    // An attempt failed; `what` says why, for people, without any secret. May be NULL. It is in the log as well.
    void (*on_failed)(void *ctx, const char *what);
    void *ctx;
};

struct gw_config_enrol;
#define GW_ENROLMENT_DNS 32
#define GW_ENROLMENT_WHAT 384
// The texts of the options as configured; `dns` is lent.
void gw_enrolment_configure(struct gw_enrolment_options *o, const struct gw_config_enrol *e,
                            struct span dns[static GW_ENROLMENT_DNS]);
// NULL with the reason in `what`: an URL that is none, a CA or folder that cannot be used, out of memory.
struct gw_enrolment *gw_enrolment_new(const struct gw_enrolment_options *options, char *what, size_t what_n);
// Goes on with what another one got (a copy), as though it had been in the folder: before the start. False: out of memory.
bool gw_enrolment_seed(struct gw_enrolment *e, const struct gw_enrolled *held);
// Takes what the folder has, if it is good, and begins. Callbacks may come before it returns, but for what was seeded.
void gw_enrolment_start(struct gw_enrolment *e);
// What is held now; NULL: nothing, or it has expired.
const struct gw_enrolled *gw_enrolment_held(const struct gw_enrolment *e);
// Why the last attempt failed; NULL: it did not.
const char *gw_enrolment_fault(const struct gw_enrolment *e);
// Ends what is under way without a word and wipes the key. Its connections close in their own time, so the loop must go round once more. NULL is fine.
void gw_enrolment_free(struct gw_enrolment *e);

#endif
