// SPDX-License-Identifier: GPL-3.0-or-later
// Where revocations come from.
#include "gateway/config/schema_table.h"

static const struct gw_field feed_fields[] = {
    { .key = NAME("url"),
      .type = GW_FIELD_CUSTOM,
      AT(gw_config_feed, remote),
      .required = true,
      .custom = gw_config_read_url,
      .doc = "https://host[:port]/revocations, of the authority" },
    { .key = NAME("tls"),
      .type = GW_FIELD_MAP,
      AT(gw_config_feed, remote.tls),
      .schema = &gw_config_remote_tls_schema,
      .doc = "who vouches for the authority, and the certificate by which it knows this gateway" },
    { .key = NAME("timeouts"),
      .type = GW_FIELD_MAP,
      AT(gw_config_feed, remote.timeouts),
      .schema = &gw_config_remote_timeouts_schema,
      .doc = "how long it may take; what the authority waits for something to happen is not counted" },
    { .key = NAME("issuer"),
      .type = GW_FIELD_TEXT,
      AT(gw_config_feed, issuer),
      .required = true,
      .doc = "name of the entry of issuers whose keys sign the feed" },
    { .key = NAME("max_stale"),
      .type = GW_FIELD_DURATION,
      AT(gw_config_feed, max_stale),
      .fallback = "30s",
      .low = 5 * SECOND,
      .high = DAY,
      .doc = "how long nothing may be heard from the authority; then every request is refused with 503" },
};
static const struct gw_schema feed_schema = PART(feed_fields, gw_config_feed);

static const struct gw_field revocations_fields[] = {
    { .key = NAME("store"),
      .type = GW_FIELD_PATH,
      AT(gw_config_revocations, store),
      .doc = "registry that sallyport token revoke writes to (SQLite); made at the start when it is not there" },
    { .key = NAME("file"),
      .type = GW_FIELD_PATH,
      AT(gw_config_revocations, file),
      .doc = "file that other tools write: YAML when the name ends in .yaml or .yml, else JSON lines; see "
             "docs/tokens.md" },
    { .key = NAME("feed"),
      .type = GW_FIELD_MAP,
      AT(gw_config_revocations, feed),
      .extra = offsetof(struct gw_config_revocations, feed.present),
      .schema = &feed_schema,
      .doc = "the authority's revocations, followed over the network; see docs/tokens.md" },
    { .key = NAME("grace"),
      .type = GW_FIELD_DURATION,
      AT(gw_config_revocations, grace),
      .fallback = "5s",
      .low = 0,
      .high = HOUR,
      .doc =
          "how long an answer that is under way may go on when its token or certificate has expired; what is revoked "
          "ends at once" },
};
const struct gw_schema gw_config_revocations_schema = PART(revocations_fields, gw_config_revocations);
