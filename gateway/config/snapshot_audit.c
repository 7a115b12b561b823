// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/snapshot_audit.h"

#include "gateway/base/secret.h"
#include "gateway/config/snapshot_files.h"
#include "pki/hsm.h"
#include "pki/mint.h"

static bool is_set(struct gw_config_text t)
{
    return !span_is_none(t.v);
}

static void check_signing(const struct gw_config *c, const struct gw_config_audit_signing *s, struct diags *diags)
{
    const char *why = NULL;

    if (!s->present)
        return;
    if (is_set(s->key) == is_set(s->pkcs11))
        gw_config_error(c, is_set(s->key) ? s->pkcs11.at : s->at, diags,
                        "audit.signing has either 'key' or 'pkcs11'; write one of them");
    if (is_set(s->passphrase_file) && !is_set(s->key))
        gw_config_error(c, s->passphrase_file.at, diags, "passphrase_file without key; set key or remove it");
    // Not by the field itself, which would show the value, and a PIN that somebody wrote into it.
    if (is_set(s->pkcs11) && pki_hsm_check_uri(s->pkcs11.v, true, &why) != 0)
        gw_config_error(c, s->pkcs11.at, diags, "audit.signing.pkcs11: %s", why);
}

void gw_config_audit_check(const struct gw_config *c, struct diags *diags)
{
    const struct gw_config_audit *a = &c->audit;

    if (!a->present)
        return;
    check_signing(c, &a->signing, diags);
    if (a->http.present)
        gw_config_remote_check(c, &a->http.remote, "audit.http", diags);
    if (is_set(a->file))
        return;
    if (a->http.present)
        gw_config_error(c, a->http.at, diags, "what is sent to a collector is read from audit.file; set it");
    if (a->rotate.size || a->rotate.every || a->rotate.keep)
        gw_config_error(c, a->signing.at, diags, "audit.rotate without audit.file; standard output has no files");
    if (!a->to_stdout && diags->errors == 0)
        gw_config_error(c, a->signing.at, diags, "audit has neither 'file' nor 'stdout: true'; write one of them");
}

struct pki_key *gw_snapshot_audit_key(const struct gw_snapshot *s, struct diags *diags)
{
    const struct gw_config_audit_signing *c = &s->config->audit.signing;
    struct pki_key *key = NULL;
    const char *why = "";

    if (is_set(c->pkcs11)) {
        if (pki_hsm_open(c->pkcs11.v, &key, &why) != 0)
            gw_config_error(s->config, c->pkcs11.at, diags, "audit.signing.pkcs11: %s", why);
        return key;
    }
    if (span_is_none(s->audit.key_pem))
        return NULL;
    int rc = pki_key_read_private(s->audit.key_pem, s->audit.passphrase, &key);
    if (rc != 0) {
        gw_config_error(s->config, c->key.at, diags, "%.*s: %s", SPAN_FMT(c->key.v),
                        rc == ERR_CERT_WEAK ? "the key is too weak"
                                            : "not a private key in PEM, or the passphrase is wrong");
        return NULL;
    }
    return key;
}

void gw_snapshot_audit_load(struct gw_snapshot *s, int64_t now_s, struct diags *diags)
{
    const struct gw_config_audit *a = &s->config->audit;

    if (!a->present)
        return;
    s->audit.key_pem = gw_snapshot_read(s, &a->signing.key, GW_SECRET_MAX, diags);
    s->audit.passphrase = gw_snapshot_read_secret(s, &a->signing.passphrase_file, diags);
    // A key that could not sign is found before a process starts with it, or when it is put in its place.
    if (!span_is_none(s->audit.key_pem))
        pki_key_free(gw_snapshot_audit_key(s, diags));
    if (a->http.present)
        gw_remote_load(s, &a->http.remote, &s->audit.collector, now_s, diags);
}

void gw_snapshot_audit_fini(struct gw_snapshot_audit *a)
{
    secret_wipe((void *)(uintptr_t)a->key_pem.p, a->key_pem.n);
    secret_wipe((void *)(uintptr_t)a->passphrase.p, a->passphrase.n);
    gw_remote_fini(&a->collector);
}
