// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/schema.h"

#include <assert.h>

#include "gateway/config/fault.h"
#include "pki/key.h"

// Enumerations are stored through int.
static_assert(sizeof(enum gw_config_binding) == sizeof(int) && sizeof(enum log_level) == sizeof(int), "enum size");

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
#define DAY ((int64_t)24 * HOUR)
#define KIB ((int64_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define NAME(text) { text, sizeof text - 1 }
#define CHOICES(array) .choices = (array), .choices_n = COUNT_OF(array)
#define AT(type_, member) .offset = offsetof(struct type_, member)
#define PART(table, type_) { .fields = (table), .n = COUNT_OF(table), .size = sizeof(struct type_), .place = GW_NO_PLACE }
#define PLACED(table, type_) \
    { .fields = (table), .n = COUNT_OF(table), .size = sizeof(struct type_), .place = offsetof(struct type_, at) }

static const struct gw_choice algorithms[] = {
    { NAME("ES256"), PKI_ALG_BIT(PKI_ES256) }, { NAME("ES384"), PKI_ALG_BIT(PKI_ES384) }, { NAME("EdDSA"), PKI_ALG_BIT(PKI_EDDSA) },
    { NAME("RS256"), PKI_ALG_BIT(PKI_RS256) }, { NAME("PS256"), PKI_ALG_BIT(PKI_PS256) },
};
static const struct gw_choice groups[] = {
    { NAME("X25519MLKEM768"), 0 }, { NAME("X25519"), 0 },    { NAME("secp256r1"), 0 },
    { NAME("secp384r1"), 0 },      { NAME("secp521r1"), 0 }, { NAME("SecP256r1MLKEM768"), 0 },
};
static const struct gw_choice min_versions[] = { { NAME("tls1.3"), 0 }, { NAME("tls1.2"), 1 } };
static const struct gw_choice bindings[] = {
    { NAME("dpop"), GW_BINDING_DPOP },     { NAME("certificate"), GW_BINDING_CERTIFICATE }, { NAME("both"), GW_BINDING_BOTH },
    { NAME("either"), GW_BINDING_EITHER }, { NAME("none"), GW_BINDING_NONE },
};
static const struct gw_choice refuse_allow[] = { { NAME("refuse"), 0 }, { NAME("allow"), 1 } };
static const struct gw_choice workload_matches[] = {
    { NAME("exact"), GW_WORKLOAD_EXACT }, { NAME("prefix"), GW_WORKLOAD_PREFIX }, { NAME("unchecked"), GW_WORKLOAD_UNCHECKED },
};
static const struct gw_choice off_required[] = { { NAME("off"), 0 }, { NAME("required"), 1 } };
static const struct gw_choice apis[] = { { NAME("qdrant"), GW_CONFIG_QDRANT }, { NAME("chroma"), GW_CONFIG_CHROMA } };
static const struct gw_choice batch_request[] = { { NAME("batch"), 0 }, { NAME("request"), 1 } };
static const struct gw_choice refuse_drop[] = { { NAME("refuse"), 0 }, { NAME("drop"), 1 } };
static const struct gw_choice levels[] = {
    { NAME("error"), LOG_ERROR }, { NAME("warn"), LOG_WARN }, { NAME("info"), LOG_INFO }, { NAME("debug"), LOG_DEBUG },
};
static const struct gw_choice formats[] = { { NAME("text"), 0 }, { NAME("json"), 1 } };

static const struct gw_field tickets_fields[] = {
    { .key = NAME("enabled"), .type = GW_FIELD_BOOL, AT(gw_config_tickets, enabled), .fallback = "true",
      .doc = "whether TLS sessions can be resumed; identity is checked again at each resumption" },
    { .key = NAME("lifetime"), .type = GW_FIELD_DURATION, AT(gw_config_tickets, lifetime), .fallback = "8h", .low = MINUTE, .high = 7 * DAY,
      .doc = "longest life of a ticket, never beyond the client certificate's" },
};
static const struct gw_schema tickets_schema = PART(tickets_fields, gw_config_tickets);

static const struct gw_field tls_fields[] = {
    { .key = NAME("certificate"), .type = GW_FIELD_PATH, AT(gw_config_tls, certificate), .required = true,
      .doc = "file with the gateway's certificate chain, leaf first, PEM" },
    { .key = NAME("key"), .type = GW_FIELD_PATH, AT(gw_config_tls, key), .required = true, .doc = "file with its private key, PEM" },
    { .key = NAME("key_passphrase_file"), .type = GW_FIELD_PATH, AT(gw_config_tls, key_passphrase_file),
      .doc = "file whose first line is the passphrase of the key" },
    { .key = NAME("min_version"), .type = GW_FIELD_SWITCH, AT(gw_config_tls, tls12), CHOICES(min_versions), .fallback = "tls1.3",
      .doc = "lowest TLS version: tls1.3 or tls1.2" },
    { .key = NAME("groups"), .type = GW_FIELD_TEXTS, AT(gw_config_tls, groups), CHOICES(groups), .required = false,
      .fallback = "[X25519MLKEM768, X25519]",
      .doc = "key exchange groups in order of preference, of X25519MLKEM768, X25519, secp256r1, secp384r1, secp521r1, SecP256r1MLKEM768" },
    { .key = NAME("tickets"), .type = GW_FIELD_MAP, AT(gw_config_tls, tickets), .schema = &tickets_schema, .doc = "session resumption" },
};
static const struct gw_schema tls_schema = PART(tls_fields, gw_config_tls);

static const struct gw_field limits_fields[] = {
    { .key = NAME("connections"), .type = GW_FIELD_COUNT, AT(gw_config_limits, connections), .fallback = "10000", .low = 1, .high = 10000000,
      .doc = "most client connections at once" },
    { .key = NAME("request_line"), .type = GW_FIELD_SIZE, AT(gw_config_limits, request_line), .fallback = "8KiB", .low = 256, .high = 64 * KIB,
      .doc = "longest request line; a longer one is answered 414" },
    { .key = NAME("header_bytes"), .type = GW_FIELD_SIZE, AT(gw_config_limits, header_bytes), .fallback = "32KiB", .low = KIB, .high = MIB,
      .doc = "most bytes of all header fields together; more is answered 431" },
    { .key = NAME("header_count"), .type = GW_FIELD_COUNT, AT(gw_config_limits, header_count), .fallback = "100", .low = 8, .high = 1000,
      .doc = "most header fields; more is answered 431" },
    { .key = NAME("body_bytes"), .type = GW_FIELD_SIZE, AT(gw_config_limits, body_bytes), .fallback = "64MiB", .low = KIB, .high = 64 * GIB,
      .doc = "largest request body; a larger one is answered 413" },
};
static const struct gw_schema limits_schema = PART(limits_fields, gw_config_limits);

static const struct gw_field timeouts_fields[] = {
    { .key = NAME("handshake"), .type = GW_FIELD_DURATION, AT(gw_config_timeouts, handshake), .fallback = "10s", .low = 100, .high = 10 * MINUTE,
      .doc = "for the TLS handshake" },
    { .key = NAME("header"), .type = GW_FIELD_DURATION, AT(gw_config_timeouts, header), .fallback = "10s", .low = 100, .high = 10 * MINUTE,
      .doc = "from a request's first byte to the end of its header; then 408" },
    { .key = NAME("body"), .type = GW_FIELD_DURATION, AT(gw_config_timeouts, body), .fallback = "60s", .low = 100, .high = 24 * HOUR,
      .doc = "without a byte of a body that is under way, in either direction; then 408" },
    { .key = NAME("idle"), .type = GW_FIELD_DURATION, AT(gw_config_timeouts, idle), .fallback = "75s", .low = 100, .high = 24 * HOUR,
      .doc = "of a connection between two requests" },
    { .key = NAME("drain"), .type = GW_FIELD_DURATION, AT(gw_config_timeouts, drain), .fallback = "30s", .low = 0, .high = 24 * HOUR,
      .doc = "for requests under way when the gateway is told to end" },
};
static const struct gw_schema timeouts_schema = PART(timeouts_fields, gw_config_timeouts);

static const struct gw_field listener_fields[] = {
    { .key = NAME("addresses"), .type = GW_FIELD_TEXTS, AT(gw_config_listener, addresses), .required = true, .fault = gw_fault_host_port,
      .doc = "list of host:port to listen on" },
    { .key = NAME("authorities"), .type = GW_FIELD_TEXTS, AT(gw_config_listener, authorities), .required = true, .fault = gw_fault_authority,
      .doc = "list of host[:port] as clients write it in a URL; another Host is answered 421, and a DPoP proof must name one" },
    { .key = NAME("tls"), .type = GW_FIELD_MAP, AT(gw_config_listener, tls), .required = true, .schema = &tls_schema, .doc = "certificate and key" },
    { .key = NAME("limits"), .type = GW_FIELD_MAP, AT(gw_config_listener, limits), .schema = &limits_schema, .doc = "bounds of what a client may send" },
    { .key = NAME("timeouts"), .type = GW_FIELD_MAP, AT(gw_config_listener, timeouts), .schema = &timeouts_schema, .doc = "bounds of how long it may take" },
};
static const struct gw_schema listener_schema = PLACED(listener_fields, gw_config_listener);

static const struct gw_field trust_domain_fields[] = {
    { .key = NAME("name"), .type = GW_FIELD_TEXT, AT(gw_config_trust_domain, name), .required = true, .fault = gw_fault_trust_domain,
      .doc = "the trust domain, such as example.org" },
    { .key = NAME("bundle"), .type = GW_FIELD_PATH, AT(gw_config_trust_domain, bundle), .required = true,
      .doc = "file with its CA certificates: PEM, or a SPIFFE bundle when the name ends in .json or .jwks" },
    { .key = NAME("crls"), .type = GW_FIELD_PATHS, AT(gw_config_trust_domain, crls), .doc = "list of files with CRLs of its CAs, PEM or DER" },
    { .key = NAME("crl_required"), .type = GW_FIELD_BOOL, AT(gw_config_trust_domain, crl_required), .fallback = "false",
      .doc = "whether a certificate is refused when no CRL of its issuer is there" },
    { .key = NAME("crl_max_stale"), .type = GW_FIELD_DURATION, AT(gw_config_trust_domain, crl_max_stale), .fallback = "0s", .low = 0, .high = 30 * DAY,
      .doc = "how long a CRL counts after its nextUpdate; then certificates that need it are refused" },
};
static const struct gw_schema trust_domain_schema = PLACED(trust_domain_fields, gw_config_trust_domain);

static const struct gw_field identity_fields[] = {
    { .key = NAME("dns"), .type = GW_FIELD_TEXT, AT(gw_config_identity, dns),
      .doc = "a DNS SAN of the certificate; *.example.org stands for one more label" },
    { .key = NAME("subject"), .type = GW_FIELD_TEXT, AT(gw_config_identity, subject), .doc = "the whole subject as RFC 4514 text: CN=search,O=Example" },
    { .key = NAME("spiffe_id"), .type = GW_FIELD_TEXT, AT(gw_config_identity, spiffe_id), .required = true, .fault = gw_fault_workload_id,
      .doc = "the workload it is; the trust domain's bundle must vouch for the certificate" },
};
static const struct gw_schema identity_schema = PLACED(identity_fields, gw_config_identity);

static const struct gw_field claims_fields[] = {
    { .key = NAME("roles"), .type = GW_FIELD_TEXT, AT(gw_config_claims, roles), .fallback = "roles",
      .doc = "claim with the subject's roles; /realm_access/roles reaches into objects" },
    { .key = NAME("groups"), .type = GW_FIELD_TEXT, AT(gw_config_claims, groups), .fallback = "groups", .doc = "claim with its groups" },
    { .key = NAME("tenant"), .type = GW_FIELD_TEXT, AT(gw_config_claims, tenant), .fallback = "tenant", .doc = "claim with its tenant" },
    { .key = NAME("workload"), .type = GW_FIELD_TEXT, AT(gw_config_claims, workload), .fallback = "sub",
      .doc = "claim with the SPIFFE ID of the workload the token belongs to" },
    { .key = NAME("scope"), .type = GW_FIELD_TEXT, AT(gw_config_claims, scope), .fallback = "scope", .doc = "claim with its scopes" },
};
static const struct gw_schema claims_schema = PART(claims_fields, gw_config_claims);

static const struct gw_field asserts_fields[] = {
    { .key = NAME("roles"), .type = GW_FIELD_TEXTS, AT(gw_config_asserts, roles), .fault = gw_fault_glob, .doc = "patterns of roles; none without it" },
    { .key = NAME("groups"), .type = GW_FIELD_TEXTS, AT(gw_config_asserts, groups), .fault = gw_fault_glob, .doc = "patterns of groups; none without it" },
    { .key = NAME("tenants"), .type = GW_FIELD_TEXTS, AT(gw_config_asserts, tenants), .fault = gw_fault_glob,
      .doc = "patterns of tenants; none without it" },
    { .key = NAME("trust_domains"), .type = GW_FIELD_TEXTS, AT(gw_config_asserts, trust_domains), .fault = gw_fault_trust_domain,
      .doc = "trust domains whose workloads its tokens may belong to; none without it" },
};
static const struct gw_schema asserts_schema = PART(asserts_fields, gw_config_asserts);

static const struct gw_field issuer_fields[] = {
    { .key = NAME("name"), .type = GW_FIELD_TEXT, AT(gw_config_issuer, name), .required = true, .fault = gw_fault_name,
      .doc = "a short name; policies and records call its roles by it" },
    { .key = NAME("issuer"), .type = GW_FIELD_TEXT, AT(gw_config_issuer, issuer), .required = true, .doc = "the token's iss, compared byte for byte" },
    { .key = NAME("jwks"), .type = GW_FIELD_PATH, AT(gw_config_issuer, jwks), .required = true, .doc = "file with its public keys, a JWK set" },
    { .key = NAME("max_stale"), .type = GW_FIELD_DURATION, AT(gw_config_issuer, max_stale), .fallback = "24h", .low = 0, .high = 365 * DAY,
      .doc = "how long its keys count after the file was last read well; then its tokens are refused; 0s: for ever" },
    { .key = NAME("algorithms"), .type = GW_FIELD_FLAGS, AT(gw_config_issuer, algorithms), CHOICES(algorithms), .fallback = "[ES256]",
      .doc = "signature algorithms of its tokens, of ES256, ES384, EdDSA, RS256, PS256" },
    { .key = NAME("audiences"), .type = GW_FIELD_TEXTS, AT(gw_config_issuer, audiences), .required = true,
      .doc = "list of names of this gateway, one of which is in the token's aud" },
    { .key = NAME("typ"), .type = GW_FIELD_TEXT, AT(gw_config_issuer, typ), .fallback = "at+jwt", .doc = "the token's typ header" },
    { .key = NAME("binding"), .type = GW_FIELD_CHOICE, AT(gw_config_issuer, binding), CHOICES(bindings), .fallback = "dpop",
      .doc = "what its tokens must be bound to: dpop, certificate, both, either (one of them is enough), none" },
    { .key = NAME("unbound_bearer"), .type = GW_FIELD_SWITCH, AT(gw_config_issuer, unbound_bearer), CHOICES(refuse_allow), .fallback = "refuse",
      .doc = "refuse or allow; binding: none needs allow said here" },
    { .key = NAME("max_lifetime"), .type = GW_FIELD_DURATION, AT(gw_config_issuer, max_lifetime), .fallback = "1h", .low = MINUTE, .high = 30 * DAY,
      .doc = "longest time from a token's iat to its exp" },
    { .key = NAME("max_age"), .type = GW_FIELD_DURATION, AT(gw_config_issuer, max_age), .fallback = "0s", .low = 0, .high = 30 * DAY,
      .doc = "longest time since a token's iat; 0s: no bound but exp" },
    { .key = NAME("leeway"), .type = GW_FIELD_DURATION, AT(gw_config_issuer, leeway), .fallback = "30s", .low = 0, .high = 5 * MINUTE,
      .doc = "how far its clock may be off, for exp, nbf and iat" },
    { .key = NAME("required_claims"), .type = GW_FIELD_TEXTS, AT(gw_config_issuer, required_claims),
      .doc = "claims that must be there besides iss, aud, exp, iat" },
    { .key = NAME("claims"), .type = GW_FIELD_MAP, AT(gw_config_issuer, claims), .schema = &claims_schema, .doc = "which claims say what" },
    { .key = NAME("workload_match"), .type = GW_FIELD_CHOICE, AT(gw_config_issuer, workload_match), CHOICES(workload_matches), .fallback = "exact",
      .doc = "how claims.workload names the workload: exact, prefix (ends at a path segment), unchecked (any workload may use the token)" },
    { .key = NAME("scopes"), .type = GW_FIELD_CUSTOM, .required = true, .custom = gw_config_read_scopes,
      .doc = "map of scope to a list of actions or action groups, the ceiling of what a token allows; or none: no ceiling" },
    { .key = NAME("asserts"), .type = GW_FIELD_MAP, AT(gw_config_issuer, asserts), .schema = &asserts_schema, .doc = "what its tokens may claim" },
};
static const struct gw_schema issuer_schema = PLACED(issuer_fields, gw_config_issuer);

static const struct gw_field replay_fields[] = {
    { .key = NAME("capacity"), .type = GW_FIELD_COUNT, AT(gw_config_replay, capacity), .fallback = "1048576", .low = 1024, .high = 268435456,
      .doc = "proofs remembered at once, 36 bytes each; when full, proofs are refused" },
    { .key = NAME("share_percent"), .type = GW_FIELD_NUMBER, AT(gw_config_replay, share_percent), .fallback = "10", .low = 1, .high = 100,
      .doc = "how much of it one workload may fill" },
};
static const struct gw_schema replay_schema = PART(replay_fields, gw_config_replay);

static const struct gw_field dpop_fields[] = {
    { .key = NAME("algorithms"), .type = GW_FIELD_FLAGS, AT(gw_config_dpop, algorithms), CHOICES(algorithms), .fallback = "[ES256, EdDSA]",
      .doc = "signature algorithms of proofs, of ES256, ES384, EdDSA, RS256, PS256" },
    { .key = NAME("past"), .type = GW_FIELD_DURATION, AT(gw_config_dpop, past), .fallback = "60s", .low = SECOND, .high = 10 * MINUTE,
      .doc = "how old a proof's iat may be" },
    { .key = NAME("future"), .type = GW_FIELD_DURATION, AT(gw_config_dpop, future), .fallback = "5s", .low = 0, .high = MINUTE,
      .doc = "how far ahead of our clock it may be" },
    { .key = NAME("nonce"), .type = GW_FIELD_SWITCH, AT(gw_config_dpop, nonce_required), CHOICES(off_required), .fallback = "off",
      .doc = "off, or required: a proof must carry a nonce of ours" },
    { .key = NAME("nonce_lifetime"), .type = GW_FIELD_DURATION, AT(gw_config_dpop, nonce_lifetime), .fallback = "5m", .low = SECOND, .high = 24 * HOUR,
      .doc = "how long a nonce is accepted" },
    { .key = NAME("replay"), .type = GW_FIELD_MAP, AT(gw_config_dpop, replay), .schema = &replay_schema, .doc = "the memory of used proofs" },
};
static const struct gw_schema dpop_schema = PART(dpop_fields, gw_config_dpop);

static const struct gw_field policy_fields[] = {
    { .key = NAME("files"), .type = GW_FIELD_PATHS, AT(gw_config_policy, files), .required = true,
      .doc = "list of Cedar files, folders (their *.cedar) or patterns such as policies/*.cedar" },
    { .key = NAME("entities"), .type = GW_FIELD_PATH, AT(gw_config_policy, entities),
      .doc = "file with entities: JSON, or YAML when the name ends in .yaml or .yml" },
    { .key = NAME("budget"), .type = GW_FIELD_COUNT, AT(gw_config_policy, budget), .fallback = "1000000", .low = 1000, .high = 1000000000,
      .doc = "steps that one decision may take; over it the request is denied" },
};
static const struct gw_schema policy_schema = PART(policy_fields, gw_config_policy);

static const struct gw_field shard_tls_fields[] = {
    { .key = NAME("ca"), .type = GW_FIELD_PATH, AT(gw_config_shard_tls, ca), .doc = "file with the CA certificates that vouch for the shard, PEM" },
    { .key = NAME("spiffe_id"), .type = GW_FIELD_TEXT, AT(gw_config_shard_tls, spiffe_id), .fault = gw_fault_workload_id,
      .doc = "the shard's SPIFFE ID; the bundle of its trust domain vouches for it when there is no ca" },
    { .key = NAME("server_name"), .type = GW_FIELD_TEXT, AT(gw_config_shard_tls, server_name), .fault = gw_fault_host,
      .doc = "the name in its certificate; the endpoint's host without it" },
    { .key = NAME("certificate"), .type = GW_FIELD_PATH, AT(gw_config_shard_tls, certificate), .doc = "file with the gateway's certificate towards it, PEM" },
    { .key = NAME("key"), .type = GW_FIELD_PATH, AT(gw_config_shard_tls, key), .doc = "file with the private key of that certificate, PEM" },
    { .key = NAME("key_passphrase_file"), .type = GW_FIELD_PATH, AT(gw_config_shard_tls, key_passphrase_file),
      .doc = "file whose first line is the passphrase of that key" },
};
static const struct gw_schema shard_tls_schema = PLACED(shard_tls_fields, gw_config_shard_tls);

static const struct gw_field shard_timeouts_fields[] = {
    { .key = NAME("connect"), .type = GW_FIELD_DURATION, AT(gw_config_shard_timeouts, connect), .fallback = "3s", .low = 10, .high = 5 * MINUTE,
      .doc = "for a new connection, TLS included" },
    { .key = NAME("first_byte"), .type = GW_FIELD_DURATION, AT(gw_config_shard_timeouts, first_byte), .fallback = "60s", .low = 10, .high = 24 * HOUR,
      .doc = "from the end of the request to the answer's first byte; then 504" },
    { .key = NAME("idle"), .type = GW_FIELD_DURATION, AT(gw_config_shard_timeouts, idle), .fallback = "60s", .low = 10, .high = 24 * HOUR,
      .doc = "between two bytes of an answer" },
};
static const struct gw_schema shard_timeouts_schema = PART(shard_timeouts_fields, gw_config_shard_timeouts);

static const struct gw_field pool_fields[] = {
    { .key = NAME("max_connections"), .type = GW_FIELD_COUNT, AT(gw_config_pool, max_connections), .fallback = "256", .low = 1, .high = 65536,
      .doc = "most connections of one event loop to one endpoint; more requests are answered 503" },
    { .key = NAME("max_idle"), .type = GW_FIELD_COUNT, AT(gw_config_pool, max_idle), .fallback = "32", .low = 0, .high = 65536,
      .doc = "how many of them are kept while unused" },
    { .key = NAME("idle_timeout"), .type = GW_FIELD_DURATION, AT(gw_config_pool, idle_timeout), .fallback = "30s", .low = 100, .high = 24 * HOUR,
      .doc = "how long an unused one is kept" },
};
static const struct gw_schema pool_schema = PART(pool_fields, gw_config_pool);

static const struct gw_field credential_fields[] = {
    { .key = NAME("header"), .type = GW_FIELD_TEXT, AT(gw_config_credential, header), .required = true, .fault = gw_fault_field_name,
      .doc = "header field that carries it: api-key, x-chroma-token, authorization" },
    { .key = NAME("scheme"), .type = GW_FIELD_TEXT, AT(gw_config_credential, scheme), .fault = gw_fault_scheme,
      .doc = "word before it, for authorization: Bearer" },
    { .key = NAME("file"), .type = GW_FIELD_PATH, AT(gw_config_credential, file), .required = true, .doc = "file whose first line is the secret" },
};
static const struct gw_schema credential_schema = PART(credential_fields, gw_config_credential);

static const struct gw_field shard_fields[] = {
    { .key = NAME("name"), .type = GW_FIELD_TEXT, AT(gw_config_shard, name), .required = true, .fault = gw_fault_name,
      .doc = "a short name, for routes, metrics and records" },
    { .key = NAME("api"), .type = GW_FIELD_CHOICE, AT(gw_config_shard, api), CHOICES(apis), .required = true,
      .doc = "which database it is: qdrant or chroma" },
    { .key = NAME("endpoints"), .type = GW_FIELD_CUSTOM, .required = true, .custom = gw_config_read_endpoints,
      .doc = "list of http://host:port or https://host:port, any of which can answer" },
    { .key = NAME("tls"), .type = GW_FIELD_MAP, AT(gw_config_shard, tls), .schema = &shard_tls_schema, .doc = "for https endpoints" },
    { .key = NAME("timeouts"), .type = GW_FIELD_MAP, AT(gw_config_shard, timeouts), .schema = &shard_timeouts_schema, .doc = "how long it may take" },
    { .key = NAME("pool"), .type = GW_FIELD_MAP, AT(gw_config_shard, pool), .schema = &pool_schema, .doc = "kept connections" },
    { .key = NAME("credential"), .type = GW_FIELD_MAP, AT(gw_config_shard, credential), .extra = offsetof(struct gw_config_shard, has_credential),
      .schema = &credential_schema, .doc = "the gateway's own secret towards the shard; clients never see it" },
};
static const struct gw_schema shard_schema = PLACED(shard_fields, gw_config_shard);

static const struct gw_field route_fields[] = {
    { .key = NAME("database"), .type = GW_FIELD_TEXT, AT(gw_config_route, database), .fault = gw_fault_glob,
      .doc = "pattern of the database; everything without it" },
    { .key = NAME("tenant"), .type = GW_FIELD_TEXT, AT(gw_config_route, tenant), .fault = gw_fault_glob,
      .doc = "pattern of the tenant; everything without it" },
    { .key = NAME("collection"), .type = GW_FIELD_TEXT, AT(gw_config_route, collection), .fault = gw_fault_glob,
      .doc = "pattern of the collection; everything without it" },
    { .key = NAME("shard"), .type = GW_FIELD_TEXT, AT(gw_config_route, shard), .doc = "the shard it is on" },
    { .key = NAME("hash"), .type = GW_FIELD_TEXTS, AT(gw_config_route, hash), .doc = "list of shards over which collections are spread by name" },
};
static const struct gw_schema route_schema = PLACED(route_fields, gw_config_route);

static const struct gw_field audit_fields[] = {
    { .key = NAME("file"), .type = GW_FIELD_PATH, AT(gw_config_audit, file), .required = true, .doc = "file that records are appended to, one JSON object a line" },
    { .key = NAME("sync"), .type = GW_FIELD_SWITCH, AT(gw_config_audit, sync_request), CHOICES(batch_request), .fallback = "batch",
      .doc = "request: an answer ends only when its record is on the disk; batch: records follow within interval" },
    { .key = NAME("on_full"), .type = GW_FIELD_SWITCH, AT(gw_config_audit, drop_when_full), CHOICES(refuse_drop), .fallback = "refuse",
      .doc = "when records cannot be written: refuse requests (503), or drop records and count them" },
    { .key = NAME("queue"), .type = GW_FIELD_SIZE, AT(gw_config_audit, queue), .fallback = "4MiB", .low = 64 * KIB, .high = GIB,
      .doc = "memory of an event loop for records that wait" },
    { .key = NAME("interval"), .type = GW_FIELD_DURATION, AT(gw_config_audit, interval), .fallback = "100ms", .low = 1, .high = MINUTE,
      .doc = "between two batches, with sync: batch" },
};
static const struct gw_schema audit_schema = PART(audit_fields, gw_config_audit);

static const struct gw_field operations_fields[] = {
    { .key = NAME("enabled"), .type = GW_FIELD_BOOL, AT(gw_config_operations, enabled), .fallback = "true", .doc = "whether there is an operations listener" },
    { .key = NAME("listen"), .type = GW_FIELD_TEXT, AT(gw_config_operations, listen), .fallback = "127.0.0.1:9901", .fault = gw_fault_host_port,
      .doc = "host:port of /healthz, /readyz and /metrics, plain HTTP" },
};
static const struct gw_schema operations_schema = PART(operations_fields, gw_config_operations);

static const struct gw_field log_fields[] = {
    { .key = NAME("level"), .type = GW_FIELD_CHOICE, AT(gw_config_log, level), CHOICES(levels), .fallback = "info", .doc = "error, warn, info or debug" },
    { .key = NAME("format"), .type = GW_FIELD_SWITCH, AT(gw_config_log, json), CHOICES(formats), .fallback = "text", .doc = "text or json, on standard error" },
};
static const struct gw_schema log_schema = PART(log_fields, gw_config_log);

static const struct gw_field fields[] = {
    { .key = NAME("listener"), .type = GW_FIELD_MAP, AT(gw_config, listener), .required = true, .schema = &listener_schema,
      .doc = "where and as whom the gateway serves" },
    { .key = NAME("trust_domains"), .type = GW_FIELD_LIST, AT(gw_config, trust_domains), .extra = offsetof(struct gw_config, trust_domains_n),
      .required = true, .schema = &trust_domain_schema, .doc = "whose certificates are accepted" },
    { .key = NAME("identities"), .type = GW_FIELD_LIST, AT(gw_config, identities), .extra = offsetof(struct gw_config, identities_n),
      .schema = &identity_schema, .doc = "which workloads certificates without a SPIFFE ID are; without a rule they are refused" },
    { .key = NAME("issuers"), .type = GW_FIELD_LIST, AT(gw_config, issuers), .extra = offsetof(struct gw_config, issuers_n), .required = true,
      .schema = &issuer_schema, .doc = "whose tokens are accepted" },
    { .key = NAME("dpop"), .type = GW_FIELD_MAP, AT(gw_config, dpop), .schema = &dpop_schema, .doc = "how proofs are checked" },
    { .key = NAME("policy"), .type = GW_FIELD_MAP, AT(gw_config, policy), .required = true, .schema = &policy_schema, .doc = "what is allowed" },
    { .key = NAME("shards"), .type = GW_FIELD_LIST, AT(gw_config, shards), .extra = offsetof(struct gw_config, shards_n), .required = true,
      .schema = &shard_schema, .doc = "the databases behind the gateway" },
    { .key = NAME("routes"), .type = GW_FIELD_LIST, AT(gw_config, routes), .extra = offsetof(struct gw_config, routes_n), .required = true,
      .schema = &route_schema, .doc = "which collections are on which shard; the first rule that matches decides" },
    { .key = NAME("audit"), .type = GW_FIELD_MAP, AT(gw_config, audit), .required = true, .schema = &audit_schema, .doc = "the record of every request" },
    { .key = NAME("operations"), .type = GW_FIELD_MAP, AT(gw_config, operations), .schema = &operations_schema, .doc = "health and metrics" },
    { .key = NAME("log"), .type = GW_FIELD_MAP, AT(gw_config, log), .schema = &log_schema, .doc = "the gateway's own messages" },
    { .key = NAME("loops"), .type = GW_FIELD_NUMBER, AT(gw_config, loops), .fallback = "0", .low = 0, .high = 1024,
      .doc = "event loops; 0: one a usable core" },
};
const struct gw_schema gw_config_schema = PART(fields, gw_config);
