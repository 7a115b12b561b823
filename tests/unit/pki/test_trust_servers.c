// SPDX-License-Identifier: GPL-3.0-or-later
// Who vouches for servers that are known by name: files of CA certificates that somebody else put together, as the system's is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <time.h>

#include "gateway/base/file.h"
#include "pki/pem.h"
#include "tests/support/trust_bench.h"

#define P256 "EC -pkeyopt ec_paramgen_curve:P-256"
#define EXPONENT_3 "RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3"
#define SERVER "subjectAltName=DNS:shard.test\n"

static struct certs certs;
static int64_t now;

static int add_text(struct trust_bench *b, struct span domain, struct span text)
{
    return pki_trust_add_pem(b->trust, domain, text, SPAN("roots.pem"), &b->diags);
}

// A file with the certificates named, NULL-terminated.
static int add(struct trust_bench *b, struct span domain, const char *const *names)
{
    struct buf all;
    buf_init(&all, 0);
    for (; *names; names++) {
        struct buf one = certs_pem(&certs, *names);
        buf_printf(&all, "# %s\n", *names);
        buf_append(&all, buf_span(&one));
        buf_fini(&one);
    }
    int e = add_text(b, domain, buf_span(&all));
    buf_fini(&all);
    return e;
}

static int as_server(struct trust_bench *b, const char *leaf)
{
    struct buf der = certs_der(&certs, leaf);
    int e = pki_trust_verify_server(b->trust, NULL, &b->options, SPAN("shard.test"), buf_span(&der), NULL, 0, now,
                                    &b->arena, &b->id);
    buf_fini(&der);
    return e;
}

static void assert_says(const struct diags *diags, struct span part)
{
    const struct diag *d = diags->first;
    assert_non_null(d);
    assert_true(span_eq(d->file, SPAN("roots.pem")));
    if (!memmem(d->text.p, d->text.n, part.p, part.n))
        fail_msg("\"%.*s\" is not in \"%.*s\"", SPAN_FMT(part), SPAN_FMT(d->text));
}

static void a_root_that_cannot_be_used_is_skipped_with_one_warning(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_equal(add(&b, PKI_TRUST_SERVERS, (const char *const[]){ "web", "cube", "root", "root", "cube", NULL }),
                     0);
    assert_int_equal(b.diags.errors, 0);
    assert_int_equal(b.diags.warnings, 1);
    assert_says(&b.diags, SPAN("3 of 5 certificates were skipped"));
    assert_says(&b.diags, SPAN("the first: certificate 1: it is not a CA certificate"));
    assert_int_equal(as_server(&b, "web"), 0);
    // Skipped is not trusted, the certificate itself included.
    assert_int_equal(as_server(&b, "cubed"), ERR_CERT_UNTRUSTED);
    trust_bench_fini(&b);
}

static void a_file_without_a_usable_root_is_refused(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_not_equal(add(&b, PKI_TRUST_SERVERS, (const char *const[]){ "cube", "web", NULL }), 0);
    assert_int_equal(b.diags.errors, 1);
    assert_int_equal(b.diags.warnings, 0);
    assert_says(&b.diags, SPAN("none of its certificates can be used"));
    assert_says(&b.diags, SPAN("exponent"));
    assert_int_not_equal(as_server(&b, "web"), 0);
    trust_bench_fini(&b);
}

static void a_file_whose_pem_is_broken_is_refused(void **state)
{
    (void)state;
    struct trust_bench b;
    struct buf pem = certs_pem(&certs, "root"), broken;
    buf_init(&broken, 0);
    buf_append(&broken, buf_span(&pem));
    buf_append(&broken, SPAN("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERT"));
    trust_bench_init(&b, &certs, now);
    assert_int_not_equal(add_text(&b, PKI_TRUST_SERVERS, buf_span(&broken)), 0);
    assert_int_equal(b.diags.errors, 1);
    assert_says(&b.diags, SPAN("the PEM is broken"));
    trust_bench_fini(&b);
    // A whole frame that holds no certificate is but one that cannot be used.
    buf_clear(&broken);
    pki_pem_write(&broken, SPAN("CERTIFICATE"), SPAN("no certificate"));
    buf_append(&broken, buf_span(&pem));
    trust_bench_init(&b, &certs, now);
    assert_int_equal(add_text(&b, PKI_TRUST_SERVERS, buf_span(&broken)), 0);
    assert_says(&b.diags, SPAN("1 of 2 certificates were skipped"));
    trust_bench_fini(&b);
    buf_fini(&pem), buf_fini(&broken);
}

static void a_key_in_the_file_is_refused(void **state)
{
    (void)state;
    struct trust_bench b;
    struct buf pem = certs_pem(&certs, "root"), key = certs_key(&certs, "root");
    buf_append(&pem, buf_span(&key));
    trust_bench_init(&b, &certs, now);
    assert_int_not_equal(add_text(&b, PKI_TRUST_SERVERS, buf_span(&pem)), 0);
    assert_says(&b.diags, SPAN("PRIVATE KEY"));
    trust_bench_fini(&b);
    buf_wipe(&key), buf_fini(&pem);
}

static void rule_27_of_a_trust_domain_every_ca_must_be_usable(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_not_equal(add(&b, SPAN("one.test"), (const char *const[]){ "root", "cube", NULL }), 0);
    assert_int_equal(b.diags.errors, 1);
    assert_int_equal(b.diags.warnings, 0);
    assert_says(&b.diags, SPAN("certificate 2 cannot be used as a CA of \"one.test\""));
    trust_bench_fini(&b);
}

// What a root says of itself is no more trusted for being signed well: it is trusted for being in the file.
static void old_roots_vouch_as_others_do(void **state)
{
    (void)state;
    static const char *const roots[] = { "sha1", "zero", "bare", NULL };
    static const char *const servers[] = { "of-sha1", "of-zero", "of-bare", NULL };
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    certs_make_as(&certs, "sha1", NULL, "/O=SHA-1", CERTS_CA, P256, "-sha1");
    certs_make_as(&certs, "zero", NULL, "/O=Zero", CERTS_CA, P256, "-set_serial 0");
    certs_make_as(&certs, "bare", NULL, "/O=Bare", "basicConstraints=CA:TRUE\n", P256, "");
    assert_int_equal(add(&b, PKI_TRUST_SERVERS, roots), 0);
    assert_int_equal(b.diags.warnings, 0);
    for (size_t i = 0; roots[i]; i++) {
        certs_make(&certs, servers[i], roots[i], "/CN=x", SERVER, 0);
        assert_int_equal(as_server(&b, servers[i]), 0);
        assert_int_equal(pki_trust_recheck(b.trust, NULL, &b.options, &b.id, now), 0);
    }
    trust_bench_fini(&b);
}

static void below_the_root_nothing_old_passes(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_equal(add(&b, PKI_TRUST_SERVERS, (const char *const[]){ "root", NULL }), 0);
    certs_make_as(&certs, "late-sha1", "root", "/CN=x", SERVER, P256, "-sha1");
    assert_int_equal(as_server(&b, "late-sha1"), ERR_CERT_WEAK);
    certs_make_as(&certs, "late-zero", "root", "/CN=x", SERVER, P256, "-set_serial 0");
    assert_int_equal(as_server(&b, "late-zero"), ERR_CERT_MALFORMED);
    certs_make_as(&certs, "late-cube", "root", "/CN=x", SERVER, EXPONENT_3, "");
    assert_int_equal(as_server(&b, "late-cube"), ERR_CERT_WEAK);
    trust_bench_fini(&b);
}

static void the_bundle_of_this_system_is_taken(void **state)
{
    (void)state;
    static const char *const places[] = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                          "/etc/ssl/cert.pem" };
    struct buf text;
    bool there = false;
    buf_init(&text, 0);
    for (size_t i = 0; i < sizeof places / sizeof *places && !there; i++)
        there = file_read(places[i], 4u << 20, &text) == 0;
    if (!there) {
        buf_fini(&text);
        skip();
    }
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    if (add_text(&b, PKI_TRUST_SERVERS, buf_span(&text)) != 0)
        fail_msg("%.*s", SPAN_FMT(b.diags.first->text));
    assert_int_equal(b.diags.errors, 0);
    assert_true(b.diags.warnings <= 1);
    // It vouches for its own and nobody else's.
    assert_int_equal(as_server(&b, "web"), ERR_CERT_UNTRUSTED);
    trust_bench_fini(&b);
    buf_fini(&text);
}

static int make_certs(void **state)
{
    (void)state;
    certs_init(&certs);
    certs_make(&certs, "root", NULL, "/O=Web", CERTS_CA, 0);
    certs_make(&certs, "web", "root", "/CN=x", SERVER, 0);
    certs_make_as(&certs, "cube", NULL, "/O=Cube", CERTS_CA, EXPONENT_3, "");
    certs_make(&certs, "cubed", "cube", "/CN=x", SERVER, 0);
    now = (int64_t)time(NULL) + 120;
    return 0;
}

static int remove_certs(void **state)
{
    (void)state;
    certs_fini(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_root_that_cannot_be_used_is_skipped_with_one_warning),
        cmocka_unit_test(a_file_without_a_usable_root_is_refused),
        cmocka_unit_test(a_file_whose_pem_is_broken_is_refused),
        cmocka_unit_test(a_key_in_the_file_is_refused),
        cmocka_unit_test(rule_27_of_a_trust_domain_every_ca_must_be_usable),
        cmocka_unit_test(old_roots_vouch_as_others_do),
        cmocka_unit_test(below_the_root_nothing_old_passes),
        cmocka_unit_test(the_bundle_of_this_system_is_taken),
    };
    return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
