// SPDX-License-Identifier: GPL-3.0-or-later
// Traces: which requests get a span, and where spans go.
#include "gateway/config/schema_table.h"

static const struct gw_field otlp_fields[] = {
    { .key = NAME("url"),
      .type = GW_FIELD_CUSTOM,
      AT(gw_config_otlp, remote),
      .required = true,
      .custom = gw_config_read_url,
      .doc =
          "https://host[:port]/v1/traces of a collector that takes OTLP/HTTP in JSON; http:// only to this machine" },
    { .key = NAME("tls"),
      .type = GW_FIELD_MAP,
      AT(gw_config_otlp, remote.tls),
      .schema = &gw_config_remote_tls_schema,
      .doc = "who vouches for the collector, and the gateway's certificate towards it" },
    { .key = NAME("timeouts"),
      .type = GW_FIELD_MAP,
      AT(gw_config_otlp, remote.timeouts),
      .schema = &gw_config_remote_timeouts_schema,
      .doc = "how long it may take" },
    { .key = NAME("headers_file"),
      .type = GW_FIELD_PATH,
      AT(gw_config_otlp, headers_file),
      .doc = "file with header fields for the collector, such as its API key: lines of `name: value`, at most 8" },
};
static const struct gw_schema otlp_schema = PART(otlp_fields, gw_config_otlp);

static const struct gw_field tracing_fields[] = {
    { .key = NAME("otlp"),
      .type = GW_FIELD_MAP,
      AT(gw_config_tracing, otlp),
      .required = true,
      .schema = &otlp_schema,
      .doc = "where spans are sent" },
    { .key = NAME("sample"),
      .type = GW_FIELD_TEXT,
      AT(gw_config_tracing, sample),
      .fallback = "0",
      .fault = gw_fault_share,
      .doc = "share of the requests without a `traceparent` that a trace begins with, 0 to 1; with one, its own flag "
             "says "
             "whether there is a span" },
    { .key = NAME("service"),
      .type = GW_FIELD_TEXT,
      AT(gw_config_tracing, service),
      .fallback = "sallyport",
      .doc = "service.name of the spans" },
};
const struct gw_schema gw_config_tracing_schema = PART(tracing_fields, gw_config_tracing);
