// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/stages/failures.h"

#include "gateway/base/remote.h"
#include "gateway/stages/observe.h"

#define BUCKETS 65536
#define NS_PER_MS 1000000

// A gw_quota under another name: its one owner may have all of it.
struct gw_failures *gw_failures_new(const uint64_t key[static 2])
{
    return (struct gw_failures *)gw_quota_new(
        &(struct gw_quota_options){ .buckets = BUCKETS, .share_percent = 100, .key = { key[0], key[1] } });
}

static struct gw_quota *table(struct gw_failures *f)
{
    return (struct gw_quota *)f;
}

void gw_failures_free(struct gw_failures *f)
{
    gw_quota_free(table(f));
}

bool gw_failures_counts(int error)
{
    switch (error) {
    // Nothing was sent that would have had to be looked at, or it is the gateway that cannot tell.
    case ERR_TOKEN_MISSING:
    case ERR_TOKEN_SCHEME:
    case ERR_PROOF_MISSING:
    case ERR_PROOF_NONCE:
    case ERR_PROOF_BEFORE_START:
    case ERR_KEYS_STALE:
    case ERR_INTROSPECTION:
    case ERR_SCOPE: return false;
    // What all instances of an honest workload may send at once: tokens ran out together, a clock is off, their issuer has a key or is one that was not
    // heard of here yet, or another gateway, or this one before it was started again, made the nonce. None of these is found behind a signature.
    case ERR_TOKEN_EXPIRED:
    case ERR_TOKEN_NOT_YET:
    case ERR_TOKEN_KEY:
    case ERR_TOKEN_ISSUER:
    case ERR_PROOF_IAT:
    case ERR_PROOF_NONCE_INVENTED: return false;
    case ERR_TOKEN_REVOKED:
    case ERR_TOKEN_INACTIVE:
    case ERR_APIKEY_REVOKED: return true;
    default: return gw_refusal_gate(error) == GW_GATE_TOKEN;
    }
}

static struct gw_quota_charge charge(struct gw_failures *f, const struct gw_config_failure *bound, const char *kind,
                                     struct span who)
{
    const struct span parts[] = { span_str(kind), who };
    struct gw_quota_charge c = { .rate = gw_quota_rate(bound->count, bound->period, bound->burst), .cost = 1 };
    c.bucket = gw_quota_bucket(table(f), parts, 2, &c.rate);
    return c;
}

static int64_t wait_ms(struct gw_failures *f, const struct gw_config_failure *bound, const char *kind, struct span who,
                       int64_t now_ms)
{
    if (gw_quota_used(table(f)) == 0)
        return 0;
    struct gw_quota_charge c = charge(f, bound, kind, who);
    gw_quota_look(table(f), &c, now_ms);
    return c.outcome == GW_QUOTA_OK ? 0 : (c.wait_ns + NS_PER_MS - 1) / NS_PER_MS;
}

static void add(struct gw_failures *f, const struct gw_config_failure *bound, const char *kind, struct span who,
                int64_t now_ms)
{
    struct gw_quota_charge c = charge(f, bound, kind, who);
    (void)gw_quota_take(table(f), &c, 1, 0, now_ms); // an empty bucket stays empty
}

int64_t gw_failures_workload(struct gw_failures *f, const struct gw_config_failure *bound, struct span spiffe_id,
                             int64_t now_ms)
{
    return wait_ms(f, bound, "workload", spiffe_id, now_ms);
}

void gw_failures_add_workload(struct gw_failures *f, const struct gw_config_failure *bound, struct span spiffe_id,
                              int64_t now_ms)
{
    add(f, bound, "workload", spiffe_id, now_ms);
}

int64_t gw_failures_source(struct gw_failures *f, const struct gw_config_failure *bound, struct span remote,
                           int64_t now_ms)
{
    uint8_t network[REMOTE_NETWORK];
    return wait_ms(f, bound, "source", remote_source(remote, network), now_ms);
}

void gw_failures_add_source(struct gw_failures *f, const struct gw_config_failure *bound, struct span remote,
                            int64_t now_ms)
{
    uint8_t network[REMOTE_NETWORK];
    add(f, bound, "source", remote_source(remote, network), now_ms);
}
