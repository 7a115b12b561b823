// SPDX-License-Identifier: GPL-3.0-or-later
// `authority.signing.pkcs11`: judged when the configuration is read, and never shown, in case somebody wrote a PIN into it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/config/config.h"

// What is said about a configuration with this URI; the number of errors.
static size_t judge(const char *uri, struct arena *a, struct buf *said)
{
    struct gw_config *c = NULL;
    struct diags diags;
    struct buf text;
    diags_init(&diags);
    buf_init(&text, 0);
    buf_printf(&text,
               "trust_domains: [{name: example.org, bundle: bundle.pem}]\n"
               "audit: {file: audit.log}\n"
               "authority:\n"
               "  issuer: https://auth.example\n"
               "  addresses: [\"127.0.0.1:9443\"]\n"
               "  tls: {certificate: gw.pem, key: gw.key}\n"
               "  state: /var/lib/sallyport\n"
               "  audiences: [sallyport]\n"
               "  policy: {files: [policies], entities: entities.yaml}\n"
               "  signing: {pkcs11: \"%s\"}\n",
               uri);
    gw_config_parse(buf_span(&text), SPAN("/etc/f.yaml"), &c, &diags);
    for (const struct diag *d = diags.first; d; d = d->next)
        buf_printf(said, "%.*s\n", SPAN_FMT(diag_format(a, d)));
    size_t errors = diags.errors;
    gw_config_free(c);
    diags_fini(&diags);
    buf_fini(&text);
    return errors;
}

static void a_signing_token_is_judged_and_never_shown(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *words; // NULL: fine
    } rows[] = {
        { "pkcs11:token=t?module-path=/lib/p11.so&pin-source=/etc/pin", NULL },
        { "pkcs11:token=t?module-path=/lib/p11.so&pin-value=271828", "pin-value is refused" },
        { "pkcs11:token=t;object=271828?module-path=/lib/p11.so", "token only" },
        { "pkcs11:token=271828", "no module-path" },
        { "/keys/271828.pem", "no pkcs11: URI" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena a;
        struct buf said;
        arena_init(&a, 0);
        buf_init(&said, 0);
        size_t errors = judge(rows[i].uri, &a, &said);
        buf_byte(&said, '\0');
        const char *text = buf_span(&said).p;
        if (errors != (rows[i].words ? 1 : 0) || (rows[i].words && !strstr(text, rows[i].words)))
            fail_msg("%s: %zu errors\n%s", rows[i].uri, errors, text);
        assert_null(strstr(text, "271828"));
        if (rows[i].words)
            assert_non_null(strstr(text, "/etc/f.yaml:10:"));
        buf_fini(&said);
        arena_fini(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_signing_token_is_judged_and_never_shown) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
