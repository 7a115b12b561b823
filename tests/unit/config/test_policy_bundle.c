// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/err.h"
#include "gateway/base/file.h"
#include "gateway/config/last_good.h"
#include "gateway/config/policy_load.h"
#include "pki/jws.h"
#include "tests/support/jose.h"

struct fixture {
    struct pki_key *key, *other;
    struct pki_jwks *keys; // of `key` only
    struct diags diags;
    struct arena arena;
    char folder[64], file[128], last_good[128], keys_file[128];
    struct gw_config config;
    struct gw_policy_bundle *bundle;
    size_t noted;
};

static struct span policy = { "permit (principal, action == Action::\"search\", resource);\n", 57 };

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct pki_key *keys[1];
    enum pki_alg algs[] = { PKI_ES256 };
    struct buf set;
    f->key = pki_key_generate(PKI_KEY_P256, 0);
    f->other = pki_key_generate(PKI_KEY_P256, 0);
    keys[0] = f->key;
    buf_init(&set, 0);
    diags_init(&f->diags);
    arena_init(&f->arena, 0);
    assert_int_equal(pki_jwks_write(keys, algs, 1, &set), 0);
    f->keys = pki_jwks_read(buf_span(&set), gw_bundle_algs(), SPAN("keys"), &f->diags);
    assert_non_null(f->keys);
    strcpy(f->folder, "/tmp/sallyport-bundle-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->file, sizeof f->file, "%s/p.tar", f->folder);
    snprintf(f->last_good, sizeof f->last_good, "%s/good", f->folder);
    snprintf(f->keys_file, sizeof f->keys_file, "%s/keys.json", f->folder);
    assert_int_equal(file_write(f->keys_file, buf_span(&set), 0600), 0);
    buf_fini(&set);
    f->config.file = SPAN("gateway.yaml");
    f->config.policy.present = f->config.policy.bundle.present = f->config.policy.validate = true;
    f->config.policy.bundle.file = (struct gw_config_text){ span_str(f->file), { 7, 3 } };
    f->config.policy.bundle.keys = (struct gw_config_text){ span_str(f->keys_file), { 8, 3 } };
    f->config.policy.bundle.last_good = (struct gw_config_text){ span_str(f->last_good), { 9, 3 } };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    gw_policy_bundle_free(f->bundle);
    pki_jwks_free(f->keys);
    pki_key_free(f->key);
    pki_key_free(f->other);
    diags_fini(&f->diags);
    arena_fini(&f->arena);
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static struct span name_a = { "a.cedar", 7 };

// A good bundle of one policy.
static void make(struct fixture *f, uint64_t version, struct span text, const struct pki_key *key, struct buf *archive,
                 struct buf *signature)
{
    struct gw_archive_member member = { name_a, text };
    struct gw_bundle_manifest m = { .version = version, .policies = { &name_a, 1 }, .entities = SPAN_NONE };
    const char *why;
    buf_init(archive, 0);
    buf_init(signature, 0);
    assert_int_equal(
        gw_policy_bundle_make(&m, &member, 1, 0, key, PKI_ES256, SPAN_NONE, &f->arena, archive, signature, &why), 0);
}

// Empty when it was taken.
static const char *opened(struct fixture *f, struct buf *archive, struct buf *signature)
{
    diags_fini(&f->diags);
    diags_init(&f->diags);
    gw_policy_bundle_free(f->bundle);
    f->bundle = gw_policy_bundle_open(SPAN("p.tar"), archive, signature, f->keys, &f->diags);
    assert_int_equal(f->bundle != NULL, f->diags.errors == 0);
    assert_int_equal(archive->cap + signature->cap, 0); // taken over
    return f->bundle ? "" : f->diags.first->text.p;
}

// An archive of this manifest and members "a", "b", signed well.
static const char *manifest(struct fixture *f, const char *text)
{
    const struct gw_archive_member v[] = { { GW_BUNDLE_MANIFEST, span_str(text) },
                                           { SPAN("a"), SPAN("x") },
                                           { SPAN("b"), SPAN("x") } };
    char header[256], thumbprint_text[64];
    struct buf archive, signature;
    const struct pki_jwks_key *k = pki_jwks_at(f->keys, 0);
    snprintf(thumbprint_text, sizeof thumbprint_text, "%.*s", SPAN_FMT(k->kid));
    snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"typ\":\"sallyport-policy-bundle+jws\",\"kid\":\"%s\"}",
             thumbprint_text);
    buf_init(&archive, 0);
    buf_init(&signature, 0);
    assert_int_equal(gw_archive_write(v, 3, 0, &archive, NULL), 0);
    assert_int_equal(pki_jws_sign_detached(span_str(header), buf_span(&archive), f->key, PKI_ES256, &signature), 0);
    return opened(f, &archive, &signature);
}

static void assert_says(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' does not say '%s'", text, part);
}

// ------------------------------------------------------------------------------------------------------- signature

static void good_bundle_gives_its_texts(void **state)
{
    struct fixture *f = *state;
    struct buf archive, signature;
    struct gw_policy_texts t;
    make(f, 42, policy, f->key, &archive, &signature);
    assert_string_equal(opened(f, &archive, &signature), "");
    assert_int_equal(f->bundle->manifest.version, 42);
    assert_true(span_eq(f->bundle->kid, pki_jwks_at(f->keys, 0)->kid));
    gw_policy_texts_init(&t);
    assert_true(gw_policy_bundle_texts(f->bundle, &t, &f->diags));
    assert_int_equal(t.policies.n, 1);
    assert_true(span_eq(t.policies.v[0].name, name_a) && span_eq(t.policies.v[0].text, policy));
    gw_policy_texts_fini(&t);
}

static void bundle_of_another_key_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buf archive, signature;
    make(f, 42, policy, f->other, &archive, &signature);
    assert_says(opened(f, &archive, &signature), "which may not sign bundles here");
}

static void flipped_byte_of_the_archive_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buf archive, signature;
    for (size_t i = 0;; i += 97) {
        make(f, 42, policy, f->key, &archive, &signature);
        bool in = i < buf_len(&archive);
        if (in)
            archive.base[archive.start + i] ^= 1;
        const char *what = opened(f, &archive, &signature);
        if (!in)
            break;
        // Never how the archive is wrong: nobody looked.
        assert_says(what, "the signature is not that of this archive");
    }
}

static void signature_of_another_bundle_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buf archive, signature, archive2, signature2;
    make(f, 42, policy, f->key, &archive, &signature);
    make(f, 43, policy, f->key, &archive2, &signature2);
    assert_says(opened(f, &archive, &signature2), "the signature is not that of this archive");
    buf_fini(&signature);
    buf_fini(&archive2);
}

// A signature with this header, made with the right key.
static const char *header(struct fixture *f, const char *fmt)
{
    char text[512];
    struct buf archive, signature;
    struct span kid = pki_jwks_at(f->keys, 0)->kid;
    make(f, 42, policy, f->key, &archive, &signature);
    buf_clear(&signature);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, fmt, SPAN_FMT(kid));
#pragma GCC diagnostic pop
    assert_int_equal(pki_jws_sign_detached(span_str(text), buf_span(&archive), f->key, PKI_ES256, &signature), 0);
    return opened(f, &archive, &signature);
}

#define TYP "\"typ\":\"sallyport-policy-bundle+jws\""

static void alg_none_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buf archive, signature;
    static const char *const algs[] = { "none", "None", "HS256", "ES384", "" };
    for (size_t i = 0; i < 5; i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"alg\":\"%s\"," TYP ",\"kid\":\"%%.*s\"}", algs[i]);
        const char *what = header(f, text);
        assert_says(what, i == 3 ? "which may not sign bundles here" : "not one that bundles are signed with");
    }
    assert_says(header(f, "{" TYP ",\"kid\":\"%.*s\"}"), "not one that bundles are signed with");
    // Without a signature.
    make(f, 42, policy, f->key, &archive, &signature);
    struct span text = buf_span(&signature);
    size_t head = span_find(text, '.');
    signature.end = signature.start + head + 2;
    assert_says(opened(f, &archive, &signature), "not a detached JWS");
}

static void signature_for_something_else_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(header(f, "{\"alg\":\"ES256\"," TYP ",\"kid\":\"%.*s\"}"), "");
    assert_says(header(f, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%.*s\"}"), "its typ is another");
    assert_says(header(f, "{\"alg\":\"ES256\",\"kid\":\"%.*s\"}"), "its typ is another");
    assert_says(header(f, "{\"alg\":\"ES256\"," TYP "}"), "by which key");
    assert_says(header(f, "{\"alg\":\"ES256\"," TYP ",\"kid\":\"x%.*s\"}"), "may not sign bundles here");
    assert_says(header(f, "{\"alg\":\"ES256\"," TYP ",\"kid\":\"%.*s\",\"jwk\":{}}"), "brings its own key");
    assert_says(header(f, "{\"alg\":\"ES256\"," TYP ",\"kid\":\"%.*s\",\"crit\":[\"b64\"],\"b64\":false}"), "critical");
    assert_says(header(f, "{\"alg\":\"ES256\"," TYP ",\"kid\":\"%.*s\",\"b64\":false}"), "critical");
    assert_says(header(f, "{\"alg\":\"ES256\"," TYP ",\"kid\":\"\\u001b[2J%.*s\"}"), "(unprintable)");
}

static void attached_payload_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buf archive, signature, whole;
    make(f, 42, policy, f->key, &archive, &signature);
    struct span text = buf_span(&signature);
    size_t head = span_find(text, '.');
    buf_init(&whole, 0);
    buf_printf(&whole, "%.*s.AAAA%.*s", (int)head, text.p, SPAN_FMT(span_sub(text, head + 1, text.n)));
    assert_says(opened(f, &archive, &whole), "not a detached JWS");
    buf_fini(&signature);
}

// -------------------------------------------------------------------------------------------------------- manifest

static void manifest_is_read_strictly(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(manifest(f, "{\"version\":1,\"policies\":[\"a\",\"b\"]}"), "");
    assert_string_equal(manifest(f,
                                 "{\"version\":9007199254740991,\"created\":\"2026-11-22T06:00:00Z\",\"policies\":[],"
                                 "\"owners\":[{\"name\":\"t\",\"files\":[\"a\"],\"scope\":\"Namespace::\\\"t\\\"\"}],"
                                 "\"links\":[],\"schema\":[\"b\"]}"),
                        "");
    static const struct {
        const char *text, *what;
    } wrong[] = {
        { "", "not JSON" },
        { "[]", "not a JSON object" },
        { "{\"policies\":[\"a\",\"b\"]}", "'version'" },
        { "{\"version\":0,\"policies\":[\"a\",\"b\"]}", "'version'" },
        { "{\"version\":-1,\"policies\":[\"a\",\"b\"]}", "'version'" },
        { "{\"version\":1.5,\"policies\":[\"a\",\"b\"]}", "'version'" },
        { "{\"version\":9007199254740992,\"policies\":[\"a\",\"b\"]}", "'version'" },
        { "{\"version\":\"1\",\"policies\":[\"a\",\"b\"]}", "'version'" },
        { "{\"version\":1,\"version\":2,\"policies\":[\"a\",\"b\"]}", "not JSON" },
        { "{\"version\":1,\"policies\":[\"a\",\"b\"],\"budget\":1}", "'budget' is not known" },
        { "{\"version\":1,\"policies\":[\"a\",\"b\"],\"\\u001b\":1}", "'(unprintable)' is not known" },
        { "{\"version\":1,\"policies\":\"a\"}", "'policies'" },
        { "{\"version\":1,\"policies\":[1]}", "'policies'" },
        { "{\"version\":1,\"policies\":[]}", "no policies" },
        { "{\"version\":1,\"links\":[\"a\",\"b\"]}", "no policies" },
        { "{\"version\":1,\"policies\":[\"a\"],\"entities\":[\"b\"]}", "'entities'" },
        { "{\"version\":1,\"policies\":[\"a\",\"b\"],\"created\":\"today\"}", "'created'" },
        { "{\"version\":1,\"policies\":[\"a\"]}", "'b' is in the archive, and bundle.json does not name it" },
        { "{\"version\":1,\"policies\":[\"a\",\"b\",\"c\"]}", "names 'c', which is not in the archive" },
        { "{\"version\":1,\"policies\":[\"a\",\"b\",\"\\u0007\"]}", "names '(unprintable)', which" },
        { "{\"version\":1,\"policies\":[\"a\",\"b\",\"a\"]}", "names 'a' twice" },
        { "{\"version\":1,\"policies\":[\"a\",\"b\"],\"entities\":\"b\"}", "names 'b' twice" },
        { "{\"version\":1,\"policies\":[\"a\",\"b\",\"bundle.json\"]}", "names 'bundle.json' twice" },
        { "{\"version\":1,\"policies\":[\"a\",\"b\"],\"owners\":{}}", "'owners' is a list" },
        { "{\"version\":1,\"policies\":[\"a\"],\"owners\":[{\"name\":\"t\",\"files\":[\"b\"]}]}", "an owner is" },
        { "{\"version\":1,\"policies\":[\"a\",\"b\"],\"owners\":[{\"name\":\"t\",\"files\":[],\"scope\":\"x\"}]}",
          "an owner is" },
        { "{\"version\":1,\"policies\":[\"a\"],\"owners\":[{\"name\":\"t\",\"files\":[\"b\"],\"scope\":\"x\",\"x\":1}]"
          "}",
          "'x' is not known" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_says(manifest(f, wrong[i].text), wrong[i].what);
}

static void manifest_that_is_not_first_is_refused(void **state)
{
    struct fixture *f = *state;
    struct gw_archive_member v[] = { { SPAN("a"), SPAN("x") },
                                     { GW_BUNDLE_MANIFEST, SPAN("{\"version\":1,\"policies\":[\"a\"]}") } };
    struct gw_archive a = { v, 2, NULL };
    struct gw_bundle_manifest m;
    assert_string_equal(gw_bundle_manifest_read(&a, &f->arena, &m), "its first member is not bundle.json");
}

static void same_files_are_the_same_bytes(void **state)
{
    struct fixture *f = *state;
    struct span names[] = { SPAN("b.cedar"), SPAN("a.cedar") };
    struct gw_archive_member v[] = { { names[0], policy }, { names[1], policy } }, w[] = { v[1], v[0] };
    struct gw_bundle_manifest m = { .version = 1, .policies = { names, 2 }, .entities = SPAN_NONE };
    struct buf one, two, signature;
    const char *why;
    buf_init(&one, 0);
    buf_init(&two, 0);
    buf_init(&signature, 0);
    assert_int_equal(
        gw_policy_bundle_make(&m, v, 2, 0, f->key, PKI_ES256, SPAN_NONE, &f->arena, &one, &signature, &why), 0);
    buf_clear(&signature);
    assert_int_equal(
        gw_policy_bundle_make(&m, w, 2, 0, f->other, PKI_ES256, SPAN("k"), &f->arena, &two, &signature, &why), 0);
    assert_true(span_eq(buf_span(&one), buf_span(&two)));
    // What no reader would take is not made.
    assert_int_equal(
        gw_policy_bundle_make(&m, v, 1, 0, f->key, PKI_ES256, SPAN_NONE, &f->arena, &two, &signature, &why),
        ERR_CONFIG);
    assert_says(why, "names 'a.cedar', which is not in the archive");
    assert_int_equal(
        gw_policy_bundle_make(&m, v, 2, 0, f->key, PKI_ALG_NONE, SPAN_NONE, &f->arena, &two, &signature, &why),
        ERR_INTERNAL);
    buf_fini(&one);
    buf_fini(&two);
    buf_fini(&signature);
}

// --------------------------------------------------------------------------------------------------------- loading

static void on_file(void *ctx, const char *path)
{
    struct fixture *f = ctx;
    (void)path;
    f->noted++;
}

static void put(struct fixture *f, uint64_t version, const char *text)
{
    struct buf archive, signature;
    char path[160];
    make(f, version, span_str(text), f->key, &archive, &signature);
    snprintf(path, sizeof path, "%s.sig", f->file);
    assert_int_equal(file_write(f->file, buf_span(&archive), 0600), 0);
    assert_int_equal(file_write(path, buf_span(&signature), 0600), 0);
    buf_fini(&archive);
    buf_fini(&signature);
}

// The version it loads, 0: none.
static uint64_t loaded(struct fixture *f, enum gw_policy_when when)
{
    diags_fini(&f->diags);
    diags_init(&f->diags);
    gw_policy_bundle_free(f->bundle);
    f->bundle = NULL;
    f->noted = 0;
    struct pol_set *set =
        gw_policy_load(&f->config, &f->config.policy, GW_POLICY_GATEWAY, when, on_file, f, &f->bundle, &f->diags);
    assert_int_equal(set != NULL, f->bundle != NULL);
    assert_int_equal(set != NULL, f->diags.errors == 0);
    assert_int_equal(f->noted, 3); // archive, signature, keys: whatever became of them, they are watched
    pol_set_free(set);
    return f->bundle ? f->bundle->manifest.version : 0;
}

static void keep(struct fixture *f)
{
    assert_int_equal(gw_last_good_keep(f->last_good, f->bundle), 0);
}

static void assert_warned(struct fixture *f, const char *part)
{
    for (const struct diag *d = f->diags.first; d; d = d->next)
        if (strstr(d->text.p, part))
            return;
    fail_msg("nothing says '%s'", part);
}

#define PERMIT(action) "permit (principal, action == Action::\"" action "\", resource);"

static void bundle_is_loaded_and_kept_when_told(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    struct gw_last_good kept;
    put(f, 42, PERMIT("search"));
    assert_int_equal(loaded(f, GW_POLICY_START), 42);
    assert_false(f->bundle->last_good);
    assert_int_equal(stat(f->last_good, &st), -1); // to load changes nothing
    keep(f);
    assert_int_equal(stat(f->last_good, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(gw_last_good_look(f->last_good, &kept), 0);
    assert_int_equal(kept.version, 42);
    assert_int_equal(stat(kept.signature, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void broken_bundle_at_the_start_leaves_the_last_good_one(void **state)
{
    struct fixture *f = *state;
    char path[160];
    put(f, 42, PERMIT("search"));
    assert_int_equal(loaded(f, GW_POLICY_START), 42);
    keep(f);

    assert_int_equal(file_write(f->file, SPAN("cut"), 0600), 0);
    assert_int_equal(loaded(f, GW_POLICY_START), 42);
    assert_true(f->bundle->last_good);
    assert_warned(f, "the last good one, version 42, is in force");
    assert_warned(f, "the signature is not that of this archive");
    assert_int_equal(loaded(f, GW_POLICY_RELOAD), 0);

    // Signed, and not to be compiled.
    put(f, 43, PERMIT("serch"));
    assert_int_equal(loaded(f, GW_POLICY_START), 42);
    assert_warned(f, "did you mean");
    assert_warned(f, "bundle version 43 is not used");
    assert_int_equal(loaded(f, GW_POLICY_RELOAD), 0);

    // Gone altogether.
    snprintf(path, sizeof path, "%s.sig", f->file);
    unlink(path);
    assert_int_equal(loaded(f, GW_POLICY_START), 42);
    assert_warned(f, "a bundle is not used without its signature");
    unlink(f->file);
    assert_int_equal(loaded(f, GW_POLICY_START), 42);
    assert_int_equal(loaded(f, GW_POLICY_RELOAD), 0);
}

static void broken_bundle_without_a_last_good_one_is_an_error(void **state)
{
    struct fixture *f = *state;
    put(f, 42, PERMIT("serch"));
    assert_int_equal(loaded(f, GW_POLICY_START), 0);
    f->config.policy.bundle.last_good.v = SPAN_NONE;
    assert_int_equal(loaded(f, GW_POLICY_START), 0);
    put(f, 42, PERMIT("search"));
    assert_int_equal(loaded(f, GW_POLICY_START), 42);
}

static void older_bundle_played_again_is_refused(void **state)
{
    struct fixture *f = *state;
    put(f, 42, PERMIT("search"));
    assert_int_equal(loaded(f, GW_POLICY_START), 42);
    keep(f);
    put(f, 41, PERMIT("read"));
    assert_int_equal(loaded(f, GW_POLICY_RELOAD), 0);
    assert_warned(f, "its version 41 is older than 42");
    assert_int_equal(loaded(f, GW_POLICY_START), 42);
    assert_true(f->bundle->last_good);
    put(f, 43, PERMIT("read"));
    assert_int_equal(loaded(f, GW_POLICY_RELOAD), 43);
}

static void same_version_with_other_content_is_refused(void **state)
{
    struct fixture *f = *state;
    put(f, 42, PERMIT("search"));
    assert_int_equal(loaded(f, GW_POLICY_START), 42);
    keep(f);
    assert_int_equal(loaded(f, GW_POLICY_RELOAD), 42);
    put(f, 42, PERMIT("read"));
    assert_int_equal(loaded(f, GW_POLICY_RELOAD), 0);
    assert_warned(f, "another bundle of version 42");
    put(f, 42, PERMIT("search")); // another signature of the same bytes
    assert_int_equal(loaded(f, GW_POLICY_RELOAD), 42);
}

static void last_good_bundle_of_a_key_that_was_withdrawn_is_not_used(void **state)
{
    struct fixture *f = *state;
    const struct pki_key *keys[] = { f->other };
    enum pki_alg algs[] = { PKI_ES256 };
    struct buf set;
    put(f, 42, PERMIT("search"));
    assert_int_equal(loaded(f, GW_POLICY_START), 42);
    keep(f);
    buf_init(&set, 0);
    assert_int_equal(pki_jwks_write(keys, algs, 1, &set), 0);
    assert_int_equal(file_write(f->keys_file, buf_span(&set), 0600), 0);
    assert_int_equal(loaded(f, GW_POLICY_START), 0);
    buf_fini(&set);
}

static void last_good_bundle_that_was_changed_is_not_used(void **state)
{
    struct fixture *f = *state;
    struct gw_last_good kept;
    put(f, 42, PERMIT("search"));
    assert_int_equal(loaded(f, GW_POLICY_START), 42);
    keep(f);
    unlink(f->file);
    assert_int_equal(gw_last_good_look(f->last_good, &kept), 0);
    assert_int_equal(file_write(kept.archive, SPAN("changed"), 0600), 0);
    assert_int_equal(loaded(f, GW_POLICY_START), 0);
}

// An old bundle, well signed, that somebody put there as a new one.
static void last_good_bundle_under_another_versions_name_is_not_used(void **state)
{
    struct fixture *f = *state;
    struct gw_last_good kept;
    char to[160];
    put(f, 42, PERMIT("search"));
    assert_int_equal(loaded(f, GW_POLICY_START), 42);
    keep(f);
    assert_int_equal(gw_last_good_look(f->last_good, &kept), 0);
    snprintf(to, sizeof to, "%s/bundle-43.tar.sig", f->last_good);
    assert_int_equal(rename(kept.signature, to), 0);
    snprintf(to, sizeof to, "%s/bundle-43.tar", f->last_good);
    assert_int_equal(rename(kept.archive, to), 0);
    assert_int_equal(loaded(f, GW_POLICY_START), 0);
}

static void only_the_newest_bundle_is_kept_and_rests_of_a_crash_go(void **state)
{
    struct fixture *f = *state;
    struct gw_last_good kept;
    char path[160];
    put(f, 42, PERMIT("search"));
    loaded(f, GW_POLICY_START);
    keep(f);
    // A signature whose archive was never written does not count.
    snprintf(path, sizeof path, "%s/bundle-99.tar.sig", f->last_good);
    assert_int_equal(file_write(path, SPAN("x"), 0600), 0);
    snprintf(path, sizeof path, "%s/bundle-98.tar.abcdef", f->last_good);
    assert_int_equal(file_write(path, SPAN("x"), 0600), 0);
    snprintf(path, sizeof path, "%s/bundle-0097.tar", f->last_good);
    assert_int_equal(file_write(path, SPAN("x"), 0600), 0);
    assert_int_equal(gw_last_good_look(f->last_good, &kept), 0);
    assert_int_equal(kept.version, 42);
    put(f, 43, PERMIT("search"));
    assert_int_equal(loaded(f, GW_POLICY_RELOAD), 43);
    keep(f);
    keep(f); // a second time is nothing
    assert_int_equal(gw_last_good_look(f->last_good, &kept), 0);
    assert_int_equal(kept.version, 43);
    snprintf(path, sizeof path, "ls %s | tr '\\n' ' '", f->last_good);
    FILE *p = popen(path, "r");
    char listed[256] = "";
    assert_non_null(fgets(listed, sizeof listed, p));
    pclose(p);
    assert_string_equal(listed, "bundle-43.tar bundle-43.tar.sig ");
}

static void running_process_goes_back_to_no_older_version(void **state)
{
    struct fixture *f = *state;
    struct gw_policy_bundle now = { .manifest = { .version = 42 } }, next = now;
    struct gw_config_policy *p = &f->config.policy, elsewhere = *p;
    assert_true(gw_policy_follows(&f->config, p, &now, p, &next, &f->diags));
    next.digest[5] = 1;
    assert_false(gw_policy_follows(&f->config, p, &now, p, &next, &f->diags));
    next.manifest.version = 43;
    assert_true(gw_policy_follows(&f->config, p, &now, p, &next, &f->diags));
    next.manifest.version = 41;
    assert_false(gw_policy_follows(&f->config, p, &now, p, &next, &f->diags));
    // Of another file it is another line of versions; and files have none.
    elsewhere.bundle.file.v = SPAN("/elsewhere.tar");
    assert_true(gw_policy_follows(&f->config, p, &now, &elsewhere, &next, &f->diags));
    assert_true(gw_policy_follows(&f->config, p, NULL, p, &next, &f->diags));
    assert_true(gw_policy_follows(&f->config, p, &now, p, NULL, &f->diags));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(good_bundle_gives_its_texts),
        TEST(bundle_of_another_key_is_refused),
        TEST(flipped_byte_of_the_archive_is_refused),
        TEST(signature_of_another_bundle_is_refused),
        TEST(alg_none_is_refused),
        TEST(signature_for_something_else_is_refused),
        TEST(attached_payload_is_refused),
        TEST(manifest_is_read_strictly),
        TEST(manifest_that_is_not_first_is_refused),
        TEST(same_files_are_the_same_bytes),
        TEST(bundle_is_loaded_and_kept_when_told),
        TEST(broken_bundle_at_the_start_leaves_the_last_good_one),
        TEST(broken_bundle_without_a_last_good_one_is_an_error),
        TEST(older_bundle_played_again_is_refused),
        TEST(same_version_with_other_content_is_refused),
        TEST(last_good_bundle_of_a_key_that_was_withdrawn_is_not_used),
        TEST(last_good_bundle_that_was_changed_is_not_used),
        TEST(last_good_bundle_under_another_versions_name_is_not_used),
        TEST(only_the_newest_bundle_is_kept_and_rests_of_a_crash_go),
        TEST(running_process_goes_back_to_no_older_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
