// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/name_constraint.h"

#include "pki/der.h"

static const struct span oid_email = SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"); // 1.2.840.113549.1.9.1

// `name` is `base` or, when `base` begins with a dot, or `and_below`, something under it.
static bool host_in(struct span name, struct span base, bool and_below)
{
    if (base.n == 0)
        return true;
    if (base.p[0] == '.')
        return name.n > base.n && span_ieq(span_sub(name, name.n - base.n, name.n), base);
    if (span_ieq(name, base))
        return true;
    return and_below && name.n > base.n + 1 && name.p[name.n - base.n - 1] == '.' &&
           span_ieq(span_sub(name, name.n - base.n, name.n), base);
}

// A certificate for "*.example.org" speaks for everything there, so an exclusion below it excludes the certificate.
static bool dns_matches(struct span name, struct span base, bool excluding)
{
    if (host_in(name, base, true))
        return true;
    if (!excluding || !span_starts(name, SPAN("*.")))
        return false;
    struct span tail = span_sub(name, 1, name.n); // ".example.org"
    return host_in(base, tail, false);
}

static bool email_matches(struct span name, struct span base)
{
    size_t at = name.n;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '@')
            at = i;
    if (at == name.n)
        return false;
    if (span_find(base, '@') < base.n) { // one mailbox: the local part is case-sensitive
        size_t base_at = span_find(base, '@');
        return span_eq(span_sub(base, 0, base_at), span_sub(name, 0, at)) &&
               span_ieq(span_sub(base, base_at, base.n), span_sub(name, at, name.n));
    }
    return host_in(span_sub(name, at + 1, name.n), base, false);
}

// The host of "scheme://[user@]host[:port]/…"; empty when there is none.
static struct span uri_host(struct span uri)
{
    size_t colon = span_find(uri, ':');
    struct span rest = span_sub(uri, colon + 1, uri.n);
    if (colon >= uri.n || !span_starts(rest, SPAN("//")))
        return SPAN("");
    rest = span_sub(rest, 2, rest.n);
    size_t end = 0;
    while (end < rest.n && !strchr("/?#", rest.p[end]))
        end++;
    rest = span_sub(rest, 0, end);
    for (size_t i = rest.n; i-- > 0;)
        if (rest.p[i] == '@') {
            rest = span_sub(rest, i + 1, rest.n);
            break;
        }
    if (rest.n && rest.p[0] == '[')
        return SPAN("");
    return span_sub(rest, 0, span_find(rest, ':'));
}

// Constraints on URIs speak of host names: a URI without one lies in no permitted subtree, and in every excluded one.
static bool uri_matches(struct span name, struct span base, bool excluding)
{
    struct span host = uri_host(name);
    return host.n ? host_in(host, base, false) : excluding;
}

static bool ip_matches(struct span name, struct span base)
{
    if (base.n != 2 * name.n)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if ((name.p[i] ^ base.p[i]) & base.p[name.n + i])
            return false;
    return true;
}

static char folded(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool is_string(int tag)
{
    return tag == PKI_DER_UTF8 || tag == PKI_DER_PRINTABLE || tag == PKI_DER_IA5 || tag == 0x14 /* T61 */;
}

// RFC 5280 §7.1 near enough: case and runs of spaces do not count, nor does the kind of string. Looser than byte for byte, for
// an exclusion must not be escaped by writing the name in capitals.
static bool same_text(struct span a, struct span b)
{
    a = span_trim(a);
    b = span_trim(b);
    size_t i = 0, j = 0;
    while (i < a.n && j < b.n) {
        if (folded(a.p[i]) != folded(b.p[j]))
            return false;
        bool space = a.p[i] == ' ';
        i++, j++;
        while (space && i < a.n && a.p[i] == ' ')
            i++;
        while (space && j < b.n && b.p[j] == ' ')
            j++;
    }
    return i == a.n && j == b.n;
}

static bool same_rdn(struct span a, struct span b)
{
    while (a.n && b.n) {
        struct span one, two, oid_a, oid_b, value_a, value_b;
        int tag_a, tag_b;
        if (!pki_der_take(&a, PKI_DER_SEQUENCE, &one) || !pki_der_take(&b, PKI_DER_SEQUENCE, &two) ||
            !pki_der_take(&one, PKI_DER_OID, &oid_a) || !pki_der_take(&two, PKI_DER_OID, &oid_b) ||
            !pki_der_next(&one, &tag_a, &value_a, NULL) || !pki_der_next(&two, &tag_b, &value_b, NULL) ||
            !span_eq(oid_a, oid_b))
            return false;
        bool same = is_string(tag_a) && is_string(tag_b) ? same_text(value_a, value_b)
                                                         : tag_a == tag_b && span_eq(value_a, value_b);
        if (!same)
            return false;
    }
    return a.n == 0 && b.n == 0;
}

// The base's RDNs are the first of the name's.
static bool directory_matches(struct span name, struct span base)
{
    struct span names, bases, one, two;
    if (!pki_der_take(&name, PKI_DER_SEQUENCE, &names) || !pki_der_take(&base, PKI_DER_SEQUENCE, &bases))
        return false;
    while (bases.n)
        if (!pki_der_take(&bases, PKI_DER_SET, &two) || !pki_der_take(&names, PKI_DER_SET, &one) || !same_rdn(one, two))
            return false;
    return true;
}

static bool matches(struct pki_general_name name, struct pki_general_name base, bool excluding)
{
    switch (name.type) {
    case PKI_NAME_DNS: return dns_matches(name.value, base.value, excluding);
    case PKI_NAME_EMAIL: return email_matches(name.value, base.value);
    case PKI_NAME_URI: return uri_matches(name.value, base.value, excluding);
    case PKI_NAME_IP: return ip_matches(name.value, base.value);
    case PKI_NAME_DIRECTORY: return directory_matches(name.value, base.value);
    case PKI_NAME_OTHER:
    case PKI_NAME_X400:
    case PKI_NAME_EDI:
    case PKI_NAME_RID: break;
    }
    return excluding;
}

static bool allowed(const struct pki_cert *ca, struct pki_general_name name)
{
    for (size_t i = 0; i < ca->excluded_n; i++)
        if (ca->excluded[i].type == name.type && matches(name, ca->excluded[i], true))
            return false;
    bool constrained = false;
    for (size_t i = 0; i < ca->permitted_n; i++) {
        if (ca->permitted[i].type != name.type)
            continue;
        constrained = true;
        if (matches(name, ca->permitted[i], false))
            return true;
    }
    return !constrained;
}

static bool constrains(const struct pki_cert *ca, enum pki_name_type type)
{
    for (size_t i = 0; i < ca->permitted_n; i++)
        if (ca->permitted[i].type == type)
            return true;
    for (size_t i = 0; i < ca->excluded_n; i++)
        if (ca->excluded[i].type == type)
            return true;
    return false;
}

static bool subject_has_email(struct span subject)
{
    struct span rdns, set, attribute, oid;
    if (!pki_der_take(&subject, PKI_DER_SEQUENCE, &rdns))
        return true;
    while (pki_der_take(&rdns, PKI_DER_SET, &set))
        while (pki_der_take(&set, PKI_DER_SEQUENCE, &attribute))
            if (pki_der_take(&attribute, PKI_DER_OID, &oid) && span_eq(oid, oid_email))
                return true;
    return false;
}

int pki_name_constraint_check(const struct pki_cert *ca, const struct pki_cert *below)
{
    if (ca->permitted_n == 0 && ca->excluded_n == 0)
        return 0;
    bool email = false;
    for (size_t i = 0; i < below->names_n; i++) {
        email |= below->names[i].type == PKI_NAME_EMAIL;
        if (!allowed(ca, below->names[i]))
            return ERR_CERT_NAME_CONSTRAINT;
    }
    struct span subject = below->subject, rdns;
    bool has_subject = pki_der_take(&subject, PKI_DER_SEQUENCE, &rdns) && rdns.n > 0;
    if (has_subject && !allowed(ca, (struct pki_general_name){ PKI_NAME_DIRECTORY, below->subject }))
        return ERR_CERT_NAME_CONSTRAINT;
    // An address in the subject counts where there is none among the SANs; nobody needs it here, so it is refused rather than read.
    if (!email && constrains(ca, PKI_NAME_EMAIL) && subject_has_email(below->subject))
        return ERR_CERT_NAME_CONSTRAINT;
    return 0;
}
