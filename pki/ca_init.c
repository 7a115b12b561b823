// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/base/file.h"
#include "pki/ca_parts.h"
#include "pki/hsm.h"
#include "pki/pem.h"
#include "pki/spiffe.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_MS 10000

// A CA in the making: what it is called, where it goes, and the place for the reason if it fails.
struct making {
    const char *dir; // that the files go to
    struct arena *arena;
    struct span trust_domain;
    const struct span *zones;
    size_t n_zones;
    struct span passphrase;
    struct span root_token, issuing_token; // SPAN_NONE: a file
    int64_t now_s;
    char *what;
    size_t what_n;
};

// A signing certificate and its key, before they are recorded.
struct signer {
    struct pki_key *key;
    struct span token_uri;  // where the key is; SPAN_NONE: to be written to a file
    struct buf certificate; // DER
    char serial[PKI_SERIAL_TEXT];
    int64_t not_before, not_after;
};

static int say(const struct making *m, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int say(const struct making *m, int rc, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(m->what, m->what_n, fmt, ap);
    va_end(ap);
    return rc;
}

static void signer_fini(struct signer *s)
{
    pki_key_free(s->key);
    buf_fini(&s->certificate);
}

// ---- files

static int fail_file(const struct making *m, const char *path, int e)
{
    return say(m, ERR_STORE_FAILED, "%s: %s", path, strerror(e));
}

static int write_file(const struct making *m, const char *folder, const char *name, struct span content)
{
    struct span path = arena_printf(m->arena, "%s/%s%s%s", m->dir, folder, *folder ? "/" : "", name);
    if (span_is_none(path)) {
        return say(m, ERR_NOMEM, "out of memory");
    }
    int e = file_write(path.p, content, 0600);
    return e ? fail_file(m, path.p, -e) : 0;
}

static int make_folder(const struct making *m, const char *name)
{
    struct span path = arena_printf(m->arena, "%s/%s", m->dir, name);
    if (span_is_none(path)) {
        return say(m, ERR_NOMEM, "out of memory");
    }
    return mkdir(path.p, 0700) == 0 ? 0 : fail_file(m, path.p, errno);
}

static int write_key(const struct making *m, const char *folder, const struct signer *s)
{
    struct buf pem;
    buf_init(&pem, 0);
    int rc = pki_key_write_private(s->key, m->passphrase, &pem);
    rc = rc ? say(m, rc, "the key cannot be written as PEM") : write_file(m, folder, "key.pem", buf_span(&pem));
    buf_wipe(&pem);
    return rc;
}

static int write_signer(const struct making *m, const char *folder, const struct signer *s)
{
    struct buf pem;
    buf_init(&pem, 0);
    int rc = span_is_none(s->token_uri) ? write_key(m, folder, s) : 0;
    if (!rc) {
        pki_pem_write(&pem, SPAN("CERTIFICATE"), buf_span(&s->certificate));
        rc = pem.failed ? say(m, ERR_NOMEM, "out of memory") : write_file(m, folder, "cert.pem", buf_span(&pem));
    }
    buf_fini(&pem);
    return rc;
}

static int sync_folder(const struct making *m, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), e = 0;
    if (fd < 0 || fsync(fd) != 0) {
        e = errno;
    }
    if (fd >= 0) {
        close(fd);
    }
    return e && e != EINVAL ? fail_file(m, path, e) : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

// ---- signing

// A key for a CA of that common name: in the token if there is one, under the trust domain and the name.
static int make_key(const struct making *m, struct span token, struct span name, struct signer *s)
{
    if (span_is_none(token)) {
        s->key = pki_key_generate(PKI_KEY_P256, 0);
        return s->key ? 0 : say(m, ERR_NOMEM, "no memory or entropy for a key");
    }
    // The trust domain may be long, an object's name not; the number in the common name is what makes it one of its own.
    struct span object =
        arena_printf(m->arena, "%.*s %.*s", SPAN_FMT(span_sub(m->trust_domain, 0, 80)), SPAN_FMT(name));
    struct buf uri;
    const char *why = "out of memory";
    buf_init(&uri, 0);
    int rc = span_is_none(object) ? ERR_NOMEM : pki_hsm_with_object(token, object, &uri, &why);
    if (!rc) {
        s->token_uri = arena_dup(m->arena, buf_span(&uri));
        rc = span_is_none(s->token_uri) ? ERR_NOMEM : pki_hsm_generate(s->token_uri, PKI_KEY_P256, &s->key, &why);
    }
    if (rc) {
        s->token_uri = SPAN_NONE; // nothing there that is ours
    }
    buf_fini(&uri);
    return rc ? say(m, rc, "a key in the PKCS#11 token: %s", why) : 0;
}

// A key that nothing will refer to.
static void drop_token_key(const struct signer *s)
{
    const char *why;
    if (!span_is_none(s->token_uri)) {
        pki_hsm_remove(s->token_uri, &why);
    }
}

// `issuer` NULL: self-signed.
static int make_signer(const struct making *m, const struct signer *issuer, int64_t not_after, struct signer *s)
{
    struct pki_x509_view view = { .subject = SPAN_NONE };
    uint8_t serial[PKI_SERIAL];
    if (issuer && pki_x509_view(buf_span(&issuer->certificate), &view) != 0) {
        return say(m, ERR_INTERNAL, "the root's certificate does not read back");
    }
    pki_serial_new(serial);
    for (size_t i = 0; i < PKI_SERIAL; i++) {
        snprintf(s->serial + 2 * i, 3, "%02x", serial[i]);
    }
    // A part of the serial in the name: two CAs of one trust domain never have the same.
    struct span name = arena_printf(m->arena, "Sallyport %s CA %.8s", issuer ? "issuing" : "root", s->serial);
    struct span uri = arena_printf(m->arena, "spiffe://%.*s", SPAN_FMT(m->trust_domain));
    if (span_is_none(name) || span_is_none(uri)) {
        return say(m, ERR_NOMEM, "out of memory");
    }
    int rc = make_key(m, issuer ? m->issuing_token : m->root_token, name, s);
    if (rc) {
        return rc;
    }
    s->not_before = m->now_s - PKI_CA_BACKDATE;
    if (issuer && s->not_before < view.not_before) {
        s->not_before = view.not_before;
    }
    s->not_after = issuer && not_after > view.not_after ? view.not_after : not_after;
    rc = pki_x509_make(&(struct pki_x509_plan){ .ca = true,
                                                .path_length = issuer ? 0 : 1,
                                                .serial = serial,
                                                .trust_domain = m->trust_domain,
                                                .common_name = name,
                                                .uri = uri,
                                                .dns = m->zones,
                                                .n_dns = m->n_zones,
                                                .not_before = s->not_before,
                                                .not_after = s->not_after,
                                                .subject_key = s->key,
                                                .issuer_key = issuer ? issuer->key : s->key,
                                                .issuer = view.subject },
                       &s->certificate);
    return rc ? say(m, rc, "the CA's certificate cannot be signed%s%s", rc == ERR_HSM ? ": " : "",
                    rc == ERR_HSM ? pki_hsm_why(issuer ? issuer->key : s->key) : "")
              : 0;
}

static int record_signer(const struct making *m, struct pki_ca_store *store, const struct signer *s,
                         enum pki_ca_kind kind, const char *folder, int64_t issuer, int64_t *id)
{
    struct span file = span_is_none(s->token_uri) ? arena_printf(m->arena, "%s/key.pem", folder) : s->token_uri;
    struct span uri = arena_printf(m->arena, "spiffe://%.*s", SPAN_FMT(m->trust_domain));
    if (span_is_none(file) || span_is_none(uri)) {
        return say(m, ERR_NOMEM, "out of memory");
    }
    int rc = pki_ca_store_add_authority(
        store,
        &(struct pki_ca_authority){
            .kind = kind, .certificate = buf_span(&s->certificate), .key_file = file, .not_after = s->not_after },
        id);
    // The root revokes issuing CAs, so they are in its list; nobody revokes a root.
    if (!rc && kind == PKI_CA_ISSUING) {
        rc = pki_ca_store_add(store, &(struct pki_ca_record){ .serial = span_str(s->serial),
                                                              .issuer = issuer,
                                                              .spiffe_id = uri,
                                                              .dns = SPAN(""),
                                                              .not_before = s->not_before,
                                                              .not_after = s->not_after,
                                                              .issued_at = m->now_s,
                                                              .certificate = buf_span(&s->certificate),
                                                              .ca = true });
    }
    return rc ? say(m, rc, "%s", pki_ca_store_what(store)) : 0;
}

// ---- init

static struct span join(struct arena *a, const struct span *names, size_t n)
{
    struct span all = SPAN("");
    for (size_t i = 0; i < n; i++) {
        all = i ? arena_printf(a, "%.*s\n%.*s", SPAN_FMT(all), SPAN_FMT(names[i])) : arena_dup(a, names[0]);
    }
    return all;
}

static int make_registry(const struct making *m, const struct signer *root, const struct signer *issuing)
{
    struct pki_ca_store *store = NULL;
    struct span path = arena_printf(m->arena, "%s/ca.db", m->dir), zones = join(m->arena, m->zones, m->n_zones);
    int64_t root_id, issuing_id;
    if (span_is_none(path) || span_is_none(zones)) {
        return say(m, ERR_NOMEM, "out of memory");
    }
    int rc = pki_ca_store_create(path.p, &store);
    if (!rc) {
        rc = pki_ca_store_begin(store);
    }
    if (!rc && !(rc = pki_ca_store_put_setting(store, "trust_domain", m->trust_domain)) &&
        !(rc = pki_ca_store_put_setting(store, "dns_zones", zones))) {
        rc = pki_ca_store_put_setting(store, "sequence", SPAN("1"));
    }
    if (rc) {
        rc = say(m, rc, "%s", store ? pki_ca_store_what(store) : "out of memory");
    } else if (!(rc = record_signer(m, store, root, PKI_CA_ROOT, "root", 0, &root_id)) &&
               !(rc = record_signer(m, store, issuing, PKI_CA_ISSUING, "issuing", root_id, &issuing_id)) &&
               (rc = pki_ca_store_commit(store))) {
        rc = say(m, rc, "%s", pki_ca_store_what(store));
    }
    pki_ca_store_close(store);
    return rc;
}

// The root's first CRL: so that `ca crl` has one to publish from the day the root's key is taken away.
static int make_root_crl(const struct making *m)
{
    struct pki_ca *ca = NULL;
    int rc = pki_ca_open(m->dir, BUSY_MS, &ca, m->what, m->what_n);
    if (!rc && ((rc = pki_ca_unlock(ca, PKI_CA_ROOT, NULL, m->passphrase, m->now_s)) ||
                (rc = pki_ca_sign_crl(ca, PKI_CA_ROOT, PKI_CA_ROOT_CRL_TTL, m->now_s)))) {
        say(m, rc, "%s", pki_ca_what(ca));
    }
    pki_ca_close(ca);
    return rc;
}

static int fill(const struct making *m, int64_t root_ttl, int64_t issuing_ttl, struct signer *root,
                struct signer *issuing)
{
    struct buf bundle;
    int rc;
    buf_init(&bundle, 0);
    if ((rc = make_signer(m, NULL, m->now_s + root_ttl, root)) ||
        (rc = make_signer(m, root, m->now_s + issuing_ttl, issuing)) || (rc = make_folder(m, "root")) ||
        (rc = make_folder(m, "issuing")) || (rc = write_signer(m, "root", root)) ||
        (rc = write_signer(m, "issuing", issuing))) {
        goto done;
    }
    pki_pem_write(&bundle, SPAN("CERTIFICATE"), buf_span(&root->certificate));
    if ((rc =
             bundle.failed ? say(m, ERR_NOMEM, "out of memory") : write_file(m, "", "bundle.pem", buf_span(&bundle))) ||
        (rc = make_registry(m, root, issuing)) || (rc = make_root_crl(m)) || (rc = sync_folder(m, m->dir))) {
        goto done;
    }
done:
    buf_fini(&bundle);
    return rc;
}

static int check(const struct making *m, int64_t root_ttl, int64_t issuing_ttl)
{
    const char *why;
    if (!pki_spiffe_trust_domain_ok(m->trust_domain)) {
        return say(m, ERR_CA_REFUSED, "'%.*s' is no trust domain; write a lower-case name like example.org",
                   SPAN_FMT(span_sub(m->trust_domain, 0, 120)));
    }
    if ((!span_is_none(m->root_token) && pki_hsm_check_uri(m->root_token, false, &why) != 0) ||
        (!span_is_none(m->issuing_token) && pki_hsm_check_uri(m->issuing_token, false, &why) != 0)) {
        return say(m, ERR_HSM, "%s", why);
    }
    for (size_t i = 0; i < m->n_zones; i++) {
        if (!pki_ca_dns_ok_(m->zones[i], &why)) {
            return say(m, ERR_CA_REFUSED, "DNS zone '%.*s' %s", SPAN_FMT(span_sub(m->zones[i], 0, 120)), why);
        }
    }
    if (issuing_ttl < 3600 || root_ttl < issuing_ttl || root_ttl > 100 * 366 * 86400LL) {
        return say(m, ERR_CA_REFUSED,
                   "the root lives at most 100 years, the issuing CA at least an hour and no longer than the root");
    }
    return 0;
}

// 0 when the place is free: nothing there, or an empty directory.
static int check_place(const struct making *m, const char *dir)
{
    if (rmdir(dir) == 0 || errno == ENOENT) {
        return 0;
    }
    int e = errno;
    struct span db = arena_printf(m->arena, "%s/ca.db", dir);
    if (!span_is_none(db) && access(db.p, F_OK) == 0) {
        return say(m, ERR_STORE_EXISTS, "%s holds a CA already; nothing was changed", dir);
    }
    if (e == ENOTEMPTY || e == EEXIST || e == ENOTDIR) {
        return say(m, ERR_STORE_EXISTS, "%s exists and is not an empty folder; nothing was changed", dir);
    }
    return say(m, ERR_STORE_FAILED, "%s: %s", dir,
               e == EBUSY ? "this is a mount point; name a folder inside it" : strerror(e));
}

int pki_ca_init(const struct pki_ca_init *o, char *what, size_t what_n)
{
    struct arena arena;
    arena_init(&arena, 0);
    struct making m = { .arena = &arena,
                        .trust_domain = o->trust_domain,
                        .zones = o->dns_zones,
                        .n_zones = o->n_dns_zones,
                        .passphrase = o->passphrase,
                        .root_token = o->root_token,
                        .issuing_token = o->issuing_token,
                        .now_s = o->now_s,
                        .what = what,
                        .what_n = what_n };
    int64_t root_ttl = o->root_ttl ? o->root_ttl : PKI_CA_ROOT_TTL,
            issuing_ttl = o->issuing_ttl ? o->issuing_ttl : PKI_CA_ISSUING_TTL;
    struct span place = span_str(o->dir);
    while (place.n > 1 && place.p[place.n - 1] == '/') {
        place.n--;
    }
    struct signer root = { .token_uri = SPAN_NONE }, issuing = { .token_uri = SPAN_NONE };
    buf_init(&root.certificate, 0);
    buf_init(&issuing.certificate, 0);
    struct span dir = arena_dup(&arena, place), made = arena_printf(&arena, "%.*s.new-XXXXXX", SPAN_FMT(place));
    int rc = check(&m, root_ttl, issuing_ttl);
    if (!rc && (span_is_none(dir) || span_is_none(made))) {
        rc = say(&m, ERR_NOMEM, "out of memory");
    }
    if (rc || (rc = check_place(&m, dir.p))) {
        goto done;
    }
    if (!mkdtemp((char *)(uintptr_t)made.p)) { // mode 0700
        rc = fail_file(&m, dir.p, errno);
        goto done;
    }
    m.dir = made.p;
    rc = fill(&m, root_ttl, issuing_ttl, &root, &issuing);
    // Fails when somebody else made a CA there meanwhile: a non-empty directory is never replaced.
    if (!rc && rename(made.p, dir.p) != 0) {
        rc = errno == ENOTEMPTY || errno == EEXIST
                 ? say(&m, ERR_STORE_EXISTS, "%s holds a CA already; nothing was changed", dir.p)
                 : fail_file(&m, dir.p, errno);
    }
    if (rc) {
        remove_tree(made.p);
        drop_token_key(&issuing);
        drop_token_key(&root);
        goto done;
    }
    struct span up = span_sub(dir, 0, dir.n);
    while (up.n > 0 && up.p[up.n - 1] != '/') {
        up.n--;
    }
    struct span parent = up.n ? arena_dup(&arena, up) : SPAN(".");
    if (!span_is_none(parent)) {
        rc = sync_folder(&m, parent.p);
    }
done:
    signer_fini(&root);
    signer_fini(&issuing);
    arena_fini(&arena);
    return rc;
}

// ---- a new issuing CA

// Fills `root` with the unlocked root's key and certificate, both borrowed.
static int borrow_root(struct pki_ca *ca, struct signer *root, int64_t *root_id)
{
    size_t at = pki_ca_newest_(ca, PKI_CA_ROOT);
    if (at == SIZE_MAX || !ca->keys[at]) {
        return pki_ca_say_(ca, ERR_INTERNAL, "the root's key is locked");
    }
    root->key = ca->keys[at];
    *root_id = ca->authorities[at].id;
    return buf_append(&root->certificate, ca->authorities[at].certificate)
               ? 0
               : pki_ca_say_(ca, ERR_NOMEM, "out of memory");
}

// The folder is complete before the registry names it; a kill in between leaves a folder that nothing refers to.
static int place_issuing(struct pki_ca *ca, const struct making *m, const struct signer *s, int64_t root_id)
{
    int64_t id;
    struct span folder = arena_printf(m->arena, "issuing-%.8s", s->serial);
    int rc = span_is_none(folder) ? pki_ca_say_(ca, ERR_NOMEM, "out of memory") : 0;
    if (rc || (rc = make_folder(m, folder.p)) || (rc = write_signer(m, folder.p, s)) || (rc = sync_folder(m, m->dir))) {
        return rc;
    }
    if ((rc = pki_ca_store_begin(ca->store))) {
        return pki_ca_store_said_(ca, rc);
    }
    if ((rc = record_signer(m, ca->store, s, PKI_CA_ISSUING, folder.p, root_id, &id))) {
        pki_ca_store_abort(ca->store);
        return rc;
    }
    rc = pki_ca_store_commit(ca->store);
    return rc ? pki_ca_store_said_(ca, rc) : 0;
}

int pki_ca_renew_issuing(struct pki_ca *ca, int64_t ttl, struct span passphrase, int64_t now_s)
{
    struct span zones[64];
    struct making m = { .dir = ca->dir,
                        .arena = &ca->arena,
                        .trust_domain = ca->trust_domain,
                        .zones = zones,
                        .passphrase = passphrase,
                        .now_s = now_s,
                        .what = ca->what,
                        .what_n = sizeof ca->what };
    struct signer root = { .token_uri = SPAN_NONE }, issuing = { .token_uri = SPAN_NONE };
    size_t old = pki_ca_newest_(ca, PKI_CA_ISSUING);
    if (old != SIZE_MAX && pki_hsm_is_uri(ca->authorities[old].key_file)) {
        m.issuing_token = ca->authorities[old].key_file; // its object is replaced
    }
    int64_t root_id = 0;
    for (struct span rest = ca->dns_zones.n ? ca->dns_zones : SPAN_NONE; !span_is_none(rest) && m.n_zones < 64;) {
        zones[m.n_zones++] = span_cut(&rest, '\n');
    }
    buf_init(&root.certificate, 0);
    buf_init(&issuing.certificate, 0);
    int rc = borrow_root(ca, &root, &root_id);
    if (!rc && ttl < 3600) {
        rc = pki_ca_say_(ca, ERR_CA_REFUSED, "an issuing CA lives at least an hour");
    }
    if (!rc &&
        ((rc = make_signer(&m, &root, now_s + ttl, &issuing)) || (rc = place_issuing(ca, &m, &issuing, root_id)))) {
        drop_token_key(&issuing);
    } else if (!rc && !(rc = pki_ca_reload_(ca))) {
        ca->keys[pki_ca_newest_(ca, PKI_CA_ISSUING)] = issuing.key;
        issuing.key = NULL; // the CA's now
    }
    root.key = NULL;
    signer_fini(&root);
    signer_fini(&issuing);
    return rc;
}
