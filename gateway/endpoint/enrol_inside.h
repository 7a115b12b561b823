// SPDX-License-Identifier: GPL-3.0-or-later
// One enrolment on its way: what enrol.c and enrol_policy.c share. Not for other files.
#ifndef SALLYPORT_ENDPOINT_ENROL_INSIDE_H
#define SALLYPORT_ENDPOINT_ENROL_INSIDE_H

#include "gateway/endpoint/enrol.h"
#include "pki/ca_join.h"
#include "pki/csr.h"
#include "pki/token.h"

enum gw_enrol_by { GW_ENROL_NOTHING, GW_ENROL_TOKEN, GW_ENROL_REVIEW, GW_ENROL_JOIN, GW_ENROL_CERTIFICATE };

struct gw_enrolling {
    struct gw_enrol *e;
    struct gw_visit *v;
    int64_t now_s;
    struct pki_csr csr;
    struct span asked_id;            // by the request; SPAN_NONE: none
    struct span dns[PKI_CA_DNS_MAX]; // likewise
    size_t n_dns;
    enum gw_enrol_by by;
    const struct gw_config_cluster *cluster;
    struct gw_attested account;
    struct pki_token *token; // counted
    struct pki_ca_join join;
    struct span id; // what the certificate will say
    bool derived;   // it is what follows from who asks
    struct pki_ca_issued issued;
    int err; // how it was refused
    struct span detail;
};

struct span gw_enrol_by_name(enum gw_enrol_by by); // "service_account_token" …
// Decides, and leaves in the record what it was decided by. 0 or ERR_POLICY_*.
int gw_enrol_decide(struct gw_enrolling *x);

#endif
