// SPDX-License-Identifier: GPL-3.0-or-later
// Two TLS engines joined by memory: a gateway's listener and a client, with the certificates, trust and clock of a test.
#ifndef SALLYPORT_TESTS_TLS_PAIR_H
#define SALLYPORT_TESTS_TLS_PAIR_H

#include "gateway/tls/engine.h"
#include "tests/support/certs.h"

// One side's material. Everything is owned by the side.
struct tls_side {
    struct gw_tls_context *context;
    struct gw_tls_trust trust;
    struct pki_trust *bundles;
    struct pki_revocation *revocation;
};

struct tls_pair {
    struct gw_tls_engine server, client;
    struct gw_tls_target target;
};

int64_t tls_now(void);

// Config with the certificate and key called `name` (NULL: none). Free with tls_config_fini.
struct tls_config {
    struct buf cert, key;
    struct gw_tls_config config;
};
void tls_config_init(struct tls_config *t, struct certs *c, const char *name);
void tls_config_fini(struct tls_config *t);

// Trust in `domain` through the CA called `ca`; more with tls_side_trust.
void tls_side_init(struct tls_side *s, bool server, const struct gw_tls_config *config);
void tls_side_trust(struct tls_side *s, struct certs *c, const char *domain, const char *ca);
void tls_side_crl(struct tls_side *s, struct certs *c, const char *domain, const char *crl);
void tls_side_fini(struct tls_side *s);

void tls_pair_init(struct tls_pair *p, struct tls_side *server, struct tls_side *client, const char *server_id,
                   int64_t now_s);
void tls_pair_fini(struct tls_pair *p);
// Moves bytes both ways until nothing moves any more.
void tls_pair_pump(struct tls_pair *p, int64_t now_s);

#endif
