// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/cert.h"

#include "pki/der.h"
#include "pki/digest.h"

#define MAX_EXTENSIONS 32
#define MAX_NAMES 512 // of each kind: SANs, permitted and excluded subtrees

static const struct span oid_ec = SPAN("\x2a\x86\x48\xce\x3d\x02\x01");          // 1.2.840.10045.2.1
static const struct span oid_rsa = SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"); // 1.2.840.113549.1.1.1
static const struct span oid_p256 = SPAN("\x2a\x86\x48\xce\x3d\x03\x01\x07");    // 1.2.840.10045.3.1.7
static const struct span oid_p384 = SPAN("\x2b\x81\x04\x00\x22");                // 1.3.132.0.34
static const struct span oid_p521 = SPAN("\x2b\x81\x04\x00\x23");                // 1.3.132.0.35
static const struct span oid_policies = SPAN("\x55\x1d\x20");                    // 2.5.29.32
static const struct span oid_eku_any = SPAN("\x55\x1d\x25\x00");                 // 2.5.29.37.0

// The whole state of one parse: what fails names itself in `why`.
struct parse {
    struct pki_cert *c;
    struct arena *arena;
    const char *why;
    int error;
};

static bool fail(struct parse *p, int error, const char *why)
{
    p->error = error;
    p->why = why;
    return false;
}

static bool malformed(struct parse *p, const char *why)
{
    return fail(p, ERR_CERT_MALFORMED, why);
}

enum pki_sig pki_sig_parse(struct span algorithm)
{
    struct span content, oid, null;
    if (!pki_der_take(&algorithm, PKI_DER_SEQUENCE, &content) || algorithm.n != 0 ||
        !pki_der_take(&content, PKI_DER_OID, &oid))
        return PKI_SIG_UNKNOWN;
    bool bare = content.n == 0;
    bool with_null = pki_der_take(&content, PKI_DER_NULL, &null) && null.n == 0 && content.n == 0;
    // RFC 5758 §3.2 and RFC 8410 §3: no parameters; RFC 4055 §5: NULL (tolerated when absent).
    if (bare) {
        if (span_eq(oid, pki_oid_ec_sha256))
            return PKI_SIG_ECDSA_SHA256;
        if (span_eq(oid, pki_oid_ec_sha384))
            return PKI_SIG_ECDSA_SHA384;
        if (span_eq(oid, pki_oid_ec_sha512))
            return PKI_SIG_ECDSA_SHA512;
        if (span_eq(oid, pki_oid_ed25519))
            return PKI_SIG_ED25519;
    }
    if (bare || with_null) {
        if (span_eq(oid, pki_oid_rsa_sha256))
            return PKI_SIG_RSA_SHA256;
        if (span_eq(oid, pki_oid_rsa_sha384))
            return PKI_SIG_RSA_SHA384;
        if (span_eq(oid, pki_oid_rsa_sha512))
            return PKI_SIG_RSA_SHA512;
    }
    return PKI_SIG_UNKNOWN;
}

static bool parse_time(struct span *rest, int64_t *out)
{
    int tag;
    struct span content;
    return pki_der_next(rest, &tag, &content, NULL) && pki_der_read_time(tag, content, out);
}

// RFC 5280 §4.1.2.5.1: times before 2050 are UTCTime; either is read, as everybody does.
static bool parse_validity(struct parse *p, struct span v)
{
    if (!parse_time(&v, &p->c->not_before) || !parse_time(&v, &p->c->not_after) || v.n != 0)
        return malformed(p, "the validity does not parse");
    return true;
}

static bool parse_ec_key(struct parse *p, struct span curve, struct span bits)
{
    static const struct {
        const struct span *oid;
        enum pki_spki type;
        size_t bytes;
    } curves[] = { { &oid_p256, PKI_SPKI_P256, 32 },
                   { &oid_p384, PKI_SPKI_P384, 48 },
                   { &oid_p521, PKI_SPKI_P521, 66 } };
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++) {
        if (!span_eq(curve, *curves[i].oid))
            continue;
        if (bits.n != 1 + 2 * curves[i].bytes || bits.p[0] != 0x04)
            return malformed(p, "the public key is not an uncompressed point");
        p->c->key_type = curves[i].type;
        p->c->key = bits;
        return true;
    }
    return fail(p, ERR_CERT_WEAK, "the public key is on a curve that is not accepted");
}

static bool parse_rsa_key(struct parse *p, struct span bits)
{
    struct span all = bits, key, modulus, exponent, n, e;
    if (!pki_der_take(&all, PKI_DER_SEQUENCE, &key) || all.n != 0 || !pki_der_take(&key, PKI_DER_INTEGER, &modulus) ||
        !pki_der_take(&key, PKI_DER_INTEGER, &exponent) || key.n != 0 || !pki_der_positive(modulus, &n) ||
        !pki_der_positive(exponent, &e) || n.n == 0 || e.n == 0)
        return malformed(p, "the RSA public key does not parse");
    unsigned top = (unsigned char)n.p[0], lead = 0;
    while (lead < 8 && !(top & (0x80u >> lead)))
        lead++;
    if (n.n > 1024 + 1)
        return fail(p, ERR_CERT_WEAK, "the RSA key is longer than 8,192 bits");
    unsigned bit_count = (unsigned)n.n * 8 - lead;
    bool small_exponent = e.n == 1 || (e.n == 2); // below 65,537
    if (bit_count < 2048 || bit_count > 8192)
        return fail(p, ERR_CERT_WEAK, "the RSA key is not of 2,048 to 8,192 bits");
    if (small_exponent || e.n > 4 || !((unsigned char)e.p[e.n - 1] & 1))
        return fail(p, ERR_CERT_WEAK, "the RSA key's exponent is not an odd number from 65,537 to 4,294,967,295");
    p->c->key_type = PKI_SPKI_RSA;
    p->c->key = bits;
    p->c->rsa_bits = bit_count;
    return true;
}

static bool parse_spki(struct parse *p, struct span spki)
{
    struct span algorithm, bit_string, bits, oid, parameter = SPAN_NONE;
    if (!pki_der_take(&spki, PKI_DER_SEQUENCE, &algorithm) || !pki_der_take(&spki, PKI_DER_BIT_STRING, &bit_string) ||
        spki.n != 0 || !pki_der_bit_bytes(bit_string, &bits) || !pki_der_take(&algorithm, PKI_DER_OID, &oid))
        return malformed(p, "the public key does not parse");
    if (span_eq(oid, oid_ec)) {
        if (!pki_der_take(&algorithm, PKI_DER_OID, &parameter) || algorithm.n != 0)
            return malformed(p, "the public key does not name its curve");
        return parse_ec_key(p, parameter, bits);
    }
    if (span_eq(oid, oid_rsa)) {
        if (!pki_der_take(&algorithm, PKI_DER_NULL, &parameter) || parameter.n != 0 || algorithm.n != 0)
            return malformed(p, "the RSA key's parameters are not NULL");
        return parse_rsa_key(p, bits);
    }
    if (span_eq(oid, pki_oid_ed25519)) {
        if (algorithm.n != 0 || bits.n != 32)
            return malformed(p, "the Ed25519 key is not 32 bytes");
        p->c->key_type = PKI_SPKI_ED25519;
        p->c->key = bits;
        return true;
    }
    return fail(p, ERR_CERT_WEAK, "the public key is of a type that is not accepted");
}

static bool has_nul_or_high(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == 0 || (unsigned char)s.p[i] > 0x7f)
            return true;
    return false;
}

// One GeneralName. A directory name is [4] EXPLICIT, the others are IMPLICIT.
static bool parse_general_name(struct parse *p, struct span *rest, struct pki_general_name *out)
{
    int tag;
    struct span content;
    if (!pki_der_next(rest, &tag, &content, NULL) || (tag & 0xc0) != 0x80 || (tag & 0x1f) > PKI_NAME_RID)
        return malformed(p, "a general name does not parse");
    enum pki_name_type type = (enum pki_name_type)(tag & 0x1f);
    bool constructed = (tag & 0x20) != 0;
    bool wants_constructed =
        type == PKI_NAME_OTHER || type == PKI_NAME_X400 || type == PKI_NAME_DIRECTORY || type == PKI_NAME_EDI;
    if (constructed != wants_constructed)
        return malformed(p, "a general name does not parse");
    if (type == PKI_NAME_EMAIL || type == PKI_NAME_DNS || type == PKI_NAME_URI) {
        if (has_nul_or_high(content)) // IA5String; a NUL would end the name for a C reader
            return malformed(p, "a name holds bytes outside ASCII, or NUL");
    } else if (type == PKI_NAME_DIRECTORY) {
        struct span inner = content, name;
        if (!pki_der_take(&inner, PKI_DER_SEQUENCE, &name) || inner.n != 0)
            return malformed(p, "a directory name does not parse");
    }
    *out = (struct pki_general_name){ .type = type, .value = content };
    return true;
}

// Room for as many names as `list` has elements.
static bool make_room(struct parse *p, struct span list, struct pki_general_name **names)
{
    size_t n = 0;
    int tag;
    struct span content;
    while (list.n) {
        if (!pki_der_next(&list, &tag, &content, NULL))
            return malformed(p, "a list of names does not parse");
        n++;
    }
    if (n == 0 || n > MAX_NAMES)
        return malformed(p, n ? "too many names in one extension" : "a list of names is empty");
    *names = arena_array(p->arena, n, sizeof **names);
    return *names ? true : fail(p, ERR_NOMEM, "out of memory");
}

static bool ext_san(struct parse *p, struct span v, bool critical)
{
    (void)critical;
    struct span names;
    if (!pki_der_take(&v, PKI_DER_SEQUENCE, &names) || v.n != 0)
        return malformed(p, "the subject alternative names do not parse");
    if (!make_room(p, names, &p->c->names))
        return false;
    while (names.n) {
        struct pki_general_name name;
        if (!parse_general_name(p, &names, &name))
            return false;
        if (name.type == PKI_NAME_IP && name.value.n != 4 && name.value.n != 16)
            return malformed(p, "an IP address is not 4 or 16 bytes");
        if ((name.type == PKI_NAME_DNS || name.type == PKI_NAME_URI || name.type == PKI_NAME_EMAIL) &&
            name.value.n == 0)
            return malformed(p, "a subject alternative name is empty");
        p->c->names[p->c->names_n++] = name;
    }
    return true;
}

static bool ext_basic(struct parse *p, struct span v, bool critical)
{
    struct span seq, content;
    if (!pki_der_take(&v, PKI_DER_SEQUENCE, &seq) || v.n != 0)
        return malformed(p, "the basic constraints do not parse");
    if (pki_der_peek(seq, PKI_DER_BOOLEAN)) {
        if (!pki_der_take(&seq, PKI_DER_BOOLEAN, &content) || content.n != 1)
            return malformed(p, "the basic constraints do not parse");
        // FALSE is the default and DER leaves it out; some issuers write it all the same, and it is the safe value.
        if ((unsigned char)content.p[0] != 0xff && content.p[0] != 0)
            return malformed(p, "the basic constraints' CA flag is not DER");
        p->c->ca = content.p[0] != 0;
    }
    if (pki_der_peek(seq, PKI_DER_INTEGER)) {
        struct span n;
        if (!pki_der_take(&seq, PKI_DER_INTEGER, &content) || !pki_der_positive(content, &n) || n.n > 1 || !p->c->ca)
            return malformed(p, "the path length constraint does not parse");
        p->c->path_len = n.n ? (unsigned char)n.p[0] : 0;
    }
    if (seq.n != 0)
        return malformed(p, "the basic constraints do not parse");
    p->c->has_basic = true;
    p->c->basic_critical = critical;
    return true;
}

static bool ext_key_usage(struct parse *p, struct span v, bool critical)
{
    struct span bits;
    if (!pki_der_take(&v, PKI_DER_BIT_STRING, &bits) || v.n != 0 || bits.n < 2 || bits.n > 3 ||
        (unsigned char)bits.p[0] > 7)
        return malformed(p, "the key usage does not parse");
    unsigned unused = (unsigned char)bits.p[0];
    unsigned last = (unsigned char)bits.p[bits.n - 1];
    if (last & ((1u << unused) - 1))
        return malformed(p, "the key usage does not parse");
    for (size_t i = 1; i < bits.n; i++)
        for (unsigned b = 0; b < 8; b++)
            if ((unsigned char)bits.p[i] & (0x80u >> b))
                p->c->usage |= 1u << ((i - 1) * 8 + b);
    p->c->has_usage = true;
    p->c->usage_critical = critical;
    return true;
}

static bool ext_extended_usage(struct parse *p, struct span v, bool critical)
{
    (void)critical;
    struct span oids, oid;
    if (!pki_der_take(&v, PKI_DER_SEQUENCE, &oids) || v.n != 0 || oids.n == 0)
        return malformed(p, "the extended key usage does not parse");
    while (oids.n) {
        if (!pki_der_take(&oids, PKI_DER_OID, &oid))
            return malformed(p, "the extended key usage does not parse");
        if (span_eq(oid, pki_oid_server_auth))
            p->c->eku |= PKI_EKU_SERVER;
        else if (span_eq(oid, pki_oid_client_auth))
            p->c->eku |= PKI_EKU_CLIENT;
        else if (span_eq(oid, oid_eku_any))
            p->c->eku |= PKI_EKU_ANY;
        else
            p->c->eku |= PKI_EKU_OTHER;
    }
    p->c->has_eku = true;
    return true;
}

static bool parse_subtrees(struct parse *p, struct span trees, struct pki_general_name **list, size_t *n)
{
    if (!make_room(p, trees, list))
        return false;
    while (trees.n) {
        struct span tree;
        struct pki_general_name name;
        if (!pki_der_take(&trees, PKI_DER_SEQUENCE, &tree) || !parse_general_name(p, &tree, &name))
            return malformed(p, "the name constraints do not parse");
        if (tree.n != 0) // minimum is 0 by default and maximum absent (RFC 5280 §4.2.1.10)
            return malformed(p, "a name constraint has a minimum or maximum");
        (*list)[(*n)++] = name;
    }
    return true;
}

static bool ext_name_constraints(struct parse *p, struct span v, bool critical)
{
    (void)critical; // applied either way
    struct span seq, trees;
    if (!pki_der_take(&v, PKI_DER_SEQUENCE, &seq) || v.n != 0 || seq.n == 0)
        return malformed(p, "the name constraints do not parse");
    if (pki_der_peek(seq, PKI_DER_CONTEXT_CONSTRUCTED(0)) &&
        (!pki_der_take(&seq, PKI_DER_CONTEXT_CONSTRUCTED(0), &trees) ||
         !parse_subtrees(p, trees, &p->c->permitted, &p->c->permitted_n)))
        return p->error ? false : malformed(p, "the name constraints do not parse");
    if (pki_der_peek(seq, PKI_DER_CONTEXT_CONSTRUCTED(1)) &&
        (!pki_der_take(&seq, PKI_DER_CONTEXT_CONSTRUCTED(1), &trees) ||
         !parse_subtrees(p, trees, &p->c->excluded, &p->c->excluded_n)))
        return p->error ? false : malformed(p, "the name constraints do not parse");
    if (seq.n != 0)
        return malformed(p, "the name constraints do not parse");
    return true;
}

static bool ext_skid(struct parse *p, struct span v, bool critical)
{
    (void)critical;
    if (!pki_der_take(&v, PKI_DER_OCTET_STRING, &p->c->skid) || v.n != 0)
        return malformed(p, "the subject key identifier does not parse");
    return true;
}

static bool ext_akid(struct parse *p, struct span v, bool critical)
{
    (void)critical;
    struct span seq;
    if (!pki_der_take(&v, PKI_DER_SEQUENCE, &seq) || v.n != 0)
        return malformed(p, "the authority key identifier does not parse");
    if (pki_der_peek(seq, PKI_DER_CONTEXT(0)) && !pki_der_take(&seq, PKI_DER_CONTEXT(0), &p->c->akid))
        return malformed(p, "the authority key identifier does not parse");
    return true;
}

// With no policy asked for and policy constraints refused when critical, any certificate policy is as good as none (RFC 5280 §6.1).
static bool ext_policies(struct parse *p, struct span v, bool critical)
{
    (void)p, (void)v, (void)critical;
    return true;
}

static const struct {
    const struct span *oid;
    bool (*parse)(struct parse *p, struct span value, bool critical);
} extensions[] = {
    { &pki_oid_san, ext_san },
    { &pki_oid_basic_constraints, ext_basic },
    { &pki_oid_key_usage, ext_key_usage },
    { &pki_oid_ext_key_usage, ext_extended_usage },
    { &pki_oid_name_constraints, ext_name_constraints },
    { &pki_oid_skid, ext_skid },
    { &pki_oid_akid, ext_akid },
    { &oid_policies, ext_policies },
};

static bool parse_extension(struct parse *p, struct span oid, bool critical, struct span value)
{
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++)
        if (span_eq(oid, *extensions[i].oid))
            return extensions[i].parse(p, value, critical);
    if (critical)
        return malformed(p, "it has a critical extension that is not understood");
    return true;
}

static bool parse_extensions(struct parse *p, struct span list)
{
    struct span seen[MAX_EXTENSIONS];
    size_t n = 0;
    while (list.n) {
        struct span ext, oid, flag, value;
        bool critical = false;
        if (!pki_der_take(&list, PKI_DER_SEQUENCE, &ext) || !pki_der_take(&ext, PKI_DER_OID, &oid))
            return malformed(p, "an extension does not parse");
        if (pki_der_peek(ext, PKI_DER_BOOLEAN)) {
            if (!pki_der_take(&ext, PKI_DER_BOOLEAN, &flag) || flag.n != 1)
                return malformed(p, "an extension does not parse");
            critical = flag.p[0] != 0;
        }
        if (!pki_der_take(&ext, PKI_DER_OCTET_STRING, &value) || ext.n != 0)
            return malformed(p, "an extension does not parse");
        if (n == MAX_EXTENSIONS)
            return malformed(p, "it has too many extensions");
        for (size_t i = 0; i < n; i++)
            if (span_eq(seen[i], oid))
                return malformed(p, "an extension is there twice");
        seen[n++] = oid;
        if (!parse_extension(p, oid, critical, value))
            return false;
    }
    return true;
}

static bool parse_tbs(struct parse *p, struct span tbs, struct span *algorithm)
{
    struct span content, version, number, whole;
    int tag;
    // v1 and v2 certificates have no extensions, so they can name no workload and be no CA.
    if (!pki_der_take(&tbs, PKI_DER_CONTEXT_CONSTRUCTED(0), &version) ||
        !pki_der_take(&version, PKI_DER_INTEGER, &number) || version.n != 0 || !span_eq(number, SPAN("\x02")))
        return malformed(p, "it is not an X.509 version 3 certificate");
    if (!pki_der_take(&tbs, PKI_DER_INTEGER, &content) || !pki_der_positive(content, &p->c->serial) ||
        p->c->serial.n > 20)
        return malformed(p, "the serial number is not positive, or longer than 20 bytes");
    if (!pki_der_next(&tbs, &tag, &content, algorithm) || tag != PKI_DER_SEQUENCE)
        return malformed(p, "the signature algorithm does not parse");
    if (!pki_der_next(&tbs, &tag, &content, &p->c->issuer) || tag != PKI_DER_SEQUENCE || content.n == 0)
        return malformed(p, "the issuer is missing");
    if (!pki_der_take(&tbs, PKI_DER_SEQUENCE, &content) || !parse_validity(p, content))
        return p->error ? false : malformed(p, "the validity does not parse");
    if (!pki_der_next(&tbs, &tag, &content, &p->c->subject) || tag != PKI_DER_SEQUENCE)
        return malformed(p, "the subject does not parse");
    if (!pki_der_next(&tbs, &tag, &content, &whole) || tag != PKI_DER_SEQUENCE)
        return malformed(p, "the public key does not parse");
    if (!parse_spki(p, content))
        return false;
    for (int unique_id = 1; unique_id <= 2; unique_id++)
        if (pki_der_peek(tbs, PKI_DER_CONTEXT(unique_id)) && !pki_der_take(&tbs, PKI_DER_CONTEXT(unique_id), &content))
            return malformed(p, "a unique identifier does not parse");
    if (tbs.n == 0)
        return true;
    struct span list;
    if (!pki_der_take(&tbs, PKI_DER_CONTEXT_CONSTRUCTED(3), &content) || tbs.n != 0 ||
        !pki_der_take(&content, PKI_DER_SEQUENCE, &list) || content.n != 0 || list.n == 0)
        return malformed(p, "the extensions do not parse");
    return parse_extensions(p, list);
}

static bool parse_whole(struct parse *p, struct span der)
{
    struct span all = der, content, tbs, inner, outer, bits;
    int tag;
    if (der.n > PKI_CERT_MAX)
        return malformed(p, "it is longer than 16 KiB");
    if (!pki_der_take(&all, PKI_DER_SEQUENCE, &content) || all.n != 0)
        return malformed(p, "it is not one DER sequence");
    if (!pki_der_next(&content, &tag, &tbs, &p->c->tbs) || tag != PKI_DER_SEQUENCE || !parse_tbs(p, tbs, &inner))
        return p->error ? false : malformed(p, "it does not parse");
    struct span whole_outer;
    if (!pki_der_next(&content, &tag, &outer, &whole_outer) || tag != PKI_DER_SEQUENCE ||
        !pki_der_take(&content, PKI_DER_BIT_STRING, &bits) || content.n != 0 || !pki_der_bit_bytes(bits, &p->c->sig))
        return malformed(p, "the signature does not parse");
    if (!span_eq(inner, whole_outer)) // RFC 5280 §4.1.1.2
        return malformed(p, "the two signature algorithms differ");
    p->c->sig_type = pki_sig_parse(whole_outer);
    return true;
}

int pki_cert_parse(struct span der, struct arena *arena, struct pki_cert *out, const char **why)
{
    struct pki_cert cert = { .der = der, .path_len = -1 };
    struct parse p = { .c = &cert, .arena = arena };
    if (!parse_whole(&p, der)) {
        if (why)
            *why = p.why;
        return p.error;
    }
    pki_sha256(der, cert.sha256);
    *out = cert;
    return 0;
}
