// SPDX-License-Identifier: GPL-3.0-or-later
// Issuers that answer for their opaque tokens.
#include "gateway/config/schema_table.h"

static const struct gw_choice required_implied[] = { { NAME("required"), 0 }, { NAME("implied"), 1 } };
static const struct gw_choice required_optional[] = { { NAME("required"), 0 }, { NAME("optional"), 1 } };

static const char *fault_prefix(struct span s)
{
    static const char expected[] = "1 to 64 of the characters of a token are expected: letters, digits, - . _ ~ + /";
    if (s.n == 0 || s.n > 64)
        return expected;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter && !memchr("-._~+/", c, 6))
            return expected;
    }
    return NULL;
}

static const struct gw_field breaker_fields[] = {
    { .key = NAME("failures"),
      .type = GW_FIELD_NUMBER,
      AT(gw_config_breaker, failures),
      .fallback = "5",
      .low = 1,
      .high = 1000,
      .doc = "how many questions of an event loop fail in a row before the server is left alone" },
    { .key = NAME("open"),
      .type = GW_FIELD_DURATION,
      AT(gw_config_breaker, open),
      .fallback = "10s",
      .low = 100,
      .high = 10 * MINUTE,
      .doc = "for how long; requests that need an answer get 503 at once, then one question is tried" },
};
static const struct gw_schema breaker_schema = PART(breaker_fields, gw_config_breaker);

static const struct gw_field introspection_fields[] = {
    { .key = NAME("url"),
      .type = GW_FIELD_CUSTOM,
      AT(gw_config_introspection, server),
      .required = true,
      .custom = gw_config_read_url,
      .doc = "its introspection endpoint: https://host[:port]/path; http:// only to this machine (127.0.0.1, [::1])" },
    { .key = NAME("tls"),
      .type = GW_FIELD_MAP,
      AT(gw_config_introspection, server.tls),
      .schema = &gw_config_remote_tls_schema,
      .doc = "who vouches for the server, and the gateway's certificate towards it" },
    { .key = NAME("client_id"),
      .type = GW_FIELD_TEXT,
      AT(gw_config_introspection, client_id),
      .required = true,
      .doc = "what the gateway is called there" },
    { .key = NAME("client_secret_file"),
      .type = GW_FIELD_PATH,
      AT(gw_config_introspection, client_secret_file),
      .doc = "file whose first line is its secret there (client_secret_basic); without it tls.certificate "
             "authenticates it (tls_client_auth)" },
    { .key = NAME("prefix"),
      .type = GW_FIELD_TEXT,
      AT(gw_config_introspection, prefix),
      .fault = fault_prefix,
      .doc = "what its opaque tokens begin with; one issuer may have none and is asked about all others" },
    { .key = NAME("cache"),
      .type = GW_FIELD_DURATION,
      AT(gw_config_introspection, cache),
      .fallback = "30s",
      .low = 0,
      .high = 10 * MINUTE,
      .doc = "how long its answer holds, at most until exp; 0s: every request asks" },
    { .key = NAME("refusals"),
      .type = GW_FIELD_DURATION,
      AT(gw_config_introspection, refusals),
      .fallback = "10s",
      .low = 0,
      .high = 10 * MINUTE,
      .doc = "how long a token that it refused is refused without asking; 0s: it is asked again" },
    { .key = NAME("timeout"),
      .type = GW_FIELD_DURATION,
      AT(gw_config_introspection, timeout),
      .fallback = "3s",
      .low = 10,
      .high = MINUTE,
      .doc = "for one question, connection and TLS included; then 503" },
    { .key = NAME("calls"),
      .type = GW_FIELD_NUMBER,
      AT(gw_config_introspection, calls),
      .fallback = "32",
      .low = 1,
      .high = 4096,
      .doc = "questions of one event loop at once, a quarter of them for one workload; beyond that 503" },
    { .key = NAME("audience"),
      .type = GW_FIELD_SWITCH,
      AT(gw_config_introspection, audience_implied),
      CHOICES(required_implied),
      .fallback = "required",
      .doc = "required, or implied: an answer without aud counts as one for this gateway" },
    { .key = NAME("expiry"),
      .type = GW_FIELD_SWITCH,
      AT(gw_config_introspection, expiry_optional),
      CHOICES(required_optional),
      .fallback = "required",
      .doc = "required, or optional: an answer without exp or iat is accepted, see tokens.md" },
    { .key = NAME("breaker"),
      .type = GW_FIELD_MAP,
      AT(gw_config_introspection, breaker),
      .schema = &breaker_schema,
      .doc = "what happens when it does not answer" },
};
const struct gw_schema gw_config_introspection_schema = PLACED(introspection_fields, gw_config_introspection);
