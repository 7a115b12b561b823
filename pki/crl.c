// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/crl.h"

#include "pki/der.h"

#include <stdatomic.h>
#include <stdlib.h>

// A handful of issuers can share a name (a CA's key rolls over); more than that are verified each time.
#define MEMO_SLOTS 4

struct pki_crl_memo {
    struct {
        _Atomic(int) state; // 0 free, 1 being written, 2 signed by it, 3 not signed by it
        uint8_t issuer_sha256[32];
    } slots[MEMO_SLOTS];
};

static const struct span oid_issuer_alt_name = SPAN("\x55\x1d\x12");

static int bad(const char **why, int e, const char *text)
{
    if (why)
        *why = text;
    return e;
}

static struct span without_zeros(struct span s)
{
    while (s.n && s.p[0] == 0)
        s = span_sub(s, 1, s.n);
    return s;
}

static bool take_time(struct span *rest, int64_t *out)
{
    int tag;
    struct span content;
    return pki_der_next(rest, &tag, &content, NULL) && pki_der_read_time(tag, content, out);
}

static bool take_extension(struct span *list, struct span *oid, bool *critical, struct span *value)
{
    struct span ext, flag;
    *critical = false;
    if (!pki_der_take(list, PKI_DER_SEQUENCE, &ext) || !pki_der_take(&ext, PKI_DER_OID, oid))
        return false;
    if (pki_der_peek(ext, PKI_DER_BOOLEAN)) {
        if (!pki_der_take(&ext, PKI_DER_BOOLEAN, &flag) || flag.n != 1)
            return false;
        *critical = flag.p[0] != 0;
    }
    return pki_der_take(&ext, PKI_DER_OCTET_STRING, value) && ext.n == 0;
}

// An entry's extensions are the reason, the date of invalidity, and, critical, the certificate's issuer in an indirect CRL.
static bool entry_extensions_ok(struct span list)
{
    while (list.n) {
        struct span oid, value;
        bool critical;
        if (!take_extension(&list, &oid, &critical, &value) || (critical && !span_eq(oid, pki_oid_reason)))
            return false;
    }
    return true;
}

static int compare_spans(const void *a, const void *b)
{
    return span_cmp(*(const struct span *)a, *(const struct span *)b);
}

static int parse_entries(struct span list, struct arena *arena, struct pki_crl *out, const char **why)
{
    size_t n = 0;
    struct span count = list, entry;
    while (count.n) {
        if (!pki_der_take(&count, PKI_DER_SEQUENCE, &entry))
            return bad(why, ERR_CERT_MALFORMED, "its entries do not parse");
        n++;
    }
    out->serials = arena_array(arena, n ? n : 1, sizeof *out->serials);
    if (!out->serials)
        return bad(why, ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        struct span serial, extensions;
        int64_t when;
        // Some CAs have issued serial numbers that are negative or have a zero too many: they are revoked as written.
        if (!pki_der_take(&list, PKI_DER_SEQUENCE, &entry) || !pki_der_take(&entry, PKI_DER_INTEGER, &serial) ||
            !take_time(&entry, &when))
            return bad(why, ERR_CERT_MALFORMED, "its entries do not parse");
        if (entry.n &&
            (!pki_der_take(&entry, PKI_DER_SEQUENCE, &extensions) || entry.n || !entry_extensions_ok(extensions)))
            return bad(why, ERR_CERT_MALFORMED,
                       "an entry has a critical extension that is not understood (an indirect CRL?)");
        out->serials[i] = without_zeros(serial);
    }
    out->serials_n = n;
    qsort(out->serials, n, sizeof *out->serials, compare_spans);
    return 0;
}

static int parse_extensions(struct span list, struct pki_crl *out, const char **why)
{
    while (list.n) {
        struct span oid, value, seq;
        bool critical;
        if (!take_extension(&list, &oid, &critical, &value))
            return bad(why, ERR_CERT_MALFORMED, "its extensions do not parse");
        if (span_eq(oid, pki_oid_akid)) {
            if (!pki_der_take(&value, PKI_DER_SEQUENCE, &seq) ||
                (pki_der_peek(seq, PKI_DER_CONTEXT(0)) && !pki_der_take(&seq, PKI_DER_CONTEXT(0), &out->akid)))
                return bad(why, ERR_CERT_MALFORMED, "its authority key identifier does not parse");
        } else if (critical && !span_eq(oid, pki_oid_crl_number) && !span_eq(oid, oid_issuer_alt_name)) {
            return bad(why, ERR_CERT_MALFORMED,
                       "it has a critical extension that is not understood (a delta or partial CRL?)");
        }
    }
    return 0;
}

static int parse_tbs(struct span tbs, struct span outer, struct arena *arena, struct pki_crl *out, const char **why)
{
    struct span content, algorithm;
    int tag;
    bool v2 = pki_der_peek(tbs, PKI_DER_INTEGER);
    if (v2 && (!pki_der_take(&tbs, PKI_DER_INTEGER, &content) || !span_eq(content, SPAN("\x01"))))
        return bad(why, ERR_CERT_MALFORMED, "it is of an unknown version");
    if (!pki_der_next(&tbs, &tag, &content, &algorithm) || tag != PKI_DER_SEQUENCE || !span_eq(algorithm, outer))
        return bad(why, ERR_CERT_MALFORMED, "its two signature algorithms differ");
    if (!pki_der_next(&tbs, &tag, &content, &out->issuer) || tag != PKI_DER_SEQUENCE || content.n == 0)
        return bad(why, ERR_CERT_MALFORMED, "its issuer does not parse");
    if (!take_time(&tbs, &out->this_update))
        return bad(why, ERR_CERT_MALFORMED, "its thisUpdate does not parse");
    if (!take_time(&tbs, &out->next_update)) // RFC 5280 §5.1.2.5; without it nobody could say when it is too old
        return bad(why, ERR_CERT_MALFORMED, "it has no nextUpdate");
    if (pki_der_peek(tbs, PKI_DER_SEQUENCE)) {
        if (!pki_der_take(&tbs, PKI_DER_SEQUENCE, &content))
            return bad(why, ERR_CERT_MALFORMED, "its entries do not parse");
    } else {
        content = SPAN("");
    }
    int e = parse_entries(content, arena, out, why);
    if (e || tbs.n == 0)
        return e;
    struct span list;
    if (!v2 || !pki_der_take(&tbs, PKI_DER_CONTEXT_CONSTRUCTED(0), &content) || tbs.n ||
        !pki_der_take(&content, PKI_DER_SEQUENCE, &list) || content.n)
        return bad(why, ERR_CERT_MALFORMED, "its extensions do not parse");
    return parse_extensions(list, out, why);
}

int pki_crl_parse(struct span der, struct arena *arena, struct pki_crl *out, const char **why)
{
    struct pki_crl crl = { 0 };
    struct span content, tbs, ignored, algorithm, bits;
    int tag;
    if (der.n > PKI_CRL_MAX)
        return bad(why, ERR_CERT_MALFORMED, "it is longer than 32 MiB");
    if (!pki_der_take(&der, PKI_DER_SEQUENCE, &content) || der.n || !pki_der_next(&content, &tag, &tbs, &crl.tbs) ||
        tag != PKI_DER_SEQUENCE || !pki_der_next(&content, &tag, &ignored, &algorithm) || tag != PKI_DER_SEQUENCE ||
        !pki_der_take(&content, PKI_DER_BIT_STRING, &bits) || content.n || !pki_der_bit_bytes(bits, &crl.sig))
        return bad(why, ERR_CERT_MALFORMED, "it is not a certificate list");
    crl.sig_type = pki_sig_parse(algorithm);
    if (crl.sig_type == PKI_SIG_UNKNOWN)
        return bad(why, ERR_CERT_WEAK, "its signature algorithm is not accepted");
    int e = parse_tbs(tbs, algorithm, arena, &crl, why);
    if (e)
        return e;
    crl.memo = arena_alloc(arena, sizeof *crl.memo);
    if (!crl.memo)
        return bad(why, ERR_NOMEM, "out of memory");
    *out = crl;
    return 0;
}

static bool signed_by(const struct pki_crl *crl, const struct pki_path_step *issuer)
{
    struct pki_cert key = { .key = issuer->key, .key_type = (enum pki_spki)issuer->key_type };
    return issuer->crl_sign && pki_cert_verify(&key, crl->sig_type, crl->tbs, crl->sig) == 0;
}

enum pki_crl_answer pki_crl_speaks_for(const struct pki_crl *crl, const struct pki_path_step *issuer)
{
    if (!span_eq(crl->issuer, issuer->subject) ||
        (!span_is_none(crl->akid) && !span_is_none(issuer->skid) && !span_eq(crl->akid, issuer->skid)))
        return PKI_CRL_OTHER;
    int free_slot = -1;
    for (int i = 0; i < MEMO_SLOTS; i++) {
        int state = atomic_load_explicit(&crl->memo->slots[i].state, memory_order_acquire);
        if (state == 0 && free_slot < 0)
            free_slot = i;
        if (state >= 2 && memcmp(crl->memo->slots[i].issuer_sha256, issuer->sha256, sizeof issuer->sha256) == 0)
            return state == 2 ? PKI_CRL_GOOD : PKI_CRL_FORGED;
    }
    bool good = signed_by(crl, issuer);
    int expected = 0;
    if (free_slot >= 0 && atomic_compare_exchange_strong(&crl->memo->slots[free_slot].state, &expected, 1)) {
        memcpy(crl->memo->slots[free_slot].issuer_sha256, issuer->sha256, sizeof issuer->sha256);
        atomic_store_explicit(&crl->memo->slots[free_slot].state, good ? 2 : 3, memory_order_release);
    }
    return good ? PKI_CRL_GOOD : PKI_CRL_FORGED;
}

bool pki_crl_lists(const struct pki_crl *crl, struct span serial_raw)
{
    serial_raw = without_zeros(serial_raw);
    size_t low = 0, high = crl->serials_n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = span_cmp(crl->serials[mid], serial_raw);
        if (c == 0)
            return true;
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}
