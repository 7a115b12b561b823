// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/jose.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/base64url.h"
#include "gateway/base/file.h"
#include "pki/digest.h"

struct json_doc *jose_vectors(const char *name)
{
    const char *root = getenv("SALLYPORT_VECTORS");
    char path[1024];
    struct buf text;
    snprintf(path, sizeof path, "%s/%s", root ? root : "../shared/vectors", name);
    buf_init(&text, 0);
    struct json_doc *doc = NULL;
    if (file_read(path, 16 << 20, &text) == 0) {
        struct json_limits limits = { .bytes = 16 << 20, .depth = 32 };
        doc = json_parse(buf_span(&text), &limits, NULL);
        assert(doc);
    }
    buf_fini(&text);
    return doc;
}

bool jose_vectors_each(const char *folder, void (*on_file)(void *ctx, const char *name), void *ctx)
{
    const char *root = getenv("SALLYPORT_VECTORS");
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", root ? root : "../shared/vectors", folder);
    DIR *dir = opendir(path);
    if (!dir)
        return false;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        if (span_ends(span_str(e->d_name), SPAN(".json"))) {
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            on_file(ctx, path);
        }
    closedir(dir);
    return true;
}

static int digit(char c)
{
    return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

struct span jose_hex(struct span text)
{
    char *p = malloc(text.n / 2 + 1);
    assert(p);
    for (size_t i = 0; i + 1 < text.n; i += 2)
        p[i / 2] = (char)(digit(text.p[i]) * 16 + digit(text.p[i + 1]));
    return span_of(p, text.n / 2);
}

char *jose_b64(struct span s)
{
    char *p = malloc(BASE64URL_ENCODED(s.n) + 1);
    assert(p);
    p[base64url_encode(s, p)] = 0;
    return p;
}

static char *join(const char *header, const char *payload, const struct pki_key *key, enum pki_alg alg,
                  struct span secret)
{
    char *h = jose_b64(span_str(header)), *p = jose_b64(span_str(payload)), *text = NULL, *all = NULL;
    int n = asprintf(&text, "%s.%s", h, p);
    struct buf signature;
    buf_init(&signature, 0);
    if (key) {
        int rc = pki_key_sign(key, alg, span_of(text, (size_t)n), &signature);
        assert(rc == 0);
        (void)rc;
    } else {
        uint8_t mac[32];
        pki_hmac_sha256(secret, span_of(text, (size_t)n), mac);
        buf_append(&signature, span_of(mac, sizeof mac));
    }
    char *s = jose_b64(buf_span(&signature));
    n = asprintf(&all, "%s.%s", text, s);
    assert(n > 0);
    buf_fini(&signature);
    free(h);
    free(p);
    free(s);
    free(text);
    return all;
}

char *jose_sign(const char *header, const char *payload, const struct pki_key *key, enum pki_alg alg)
{
    return join(header, payload, key, alg, SPAN_NONE);
}

char *jose_hmac(const char *header, const char *payload, struct span secret)
{
    return join(header, payload, NULL, PKI_ALG_NONE, secret);
}

char *jose_jwk(const struct pki_key *key, bool private_members)
{
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer(&out);
    json_w_object(&w);
    pki_key_to_jwk(key, private_members, &w);
    json_w_end(&w);
    buf_byte(&out, 0);
    char *text = strdup(buf_span(&out).p);
    assert(text);
    buf_fini(&out);
    return text;
}

char *jose_with(const char *object, const char *name, const char *value)
{
    struct json_doc *doc = json_parse(span_str(object), NULL, NULL);
    assert(doc);
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer(&out);
    struct span member;
    json v;
    json_w_object(&w);
    for (struct json_iter it = json_iter(json_root(doc)); json_next(&it, &member, &v);) {
        if (span_eq(member, span_str(name)))
            continue;
        json_w_key(&w, member);
        json_w_value(&w, v);
    }
    if (value) {
        json_w_key(&w, span_str(name));
        json_w_raw(&w, span_str(value));
    }
    json_w_end(&w);
    buf_byte(&out, 0);
    char *text = strdup(buf_span(&out).p);
    buf_fini(&out);
    json_free(doc);
    return text;
}
