// SPDX-License-Identifier: GPL-3.0-or-later
// Keys in a PKCS#11 token, with SoftHSM for the token; skipped where it is not installed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/base64url.h"
#include "gateway/base/file.h"
#include "pki/hsm.h"
#include "pki/mint.h"
#include "tests/support/jose.h"
#include "tests/support/softhsm.h"

static struct softhsm hsm;
static bool installed;

static void find_functions(void);

static int make_token(void **state)
{
    (void)state;
    // All tokens at once: the module looks for them when it is initialised.
    installed = softhsm_init(&hsm) && softhsm_add(&hsm, "twin") && softhsm_add(&hsm, "twin");
    if (!installed)
        print_message("SoftHSM is not installed; deploy/deps --tests installs it\n");
    else
        find_functions();
    return 0;
}

static int remove_token(void **state)
{
    (void)state;
    softhsm_fini(&hsm);
    return 0;
}

static void need_softhsm(void)
{
    if (!installed)
        skip();
}

static struct pki_key *generated(const char *object, enum pki_key_type type)
{
    struct pki_key *k = NULL;
    const char *what = "";
    char *uri = softhsm_uri(&hsm, object);
    if (pki_hsm_generate(span_str(uri), type, &k, &what) != 0)
        fail_msg("%s: %s", uri, what);
    free(uri);
    return k;
}

static struct pki_key *opened(const char *object)
{
    struct pki_key *k = NULL;
    const char *what = "";
    char *uri = softhsm_uri(&hsm, object);
    if (pki_hsm_open(span_str(uri), &k, &what) != 0)
        fail_msg("%s: %s", uri, what);
    free(uri);
    return k;
}

// Opening must fail with these words, leave `out` alone and say nothing of the PIN.
static void open_fails(const char *uri, const char *words)
{
    struct pki_key *k = NULL;
    const char *what = "";
    int rc = pki_hsm_open(span_str(uri), &k, &what);
    if (rc != ERR_HSM || !strstr(what, words))
        fail_msg("%s: %d, %s", uri, rc, what);
    assert_null(k);
    assert_null(strstr(what, SOFTHSM_PIN));
}

static struct pki_key *public_half(const struct pki_key *k)
{
    struct pki_key *public = NULL;
    struct buf pem;
    buf_init(&pem, 0);
    assert_int_equal(pki_key_write_public(k, &pem), 0);
    assert_int_equal(pki_key_read_public(buf_span(&pem), &public), 0);
    buf_fini(&pem);
    return public;
}

static void assert_signs(const struct pki_key *k, enum pki_alg alg)
{
    struct pki_key *public = public_half(k);
    struct buf signature;
    buf_init(&signature, 0);
    assert_int_equal(pki_key_sign(k, alg, SPAN("a message"), &signature), 0);
    assert_int_equal(pki_key_verify(public, alg, SPAN("a message"), buf_span(&signature)), 0);
    assert_int_equal(pki_key_verify(public, alg, SPAN("another"), buf_span(&signature)), ERR_TOKEN_SIGNATURE);
    buf_fini(&signature);
    pki_key_free(public);
}

static void what_the_token_signs_our_public_key_verifies(void **state)
{
    (void)state;
    static const struct {
        enum pki_key_type type;
        enum pki_alg alg, other;
        const char *object;
    } rows[] = {
        { PKI_KEY_P256, PKI_ES256, PKI_ES384, "sign-p256" },
        { PKI_KEY_P384, PKI_ES384, PKI_ES256, "sign-p384" },
        { PKI_KEY_ED25519, PKI_EDDSA, PKI_ES256, "sign-ed25519" },
    };
    need_softhsm();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pki_key *made = generated(rows[i].object, rows[i].type), *again = opened(rows[i].object);
        struct buf none;
        uint8_t a[32], b[32];
        buf_init(&none, 0);
        assert_int_equal(pki_key_type(made), rows[i].type);
        assert_true(pki_key_is_private(made));
        assert_int_equal(pki_key_algs(again), PKI_ALG_BIT(rows[i].alg));
        pki_key_thumbprint(made, a);
        pki_key_thumbprint(again, b);
        assert_memory_equal(a, b, 32);
        assert_signs(made, rows[i].alg);
        pki_key_free(made); // the other has a session of its own
        assert_signs(again, rows[i].alg);
        assert_int_equal(pki_key_sign(again, rows[i].other, SPAN("m"), &none), ERR_INTERNAL);
        assert_int_equal(buf_len(&none), 0);
        pki_key_free(again);
    }
}

static void a_key_in_a_token_does_not_leave_it(void **state)
{
    (void)state;
    need_softhsm();
    static const enum pki_key_type types[] = { PKI_KEY_P256, PKI_KEY_ED25519 };
    static const char *const objects[] = { "stays-p256", "stays-ed25519" };
    for (size_t i = 0; i < 2; i++) {
        struct pki_key *k = generated(objects[i], types[i]);
        struct buf pem;
        buf_init(&pem, 0);
        assert_int_equal(pki_key_write_private(k, SPAN_NONE, &pem), ERR_HSM);
        assert_int_equal(pki_key_write_private(k, SPAN("a passphrase"), &pem), ERR_HSM);
        assert_int_equal(buf_len(&pem), 0);
        char *with = jose_jwk(k, true), *without = jose_jwk(k, false);
        assert_string_equal(with, without);
        assert_null(strstr(with, "\"d\""));
        free(with);
        free(without);
        pki_key_free(k);
    }
}

// What another part of the process could ask the module: a session of its own, beside ours.
struct attribute {
    unsigned long type;
    void *value;
    unsigned long n;
};
struct mechanism {
    unsigned long type;
    void *parameter;
    unsigned long n;
};

static struct {
    unsigned long (*get_slots)(unsigned char, unsigned long *, unsigned long *);
    unsigned long (*open_session)(unsigned long, unsigned long, void *, void *, unsigned long *);
    unsigned long (*close_session)(unsigned long);
    unsigned long (*close_all)(unsigned long);
    unsigned long (*find_init)(unsigned long, struct attribute *, unsigned long);
    unsigned long (*find)(unsigned long, unsigned long *, unsigned long, unsigned long *);
    unsigned long (*find_final)(unsigned long);
    unsigned long (*get)(unsigned long, unsigned long, struct attribute *, unsigned long);
    unsigned long (*make_pair)(unsigned long, struct mechanism *, struct attribute *, unsigned long, struct attribute *,
                               unsigned long, unsigned long *, unsigned long *);
} p11;

static void find_functions(void)
{
    *(void **)&p11.get_slots = softhsm_function(&hsm, "C_GetSlotList");
    *(void **)&p11.open_session = softhsm_function(&hsm, "C_OpenSession");
    *(void **)&p11.close_session = softhsm_function(&hsm, "C_CloseSession");
    *(void **)&p11.close_all = softhsm_function(&hsm, "C_CloseAllSessions");
    *(void **)&p11.find_init = softhsm_function(&hsm, "C_FindObjectsInit");
    *(void **)&p11.find = softhsm_function(&hsm, "C_FindObjects");
    *(void **)&p11.find_final = softhsm_function(&hsm, "C_FindObjectsFinal");
    *(void **)&p11.get = softhsm_function(&hsm, "C_GetAttributeValue");
    *(void **)&p11.make_pair = softhsm_function(&hsm, "C_GenerateKeyPair");
}

// A session with write access to the token that has a private key of this name, and the key. The user must be logged in.
static unsigned long session_with(char *label, unsigned long *object)
{
    unsigned long slots[8], n = 8, session = 0, found = 0, class = 3;
    struct attribute want[] = { { 0, &class, sizeof class }, { 3, label, strlen(label) } };
    assert_int_equal(p11.get_slots(1, slots, &n), 0);
    for (unsigned long i = 0; i < n && !found; i++) {
        assert_int_equal(p11.open_session(slots[i], 6, NULL, NULL, &session), 0);
        assert_int_equal(p11.find_init(session, want, 2), 0);
        assert_int_equal(p11.find(session, object, 1, &found), 0);
        assert_int_equal(p11.find_final(session), 0);
        if (!found)
            p11.close_session(session);
    }
    assert_int_equal(found, 1);
    return session;
}

static void a_generated_key_is_sensitive_and_not_extractable(void **state)
{
    (void)state;
    need_softhsm();
    struct pki_key *k = generated("guarded", PKI_KEY_P256);
    unsigned char sensitive = 0, extractable = 1, never = 0, value[64];
    unsigned long object = 0, session = session_with((char[]){ "guarded" }, &object);
    struct attribute flags[] = { { 0x103, &sensitive, 1 }, { 0x162, &extractable, 1 }, { 0x164, &never, 1 } };
    assert_int_equal(p11.get(session, object, flags, 3), 0);
    assert_int_equal(sensitive, 1);
    assert_int_equal(extractable, 0);
    assert_int_equal(never, 1);
    struct attribute secret = { 0x11, value, sizeof value };
    assert_int_equal(p11.get(session, object, &secret, 1), 0x11); // CKR_ATTRIBUTE_SENSITIVE
    p11.close_session(session);
    pki_key_free(k);
}

static void a_key_that_wants_the_pin_for_each_signature_gets_it(void **state)
{
    (void)state;
    need_softhsm();
    struct pki_key *holder = generated("holder", PKI_KEY_P256); // keeps the user logged in
    unsigned long object, public, session = session_with((char[]){ "holder" }, &object);
    unsigned char yes = 1, p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
    char label[] = "each-time", id[] = "each";
    struct mechanism ec = { 0x1040, NULL, 0 };
    struct attribute of_public[] = {
        { 1, &yes, 1 }, { 0x10a, &yes, 1 }, { 0x180, p256, sizeof p256 }, { 3, label, 9 }, { 0x102, id, 4 }
    };
    struct attribute of_private[] = { { 1, &yes, 1 },     { 2, &yes, 1 },     { 0x103, &yes, 1 },
                                      { 0x108, &yes, 1 }, { 0x202, &yes, 1 }, // CKA_ALWAYS_AUTHENTICATE
                                      { 3, label, 9 },    { 0x102, id, 4 } };
    assert_int_equal(p11.make_pair(session, &ec, of_public, 5, of_private, 7, &public, &object), 0);
    p11.close_session(session);

    struct pki_key *k = opened("each-time");
    assert_signs(k, PKI_ES256);
    assert_signs(k, PKI_ES256);
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(file_write(hsm.pin_file, SPAN("wrong-pin-3"), 0600), 0);
    assert_int_equal(pki_key_sign(k, PKI_ES256, SPAN("m"), &out), ERR_HSM);
    assert_string_equal(pki_hsm_why(k), "the PIN is wrong");
    assert_int_equal(file_write(hsm.pin_file, SPAN(SOFTHSM_PIN "\n"), 0600), 0);
    assert_int_equal(pki_key_sign(k, PKI_ES256, SPAN("m"), &out), ERR_HSM); // not tried again
    assert_int_equal(buf_len(&out), 0);
    buf_fini(&out);
    pki_key_free(k);
    pki_key_free(holder);
}

static void a_second_key_of_one_name_is_refused(void **state)
{
    (void)state;
    need_softhsm();
    pki_key_free(generated("twice", PKI_KEY_P256));
    struct pki_key *k = opened("twice"), *second = NULL;
    uint8_t before[32], after[32];
    const char *what = "";
    char *uri = softhsm_uri(&hsm, "twice");
    pki_key_thumbprint(k, before);
    assert_int_equal(pki_hsm_generate(span_str(uri), PKI_KEY_P256, &second, &what), ERR_HSM);
    assert_non_null(strstr(what, "already"));
    assert_null(second);
    free(uri);
    pki_key_free(k);
    k = opened("twice");
    pki_key_thumbprint(k, after);
    assert_memory_equal(before, after, 32);
    pki_key_free(k);
}

static void kinds_that_no_token_key_has_are_refused(void **state)
{
    (void)state;
    need_softhsm();
    static const enum pki_key_type types[] = { PKI_KEY_RSA, PKI_KEY_P521, PKI_KEY_SYMMETRIC };
    char *uri = softhsm_uri(&hsm, "odd"), *nameless = softhsm_uri(&hsm, NULL);
    struct pki_key *k = NULL;
    const char *what = "";
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pki_hsm_generate(span_str(uri), types[i], &k, &what), ERR_HSM);
    assert_int_equal(pki_hsm_generate(span_str(nameless), PKI_KEY_P256, &k, &what), ERR_HSM);
    assert_non_null(strstr(what, "no object"));
    open_fails(uri, "no private key of that name");
    open_fails(nameless, "names no key");
    free(uri);
    free(nameless);
}

static void a_removed_key_is_gone_and_removing_it_again_is_fine(void **state)
{
    (void)state;
    need_softhsm();
    char *uri = softhsm_uri(&hsm, "removed"), *other = softhsm_uri(&hsm, "kept");
    const char *what = "";
    pki_key_free(generated("removed", PKI_KEY_P256));
    pki_key_free(generated("kept", PKI_KEY_P256));
    assert_int_equal(pki_hsm_remove(span_str(uri), &what), 0);
    open_fails(uri, "no private key of that name");
    assert_int_equal(pki_hsm_remove(span_str(uri), &what), 0);
    pki_key_free(opened("kept"));
    // The name is free again, the public half went too.
    pki_key_free(generated("removed", PKI_KEY_P256));
    free(uri);
    free(other);
}

static void a_key_is_found_by_its_id(void **state)
{
    (void)state;
    need_softhsm();
    char *made = softhsm_uri(&hsm, "by-id;id=%01%02%03"), *uri = NULL;
    struct pki_key *k = NULL, *again = NULL;
    const char *what = "";
    assert_int_equal(pki_hsm_generate(span_str(made), PKI_KEY_P256, &k, &what), 0);
    assert_true(asprintf(&uri, "pkcs11:token=sallyport%%20test;id=%%01%%02%%03?module-path=%s&pin-source=%s",
                         hsm.module, hsm.pin_file) > 0);
    assert_int_equal(pki_hsm_open(span_str(uri), &again, &what), 0);
    uint8_t a[32], b[32];
    pki_key_thumbprint(k, a);
    pki_key_thumbprint(again, b);
    assert_memory_equal(a, b, 32);
    pki_key_free(k);
    pki_key_free(again);
    free(made);
    free(uri);
}

static void a_wrong_pin_is_refused_and_said_nowhere(void **state)
{
    (void)state;
    need_softhsm();
    static const struct {
        const char *text, *words;
    } rows[] = {
        { "wrong-pin-1\n", "the PIN is wrong" },
        { "", "the file is empty" },
        { "\n", "the file is empty" },
        { SOFTHSM_PIN "\nmore\n", "more than one line" },
    };
    pki_key_free(generated("pinned", PKI_KEY_P256));
    char path[400], *uri = NULL;
    snprintf(path, sizeof path, "%s/wrong", hsm.folder);
    assert_true(asprintf(&uri, "pkcs11:token=sallyport%%20test;object=pinned?module-path=%s&pin-source=%s", hsm.module,
                         path) > 0);
    open_fails(uri, "no such file");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(file_write(path, span_str(rows[i].text), 0600), 0);
        open_fails(uri, rows[i].words);
    }
    assert_int_equal(file_write(path, SPAN(SOFTHSM_PIN), 0604), 0);
    open_fails(uri, "others may read");
    assert_int_equal(file_write(path, SPAN(SOFTHSM_PIN), 0600), 0); // without a newline
    struct pki_key *k = NULL;
    const char *what = "";
    assert_int_equal(pki_hsm_open(span_str(uri), &k, &what), 0);
    pki_key_free(k);
    free(uri);
    assert_true(asprintf(&uri, "pkcs11:token=sallyport%%20test;object=pinned?module-path=%s", hsm.module) > 0);
    open_fails(uri, "add pin-source");
    free(uri);
    assert_true(asprintf(&uri, "pkcs11:token=sallyport%%20test;object=pinned?module-path=%s&pin-value=" SOFTHSM_PIN,
                         hsm.module) > 0);
    open_fails(uri, "pin-value is refused");
    free(uri);
}

static void a_token_or_module_that_is_not_there_is_refused(void **state)
{
    (void)state;
    need_softhsm();
    char *uri = NULL;
    static const struct {
        const char *token, *module, *words;
    } rows[] = {
        { "token=another", NULL, "no such token" },
        { "token=sallyport%20test;serial=1", NULL, "no such token" },
        { "token=sallyport%20test;manufacturer=Somebody", NULL, "no such token" },
        { "token=sallyport%20test;model=x", NULL, "no such token" },
        { "token=t", "/nowhere/module.so", "no file there" },
        { "token=t", "/etc/passwd", "not a shared library" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(asprintf(&uri, "pkcs11:%s;object=k?module-path=%s&pin-source=%s", rows[i].token,
                             rows[i].module ? rows[i].module : hsm.module, hsm.pin_file) > 0);
        open_fails(uri, rows[i].words);
        free(uri);
    }
}

static void a_library_that_is_no_module_is_refused(void **state)
{
    (void)state;
    // The C library of this program, wherever it is.
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[1024], path[1024] = "";
    assert_non_null(maps);
    while (!*path && fgets(line, sizeof line, maps)) {
        char *at = strstr(line, "/");
        if (at && strstr(at, "/libc.so"))
            sscanf(at, "%1023s", path);
    }
    fclose(maps);
    if (!*path)
        skip();
    char *uri = NULL;
    assert_true(asprintf(&uri, "pkcs11:token=t;object=k?module-path=%s", path) > 0);
    open_fails(uri, "no PKCS#11 module");
    free(uri);
}

static void two_tokens_of_one_name_are_told_apart_by_serial(void **state)
{
    (void)state;
    need_softhsm();
    char *uri = NULL;
    assert_true(asprintf(&uri, "pkcs11:token=twin;object=k?module-path=%s&pin-source=%s", hsm.module, hsm.pin_file) >
                0);
    open_fails(uri, "add serial=");
    free(uri);
}

static void a_lost_session_is_opened_once_more(void **state)
{
    (void)state;
    need_softhsm();
    struct pki_key *k = generated("lost", PKI_KEY_P256);
    unsigned long slots[16], n = 16;
    assert_int_equal(p11.get_slots(1, slots, &n), 0);
    for (unsigned long i = 0; i < n; i++)
        p11.close_all(slots[i]); // what a token that is pulled does; logs out, too
    assert_signs(k, PKI_ES256);
    assert_string_equal(pki_hsm_why(k), "the session with the token is gone");

    // Now the PIN is another when it is needed again: one try, an error that says so, and no try after it.
    for (unsigned long i = 0; i < n; i++)
        p11.close_all(slots[i]);
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(file_write(hsm.pin_file, SPAN("wrong-pin-2"), 0600), 0);
    assert_int_equal(pki_key_sign(k, PKI_ES256, SPAN("m"), &out), ERR_HSM);
    assert_string_equal(pki_hsm_why(k), "the PIN is wrong");
    assert_int_equal(file_write(hsm.pin_file, SPAN(SOFTHSM_PIN "\n"), 0600), 0);
    assert_int_equal(pki_key_sign(k, PKI_ES256, SPAN("m"), &out), ERR_HSM);
    assert_string_equal(pki_hsm_why(k), "the PIN is wrong");
    assert_int_equal(buf_len(&out), 0);
    buf_fini(&out);
    pki_key_free(k);
    k = opened("lost");
    assert_signs(k, PKI_ES256);
    pki_key_free(k);
}

static void a_key_that_was_removed_meanwhile_signs_no_more(void **state)
{
    (void)state;
    need_softhsm();
    struct pki_key *k = generated("vanishing", PKI_KEY_P256);
    char *uri = softhsm_uri(&hsm, "vanishing");
    const char *what = "";
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(pki_hsm_remove(span_str(uri), &what), 0);
    assert_int_equal(pki_key_sign(k, PKI_ES256, SPAN("m"), &out), ERR_HSM);
    assert_string_not_equal(pki_hsm_why(k), "");
    assert_int_equal(buf_len(&out), 0);
    // Another key of that name is not taken for it: nobody would expect its signatures.
    struct pki_key *other = generated("vanishing", PKI_KEY_P256);
    assert_int_equal(pki_key_sign(k, PKI_ES256, SPAN("m"), &out), ERR_HSM);
    assert_non_null(strstr(pki_hsm_why(k), "does not verify"));
    assert_int_equal(buf_len(&out), 0);
    buf_fini(&out);
    pki_key_free(k);
    pki_key_free(other);
    free(uri);
}

static void a_forked_child_cannot_sign_with_its_parents_key(void **state)
{
    (void)state;
    need_softhsm();
    struct pki_key *k = generated("forked", PKI_KEY_P256);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct buf out;
        buf_init(&out, 0);
        int rc = pki_key_sign(k, PKI_ES256, SPAN("m"), &out);
        pki_key_free(k); // must not close the parent's session
        _exit(rc == ERR_HSM && buf_len(&out) == 0 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_signs(k, PKI_ES256);
    pki_key_free(k);
}

static void a_token_mints_an_access_token(void **state)
{
    (void)state;
    need_softhsm();
    struct pki_key *k = generated("minting", PKI_KEY_P256), *public = public_half(k);
    struct span audience = SPAN("https://gateway.test");
    uint8_t jkt[32] = { 1 };
    struct buf out;
    buf_init(&out, 0);
    struct pki_mint m = { .iss = SPAN("https://issuer.test"),
                          .subject = SPAN("s"),
                          .client_id = SPAN("c"),
                          .audiences = { .at = &audience, .n = 1 },
                          .iat_s = 1800000000,
                          .lifetime_s = 300,
                          .jkt = jkt };
    assert_int_equal(pki_mint_token(&m, k, PKI_ALG_NONE, &out), 0);
    struct span rest = buf_span(&out);
    size_t dot = rest.n;
    while (rest.p[dot - 1] != '.')
        dot--;
    uint8_t raw[128];
    size_t n = 0;
    assert_true(base64url_decode(span_sub(rest, dot, rest.n), raw, &n));
    assert_int_equal(n, 64);
    assert_int_equal(pki_key_verify(public, PKI_ES256, span_sub(rest, 0, dot - 1), span_of(raw, 64)), 0);
    buf_fini(&out);
    pki_key_free(public);
    pki_key_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_token_signs_our_public_key_verifies),
        cmocka_unit_test(a_key_in_a_token_does_not_leave_it),
        cmocka_unit_test(a_generated_key_is_sensitive_and_not_extractable),
        cmocka_unit_test(a_key_that_wants_the_pin_for_each_signature_gets_it),
        cmocka_unit_test(a_second_key_of_one_name_is_refused),
        cmocka_unit_test(kinds_that_no_token_key_has_are_refused),
        cmocka_unit_test(a_removed_key_is_gone_and_removing_it_again_is_fine),
        cmocka_unit_test(a_key_is_found_by_its_id),
        cmocka_unit_test(a_wrong_pin_is_refused_and_said_nowhere),
        cmocka_unit_test(a_token_or_module_that_is_not_there_is_refused),
        cmocka_unit_test(a_library_that_is_no_module_is_refused),
        cmocka_unit_test(two_tokens_of_one_name_are_told_apart_by_serial),
        cmocka_unit_test(a_lost_session_is_opened_once_more),
        cmocka_unit_test(a_key_that_was_removed_meanwhile_signs_no_more),
        cmocka_unit_test(a_forked_child_cannot_sign_with_its_parents_key),
        cmocka_unit_test(a_token_mints_an_access_token),
    };
    return cmocka_run_group_tests(tests, make_token, remove_token);
}
