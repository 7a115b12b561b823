// SPDX-License-Identifier: GPL-3.0-or-later
// Servers that the gateway sends requests to: TLS for all of them, and those that are known by one URL.
#include "gateway/config/schema_table.h"

static const struct gw_field tls_fields[] = {
    { .key = NAME("ca"),
      .type = GW_FIELD_PATH,
      AT(gw_config_remote_tls, ca),
      .doc = "file with the CA certificates that vouch for the server, PEM; the system's will do: without `spiffe_id`, "
             "what cannot be used of it is skipped with a warning" },
    { .key = NAME("spiffe_id"),
      .type = GW_FIELD_TEXT,
      AT(gw_config_remote_tls, spiffe_id),
      .fault = gw_fault_workload_id,
      .doc = "the server's SPIFFE ID; the bundle of its trust domain vouches for it when there is no ca" },
    { .key = NAME("server_name"),
      .type = GW_FIELD_TEXT,
      AT(gw_config_remote_tls, server_name),
      .fault = gw_fault_host,
      .doc = "the name in its certificate; the host of its URL without it" },
    { .key = NAME("certificate"),
      .type = GW_FIELD_PATH,
      AT(gw_config_remote_tls, certificate),
      .doc = "file with the gateway's certificate towards it, PEM" },
    { .key = NAME("key"),
      .type = GW_FIELD_PATH,
      AT(gw_config_remote_tls, key),
      .doc = "file with the private key of that certificate, PEM" },
    { .key = NAME("key_passphrase_file"),
      .type = GW_FIELD_PATH,
      AT(gw_config_remote_tls, key_passphrase_file),
      .doc = "file whose first line is the passphrase of that key" },
};
const struct gw_schema gw_config_remote_tls_schema = PLACED(tls_fields, gw_config_remote_tls);

static const struct gw_field timeouts_fields[] = {
    { .key = NAME("connect"),
      .type = GW_FIELD_DURATION,
      AT(gw_config_remote_timeouts, connect),
      .fallback = "3s",
      .low = 10,
      .high = 5 * MINUTE,
      .doc = "for a new connection, TLS included" },
    { .key = NAME("first_byte"),
      .type = GW_FIELD_DURATION,
      AT(gw_config_remote_timeouts, first_byte),
      .fallback = "10s",
      .low = 10,
      .high = HOUR,
      .doc = "from the end of the request to the answer's first byte" },
    { .key = NAME("idle"),
      .type = GW_FIELD_DURATION,
      AT(gw_config_remote_timeouts, idle),
      .fallback = "10s",
      .low = 10,
      .high = HOUR,
      .doc = "between two bytes of an answer" },
};
const struct gw_schema gw_config_remote_timeouts_schema = PART(timeouts_fields, gw_config_remote_timeouts);

static const struct gw_field remote_fields[] = {
    { .key = NAME("url"),
      .type = GW_FIELD_CUSTOM,
      .required = true,
      .custom = gw_config_read_url,
      .doc = "https://host[:port]/path; http:// only to this machine (127.0.0.1, [::1])" },
    { .key = NAME("tls"),
      .type = GW_FIELD_MAP,
      AT(gw_config_remote, tls),
      .schema = &gw_config_remote_tls_schema,
      .doc = "who vouches for the server, and the gateway's certificate towards it" },
    { .key = NAME("timeouts"),
      .type = GW_FIELD_MAP,
      AT(gw_config_remote, timeouts),
      .schema = &gw_config_remote_timeouts_schema,
      .doc = "how long it may take" },
};
const struct gw_schema gw_config_remote_schema = PLACED(remote_fields, gw_config_remote);
