// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/certs.h"

#include "gateway/base/file.h"
#include "pki/pem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void require(bool ok, const char *what, const char *name)
{
    if (ok)
        return;
    fprintf(stderr, "certs: %s: %s failed\n", name, what);
    abort();
}

__attribute__((format(printf, 2, 3))) static void run(struct certs *c, const char *fmt, ...)
{
    char command[4096], whole[4608];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command, sizeof command, fmt, ap);
    va_end(ap);
    snprintf(whole, sizeof whole, "cd '%s' && { %s; } >log 2>&1 || { cat log >&2; false; }", c->dir, command);
    require(system(whole) == 0, command, c->dir); // NOLINT: fixed commands in a folder of ours
}

static void put(struct certs *c, const char *name, const char *suffix, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s%s", c->dir, name, suffix);
    FILE *f = fopen(path, "w");
    require(f != NULL, path, name);
    fputs(text, f);
    fclose(f);
}

void certs_init(struct certs *c)
{
    snprintf(c->dir, sizeof c->dir, "/tmp/sallyport-certs-XXXXXX");
    require(mkdtemp(c->dir) != NULL, "mkdtemp", c->dir);
}

void certs_fini(struct certs *c)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", c->dir);
    require(system(command) == 0, command, c->dir); // NOLINT
}

static void make(struct certs *c, const char *name, const char *issuer, const char *subject, const char *extensions,
                 int days, const char *more)
{
    char config[4096], by[256] = "";
    snprintf(config, sizeof config, "[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\n[dn]\n[ext]\n%s",
             extensions);
    put(c, name, ".cnf", config);
    if (issuer)
        snprintf(by, sizeof by, "-CA %s.pem -CAkey %s.key", issuer, issuer);
    run(c, "openssl req -x509 -new -key %s.key -config %s.cnf -subj '%s' -days %d %s %s -out %s.pem", name, name,
        subject, days ? days : 1, by, more, name);
}

void certs_make_with_key(struct certs *c, const char *name, const char *key_of, const char *issuer, const char *subject,
                         const char *extensions, int days)
{
    run(c, "cp -n %s.key %s.key 2>/dev/null || true", key_of, name);
    make(c, name, issuer, subject, extensions, days, "");
}

void certs_make_as(struct certs *c, const char *name, const char *issuer, const char *subject, const char *extensions,
                   const char *key, const char *more)
{
    run(c, "openssl genpkey -algorithm %s -out %s.key", key, name);
    make(c, name, issuer, subject, extensions, 0, more);
}

void certs_make(struct certs *c, const char *name, const char *issuer, const char *subject, const char *extensions,
                int days)
{
    run(c, "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out %s.key", name);
    make(c, name, issuer, subject, extensions, days, "");
}

void certs_ca(struct certs *c, const char *name)
{
    char subject[128];
    snprintf(subject, sizeof subject, "/O=%s", name);
    certs_make(c, name, NULL, subject, CERTS_CA, 0);
}

void certs_workload(struct certs *c, const char *name, const char *issuer, const char *spiffe_id)
{
    char extensions[1024];
    snprintf(extensions, sizeof extensions, CERTS_LEAF "subjectAltName=URI:%s\n", spiffe_id);
    certs_make(c, name, issuer, "/O=SPIRE", extensions, 0);
}

void certs_crl(struct certs *c, const char *name, const char *issuer, int days, const char *const *revoked)
{
    run(c, ": >%s.index; echo 01 >%s.number", name, name);
    for (; *revoked; revoked++)
        run(c,
            "printf 'R\\t491231235959Z\\t%%s\\t%%s\\tunknown\\t/O=x\\n' \"$(date -u +%%y%%m%%d%%H%%M%%SZ)\" "
            "\"$(openssl x509 -in %s.pem -noout -serial | cut -d= -f2)\" >>%s.index",
            *revoked, name);
    char config[1024];
    snprintf(config, sizeof config,
             "[ca]\ndefault_ca=c\n[c]\ndatabase=%s.index\ncrlnumber=%s.number\ndefault_md=sha256\n"
             "[e]\nauthorityKeyIdentifier=keyid\n",
             name, name);
    put(c, name, ".cnf", config);
    // The authority key identifier is the issuer's subject key identifier, where it has one.
    run(c,
        "exts=$(openssl x509 -in %s.pem -noout -ext subjectKeyIdentifier | grep -q Identifier && echo '-crlexts e' || "
        "true); "
        "openssl ca -gencrl -config %s.cnf -cert %s.pem -keyfile %s.key -crldays %d $exts -out %s.crl",
        issuer, name, issuer, issuer, days, name);
}

static struct buf read_file(struct certs *c, const char *name, const char *suffix)
{
    char path[256];
    struct buf b;
    buf_init(&b, 0);
    snprintf(path, sizeof path, "%s/%s%s", c->dir, name, suffix);
    require(file_read(path, 1u << 20, &b) == 0, "reading", path);
    return b;
}

struct buf certs_pem(struct certs *c, const char *name)
{
    return read_file(c, name, ".pem");
}

struct buf certs_key(struct certs *c, const char *name)
{
    return read_file(c, name, ".key");
}

struct buf certs_read_crl(struct certs *c, const char *name)
{
    return read_file(c, name, ".crl");
}

struct buf certs_der(struct certs *c, const char *name)
{
    struct buf pem = certs_pem(c, name), der;
    struct span rest = buf_span(&pem), label;
    buf_init(&der, 0);
    require(pki_pem_next(&rest, &label, &der) == 1, "PEM", name);
    buf_fini(&pem);
    return der;
}

struct buf certs_chain(struct certs *c, const char *leaf, const char *intermediate)
{
    struct buf a = certs_pem(c, leaf), b = certs_pem(c, intermediate);
    buf_append(&a, buf_span(&b));
    buf_fini(&b);
    return a;
}
