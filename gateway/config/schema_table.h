// SPDX-License-Identifier: GPL-3.0-or-later
// How the rows of the tables are written: for schema*.c only.
#ifndef SALLYPORT_CONFIG_SCHEMA_TABLE_H
#define SALLYPORT_CONFIG_SCHEMA_TABLE_H

#include <assert.h>

#include "gateway/config/fault.h"
#include "gateway/config/schema.h"

// Enumerations are stored through int.
static_assert(sizeof(enum gw_config_binding) == sizeof(int) && sizeof(enum log_level) == sizeof(int), "enum size");

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
#define DAY ((int64_t)24 * HOUR)
#define KIB ((int64_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define NAME(text)            \
    {                         \
        text, sizeof text - 1 \
    }
#define CHOICES(array) .choices = (array), .choices_n = COUNT_OF(array)
#define AT(type_, member) .offset = offsetof(struct type_, member)
#define PART(table, type_)                                                                          \
    {                                                                                               \
        .fields = (table), .n = COUNT_OF(table), .size = sizeof(struct type_), .place = GW_NO_PLACE \
    }
#define PLACED(table, type_)                                                                                       \
    {                                                                                                              \
        .fields = (table), .n = COUNT_OF(table), .size = sizeof(struct type_), .place = offsetof(struct type_, at) \
    }

extern const struct gw_schema gw_config_tls_schema;
extern const struct gw_schema gw_config_mode_schema;  // of a rule: with the workloads
extern const struct gw_schema gw_config_modes_schema; // of a listener: all others
extern const struct gw_schema gw_config_audit_schema;
extern const struct gw_schema gw_config_policy_schema;
extern const struct gw_schema gw_config_revocations_schema;
extern const struct gw_schema gw_config_connect_schema;
extern const struct gw_schema gw_config_enrolment_schema;
extern const struct gw_schema gw_config_enrol_schema;
extern const struct gw_schema gw_config_authority_schema; // What an issuer, or a registry of API keys, may assert.
#define ASSERTS(member)                                                                                      \
    {                                                                                                        \
        .key = NAME(#member), .type = GW_FIELD_TEXTS, AT(gw_config_asserts, member), .fault = gw_fault_glob, \
        .doc = "patterns of " #member "; none without it"                                                    \
    }

extern const struct gw_schema gw_config_trust_domain_schema;
extern const struct gw_schema gw_config_identity_schema;
extern const struct gw_schema gw_config_issuer_schema;
extern const struct gw_schema gw_config_introspection_schema;
extern const struct gw_schema gw_config_api_keys_schema;
extern const struct gw_schema gw_config_api_schema;
extern const struct gw_schema gw_config_dpop_schema;
extern const struct gw_schema gw_config_remote_tls_schema;
extern const struct gw_schema gw_config_remote_timeouts_schema;
// {url, tls, timeouts}, of struct gw_config_remote. Whose URL is a key of its own has gw_config_read_url there, and the two others beside it.
extern const struct gw_schema gw_config_remote_schema;
extern const struct gw_schema gw_config_shard_schema;
extern const struct gw_schema gw_config_route_schema;
extern const struct gw_schema gw_config_rates_schema;
extern const struct gw_schema gw_config_tracing_schema;

#endif
