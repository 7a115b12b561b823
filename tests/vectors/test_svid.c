// SPDX-License-Identifier: GPL-3.0-or-later
// go-spiffe's X.509-SVIDs, good and wrong ones, through `sallyport verify cert`, under the bundle that the good one is of.
#include "tests/unit/cli/cmd_run.h"

static const struct {
    const char *file, *says; // NULL: it is valid
} svids[] = {
    { "good-leaf-and-intermediate.pem", NULL },
    { "good-leaf-only.pem", "CERT_UNTRUSTED" }, // of another CA, which nobody has
    { "good-key-and-cert.pem", "CERT_UNTRUSTED" },
    { "good-cert-and-key.pem", "CERT_UNTRUSTED" },
    { "wrong-intermediate-no-ca.pem", "CERT_UNTRUSTED" },
    { "wrong-intermediate-no-key-cert-sign.pem", "CERT_UNTRUSTED" },
    { "wrong-leaf-ca-true.pem", "CERT_IS_CA" },
    { "wrong-leaf-cert-sign.pem", "CERT_IS_CA" },
    { "wrong-leaf-crl-sign.pem", "CERT_IS_CA" },
    { "wrong-leaf-no-digital-signature.pem", "CERT_IS_CA" }, // it may sign certificates, too
    { "wrong-leaf-empty-id.pem", "CERT_UNMAPPED" },
    { "corrupt-cert.pem", "CERT_MALFORMED" },
    { "corrupt-key.pem", "no certificate in it" },
    { "key-pkcs8-ecdsa.pem", "no certificate in it" },
    { "key-pkcs8-rsa.pem", "no certificate in it" },
    { "not-pem", "no certificate in it" },
};

static void rule_27_to_30_go_spiffe_certificates(void **state)
{
    (void)state;
    const char *vectors = getenv("SALLYPORT_VECTORS");
    char folder[512];
    snprintf(folder, sizeof folder, "%s/spiffe", vectors ? vectors : SALLYPORT_SOURCE_DIR "/../shared/vectors");
    if (access(folder, R_OK) != 0)
        skip();
    for (size_t i = 0; i < sizeof svids / sizeof *svids; i++) {
        int status =
            cmd_run("verify cert %s/svid/x509svid/testdata/%s --trust-domain example.org --at 2020-03-24T15:00:00Z "
                    "--bundle %s/bundle/spiffebundle/testdata/spiffebundle_valid_1.json",
                    folder, svids[i].file, folder);
        const char *said = svids[i].says ? svids[i].says : "spiffe://example.org/workload-1";
        if ((status == 0) != !svids[i].says || (!strstr(cmd.out, said) && !strstr(cmd.err, said)))
            fail_msg("%s: %d\n%s%s", svids[i].file, status, cmd.out, cmd.err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rule_27_to_30_go_spiffe_certificates, cmd_init, cmd_fini),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
