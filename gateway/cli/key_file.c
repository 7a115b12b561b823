// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/file.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/passphrase.h"
#include "pki/hsm.h"
#include "pki/pem.h"

#define KEY_FILE_MAX (64 * 1024)
#define SET_FILE_MAX (1024 * 1024)
#define CERT_FILE_MAX (1024 * 1024)
#define CERTS_MAX 64

// ---- in

static bool has(struct span s, const char *text)
{
    return s.n > 0 && memmem(s.p, s.n, text, strlen(text)) != NULL;
}

// 0 or GW_EXIT_USAGE. The caller wipes.
static int read_secret(struct gw_cli *cli, const char *path, struct buf *out)
{
    int rc = file_read(path, KEY_FILE_MAX, out);

    return rc == 0 ? 0 : gw_cli_usage(cli, "%s: %s", path, strerror(-rc));
}

static void warn_of_mode(struct gw_cli *cli, const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && (st.st_mode & 077) != 0)
        gw_cli_note(cli, "warning: others may read the private key %s; run: chmod 600 %s", path, path);
}

static int token_key(struct gw_cli *cli, const char *uri, struct pki_key **out)
{
    const char *why = "";
    return pki_hsm_open(span_str(uri), out, &why) == 0 ? 0 : gw_cli_usage(cli, "the key in the PKCS#11 token: %s", why);
}

int gw_cli_private_key(struct gw_cli *cli, const char *path, const char *passphrase_file, struct pki_key **out)
{
    if (pki_hsm_is_uri(span_str(path)))
        return token_key(cli, path, out);
    struct buf pem, passphrase;
    struct span secret = SPAN_NONE;
    bool encrypted = false;

    buf_init(&pem, 0);
    buf_init(&passphrase, 0);
    int rc = read_secret(cli, path, &pem);
    if (rc == 0) {
        encrypted = has(buf_span(&pem), "-----BEGIN ENCRYPTED PRIVATE KEY-----");
        if (!encrypted)
            warn_of_mode(cli, path);
    }
    if (rc == 0 && encrypted) {
        struct span prompt = arena_printf(&cli->arena, "Passphrase for %s: ", path);
        struct gw_passphrase_from from = { .file = passphrase_file,
                                           .env = GW_PASSPHRASE_ENV,
                                           .prompt = prompt.p ? prompt.p : "Passphrase: " };
        rc = gw_cli_passphrase(cli, &from, &passphrase);
        secret = buf_span(&passphrase);
    }
    if (rc == 0) {
        int e = pki_key_read_private(buf_span(&pem), secret, out);
        if (e == ERR_CERT_WEAK)
            rc = gw_cli_usage(cli, "%s: the key is too weak", path);
        else if (e == ERR_NOMEM)
            rc = gw_cli_usage(cli, "%s: out of memory", path);
        else if (e != 0)
            rc = gw_cli_usage(cli,
                              encrypted ? "%s: the passphrase is wrong, or this is not a private key"
                                        : "%s: not a private key in PEM",
                              path);
    }
    buf_wipe(&passphrase);
    buf_wipe(&pem);
    return rc;
}

// A JWK, or the only key of a set. 0 or a sentence for the complaint.
static const char *read_jwk(struct span text, struct pki_key **out)
{
    struct json_doc *doc = json_parse(text, NULL, NULL);
    const char *what = NULL;

    if (!doc)
        return "not JSON";
    json jwk = json_root(doc), keys = json_get(jwk, SPAN("keys"));
    if (keys && json_count(keys) != 1) {
        what = "the set does not hold exactly one key";
    } else if (pki_key_from_jwk(keys ? json_at(keys, 0) : jwk, false, out, &what) == 0) {
        what = NULL;
        if (pki_key_type(*out) == PKI_KEY_SYMMETRIC) {
            pki_key_free(*out);
            *out = NULL;
            what = "the key is symmetric";
        }
    } else if (!what) {
        what = "not a JWK";
    }
    json_free(doc);
    return what;
}

int gw_cli_public_key(struct gw_cli *cli, const char *path, struct pki_key **out)
{
    if (pki_hsm_is_uri(span_str(path)))
        return token_key(cli, path, out);
    struct buf text;
    struct pki_key *key = NULL;

    buf_init(&text, 0);
    int rc = read_secret(cli, path, &text);
    struct span s = buf_span(&text);
    if (rc == 0 && !pki_pem_looks_like(s) && span_starts(span_trim(s), SPAN("{"))) {
        const char *what = read_jwk(s, &key);
        if (what)
            rc = gw_cli_usage(cli, "%s: %s", path, what);
    } else if (rc == 0 && has(s, "-----BEGIN ENCRYPTED PRIVATE KEY-----")) {
        rc = gw_cli_usage(
            cli, "%s: the private key is encrypted; give the public key (`token keygen` writes it as jwks.json)", path);
    } else if (rc == 0 && pki_key_read_public(s, &key) != 0 && pki_key_read_private(s, SPAN_NONE, &key) != 0) {
        rc = gw_cli_usage(cli, "%s: not a key in PEM, DER or JWK form", path);
    }
    buf_wipe(&text);
    if (rc == 0)
        *out = key;
    return rc;
}

struct pki_jwks *gw_cli_key_set(struct gw_cli *cli, const char *path, unsigned algs)
{
    struct span text = gw_cli_read(cli, path, SET_FILE_MAX);
    struct diags diags;

    if (span_is_none(text))
        return NULL;
    diags_init(&diags);
    struct pki_jwks *keys = pki_jwks_read(text, algs, span_str(path), &diags);
    gw_cli_diags(cli, cli->err, &diags);
    diags_fini(&diags);
    return keys;
}

// ---- out

static int write_new(const char *path, struct span content)
{
    struct span at = content;
    int e = 0, fd;
    char *temporary;

    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return -ENOMEM;
    fd = mkostemp(temporary, O_CLOEXEC); // 0600
    if (fd < 0)
        e = -errno;
    while (!e && at.n) {
        ssize_t n = write(fd, at.p, at.n);
        if (n < 0 && errno != EINTR)
            e = -errno;
        else if (n > 0)
            at = span_sub(at, (size_t)n, at.n);
    }
    if (!e && fsync(fd) < 0)
        e = -errno;
    if (fd >= 0 && close(fd) < 0 && !e)
        e = -errno;
    // rename would replace a key that is there, link does not.
    if (!e && link(temporary, path) < 0)
        e = -errno;
    if (fd >= 0)
        unlink(temporary);
    free(temporary);
    return e;
}

int gw_cli_write_key(struct gw_cli *cli, const char *path, const struct pki_key *key, struct span passphrase)
{
    struct buf pem;
    int rc = 0, e;

    // One allocation: growing would leave copies behind.
    buf_init(&pem, 0);
    if (!buf_reserve(&pem, KEY_FILE_MAX) || pki_key_write_private(key, passphrase, &pem) != 0)
        rc = gw_cli_usage(cli, "the key could not be encoded");
    else if ((e = write_new(path, buf_span(&pem))) == -EEXIST)
        rc = gw_cli_usage(cli, "%s exists; a key is never overwritten, choose another name", path);
    else if (e != 0)
        rc = gw_cli_usage(cli, "%s: %s", path, strerror(-e));
    buf_wipe(&pem);
    return rc;
}

// ---- certificates

int gw_cli_certificates(struct gw_cli *cli, const char *path, struct span **ders, size_t *n)
{
    struct span text = gw_cli_read(cli, path, CERT_FILE_MAX), label, rest = text;
    struct span *list = arena_array(&cli->arena, CERTS_MAX, sizeof *list);
    struct buf der;
    size_t count = 0;
    int next = 0;

    if (span_is_none(text))
        return GW_EXIT_USAGE;
    if (!list)
        return gw_cli_usage(cli, "%s: out of memory", path);
    buf_init(&der, 0);
    // DER starts with a SEQUENCE; anything else is no certificate, rather than a bad one.
    if (!pki_pem_looks_like(text) && text.n > 0 && text.p[0] == 0x30)
        list[count++] = text;
    else
        while (count < CERTS_MAX && (next = pki_pem_next(&rest, &label, &der)) == 1)
            if (span_eq(label, SPAN("CERTIFICATE")))
                list[count++] = arena_dup(&cli->arena, buf_span(&der));
    // The file may hold the key as well.
    buf_wipe(&der);
    if (next == ERR_CERT_MALFORMED)
        return gw_cli_usage(cli, "%s: the PEM is damaged", path);
    if (next < 0 || cli->arena.failed)
        return gw_cli_usage(cli, "%s: out of memory", path);
    if (count == 0)
        return gw_cli_usage(cli, "%s: no certificate in it", path);
    *ders = list;
    *n = count;
    return 0;
}
