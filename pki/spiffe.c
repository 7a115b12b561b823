// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/spiffe.h"

static const char SCHEME[] = "spiffe://";
#define SCHEME_LEN (sizeof SCHEME - 1)

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_domain_char(char c)
{
    return is_lower_or_digit(c) || c == '.' || c == '-' || c == '_';
}

static bool is_segment_char(char c)
{
    return is_domain_char(c) || (c >= 'A' && c <= 'Z');
}

bool pki_spiffe_trust_domain_ok(struct span name)
{
    if (name.n == 0 || name.n > PKI_SPIFFE_DOMAIN_MAX)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!is_domain_char(name.p[i]))
            return false;
    return true;
}

bool pki_spiffe_looks_like(struct span text)
{
    static const char lower[] = "spiffe:";
    if (text.n < sizeof lower - 1)
        return false;
    for (size_t i = 0; i < sizeof lower - 1; i++) {
        char c = text.p[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        if (c != lower[i])
            return false;
    }
    return true;
}

// `path` is empty or begins with '/'. NULL when it is good, else why not.
static const char *path_fault(struct span path)
{
    size_t i = 0;
    while (i < path.n) {
        size_t start = ++i; // behind the slash
        while (i < path.n && path.p[i] != '/') {
            if (!is_segment_char(path.p[i]))
                return "the path has a character other than letters, digits, '.', '-', '_'";
            i++;
        }
        size_t n = i - start;
        if (n == 0)
            return i == path.n ? "the path ends in a slash" : "the path has an empty segment";
        if ((n == 1 && path.p[start] == '.') || (n == 2 && path.p[start] == '.' && path.p[start + 1] == '.'))
            return "the path has a dot segment";
    }
    return NULL;
}

static int refuse(const char **why, const char *text)
{
    if (why)
        *why = text;
    return ERR_CERT_SPIFFE_ID;
}

int pki_spiffe_parse(struct span text, struct pki_spiffe *out, const char **why)
{
    if (text.n == 0)
        return refuse(why, "the ID is empty");
    if (text.n > PKI_SPIFFE_MAX)
        return refuse(why, "the ID is longer than 2,048 bytes");
    if (text.n < SCHEME_LEN || memcmp(text.p, SCHEME, SCHEME_LEN) != 0)
        return refuse(why, "the ID does not begin with \"spiffe://\"");

    size_t slash = SCHEME_LEN;
    while (slash < text.n && text.p[slash] != '/')
        slash++;
    struct span domain = { text.p + SCHEME_LEN, slash - SCHEME_LEN };
    struct span path = { text.p + slash, text.n - slash };
    if (domain.n == 0)
        return refuse(why, "the trust domain is missing");
    if (domain.n > PKI_SPIFFE_DOMAIN_MAX)
        return refuse(why, "the trust domain is longer than 255 bytes");
    if (!pki_spiffe_trust_domain_ok(domain))
        return refuse(why, "the trust domain has a character other than lower-case letters, digits, '.', '-', '_'");
    const char *fault = path_fault(path);
    if (fault)
        return refuse(why, fault);
    *out = (struct pki_spiffe){ .id = text, .trust_domain = domain, .path = path };
    return 0;
}

int pki_spiffe_parse_workload(struct span text, struct pki_spiffe *out, const char **why)
{
    struct pki_spiffe id;
    int e = pki_spiffe_parse(text, &id, why);
    if (e)
        return e;
    if (id.path.n == 0)
        return refuse(why, "the ID names a trust domain, not a workload: its path is empty");
    *out = id;
    return 0;
}
