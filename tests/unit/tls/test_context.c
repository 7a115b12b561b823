// SPDX-License-Identifier: GPL-3.0-or-later
// What people get wrong in a TLS configuration, and that they are told so with the file's name.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/support/tls_pair.h"

#include <stdio.h>
#include <stdlib.h>

static struct certs certs;

// Builds a context that must be refused, with a complaint about `file` that has `text` in it.
static void refused(bool server, const struct gw_tls_config *config, int64_t now_s, const char *file, const char *text)
{
    struct diags diags;
    diags_init(&diags);
    struct gw_tls_context *c =
        server ? gw_tls_context_server(config, now_s, &diags) : gw_tls_context_client(config, now_s, &diags);
    assert_null(c);
    assert_int_equal(diags.errors, 1);
    if (file)
        assert_true(span_eq(diags.first->file, span_str(file)));
    if (!memmem(diags.first->text.p, diags.first->text.n, text, strlen(text)))
        fail_msg("the complaint is: %.*s", SPAN_FMT(diags.first->text));
    diags_fini(&diags);
}

static void key_of_another_certificate_is_refused(void **state)
{
    (void)state;
    struct tls_config a, b;
    tls_config_init(&a, &certs, "gateway");
    tls_config_init(&b, &certs, "other");
    a.config.key_pem = b.config.key_pem;
    refused(true, &a.config, tls_now(), "key.pem", "not that of the certificate in cert.pem");
    tls_config_fini(&a), tls_config_fini(&b);
}

static void expired_certificate_is_refused(void **state)
{
    (void)state;
    struct tls_config t;
    tls_config_init(&t, &certs, "gateway");
    refused(true, &t.config, tls_now() + 2 * 86400, "cert.pem", "expired");
    refused(true, &t.config, tls_now() - 2 * 86400, "cert.pem", "not valid yet");
    tls_config_fini(&t);
}

static void certificate_near_its_end_is_a_warning(void **state)
{
    (void)state;
    struct tls_config t;
    struct diags diags;
    diags_init(&diags);
    tls_config_init(&t, &certs, "gateway");
    struct gw_tls_context *c = gw_tls_context_server(&t.config, tls_now() + 86400 - 600, &diags);
    assert_non_null(c);
    assert_int_equal(diags.warnings, 1);
    assert_true(gw_tls_context_not_after(c) > tls_now() + 86000);
    gw_tls_context_unref(c);
    diags_fini(&diags);
    tls_config_fini(&t);
}

static void unreadable_pem_is_refused(void **state)
{
    (void)state;
    struct tls_config t;
    tls_config_init(&t, &certs, "gateway");
    struct span cert = t.config.cert_pem, key = t.config.key_pem;
    t.config.cert_pem = SPAN("nothing here");
    refused(true, &t.config, tls_now(), "cert.pem", "no certificate");
    t.config.cert_pem = span_sub(cert, 0, cert.n / 2);
    refused(true, &t.config, tls_now(), "cert.pem", "PEM");
    t.config.cert_pem = cert;
    t.config.key_pem = SPAN("nothing here");
    refused(true, &t.config, tls_now(), "key.pem", "private key");
    t.config.key_pem = span_sub(key, 0, key.n / 2);
    refused(true, &t.config, tls_now(), "key.pem", "private key");
    tls_config_fini(&t);
}

static void encrypted_key_needs_its_passphrase(void **state)
{
    (void)state;
    char command[512];
    struct tls_config t;
    struct diags diags;
    snprintf(command, sizeof command,
             "cd %s && openssl pkcs8 -topk8 -v2 aes-256-cbc -in gateway.key -passout pass:secret -out locked.key && cp "
             "gateway.pem locked.pem",
             certs.dir);
    assert_int_equal(system(command), 0); // NOLINT
    tls_config_init(&t, &certs, "locked");
    refused(true, &t.config, tls_now(), "key.pem", "passphrase");
    t.config.passphrase = SPAN("wrong");
    refused(true, &t.config, tls_now(), "key.pem", "passphrase");
    t.config.passphrase = SPAN("secret");
    diags_init(&diags);
    struct gw_tls_context *c = gw_tls_context_server(&t.config, tls_now(), &diags);
    assert_non_null(c);
    gw_tls_context_unref(c);
    diags_fini(&diags);
    tls_config_fini(&t);
}

static void a_ca_or_a_certificate_for_something_else_is_refused(void **state)
{
    (void)state;
    struct tls_config t;
    tls_config_init(&t, &certs, "ca");
    refused(true, &t.config, tls_now(), "cert.pem", "leaf first");
    tls_config_fini(&t);
    tls_config_init(&t, &certs, "clientonly");
    refused(true, &t.config, tls_now(), "cert.pem", "serverAuth");
    tls_config_fini(&t);
}

static void unknown_group_is_refused_with_a_suggestion(void **state)
{
    (void)state;
    static const struct span groups[] = { SPAN("X25519MLKEM786") };
    struct tls_config t;
    tls_config_init(&t, &certs, "gateway");
    t.config.groups = groups;
    t.config.groups_n = 1;
    refused(true, &t.config, tls_now(), NULL, "did you mean \"X25519MLKEM768\"");
    tls_config_fini(&t);
}

static void rsa_and_ed25519_certificates_work(void **state)
{
    (void)state;
    static const char *const keys[] = { "-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "-algorithm ED25519",
                                        "-algorithm EC -pkeyopt ec_paramgen_curve:P-384" };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char command[512];
        snprintf(command, sizeof command,
                 "cd %s && rm -f k.key s.key && openssl genpkey %s -out k.key 2>/dev/null && cp k.key s.key", certs.dir,
                 keys[i]);
        assert_int_equal(system(command), 0); // NOLINT
        certs_make_with_key(&certs, "s", "k", "ca", "/O=x", CERTS_LEAF CERTS_URI("spiffe://one.test/gateway"), 0);
        struct tls_config sc;
        struct tls_side s, c;
        struct tls_pair p;
        tls_config_init(&sc, &certs, "s");
        tls_side_init(&s, true, &sc.config);
        tls_side_init(&c, false, &sc.config);
        tls_side_trust(&s, &certs, "one.test", "ca");
        tls_side_trust(&c, &certs, "one.test", "ca");
        tls_pair_init(&p, &s, &c, "spiffe://one.test/gateway", tls_now());
        tls_pair_pump(&p, tls_now());
        assert_int_equal(p.server.state, GW_TLS_OPEN);
        assert_int_equal(p.client.state, GW_TLS_OPEN);
        tls_pair_fini(&p);
        tls_side_fini(&s), tls_side_fini(&c);
        tls_config_fini(&sc);
    }
}

static void weak_keys_are_refused(void **state)
{
    (void)state;
    char command[512];
    snprintf(command, sizeof command,
             "cd %s && openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak.key 2>/dev/null",
             certs.dir);
    assert_int_equal(system(command), 0); // NOLINT
    certs_make_with_key(&certs, "weak", "weak", "ca", "/O=x", CERTS_LEAF CERTS_URI("spiffe://one.test/gateway"), 0);
    struct tls_config t;
    tls_config_init(&t, &certs, "weak");
    refused(true, &t.config, tls_now(), "key.pem", "not accepted");
    tls_config_fini(&t);
    struct buf der = certs_der(&certs, "weak"), pem = certs_pem(&certs, "ca");
    struct pki_trust *trust = pki_trust_new();
    struct pki_verify_options options = { 0 };
    struct pki_identity id;
    struct diags diags;
    struct arena arena;
    diags_init(&diags);
    arena_init(&arena, 0);
    assert_int_equal(pki_trust_add_pem(trust, SPAN("one.test"), buf_span(&pem), SPAN("f"), &diags), 0);
    assert_int_equal(pki_trust_verify(trust, NULL, &options, buf_span(&der), NULL, 0, tls_now() + 5, &arena, &id),
                     ERR_CERT_WEAK);
    pki_trust_free(trust);
    arena_fini(&arena);
    diags_fini(&diags);
    buf_fini(&der), buf_fini(&pem);
}

static int setup(void **state)
{
    (void)state;
    certs_init(&certs);
    gw_tls_process_init();
    certs_ca(&certs, "ca");
    certs_workload(&certs, "gateway", "ca", "spiffe://one.test/gateway");
    certs_workload(&certs, "other", "ca", "spiffe://one.test/other");
    certs_make(&certs, "clientonly", "ca", "/O=x",
               "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n" CERTS_URI("spiffe://one.test/a"), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gw_tls_process_fini();
    certs_fini(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_of_another_certificate_is_refused),
        cmocka_unit_test(expired_certificate_is_refused),
        cmocka_unit_test(certificate_near_its_end_is_a_warning),
        cmocka_unit_test(unreadable_pem_is_refused),
        cmocka_unit_test(encrypted_key_needs_its_passphrase),
        cmocka_unit_test(a_ca_or_a_certificate_for_something_else_is_refused),
        cmocka_unit_test(unknown_group_is_refused_with_a_suggestion),
        cmocka_unit_test(rsa_and_ed25519_certificates_work),
        cmocka_unit_test(weak_keys_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
