// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/key_registry.h"

#include <sys/stat.h>

#define BUSY_MS 200 // the control thread has other things to do, and comes again

void gw_key_registry_fini(struct gw_key_registry *k)
{
    pki_api_key_store_close(k->store);
    k->store = NULL;
}

// The file that the configuration names now, open. It may have been replaced: a backup put back, a new one made.
static int hold(struct gw_key_registry *k, const struct gw_config *config)
{
    struct stat st;
    if (stat(config->api_keys.file.v.p, &st) != 0) {
        gw_key_registry_fini(k);
        return ERR_STORE_ABSENT;
    }
    if (k->store && k->device == (uint64_t)st.st_dev && k->inode == (uint64_t)st.st_ino)
        return 0;
    gw_key_registry_fini(k);
    int rc = pki_api_key_store_open(config->api_keys.file.v.p, BUSY_MS, &k->store);
    if (rc != 0)
        return rc;
    k->replaced = k->inode != 0;
    k->device = (uint64_t)st.st_dev;
    k->inode = (uint64_t)st.st_ino;
    return 0;
}

bool gw_key_registry_changed(struct gw_key_registry *k, const struct gw_config *config, const struct gw_revocations *r)
{
    uint64_t version;
    if (!config->api_keys.present) {
        gw_key_registry_fini(k);
        return false;
    }
    if (hold(k, config) != 0 || pki_api_key_store_version(k->store, &version) != 0) {
        gw_key_registry_fini(k);
        return false;
    }
    bool replaced = k->replaced;
    k->replaced = false;
    return replaced || !r->api_keys || pki_api_keys_version(r->api_keys) != version;
}

const char *gw_key_registry_flush(struct gw_key_registry *k, const struct gw_config *config,
                                  const struct gw_revocations *r, int64_t mono_ms, bool now)
{
    if (!config->api_keys.present || !r->api_keys || (!now && mono_ms - k->flushed_ms < GW_KEY_FLUSH_MS))
        return NULL;
    k->flushed_ms = mono_ms;
    int rc = hold(k, config);
    if (rc == 0)
        rc = pki_api_keys_flush(r->api_keys, k->store);
    if (rc == ERR_STORE_BUSY)
        return NULL;
    bool news = rc != 0 && !k->failing;
    k->failing = rc != 0;
    return !news ? NULL : k->store ? pki_api_key_store_what(k->store) : "the registry of API keys is gone";
}
