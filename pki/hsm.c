// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/hsm.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/secret.h"
#include "pki/digest.h"
#include "pki/hsm_token.h"
#include "pki/key_wc.h"

#define FOUND_MAX 16
#define ID_MADE 16 // octets of a CKA_ID that is made here

// How PKCS#11 calls our keys (PKCS#11 3.1 §6.3). Ed25519 has two names for its curve, and tokens that take only one.
static const struct kind {
    enum pki_key_type type;
    enum pki_alg alg;
    CK_KEY_TYPE key_type;
    CK_MECHANISM_TYPE make, sign;
    struct span curve, other_curve; // CKA_EC_PARAMS, DER
    size_t point;                   // octets: 04 || X || Y, or the 32 of RFC 8032
} kinds[] = {
    { PKI_KEY_P256,
      PKI_ES256,
      CKK_EC,
      CKM_EC_KEY_PAIR_GEN,
      CKM_ECDSA,
      { "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10 },
      { NULL, 0 },
      65 },
    { PKI_KEY_P384,
      PKI_ES384,
      CKK_EC,
      CKM_EC_KEY_PAIR_GEN,
      CKM_ECDSA,
      { "\x06\x05\x2b\x81\x04\x00\x22", 7 },
      { NULL, 0 },
      97 },
    { PKI_KEY_ED25519,
      PKI_EDDSA,
      HSM_CKK_EC_EDWARDS,
      HSM_CKM_EC_EDWARDS_KEY_PAIR_GEN,
      HSM_CKM_EDDSA,
      { "\x06\x03\x2b\x65\x70", 5 },
      { "\x13\x0c"
        "edwards25519",
        14 },
      32 },
};

struct pki_hsm_key {
    struct pki_hsm_uri uri;
    const struct kind *kind;
    struct pki_hsm_session session;
    CK_OBJECT_HANDLE object;
    bool each_login; // CKA_ALWAYS_AUTHENTICATE
    bool dead;       // a wrong PIN: no more tries
    const char *why;
};

static int fail(const char **what, const char *text)
{
    *what = text;
    return ERR_HSM;
}

static int no_memory(const char **what)
{
    *what = "out of memory";
    return ERR_NOMEM;
}

// ---- finding

static int find_private(const struct pki_hsm_session *s, const struct pki_hsm_uri *u, CK_OBJECT_HANDLE *out,
                        const char **what)
{
    CK_OBJECT_HANDLE found[2];
    size_t n;
    int rc = pki_hsm_find_(s, CKO_PRIVATE_KEY, u->object, u->id, found, 2, &n, what);
    if (rc)
        return rc;
    if (n == 0)
        return fail(what, "the token has no private key of that name");
    if (n > 1)
        return fail(what, "the token has more than one private key of that name; add id= to the URI");
    *out = found[0];
    return 0;
}

// The public key is the object with the private one's id, or of its name; some tokens have the point in the private one.
static CK_OBJECT_HANDLE find_public(const struct pki_hsm_session *s, const struct pki_hsm_uri *u,
                                    CK_OBJECT_HANDLE private)
{
    CK_OBJECT_HANDLE found[1];
    unsigned char id[256];
    size_t id_n = 0, n = 0;
    const char *what;
    bool has_id = pki_hsm_get_(s, private, CKA_ID, id, sizeof id, &id_n) && id_n > 0;
    if (has_id && pki_hsm_find_(s, CKO_PUBLIC_KEY, SPAN_NONE, span_of(id, id_n), found, 1, &n, &what) == 0 && n > 0)
        return found[0];
    if (pki_hsm_find_(s, CKO_PUBLIC_KEY, u->object, u->id, found, 1, &n, &what) == 0 && n > 0)
        return found[0];
    return private;
}

static const struct kind *kind_of(const struct pki_hsm_session *s, CK_OBJECT_HANDLE object)
{
    CK_KEY_TYPE type;
    unsigned char curve[64];
    size_t n, curve_n;
    if (!pki_hsm_get_(s, object, CKA_KEY_TYPE, &type, sizeof type, &n) || n != sizeof type ||
        !pki_hsm_get_(s, object, CKA_EC_PARAMS, curve, sizeof curve, &curve_n))
        return NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].key_type == type &&
            (span_eq(span_of(curve, curve_n), kinds[i].curve) ||
             (kinds[i].other_curve.p && span_eq(span_of(curve, curve_n), kinds[i].other_curve))))
            return &kinds[i];
    return NULL;
}

// CKA_EC_POINT is the point inside an OCTET STRING; older tokens give it bare, newer ones an Edwards point in a BIT STRING.
static struct span point_of(struct span raw, size_t want)
{
    struct span octets = SPAN("\x04"), bits = SPAN("\x03");
    if (raw.n == want)
        return raw;
    if (raw.n == want + 2 && span_starts(raw, octets) && (size_t)(unsigned char)raw.p[1] == want)
        return span_sub(raw, 2, raw.n);
    if (raw.n == want + 3 && span_starts(raw, bits) && (size_t)(unsigned char)raw.p[1] == want + 1 && raw.p[2] == 0)
        return span_sub(raw, 3, raw.n);
    return SPAN_NONE;
}

static int read_public(const struct pki_hsm_session *s, CK_OBJECT_HANDLE object, const struct kind *kind,
                       struct pki_key **out, const char **what)
{
    unsigned char raw[256];
    size_t n;
    if (!pki_hsm_get_(s, object, CKA_EC_POINT, raw, sizeof raw, &n))
        return fail(what, "the token has no public key beside the private one");
    struct span point = point_of(span_of(raw, n), kind->point);
    if (span_is_none(point) || (kind->type != PKI_KEY_ED25519 && point.p[0] != 0x04))
        return fail(what, "the public key in the token is malformed");
    struct pki_key *k = pki_key_alloc_(kind->type, false);
    if (!k)
        return no_memory(what);
    size_t half = (kind->point - 1) / 2;
    int rc = kind->type == PKI_KEY_ED25519
                 ? pki_key_set_ed_(k, point, true)
                 : pki_key_set_ec_(k, span_sub(point, 1, 1 + half), span_sub(point, 1 + half, point.n), true);
    if (rc) {
        pki_key_free(k);
        return fail(what, "the public key in the token is no point of its curve");
    }
    *out = k;
    return 0;
}

// ---- signing

static CK_RV sign_once(struct pki_hsm_key *h, struct span data, unsigned char *to, size_t n, const char **what)
{
    CK_MECHANISM mechanism = { h->kind->sign, NULL, 0 };
    CK_FUNCTION_LIST *f = h->session.f;
    CK_ULONG got = (CK_ULONG)n;
    CK_RV rv = f->C_SignInit(h->session.handle, &mechanism, h->object);
    if (rv == CKR_OK && h->each_login && pki_hsm_login_again_(&h->session, &h->uri, &h->dead, what) != 0)
        return CKR_SIGNATURE_INVALID; // any that is not "lost": `what` is said
    if (rv == CKR_OK)
        rv = f->C_Sign(h->session.handle, (CK_BYTE *)(uintptr_t)data.p, (CK_ULONG)data.n, to, &got);
    if (rv == CKR_OK && got != n) {
        *what = "the token's signature has a length that this key does not give";
        return CKR_SIGNATURE_INVALID;
    }
    if (rv != CKR_OK)
        *what = pki_hsm_rv_(rv);
    return rv;
}

static int connect_again(struct pki_hsm_key *h, const char **what)
{
    struct pki_hsm_session s;
    pki_hsm_disconnect_(&h->session);
    int rc = pki_hsm_connect_(&h->uri, false, &s, &h->dead, what);
    if (!rc && (rc = find_private(&s, &h->uri, &h->object, what)))
        pki_hsm_disconnect_(&s);
    if (!rc)
        h->session = s;
    return rc;
}

int pki_hsm_sign_(const struct pki_key *k, struct span data, size_t n, struct buf *out)
{
    struct pki_hsm_key *h = k->hsm;
    int rc = 0;
    if (h->session.pid != getpid())
        return fail(&h->why, "the key was opened by the process that this one is a child of");
    if (h->dead)
        return ERR_HSM; // `why` has the word about the PIN
    unsigned char *to = (unsigned char *)buf_reserve(out, n);
    if (!to)
        return ERR_NOMEM;
    CK_RV rv = h->session.f ? sign_once(h, data, to, n, &h->why) : CKR_OK;
    if (!h->session.f || pki_hsm_rv_lost_(rv)) {
        rc = connect_again(h, &h->why);
        if (rc)
            return rc;
        rv = sign_once(h, data, to, n, &h->why);
    }
    if (rv != CKR_OK)
        return ERR_HSM;
    buf_commit(out, n);
    return 0;
}

int pki_hsm_refuse_(const struct pki_key *k, const char *why)
{
    return fail(&k->hsm->why, why);
}

const char *pki_hsm_why(const struct pki_key *k)
{
    return k->hsm && k->hsm->why ? k->hsm->why : "";
}

void pki_hsm_key_free_(struct pki_hsm_key *h)
{
    if (!h)
        return;
    pki_hsm_disconnect_(&h->session);
    pki_hsm_uri_fini_(&h->uri);
    free(h);
}

// ---- opening

// With a session and a URI in `h`: the objects, and one signature to see that the halves belong together and that the key may sign.
static int open_key(struct pki_hsm_key *h, struct pki_key **out, const char **what)
{
    struct pki_key *k = NULL;
    struct buf signature;
    int rc = find_private(&h->session, &h->uri, &h->object, what);
    if (rc)
        return rc;
    CK_OBJECT_HANDLE public = find_public(&h->session, &h->uri, h->object);
    h->kind = kind_of(&h->session, public);
    if (!h->kind)
        return fail(what, "the key in the token is not on P-256, P-384 or Ed25519");
    if ((rc = read_public(&h->session, public, h->kind, &k, what)))
        return rc;
    h->each_login = pki_hsm_flag_(&h->session, h->object, CKA_ALWAYS_AUTHENTICATE, false);
    k->is_private = true;
    k->hsm = h;
    buf_init(&signature, 0);
    rc = pki_key_sign(k, h->kind->alg, SPAN("a key pair in a token"), &signature);
    buf_fini(&signature);
    if (rc) {
        *what = rc == ERR_HSM ? h->why : "out of memory";
        k->hsm = NULL; // the caller's still
        pki_key_free(k);
        return rc;
    }
    *out = k;
    return 0;
}

int pki_hsm_open(struct span uri, struct pki_key **out, const char **what)
{
    int rc = pki_hsm_check_uri(uri, true, what);
    if (rc)
        return rc;
    struct pki_hsm_key *h = calloc(1, sizeof *h);
    if (!h)
        return no_memory(what);
    if ((rc = pki_hsm_uri_parse_(uri, &h->uri, what)) ||
        (rc = pki_hsm_connect_(&h->uri, false, &h->session, NULL, what)) || (rc = open_key(h, out, what)))
        pki_hsm_key_free_(h);
    return rc;
}

// ---- making and removing

static int count(const struct pki_hsm_session *s, struct span object, size_t *n, const char **what)
{
    CK_OBJECT_HANDLE found[FOUND_MAX];
    size_t more = 0;
    int rc = pki_hsm_find_(s, CKO_PRIVATE_KEY, object, SPAN_NONE, found, FOUND_MAX, n, what);
    if (!rc)
        rc = pki_hsm_find_(s, CKO_PUBLIC_KEY, object, SPAN_NONE, found, FOUND_MAX, &more, what);
    *n += more;
    return rc;
}

static CK_RV make_pair(const struct pki_hsm_session *s, const struct kind *kind, struct span curve, struct span label,
                       struct span id, CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_KEY_TYPE type = kind->key_type;
    CK_MECHANISM mechanism = { kind->make, NULL, 0 };
    void *label_p = (void *)(uintptr_t)label.p, *id_p = (void *)(uintptr_t)id.p;
    CK_ATTRIBUTE of_public[] = {
        { CKA_TOKEN, &yes, sizeof yes },
        { CKA_PRIVATE, &no, sizeof no },
        { CKA_KEY_TYPE, &type, sizeof type },
        { CKA_VERIFY, &yes, sizeof yes },
        { CKA_LABEL, label_p, label.n },
        { CKA_ID, id_p, id.n },
        { CKA_EC_PARAMS, (void *)(uintptr_t)curve.p, curve.n },
    };
    CK_ATTRIBUTE of_private[] = {
        { CKA_TOKEN, &yes, sizeof yes },     { CKA_PRIVATE, &yes, sizeof yes }, { CKA_KEY_TYPE, &type, sizeof type },
        { CKA_SIGN, &yes, sizeof yes },      { CKA_DERIVE, &no, sizeof no },    { CKA_SENSITIVE, &yes, sizeof yes },
        { CKA_EXTRACTABLE, &no, sizeof no }, { CKA_LABEL, label_p, label.n },   { CKA_ID, id_p, id.n },
    };
    return s->f->C_GenerateKeyPair(s->handle, &mechanism, of_public, sizeof of_public / sizeof *of_public, of_private,
                                   sizeof of_private / sizeof *of_private, public, private);
}

// What was asked for is looked up again: a token may have its own idea of a default.
static const char *flaw(const struct pki_hsm_session *s, CK_OBJECT_HANDLE private, struct span object)
{
    const char *what = NULL;
    size_t n = 0;
    if (!pki_hsm_flag_(s, private, CKA_SENSITIVE, false) || pki_hsm_flag_(s, private, CKA_EXTRACTABLE, true))
        return "the token made a key that can be taken out of it; it was removed";
    if (count(s, object, &n, &what) != 0)
        return what;
    return n == 2 ? NULL : "another process made a key of that name at the same time; ours was removed";
}

static int generate(const struct pki_hsm_session *s, const struct pki_hsm_uri *u, const struct kind *kind,
                    const char **what)
{
    unsigned char made[ID_MADE];
    CK_OBJECT_HANDLE public, private;
    struct span id = u->id;
    size_t n = 0;
    int rc = count(s, u->object, &n, what);
    if (rc)
        return rc;
    if (n > 0)
        return fail(what, "the token has a key of that name already");
    if (span_is_none(id)) {
        pki_random(made, sizeof made);
        id = span_of(made, sizeof made);
    }
    CK_RV rv = make_pair(s, kind, kind->curve, u->object, id, &public, &private);
    if (rv != CKR_OK && kind->other_curve.p)
        rv = make_pair(s, kind, kind->other_curve, u->object, id, &public, &private);
    if (rv != CKR_OK)
        return fail(what, pki_hsm_rv_(rv));
    const char *wrong = flaw(s, private, u->object);
    if (wrong) {
        s->f->C_DestroyObject(s->handle, private);
        s->f->C_DestroyObject(s->handle, public);
        return fail(what, wrong);
    }
    return 0;
}

static const struct kind *kind_for(enum pki_key_type type)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].type == type)
            return &kinds[i];
    return NULL;
}

static int destroy(const struct pki_hsm_session *s, CK_OBJECT_CLASS class, const struct pki_hsm_uri *u,
                   const char **what)
{
    CK_OBJECT_HANDLE found[FOUND_MAX];
    size_t n = 0;
    int rc = pki_hsm_find_(s, class, u->object, u->id, found, FOUND_MAX, &n, what);
    for (size_t i = 0; !rc && i < n; i++) {
        CK_RV rv = s->f->C_DestroyObject(s->handle, found[i]);
        if (rv != CKR_OK)
            rc = fail(what, pki_hsm_rv_(rv));
    }
    return rc;
}

int pki_hsm_generate(struct span uri, enum pki_key_type type, struct pki_key **out, const char **what)
{
    struct pki_hsm_uri u;
    struct pki_hsm_session s;
    const struct kind *kind = kind_for(type);
    if (!kind)
        return fail(what, "keys in a token are of P-256, P-384 or Ed25519");
    int rc = pki_hsm_uri_parse_(uri, &u, what);
    if (rc)
        return rc;
    if (span_is_none(u.object))
        rc = fail(what, "the URI has no object; write object=NAME for the new key");
    if (!rc && !(rc = pki_hsm_connect_(&u, true, &s, NULL, what))) {
        rc = generate(&s, &u, kind, what);
        // The key's own session is opened while this one keeps the user logged in. A key that cannot be used is not left there.
        if (!rc && (rc = pki_hsm_open(uri, out, what))) {
            const char *second;
            destroy(&s, CKO_PRIVATE_KEY, &u, &second);
            destroy(&s, CKO_PUBLIC_KEY, &u, &second);
        }
        pki_hsm_disconnect_(&s);
    }
    pki_hsm_uri_fini_(&u);
    return rc;
}

int pki_hsm_remove(struct span uri, const char **what)
{
    struct pki_hsm_uri u;
    struct pki_hsm_session s;
    int rc = pki_hsm_check_uri(uri, true, what);
    if (rc || (rc = pki_hsm_uri_parse_(uri, &u, what)))
        return rc;
    if (!(rc = pki_hsm_connect_(&u, true, &s, NULL, what))) {
        // The private half first: a public key that is left over harms nobody.
        if (!(rc = destroy(&s, CKO_PRIVATE_KEY, &u, what)))
            rc = destroy(&s, CKO_PUBLIC_KEY, &u, what);
        pki_hsm_disconnect_(&s);
    }
    pki_hsm_uri_fini_(&u);
    return rc;
}
