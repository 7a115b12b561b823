// SPDX-License-Identifier: GPL-3.0-or-later
// The enrolment listener of the authority (net/authority.h), on its thread: a second server of visits, which asks nobody for a certificate, with the CA's registry
// and key. Its endpoints are endpoint/enrol.h's.
#ifndef SALLYPORT_NET_ENROL_DESK_H
#define SALLYPORT_NET_ENROL_DESK_H

#include "gateway/base/log.h"
#include "gateway/endpoint/enrol.h"
#include "gateway/net/token_review.h"
#include "gateway/net/visitor.h"

struct gw_enrol_desk {
    bool open;
    struct gw_visitors visitors;
    struct gw_enrol endpoints;
    struct gw_reviews reviews;
    struct gw_snapshot *snapshot; // borrowed: the authority's
    struct log *log;
    char ca_dir[4096]; // of the CA that is open, as configured …
    uint64_t issuing;  // … and what its issuing certificate's file looked like
};

// What is above the line of `visitors` is set by the caller, but `target`, `tls`. Opens the CA of the snapshot. 0 or an error with the reason in `diags`.
int gw_enrol_desk_open(struct gw_enrol_desk *d, const struct gw_origin_ground *ground, struct log *log,
                       struct gw_snapshot *s, struct diags *diags);
// Another snapshot, or other revocations, are in force. A CA that cannot be opened is complained about, and the old one stays.
void gw_enrol_desk_adopt(struct gw_enrol_desk *d, struct gw_snapshot *s, const struct gw_revocations *r,
                         struct gw_metrics *metrics);
void gw_enrol_desk_close(struct gw_enrol_desk *d); // cuts what is there

#endif
