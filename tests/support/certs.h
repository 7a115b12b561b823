// SPDX-License-Identifier: GPL-3.0-or-later
// Certificates for tests, made by the openssl command line in a folder of their own: another implementation's opinion of X.509, and
// free to write what no CA of ours would. Every failure is a failed assertion of the test.
#ifndef SALLYPORT_TESTS_CERTS_H
#define SALLYPORT_TESTS_CERTS_H

#include "gateway/base/buf.h"

struct certs {
    char dir[64];
};

void certs_init(struct certs *c);
void certs_fini(struct certs *c);

// Extension lines as in an OpenSSL configuration, one a line.
#define CERTS_CA                                                                                            \
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n" \
    "authorityKeyIdentifier=keyid\n"
#define CERTS_LEAF                                                             \
    "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n" \
    "extendedKeyUsage=clientAuth,serverAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
#define CERTS_URI(id) "subjectAltName=URI:" id "\n"

// Makes a key and a certificate called `name`. `issuer` NULL: self-signed. `subject` as in "/O=Example/CN=x" ("/": none). Valid
// for a day from now (`days` 0), or for so many days.
void certs_make(struct certs *c, const char *name, const char *issuer, const char *subject, const char *extensions,
                int days);
// The same with the key that another one has already.
void certs_make_with_key(struct certs *c, const char *name, const char *key_of, const char *issuer, const char *subject,
                         const char *extensions, int days);
// The same with a key of another kind (`key`: what follows -algorithm) and `more` options of openssl req.
void certs_make_as(struct certs *c, const char *name, const char *issuer, const char *subject, const char *extensions,
                   const char *key, const char *more);
// The usual pair: a self-signed CA, and a workload of it.
void certs_ca(struct certs *c, const char *name);
void certs_workload(struct certs *c, const char *name, const char *issuer, const char *spiffe_id);

// A CRL of `issuer` that revokes the certificates named, NULL-terminated, valid for `days`.
void certs_crl(struct certs *c, const char *name, const char *issuer, int days, const char *const *revoked);

// Contents; the caller frees the buffer.
struct buf certs_pem(struct certs *c, const char *name);
struct buf certs_key(struct certs *c, const char *name);
struct buf certs_der(struct certs *c, const char *name);
struct buf certs_read_crl(struct certs *c, const char *name);
// Two PEM files after each other.
struct buf certs_chain(struct certs *c, const char *leaf, const char *intermediate);

#endif
