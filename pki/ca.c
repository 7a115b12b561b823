// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/base/file.h"
#include "pki/ca_join.h"
#include "pki/ca_parts.h"
#include "pki/hsm.h"
#include "pki/spiffe.h"
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_FILE_MAX 65536
#define SERIAL_TRIES 4

int pki_ca_say_(struct pki_ca *ca, int rc, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(ca->what, sizeof ca->what, fmt, ap);
    va_end(ap);
    return rc;
}

int pki_ca_store_said_(struct pki_ca *ca, int rc)
{
    return pki_ca_say_(ca, rc, "%s", pki_ca_store_what(ca->store));
}

const char *pki_ca_what(const struct pki_ca *ca)
{
    return ca->what;
}

struct span pki_ca_trust_domain(const struct pki_ca *ca)
{
    return ca->trust_domain;
}

struct pki_ca_store *pki_ca_store(struct pki_ca *ca)
{
    return ca->store;
}

// ---- opening

int pki_ca_reload_(struct pki_ca *ca)
{
    struct pki_ca_authority *list;
    size_t n;
    int rc = pki_ca_store_authorities(ca->store, &ca->arena, &list, &n);
    if (rc) {
        return pki_ca_store_said_(ca, rc);
    }
    struct pki_key **keys = arena_array(&ca->arena, n ? n : 1, sizeof(struct pki_key *));
    if (!keys) {
        return pki_ca_say_(ca, ERR_NOMEM, "out of memory");
    }
    // Rows are only ever added, at the end.
    assert(n >= ca->n);
    for (size_t i = 0; i < ca->n; i++) {
        keys[i] = ca->keys[i];
    }
    ca->authorities = list;
    ca->keys = keys;
    ca->n = n;
    return 0;
}

size_t pki_ca_newest_(const struct pki_ca *ca, enum pki_ca_kind kind)
{
    for (size_t i = ca->n; i-- > 0;) {
        if (ca->authorities[i].kind == kind) {
            return i;
        }
    }
    return SIZE_MAX;
}

static int open_parts(struct pki_ca *ca, const char *dir, int busy_ms)
{
    struct span copy = arena_dup(&ca->arena, span_str(dir));
    struct span path = arena_printf(&ca->arena, "%s/ca.db", dir);
    if (span_is_none(copy) || span_is_none(path)) {
        return pki_ca_say_(ca, ERR_NOMEM, "out of memory");
    }
    ca->dir = copy.p;
    int rc = pki_ca_store_open(path.p, busy_ms, &ca->store);
    if (rc == ERR_STORE_ABSENT) {
        return pki_ca_say_(ca, rc, "there is no CA in %s (no ca.db); `sallyport ca init` makes one", dir);
    }
    if (rc && ca->store) {
        return pki_ca_say_(ca, rc, "%s: %s", path.p, pki_ca_store_what(ca->store));
    }
    if (rc) {
        return pki_ca_say_(ca, rc, "out of memory");
    }
    if ((rc = pki_ca_store_setting(ca->store, "trust_domain", &ca->arena, &ca->trust_domain)) ||
        (rc = pki_ca_store_setting(ca->store, "dns_zones", &ca->arena, &ca->dns_zones))) {
        return pki_ca_store_said_(ca, rc);
    }
    return pki_ca_reload_(ca);
}

int pki_ca_open(const char *dir, int busy_ms, struct pki_ca **out, char *what, size_t what_n)
{
    struct pki_ca *ca = calloc(1, sizeof *ca);
    if (!ca) {
        snprintf(what, what_n, "out of memory");
        return ERR_NOMEM;
    }
    arena_init(&ca->arena, 0);
    int rc = open_parts(ca, dir, busy_ms);
    if (rc) {
        snprintf(what, what_n, "%s", ca->what);
        pki_ca_close(ca);
        return rc;
    }
    *out = ca;
    return 0;
}

void pki_ca_close(struct pki_ca *ca)
{
    if (!ca) {
        return;
    }
    for (size_t i = 0; i < ca->n; i++) {
        pki_key_free(ca->keys[i]);
    }
    pki_ca_store_close(ca->store);
    arena_fini(&ca->arena);
    free(ca);
}

// ---- keys

// The URI of a key in a token, or SPAN_NONE for one in a file.
static struct span token_uri(const struct pki_ca *ca, const char *file, size_t at)
{
    struct span where = file ? span_str(file) : ca->authorities[at].key_file;
    return pki_hsm_is_uri(where) ? where : SPAN_NONE;
}

static int read_key_file(struct pki_ca *ca, const char *file, size_t at, struct buf *pem, struct span *path)
{
    *path = file ? arena_dup(&ca->arena, span_str(file))
                 : arena_printf(&ca->arena, "%s/%.*s", ca->dir, SPAN_FMT(ca->authorities[at].key_file));
    if (span_is_none(*path)) {
        return pki_ca_say_(ca, ERR_NOMEM, "out of memory");
    }
    int e = file_read(path->p, KEY_FILE_MAX, pem);
    if (e == -ENOENT) {
        return pki_ca_say_(
            ca, ERR_STORE_ABSENT, "%s is not there%s", path->p,
            ca->authorities[at].kind == PKI_CA_ROOT ? "; name the root's key with --root-key, or put it back" : "");
    }
    return e ? pki_ca_say_(ca, ERR_STORE_FAILED, "%s: %s", path->p, strerror(-e)) : 0;
}

int pki_ca_key_encrypted(struct pki_ca *ca, enum pki_ca_kind kind, const char *file, bool *encrypted)
{
    size_t at = pki_ca_newest_(ca, kind);
    struct buf pem;
    struct span path;
    if (at == SIZE_MAX) {
        return pki_ca_say_(ca, ERR_STORE_ABSENT, "the registry has no such CA");
    }
    if (!span_is_none(token_uri(ca, file, at))) {
        *encrypted = false;
        return 0;
    }
    buf_init(&pem, 0);
    int rc = read_key_file(ca, file, at, &pem, &path);
    if (!rc) {
        static const struct span mark = SPAN("-----BEGIN ENCRYPTED PRIVATE KEY-----");
        *encrypted = memmem(buf_span(&pem).p, buf_len(&pem), mark.p, mark.n) != NULL;
    }
    buf_wipe(&pem);
    return rc;
}

static bool is_key_of(const struct pki_key *k, struct span certificate)
{
    struct pki_x509_view view;
    struct buf spki;
    buf_init(&spki, 0);
    bool same =
        pki_x509_view(certificate, &view) == 0 && pki_key_spki(k, &spki) == 0 && span_eq(buf_span(&spki), view.spki);
    buf_fini(&spki);
    return same;
}

static int unlock_in_token(struct pki_ca *ca, size_t at, struct span uri)
{
    struct pki_key *key = NULL;
    const char *why = "";
    int rc = pki_hsm_open(uri, &key, &why);
    if (rc) {
        return pki_ca_say_(ca, rc, "the %s CA's key in the PKCS#11 token: %s",
                           ca->authorities[at].kind == PKI_CA_ROOT ? "root" : "issuing", why);
    }
    if (!is_key_of(key, ca->authorities[at].certificate)) {
        pki_key_free(key);
        return pki_ca_say_(ca, ERR_CERT_MALFORMED,
                           "the key in the PKCS#11 token is not the key of this CA's certificate");
    }
    ca->keys[at] = key;
    return 0;
}

static int unlock_one(struct pki_ca *ca, size_t at, const char *file, struct span passphrase)
{
    struct span uri = token_uri(ca, file, at);
    if (!span_is_none(uri)) {
        return unlock_in_token(ca, at, uri);
    }
    struct pki_key *key = NULL;
    struct buf pem;
    struct span path;
    buf_init(&pem, 0);
    int rc = read_key_file(ca, file, at, &pem, &path);
    if (!rc && (rc = pki_key_read_private(buf_span(&pem), passphrase, &key))) {
        rc = pki_ca_say_(
            ca, rc, rc == ERR_NOMEM ? "%s: out of memory" : "%s: the passphrase is wrong, or this is no private key",
            path.p);
    } else if (!rc && !is_key_of(key, ca->authorities[at].certificate)) {
        rc = pki_ca_say_(ca, ERR_CERT_MALFORMED, "%s is not the key of this CA's certificate", path.p);
    }
    if (rc) {
        pki_key_free(key);
    } else {
        ca->keys[at] = key;
    }
    buf_wipe(&pem);
    return rc;
}

int pki_ca_unlock(struct pki_ca *ca, enum pki_ca_kind kind, const char *file, struct span passphrase, int64_t now_s)
{
    size_t newest = pki_ca_newest_(ca, kind);
    for (size_t i = 0; i < ca->n; i++) {
        // An issuing CA that was replaced still signs its CRL, until it expires.
        bool wanted = ca->authorities[i].kind == kind && (i == newest || ca->authorities[i].not_after >= now_s);
        if (wanted && !ca->keys[i]) {
            int rc = unlock_one(ca, i, i == newest ? file : NULL, passphrase);
            if (rc) {
                return rc;
            }
        }
    }
    return 0;
}

// ---- names

static bool label_ok(struct span label)
{
    if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < label.n; i++) {
        char c = label.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) {
            return false;
        }
    }
    return true;
}

bool pki_ca_dns_ok_(struct span name, const char **why)
{
    struct span rest = name, label = SPAN_NONE;
    size_t digits = 0;
    *why = "is no lower-case DNS name";
    if (name.n == 0 || name.n > 253) {
        return false;
    }
    if (span_starts(name, SPAN("*."))) {
        *why = "is a wildcard; a workload's certificate names hosts one by one";
        return false;
    }
    while (!span_is_none(rest)) {
        label = span_cut(&rest, '.');
        if (!label_ok(label)) {
            return false;
        }
    }
    for (size_t i = 0; i < label.n; i++) {
        digits += label.p[i] >= '0' && label.p[i] <= '9';
    }
    if (digits == label.n) {
        *why = "looks like an IP address, which is no DNS name";
        return false;
    }
    return true;
}

static bool in_zones(struct span zones, struct span name)
{
    if (zones.n == 0) {
        return true;
    }
    while (!span_is_none(zones)) {
        struct span zone = span_cut(&zones, '\n');
        if (span_eq(name, zone) || (name.n > zone.n && span_ends(name, zone) && name.p[name.n - zone.n - 1] == '.')) {
            return true;
        }
    }
    return false;
}

static int check_names(struct pki_ca *ca, const struct pki_ca_request *r)
{
    struct pki_spiffe id;
    const char *why = "is not acceptable";
    if (pki_spiffe_parse_workload(r->spiffe_id, &id, &why) != 0) {
        return pki_ca_say_(ca, ERR_CA_REFUSED, "'%.*s' is no SPIFFE ID of a workload: %s",
                           SPAN_FMT(span_sub(r->spiffe_id, 0, 120)), why);
    }
    if (!span_eq(id.trust_domain, ca->trust_domain)) {
        return pki_ca_say_(ca, ERR_CA_REFUSED, "the ID is in trust domain '%.*s'; this CA is for '%.*s'",
                           SPAN_FMT(span_sub(id.trust_domain, 0, 80)), SPAN_FMT(span_sub(ca->trust_domain, 0, 80)));
    }
    if (r->n_dns > PKI_CA_DNS_MAX) {
        return pki_ca_say_(ca, ERR_CA_REFUSED, "more than %d DNS names", PKI_CA_DNS_MAX);
    }
    for (size_t i = 0; i < r->n_dns; i++) {
        if (!pki_ca_dns_ok_(r->dns[i], &why)) {
            return pki_ca_say_(ca, ERR_CA_REFUSED, "'%.*s' %s", SPAN_FMT(span_sub(r->dns[i], 0, 120)), why);
        }
        if (!in_zones(ca->dns_zones, r->dns[i])) {
            return pki_ca_say_(ca, ERR_CA_REFUSED, "'%.*s' is outside the DNS zones of this CA",
                               SPAN_FMT(span_sub(r->dns[i], 0, 120)));
        }
    }
    return 0;
}

static int check_key(struct pki_ca *ca, const struct pki_key *k)
{
    switch (pki_key_type(k)) {
    case PKI_KEY_P256:
    case PKI_KEY_P384:
    case PKI_KEY_P521:
    case PKI_KEY_ED25519:
    case PKI_KEY_RSA: return 0; // the import checked points and sizes
    default: return pki_ca_say_(ca, ERR_CERT_WEAK, "a key of this kind gets no certificate");
    }
}

// ---- issuing

static struct span join_names(struct arena *a, const struct span *names, size_t n)
{
    struct span all = SPAN("");
    for (size_t i = 0; i < n; i++) {
        all = i ? arena_printf(a, "%.*s\n%.*s", SPAN_FMT(all), SPAN_FMT(names[i])) : arena_dup(a, names[0]);
    }
    return all;
}

static void serial_text(const uint8_t serial[static PKI_SERIAL], char out[static PKI_SERIAL_TEXT])
{
    for (size_t i = 0; i < PKI_SERIAL; i++) {
        snprintf(out + 2 * i, 3, "%02x", serial[i]);
    }
}

// Inside the transaction: a serial, a signature, a row.
static int sign_and_record(struct pki_ca *ca, const struct pki_ca_request *r, size_t issuer, struct arena *scratch,
                           struct buf *der, struct pki_ca_issued *issued)
{
    const struct pki_ca_authority *authority = &ca->authorities[issuer];
    struct pki_x509_view view;
    uint8_t serial[PKI_SERIAL];
    int rc = pki_x509_view(authority->certificate, &view);
    if (rc) {
        return pki_ca_say_(ca, ERR_STORE_FAILED, "the issuing CA's certificate in the registry is damaged");
    }
    issued->not_before = r->now_s - PKI_CA_BACKDATE > view.not_before ? r->now_s - PKI_CA_BACKDATE : view.not_before;
    issued->shortened = r->ttl > view.not_after - r->now_s;
    issued->not_after = issued->shortened ? view.not_after : r->now_s + r->ttl;
    if (r->now_s < view.not_before || issued->not_after - r->now_s < PKI_CA_TTL_MIN) {
        return pki_ca_say_(
            ca, ERR_CA_REFUSED,
            "the issuing CA is not valid long enough any more; `sallyport ca renew --issuing` makes a new one");
    }
    pki_serial_new(serial);
    serial_text(serial, issued->serial);
    rc = pki_x509_make(&(struct pki_x509_plan){ .serial = serial,
                                                .trust_domain = ca->trust_domain,
                                                .common_name = SPAN_NONE,
                                                .uri = r->spiffe_id,
                                                .dns = r->dns,
                                                .n_dns = r->n_dns,
                                                .not_before = issued->not_before,
                                                .not_after = issued->not_after,
                                                .subject_key = r->key,
                                                .issuer_key = ca->keys[issuer],
                                                .issuer = view.subject },
                       der);
    struct span dns = join_names(scratch, r->dns, r->n_dns);
    if (rc || span_is_none(dns)) {
        return pki_ca_say_(ca, rc ? rc : ERR_NOMEM, "the certificate cannot be signed (%s)",
                           rc == ERR_HSM        ? pki_hsm_why(ca->keys[issuer])
                           : rc == ERR_INTERNAL ? "key"
                                                : "out of memory");
    }
    rc = pki_ca_store_add(ca->store, &(struct pki_ca_record){ .serial = span_str(issued->serial),
                                                              .issuer = authority->id,
                                                              .spiffe_id = r->spiffe_id,
                                                              .dns = dns,
                                                              .not_before = issued->not_before,
                                                              .not_after = issued->not_after,
                                                              .issued_at = r->now_s,
                                                              .certificate = buf_span(der),
                                                              .from_csr = r->from_csr });
    if (!rc && !span_is_none(r->join_id)) {
        rc = pki_ca_join_take(ca->store, r->join_id, span_str(issued->serial), r->now_s);
    }
    return rc ? pki_ca_store_said_(ca, rc) : 0;
}

int pki_ca_issue(struct pki_ca *ca, const struct pki_ca_request *r, struct buf *certificate, struct pki_ca_issued *out)
{
    size_t issuer = pki_ca_newest_(ca, PKI_CA_ISSUING);
    int rc;
    if (issuer == SIZE_MAX || !ca->keys[issuer]) {
        return pki_ca_say_(ca, ERR_INTERNAL, "the issuing CA's key is locked");
    }
    if ((rc = check_names(ca, r)) || (rc = check_key(ca, r->key))) {
        return rc;
    }
    if (r->ttl < PKI_CA_TTL_MIN) {
        return pki_ca_say_(ca, ERR_CA_REFUSED, "the lifetime is shorter than %d seconds", PKI_CA_TTL_MIN);
    }
    struct pki_ca_issued issued = { .shortened = false };
    struct arena scratch;
    struct buf der;
    arena_init(&scratch, 0);
    buf_init(&der, 0);
    for (int i = 0; i < SERIAL_TRIES; i++) {
        buf_clear(&der);
        if ((rc = pki_ca_store_begin(ca->store))) {
            pki_ca_store_said_(ca, rc);
            break;
        }
        rc = sign_and_record(ca, r, issuer, &scratch, &der, &issued);
        if (rc) {
            pki_ca_store_abort(ca->store);
        } else if ((rc = pki_ca_store_commit(ca->store))) {
            pki_ca_store_said_(ca, rc);
        }
        if (rc != ERR_STORE_EXISTS) {
            break;
        }
    }
    if (!rc && !buf_append(certificate, buf_span(&der))) {
        rc = pki_ca_say_(ca, ERR_NOMEM, "out of memory");
    }
    if (!rc) {
        *out = issued;
    }
    buf_fini(&der);
    arena_fini(&scratch);
    return rc;
}

int pki_ca_revoke(struct pki_ca *ca, const struct span *serials, size_t n, int reason, int64_t now_s)
{
    int rc = pki_ca_store_begin(ca->store);
    if (rc) {
        return pki_ca_store_said_(ca, rc);
    }
    for (size_t i = 0; i < n; i++) {
        rc = pki_ca_store_revoke(ca->store, serials[i], now_s, reason);
        if (rc == ERR_STORE_EXISTS && n > 1) {
            rc = 0; // another process was faster
        }
        if (rc) {
            pki_ca_store_said_(ca, rc);
            pki_ca_store_abort(ca->store);
            return rc;
        }
    }
    rc = pki_ca_store_commit(ca->store);
    return rc ? pki_ca_store_said_(ca, rc) : 0;
}
