// SPDX-License-Identifier: GPL-3.0-or-later
#include "bench/support/workloads.h"

#include "bench/support/stop.h"
#include "gateway/base/clock.h"
#include "pki/pem.h"
#include "pki/spiffe.h"
#include "pki/x509_make.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct issuer {
    struct pki_key *key;
    struct span pem;
    struct buf der;
    struct pki_x509_view view;
};

void workload_number(char *digits, long i)
{
    char text[24];
    snprintf(text, sizeof text, "%0*ld", WORKLOAD_DIGITS, i);
    memcpy(digits, text, WORKLOAD_DIGITS);
}

static struct issuer read_issuer(const char *ca)
{
    struct issuer out;
    char path[4096];
    struct span label;
    snprintf(path, sizeof path, "%s/issuing/key.pem", ca);
    if (pki_key_read_private(read_file(path), SPAN_NONE, &out.key) != 0)
        stop(2, "%s: not a private key, or it is encrypted", path);
    snprintf(path, sizeof path, "%s/issuing/cert.pem", ca);
    out.pem = read_file(path);
    struct span rest = out.pem;
    buf_init(&out.der, 0);
    if (pki_pem_next(&rest, &label, &out.der) != 1 || pki_x509_view(buf_span(&out.der), &out.view) != 0)
        stop(2, "%s: not a certificate", path);
    return out;
}

static struct workload make(const struct issuer *issuer, struct span uri, struct span trust_domain, int64_t now_s)
{
    uint8_t serial[PKI_SERIAL];
    struct buf der, cert, key_pem;
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    buf_init(&der, 0);
    buf_init(&cert, 0);
    buf_init(&key_pem, 0);
    pki_serial_new(serial);
    const struct pki_x509_plan plan = { .serial = serial,
                                        .trust_domain = trust_domain,
                                        .common_name = SPAN_NONE,
                                        .uri = uri,
                                        .not_before = now_s - 60,
                                        .not_after = now_s + 3600,
                                        .subject_key = key,
                                        .issuer_key = issuer->key,
                                        .issuer = issuer->view.subject };
    if (!key || pki_x509_make(&plan, &der) != 0 || pki_key_write_private(key, SPAN_NONE, &key_pem) != 0)
        stop(2, "a certificate cannot be made");
    pki_pem_write(&cert, SPAN("CERTIFICATE"), buf_span(&der));
    buf_append(&cert, issuer->pem);
    if (cert.failed || key_pem.failed)
        stop(2, "out of memory");
    buf_fini(&der);
    pki_key_free(key);
    return (struct workload){ buf_span(&cert), buf_span(&key_pem) }; // both kept until the end
}

struct workload *workloads_make(const char *ca, const char *like, long n)
{
    struct pki_spiffe id;
    const char *why = "";
    size_t length = strlen(like);
    char *uri = strdup(like);
    struct workload *all = calloc((size_t)n, sizeof *all);
    if (!uri || !all)
        stop(2, "out of memory");
    if (n < 1 || n > WORKLOADS_MAX)
        stop(2, "--workloads: 1 to %d", WORKLOADS_MAX);
    for (size_t i = length < WORKLOAD_DIGITS ? 0 : length - WORKLOAD_DIGITS; i < length; i++)
        if (length < WORKLOAD_DIGITS || !isdigit((unsigned char)like[i]))
            stop(2, "--workload-id %s: it has to end in %d digits", like, WORKLOAD_DIGITS);
    if (pki_spiffe_parse(span_str(like), &id, &why) != 0)
        stop(2, "--workload-id %s: %s", like, why);
    struct issuer issuer = read_issuer(ca);
    int64_t now_s = clock_read().wall_ms / 1000;
    for (long i = 0; i < n; i++) {
        workload_number(uri + length - WORKLOAD_DIGITS, i);
        all[i] = make(&issuer, span_str(uri), id.trust_domain, now_s);
    }
    buf_fini(&issuer.der);
    pki_key_free(issuer.key);
    free(uri);
    return all;
}
