// SPDX-License-Identifier: GPL-3.0-or-later
// API keys, for what cannot do better.
#include "gateway/config/schema_table.h"

static const struct gw_choice headers[] = {
    { NAME("authorization"), GW_API_KEY_AUTHORIZATION },
    { NAME("api-key"), GW_API_KEY_FIELD },
    { NAME("either"), GW_API_KEY_EITHER },
};
static const struct gw_choice workloads[] = { { NAME("required"), 0 }, { NAME("any"), 1 } };

static const struct gw_field asserts_fields[] = {
    ASSERTS(roles),
    ASSERTS(tenants),
    { .key = NAME("trust_domains"),
      .type = GW_FIELD_TEXTS,
      AT(gw_config_asserts, trust_domains),
      .fault = gw_fault_trust_domain,
      .doc = "trust domains whose workloads may own keys; none without it" },
};
static const struct gw_schema asserts_schema = PART(asserts_fields, gw_config_asserts);

static const struct gw_field fields[] = {
    { .key = NAME("name"),
      .type = GW_FIELD_TEXT,
      AT(gw_config_api_keys, name),
      .fallback = "apikeys",
      .fault = gw_fault_name,
      .doc = "a short name; policies and records call the keys' roles by it" },
    { .key = NAME("file"),
      .type = GW_FIELD_PATH,
      AT(gw_config_api_keys, file),
      .required = true,
      .doc = "the registry, made by sallyport apikey create; the gateway writes back when a key was last used" },
    { .key = NAME("header"),
      .type = GW_FIELD_CHOICE,
      AT(gw_config_api_keys, header),
      CHOICES(headers),
      .fallback = "authorization",
      .doc =
          "where keys are read: authorization (Authorization: Bearer), api-key (a field of that name), either; never "
          "both in one request" },
    { .key = NAME("workload"),
      .type = GW_FIELD_SWITCH,
      AT(gw_config_api_keys, any_workload),
      CHOICES(workloads),
      .fallback = "required",
      .doc = "required: a key is good under its owner's certificate only; any: also keys that were created without an "
             "owner, under any certificate" },
    { .key = NAME("max_stale"),
      .type = GW_FIELD_DURATION,
      AT(gw_config_api_keys, max_stale),
      .fallback = "1h",
      .low = 0,
      .high = 365 * DAY,
      .doc = "how long keys count after the registry was last read well; then all are refused; 0s: for ever" },
    { .key = NAME("scopes"),
      .type = GW_FIELD_CUSTOM,
      .required = true,
      .custom = gw_config_read_api_key_scopes,
      .doc = "map of scope to a list of actions or action groups, the ceiling of what a key allows; or none: no "
             "ceiling" },
    { .key = NAME("asserts"),
      .type = GW_FIELD_MAP,
      AT(gw_config_api_keys, asserts),
      .schema = &asserts_schema,
      .doc = "what its keys may claim" },
};
const struct gw_schema gw_config_api_keys_schema = PLACED(fields, gw_config_api_keys);
