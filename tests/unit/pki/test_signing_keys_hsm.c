// SPDX-License-Identifier: GPL-3.0-or-later
// Signing keys in a PKCS#11 token, SoftHSM here: none is on the disk, none is left behind in the token.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/base/file.h"
#include "pki/hsm.h"
#include "pki/signing_keys.h"
#include "tests/support/softhsm.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW INT64_C(1800000000)
#define PER_KEY 2 // objects: both halves

static struct softhsm hsm;
static bool installed;

static int make_token(void **state)
{
    (void)state;
    installed = softhsm_init(&hsm);
    if (!installed)
        print_message("SoftHSM is not installed; deploy/deps --dev installs it\n");
    return 0;
}

static int remove_token(void **state)
{
    (void)state;
    softhsm_fini(&hsm);
    return 0;
}

static size_t counted;
static int count_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)at;
    counted += type == FTW_F && strstr(path, ".object") && !strstr(path, "token.object");
    return 0;
}

static size_t objects(void)
{
    counted = 0;
    nftw(hsm.folder, count_entry, 8, FTW_PHYS);
    return counted;
}

struct place {
    char dir[64], file[96], *uri;
    struct pki_signing_options o;
    struct pki_signing_keys *k;
};

static void open_keys(struct place *p, int64_t now_s)
{
    pki_signing_keys_close(p->k);
    int rc = pki_signing_keys_open(&p->o, now_s, &p->k);
    if (rc != 0)
        fail_msg("%d: %s", rc, pki_signing_keys_what(p->k));
}

static void place_fresh(struct place *p)
{
    if (!installed)
        skip();
    memset(p, 0, sizeof *p);
    strcpy(p->dir, "/tmp/sallyport-signing-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->file, sizeof p->file, "%s/keys.db", p->dir);
    p->uri = softhsm_uri(&hsm, NULL);
    p->o = (struct pki_signing_options){ .path = p->file,
                                         .alg = PKI_ES256,
                                         .passphrase = SPAN_NONE,
                                         .pkcs11 = span_str(p->uri),
                                         .rotate_s = 86400,
                                         .publish_s = 3600,
                                         .linger_s = 300 };
}

static void place_fini(struct place *p)
{
    char command[128];
    pki_signing_keys_close(p->k);
    free(p->uri);
    snprintf(command, sizeof command, "rm -rf %s", p->dir);
    assert_int_equal(0, system(command));
}

static void assert_signs(const struct place *p)
{
    const struct pki_signing_key *k = pki_signing_keys_active(p->k);
    struct buf b;
    buf_init(&b, 0);
    assert_int_equal(0, pki_key_sign(k->key, k->alg, SPAN("a.b"), &b));
    assert_int_equal(0, pki_key_verify(k->key, k->alg, SPAN("a.b"), buf_span(&b)));
    buf_fini(&b);
}

static void keys_live_and_die_in_the_token(void **state)
{
    (void)state;
    struct place p;
    struct buf file;
    place_fresh(&p);
    size_t before = objects();
    open_keys(&p, NOW);
    assert_int_equal(before + PER_KEY, objects());
    assert_signs(&p);
    assert_true(pki_hsm_is_uri(pki_signing_keys_active(p.k)->pkcs11));
    open_keys(&p, NOW + 1); // found again by its name
    assert_signs(&p);
    assert_int_equal(0, pki_signing_keys_look(p.k, NOW + 86400 - 3600, NULL));
    assert_int_equal(before + 2 * PER_KEY, objects());
    assert_int_equal(0, pki_signing_keys_look(p.k, NOW + 86400, NULL));
    // The old one signs no more: it is gone from the token, though its public half is published.
    assert_int_equal(before + PER_KEY, objects());
    assert_int_equal(2, pki_signing_keys_count(p.k));
    assert_signs(&p);
    assert_int_equal(0, pki_signing_keys_rotate(p.k, true, NOW + 86401));
    assert_int_equal(before + PER_KEY, objects());
    assert_signs(&p);
    pki_signing_keys_close(p.k);
    p.k = NULL;
    buf_init(&file, 0);
    assert_int_equal(0, file_read(p.file, 1u << 24, &file));
    assert_null(memmem(buf_span(&file).p, buf_len(&file), "PRIVATE KEY", 11));
    assert_null(memmem(buf_span(&file).p, buf_len(&file), SOFTHSM_PIN, strlen(SOFTHSM_PIN)));
    buf_fini(&file);
    place_fini(&p);
}

static void a_kill_while_one_is_made_leaves_none_behind(void **state)
{
    (void)state;
    struct place p;
    place_fresh(&p);
    open_keys(&p, NOW);
    size_t before = objects();
    // What a kill between making and entering leaves: a key pair, and the note that it was begun.
    struct buf uri;
    struct pki_key *orphan = NULL;
    const char *what = "";
    char sql[1024];
    sqlite3 *db;
    buf_init(&uri, 0);
    assert_int_equal(0, pki_hsm_with_object(p.o.pkcs11, SPAN("sallyport-orphan"), &uri, &what));
    assert_int_equal(0, pki_hsm_generate(buf_span(&uri), PKI_KEY_P256, &orphan, &what));
    pki_key_free(orphan);
    assert_int_equal(before + PER_KEY, objects());
    snprintf(sql, sizeof sql, "INSERT INTO stray VALUES ('%.*s', %lld)", SPAN_FMT(buf_span(&uri)), (long long)NOW);
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(p.file, &db, SQLITE_OPEN_READWRITE, NULL));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, sql, NULL, NULL, NULL));
    sqlite3_close(db);
    open_keys(&p, NOW + 5); // another process may be at it
    assert_int_equal(before + PER_KEY, objects());
    open_keys(&p, NOW + 3600);
    assert_int_equal(before, objects());
    assert_signs(&p);
    buf_fini(&uri);
    place_fini(&p);
}

static void a_token_that_is_not_there_is_said(void **state)
{
    (void)state;
    struct place p;
    char uri[1024];
    place_fresh(&p);
    snprintf(uri, sizeof uri, "pkcs11:token=nobody?module-path=%s&pin-source=%s", hsm.module, hsm.pin_file);
    p.o.pkcs11 = span_str(uri);
    assert_int_equal(ERR_HSM, pki_signing_keys_open(&p.o, NOW, &p.k));
    assert_non_null(strstr(pki_signing_keys_what(p.k), "PKCS#11 token"));
    pki_signing_keys_close(p.k);
    p.k = NULL;
    p.o.pkcs11 = span_str(p.uri); // and when it is there, all is well
    open_keys(&p, NOW + 1);
    assert_signs(&p);
    place_fini(&p);
}

static void keys_move_from_the_file_into_a_token_by_rotation(void **state)
{
    (void)state;
    struct place p;
    place_fresh(&p);
    struct span token = p.o.pkcs11;
    p.o.pkcs11 = SPAN_NONE;
    p.o.passphrase = SPAN("correct horse");
    open_keys(&p, NOW);
    p.o.pkcs11 = token;
    open_keys(&p, NOW + 1);
    assert_signs(&p); // the old one, with its passphrase
    assert_true(span_is_none(pki_signing_keys_active(p.k)->pkcs11));
    assert_int_equal(0, pki_signing_keys_rotate(p.k, true, NOW + 2));
    assert_false(span_is_none(pki_signing_keys_active(p.k)->pkcs11));
    assert_signs(&p);
    place_fini(&p);
}

// A configuration names a token or a passphrase, so the keys in the file cannot be opened any more.
static void a_file_whose_passphrase_went_is_left_for_the_token_at_once(void **state)
{
    (void)state;
    struct place p;
    place_fresh(&p);
    struct span token = p.o.pkcs11;
    p.o.pkcs11 = SPAN_NONE;
    p.o.passphrase = SPAN("correct horse");
    open_keys(&p, NOW);
    p.o.pkcs11 = token;
    p.o.passphrase = SPAN_NONE;
    open_keys(&p, NOW + 1);
    assert_signs(&p);
    assert_false(span_is_none(pki_signing_keys_active(p.k)->pkcs11));
    assert_int_equal(2, pki_signing_keys_count(p.k)); // what the old one signed is good until it ends
    size_t n = objects();
    open_keys(&p, NOW + 2);
    assert_int_equal(n, objects());
    place_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_live_and_die_in_the_token),
        cmocka_unit_test(a_kill_while_one_is_made_leaves_none_behind),
        cmocka_unit_test(a_token_that_is_not_there_is_said),
        cmocka_unit_test(keys_move_from_the_file_into_a_token_by_rotation),
        cmocka_unit_test(a_file_whose_passphrase_went_is_left_for_the_token_at_once),
    };
    return cmocka_run_group_tests(tests, make_token, remove_token);
}
