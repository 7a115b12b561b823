// SPDX-License-Identifier: GPL-3.0-or-later
// The configuration of `sallyport run` and `sallyport connect`, as plain data: one YAML file read strictly (unknown or repeated keys, wrong types and
// values out of range are errors with a place and an advice; every error is collected, nothing is guessed), then checked as a whole. The result is
// immutable and lives in one arena. Files it names are not opened here: whoever loads certificates, keys, policies
// complains under the place that came with the path (gw_config_error).
//
// Units: every duration is in milliseconds, every size in bytes. Texts and paths are NUL-terminated. Paths are made relative to the
// configuration file's folder. docs/config.md describes every key; the tables in schema.c are what both are held to.
#ifndef SALLYPORT_CONFIG_CONFIG_H
#define SALLYPORT_CONFIG_CONFIG_H

#include "gateway/api/action.h"
#include "gateway/base/arena.h"
#include "gateway/base/diag.h"
#include "gateway/base/err.h"
#include "gateway/base/log.h"
#include "pki/key.h"

struct gw_config_place {
    unsigned line, column; // in gw_config.file; 0: the value is a default
};

// A text, or a path. `v` is SPAN_NONE when the key is absent and has no default.
struct gw_config_text {
    struct span v;
    struct gw_config_place at;
};

struct gw_config_texts {
    const struct gw_config_text *v;
    size_t n;
    struct gw_config_place at;
};

struct gw_config_tickets {
    bool enabled;
    int64_t lifetime;
};

// Where the listener's certificate, or connect's, comes from when it is in no file: the authority (net/enrolment.h).
struct gw_config_enrol {
    struct gw_config_place at;
    bool present;
    struct gw_config_text url;                    // https://host[:port][/path]
    struct gw_config_text ca;                     // path: who vouches for it
    struct gw_config_text authority, server_name; // its SPIFFE ID, or the name in its certificate; neither: the host
    struct gw_config_text token_file, join_token_file; // paths; one of them
    struct gw_config_text state;                       // path of a folder; SPAN_NONE: nothing is written
    struct gw_config_text spiffe_id;                   // to ask for
    struct gw_config_texts dns;
};

struct gw_config_tls {
    struct gw_config_text certificate, key, key_passphrase_file; // paths; chain and key in PEM
    bool tls12;                                                  // TLS 1.2 beside 1.3
    struct gw_config_texts groups;                               // in order of preference
    struct gw_config_tickets tickets;
    struct gw_config_enrol enrol; // of a listener, instead of certificate and key
};

struct gw_config_limits {
    uint64_t connections;
    uint64_t request_line, header_bytes, header_count;
    uint64_t body_bytes, inspected_body_bytes;
};

struct gw_config_timeouts {
    int64_t handshake, header, body, idle, drain;
};

// Which gates only observe, and until when (modes.h).
struct gw_config_mode {
    struct gw_config_place at;
    struct gw_config_text workloads; // of a rule; SPAN_NONE: all that no rule names
    bool token, policy;              // it only observes
    struct gw_config_text until;     // as written …
    int64_t until_ms;                // … and the first moment at which all is enforced again
};

struct gw_config_listener {
    bool present;                       // else this process is no gateway, and has no policy, shards and routes
    struct gw_config_texts addresses;   // host:port
    struct gw_config_texts authorities; // host[:port], as clients name this gateway
    struct gw_config_tls tls;
    struct gw_config_limits limits;
    struct gw_config_timeouts timeouts;
    struct gw_config_mode modes;
    struct gw_config_place at;
};

struct gw_config_trust_domain {
    struct gw_config_place at;
    struct gw_config_text name;
    struct gw_config_text bundle; // path: PEM, or a SPIFFE bundle (JWKS) when the name ends in .json or .jwks
    bool bundle_is_jwks;
    struct gw_config_texts crls; // paths
    bool crl_required;
    int64_t crl_max_stale;
};

// A workload whose certificate has no SPIFFE ID. Exactly one of dns and subject.
struct gw_config_identity {
    struct gw_config_place at;
    struct gw_config_text dns, subject, spiffe_id;
};

struct gw_config_endpoint {
    struct gw_config_place at;
    bool tls;
    struct span host; // without brackets
    uint16_t port;
    struct span authority; // host:port for the Host field; the port left out where it is the scheme's
};

struct gw_config_remote_tls {
    struct gw_config_place at;
    struct gw_config_text ca;                     // path; without it the bundle of spiffe_id's trust domain
    struct gw_config_text spiffe_id, server_name; // at most one; neither: the endpoint's host is the name
    struct gw_config_text certificate, key, key_passphrase_file; // paths; for mutual TLS
};

struct gw_config_remote_timeouts {
    int64_t connect, first_byte, idle; // idle: between two bytes of an answer
};

// A server that the gateway asks something on its own account, by URL: https, or http on this machine. remote.h opens what it names.
struct gw_config_remote {
    struct gw_config_place at;
    struct gw_config_text url;          // as written; SPAN_NONE: not configured
    struct gw_config_endpoint endpoint; // what it says …
    struct span target;                 // … path and query, from the '/'
    struct gw_config_remote_tls tls;
    struct gw_config_remote_timeouts timeouts;
};

enum gw_config_binding {
    GW_BINDING_DPOP = 1,
    GW_BINDING_CERTIFICATE,
    GW_BINDING_BOTH,
    GW_BINDING_EITHER,
    GW_BINDING_NONE, // only with `unbound_bearer: allow`
};

// How claims.workload names the workload that presents the token.
enum gw_config_workload_match {
    GW_WORKLOAD_EXACT = 1, // it is the SPIFFE ID
    GW_WORKLOAD_PREFIX,    // or a prefix of it that ends at a path segment
    GW_WORKLOAD_UNCHECKED, // the issuer names none
};

struct gw_config_scope {
    struct gw_config_text scope;
    unsigned actions; // GW_ACTION_BIT (gateway/api/action.h)
};

// Names of claims; with a leading '/', JSON Pointers of member names. SPAN_NONE: not read.
struct gw_config_claims {
    struct gw_config_text roles, groups, tenant, workload, scope;
};

// Globs, of trust domains names; an empty list: it may assert none.
struct gw_config_asserts {
    struct gw_config_texts roles, groups, tenants, trust_domains;
};

// How the URL of an issuer's keys is found out (RFC 8414). WELL_KNOWN: the metadata are where its `iss` puts them.
enum gw_config_discovery { GW_DISCOVERY_NONE, GW_DISCOVERY_WELL_KNOWN, GW_DISCOVERY_URL };

// When an issuer's server that does not answer is left alone, by one loop.
struct gw_config_breaker {
    unsigned failures; // in a row
    int64_t open;      // how long
};

// Where an issuer answers for its opaque tokens (RFC 7662).
struct gw_config_introspection {
    struct gw_config_place at;
    bool present;
    struct gw_config_remote server;           // its timeouts are all `timeout`
    struct gw_config_text client_id;          // the gateway's name there
    struct gw_config_text client_secret_file; // path; client_secret_basic. SPAN_NONE: tls_client_auth with server.tls
    struct gw_config_text prefix;             // of the tokens it is asked about; SPAN_NONE: any opaque one
    int64_t cache, refusals;                  // how long answers and refusals hold at most
    int64_t timeout;                          // of a question, from beginning to end
    unsigned calls;                           // questions of one loop at once
    bool audience_implied, expiry_optional;
    struct gw_config_breaker breaker;
};

// What an issuer's tokens are good for: requests through the gateway, being exchanged, a certificate.
enum { GW_ISSUER_REQUESTS = 1, GW_ISSUER_EXCHANGE = 2, GW_ISSUER_ENROLMENT = 4 };

struct gw_config_issuer {
    struct gw_config_place at;
    unsigned uses;                // GW_ISSUER_*
    struct gw_config_text name;   // namespaces its roles in policy
    struct gw_config_text issuer; // `iss`, compared exactly
    // Where its keys come from; one of:
    struct gw_config_text jwks;               // path
    struct gw_config_text symmetric_key_file; // path; then `algorithms` is one of HS256, HS384, HS512
    struct gw_config_remote keys; // keys.url: of the JWK set, or with `discovery` of the metadata that name it …
    enum gw_config_discovery discovery;
    struct gw_config_text bearer_token_file;      // path: shown to that server, and to no other; read at each use
    int64_t refresh;                              // … looked at again at the latest after this
    int64_t max_stale;                            // since the keys were last read; 0: no bound
    struct gw_config_introspection introspection; // beside them, or instead
    unsigned algorithms;                          // PKI_ALG_BIT
    struct gw_config_texts audiences;
    struct gw_config_text typ;
    enum gw_config_binding binding;
    bool unbound_bearer;
    int64_t max_lifetime;
    int64_t max_age; // since iat; 0: no bound
    int64_t leeway;
    struct gw_config_texts required_claims;
    struct gw_config_claims claims;
    enum gw_config_workload_match workload_match;
    bool scopeless; // `scopes: none`: no ceiling
    const struct gw_config_scope *scopes;
    size_t scopes_n;
    struct gw_config_asserts asserts;
};

// Where an API key may stand in a request.
enum gw_config_api_key_header { GW_API_KEY_AUTHORIZATION = 1, GW_API_KEY_FIELD = 2, GW_API_KEY_EITHER = 3 };

struct gw_config_api_keys {
    struct gw_config_place at;
    bool present;
    struct gw_config_text name; // namespaces its roles in policy
    struct gw_config_text file; // path of the registry
    enum gw_config_api_key_header header;
    bool any_workload; // keys without an owner are accepted
    int64_t max_stale; // since the registry was last read; 0: no bound
    bool scopeless;    // `scopes: none`: no ceiling
    const struct gw_config_scope *scopes;
    size_t scopes_n;
    struct gw_config_asserts asserts; // no groups
};

struct gw_config_replay {
    uint64_t capacity;
    unsigned share_percent; // of it, for one workload
};

// Of whom a nonce is demanded.
enum gw_config_nonce {
    GW_NONCE_OFF,
    GW_NONCE_REQUIRED, // of everybody
    GW_NONCE_ADAPTIVE, // of a workload that has shown a suspicious proof, for a time
};

struct gw_config_dpop {
    unsigned algorithms; // PKI_ALG_BIT
    int64_t past, future;
    enum gw_config_nonce nonce;
    int64_t nonce_adaptive; // how long it is demanded after a suspicious proof
    int64_t nonce_lifetime;
    uint64_t key_memory; // of each loop
    struct gw_config_replay replay;
};

// Policies that one team writes among many: they may only speak of resources in `scope`.
struct gw_config_policy_owner {
    struct gw_config_place at;
    struct gw_config_text name;
    struct gw_config_texts files; // as gw_config_policy.files
    struct gw_config_text scope;  // a Cedar entity: Namespace::"team-a"
};

// A signed archive in place of files (policy_bundle.h).
struct gw_config_policy_bundle {
    bool present;
    struct gw_config_place at;
    struct gw_config_text file; // path; its signature is beside it, with .sig appended
    struct gw_config_text keys; // path: a JWK set of those who may sign it
    struct gw_config_text
        last_good; // path of a folder: the last one that loaded is kept there, and used when `file` does not load at start
};

struct gw_config_policy {
    struct gw_config_place at;
    bool present;
    struct gw_config_texts files;   // paths: .cedar files, folders of them, or globs
    struct gw_config_text entities; // path: JSON, or YAML when it ends in .yaml or .yml
    struct gw_config_texts links;   // paths: links of templates, JSON
    struct gw_config_texts schema;  // paths: schemas that the policies are held to; none: the shipped one
    bool validate;                  // off: policies and entities are held to no schema
    const struct gw_config_policy_owner *owners;
    size_t owners_n;
    struct gw_config_policy_bundle bundle;
    uint64_t budget; // steps an evaluation
};

// How much a record of the audit log holds.
enum gw_config_audit_inputs {
    GW_CONFIG_INPUTS_ALWAYS = 1, // everything that was decided by
    GW_CONFIG_INPUTS_DENIED,     // that only when the answer was no
    GW_CONFIG_INPUTS_NEVER
};

struct gw_api_def;

// One row of an operator's own API table. See gateway/api/custom.h.
struct gw_config_api_row {
    struct gw_config_place at;
    struct gw_config_text method, path;
    enum gw_action action;
    bool is_new;
    // Places: "$.member" or "?parameter".
    struct gw_config_text database, tenant, collection, new_collection, limit, filter, points, queries;
    struct gw_config_texts members;
    bool any_member;
};

struct gw_config_api {
    struct gw_config_place at;
    struct gw_config_text name;
    struct gw_config_texts query;
    const struct gw_config_api_row *rows;
    size_t rows_n;
    const struct gw_api_def *def; // compiled; NULL when there is something wrong with it
};

struct gw_config_pool {
    uint64_t max_connections, max_idle; // of one loop to one endpoint
    int64_t idle_timeout;               // of a connection that waits for use
};

// Questions of the gateway's own whether an endpoint is ready.
struct gw_config_health {
    int64_t interval; // 0: none are asked
    int64_t timeout;
    unsigned unhealthy, healthy; // answers in a row
    struct gw_config_text path;  // asked with GET; SPAN_NONE: as the API has it
};

// How many requests may be sent a second time.
struct gw_config_retries {
    unsigned percent, per_second;
};

// Reads that are slow to be answered, sent to a second endpoint as well.
struct gw_config_hedge {
    unsigned quantile; // of answers' times, in percent; 0: `after`
    int64_t after;
    unsigned percent; // of such reads, at most
};

struct gw_config_credential {
    struct gw_config_text header; // lower-case field name
    struct gw_config_text scheme; // put before the secret: "Bearer"; SPAN_NONE: none
    struct gw_config_text file;   // path; one line, the secret
};

enum gw_config_discover_kind { GW_DISCOVER_NONE, GW_DISCOVER_NAME, GW_DISCOVER_SERVICE, GW_DISCOVER_FILE };

// Where the endpoints of a shard are found out (discover.h), instead of a list of them.
struct gw_config_discover {
    struct gw_config_place at;
    bool present;
    struct gw_config_text dns, srv, file; // as written: one of them
    bool plain;                           // with `file`: http
    struct gw_config_texts servers;       // name servers, address:port; none: the system's
    int64_t refresh;                      // looked up again at the latest after this
    enum gw_config_discover_kind kind;    // what follows from them …
    bool tls;                             // …
    struct span host;                     // … the name, or the service
    uint16_t port;                        // … of the name
    struct span authority;                // … likewise, for the Host field
    struct span server_list;              // … `servers`, with commas; empty: the system's
    struct span key;                      // … equal for what is the same look-up
};

// What no request shows of a shard's collections, and an operator answers for: bits.
enum gw_config_assurance { GW_CONFIG_EXACT_TEXT = 1 << 0, GW_CONFIG_ASSIGNED_IDS = 1 << 1 };

struct gw_config_shard {
    struct gw_config_place at;
    struct gw_config_text name;
    struct gw_config_text api_name;
    size_t api;                          // for gw_config_api_at
    struct gw_config_place endpoints_at; // line 0: they are not listed
    unsigned assures;                    // enum gw_config_assurance
    const struct gw_config_endpoint *endpoints;
    size_t endpoints_n;
    struct gw_config_discover discover;
    bool has_tls; // some endpoint is https
    struct gw_config_remote_tls tls;
    struct gw_config_remote_timeouts timeouts;
    struct gw_config_pool pool;
    struct gw_config_health health;
    bool filter_checks; // it is asked whether it is made for the filters that hold there (net/surveyor.h)
    struct gw_config_retries retries;
    bool has_hedge;
    struct gw_config_hedge hedge;
    bool adaptive; // how many requests are under way is bounded by what the shard can do
    bool has_credential;
    struct gw_config_credential credential;
};

// The first rule whose patterns match decides. A pattern that is SPAN_NONE matches everything, also no name at all.
struct gw_config_route {
    struct gw_config_place at;
    struct gw_config_text database, tenant, collection; // globs
    struct gw_config_text shard;                        // as written: one of the two
    struct gw_config_texts hash;
    struct gw_config_texts moved_from; // the set before; routing.h
    const unsigned *shards;            // indexes into gw_config.shards; several: by hash
    size_t shards_n;
};

// By whom the requests of a limit are counted.
enum gw_config_limit_per {
    GW_LIMIT_PER_SUBJECT = 1,
    GW_LIMIT_PER_WORKLOAD,
    GW_LIMIT_PER_TENANT,
    GW_LIMIT_PER_CLIENT,
    GW_LIMIT_PER_COLLECTION,
    GW_LIMIT_PER_ALL
};

// Requests that a limit is for. Globs; no list matches everything, also what has no such name.
struct gw_config_limit_match {
    unsigned actions; // GW_ACTION_BIT; 0: all
    struct gw_config_texts databases, tenants, collections, workloads, roles;
};

struct gw_config_limit {
    struct gw_config_place at;
    struct gw_config_text name; // clients see it
    struct gw_config_limit_match match;
    enum gw_config_limit_per per;
    struct gw_config_text rate; // as written: "1000/min" …
    uint64_t count;             // … so many
    int64_t period;             // … a period
    uint64_t burst;             // at once; the count, unless it is configured
    bool by_results;            // a request costs what it may return, in units of `unit`; else one
    uint64_t unit;
};

// Failures that are looked at before their author is turned away.
struct gw_config_failure {
    struct gw_config_place at;
    struct gw_config_text rate; // as written: "100/s" …
    uint64_t count;             // … so many
    int64_t period;             // … a period
    uint64_t burst;
};
struct gw_config_failures {
    struct gw_config_failure requests, handshakes; // a workload's, an address's
    uint64_t open_handshakes;                      // of an address, at once
    struct gw_config_texts shared_addresses; // that many have: addresses and networks for which the two are not bounds
};

// Rate limits. All rules that match a request apply to it.
struct gw_config_rates {
    struct gw_config_place at;
    bool headers;     // answers tell what is left
    uint64_t buckets; // that the process can count in at once
    const struct gw_config_limit *rules;
    size_t rules_n;
    struct gw_config_failures failures;
};

// The key that checkpoints of the audit log are signed with.
struct gw_config_audit_signing {
    struct gw_config_place at;
    bool present;
    struct gw_config_text key, passphrase_file; // paths
    struct gw_config_text pkcs11;               // or the key is in a token
    int64_t every;
    uint64_t records;
};

struct gw_config_audit_rotate {
    uint64_t size, keep; // 0: however large; all
    int64_t every;       // 0: however old
};

// A collector that the audit log is sent to from its files.
struct gw_config_audit_http {
    struct gw_config_place at;
    bool present;
    struct gw_config_remote remote;
    struct gw_config_text token_file; // path
    bool array;                       // else lines
    uint64_t batch, spool;            // bytes
    int64_t interval;
};

struct gw_config_audit {
    bool present;               // `connect` has none: gateways record
    struct gw_config_text file; // path; SPAN_NONE: to_stdout
    bool to_stdout;
    struct gw_config_audit_signing signing;
    struct gw_config_audit_rotate rotate;
    struct gw_config_audit_http http;
    bool sync_request;   // an answer waits until its record is on the disk
    bool drop_when_full; // else the request is refused
    uint64_t queue;      // bytes a loop
    int64_t interval;    // between batches
    enum gw_config_audit_inputs inputs;
};

// The authority's feed of revocations, which the gateway follows.
struct gw_config_feed {
    bool present;
    struct gw_config_remote remote;
    struct gw_config_text issuer; // name of the entry of `issuers` whose keys sign it
    int64_t max_stale;            // without hearing from it; then every request is refused
};

struct gw_config_revocations {
    struct gw_config_text store, file; // paths
    struct gw_config_feed feed;
    int64_t grace; // that a running answer has behind the end of its token or certificate
};

// A client of the token service that does not authenticate by its workload certificate's SPIFFE ID alone.
struct gw_config_client {
    struct gw_config_place at;
    struct gw_config_text id;                        // client_id
    struct gw_config_text workload;                  // SPIFFE ID it acts as; SPAN_NONE: `id` is one
    struct gw_config_text jwks;                      // path of its public keys, for private_key_jwt; or SPAN_NONE
    unsigned algorithms;                             // PKI_ALG_BIT, of its assertions
    struct gw_config_text san_dns, san_uri, subject; // for tls_client_auth (RFC 8705 §2.1.2): at most one
};

struct gw_config_signing {
    enum pki_alg algorithm;                // ES256 or EdDSA
    struct gw_config_text passphrase_file; // path: keys in the state folder are encrypted with it
    struct gw_config_text pkcs11;          // or the keys live in a token: an RFC 7512 URI without `object`
    int64_t rotate;                        // how long a key signs
    int64_t publish;                       // how long it is published before that
};

// Asks a cluster about a service account's token (Kubernetes TokenReview).
struct gw_config_token_review {
    bool present;
    struct gw_config_remote server;          // of the API server; the target is TokenReview's, unless there is a path
    struct gw_config_text bearer_token_file; // path: our own credential there, read at each use
    struct gw_config_text issuer;            // `iss` of its tokens: no other cluster's are sent there
    struct gw_config_text audience;          // that the tokens must be for
};

// A Kubernetes cluster whose service accounts may enrol. Either its tokens are verified here, by an entry of `issuers`, or it is asked.
struct gw_config_cluster {
    struct gw_config_place at;
    struct gw_config_text name;   // as policies know it
    struct gw_config_text issuer; // name of an entry of `issuers` with that use; SPAN_NONE: `review`
    size_t issuer_index;          // that entry's …
    struct gw_config_token_review review;
    struct gw_config_texts namespaces, service_accounts; // globs
    struct gw_config_texts dns;                          // globs: DNS names that may be asked for; none: none
    struct gw_config_text id;                            // template of the SPIFFE ID; SPAN_NONE: of the trust domain
    bool pod_optional;                                   // a token that is bound to no pod will do
};

// Where workloads get their certificates.
struct gw_config_enrolment {
    struct gw_config_place at;
    bool present;
    struct gw_config_text url;        // https://host[:port], as clients name it
    struct gw_config_texts addresses; // host:port
    struct gw_config_text ca;         // path of the CA's folder
    struct gw_config_text ca_passphrase_file;
    int64_t lifetime;
    bool join_tokens, renewal; // are credentials
    unsigned attempts;         // of one address in a minute
    const struct gw_config_cluster *clusters;
    size_t clusters_n;
};

// The authority role: the token service and the revocation feed.
struct gw_config_authority {
    struct gw_config_place at;
    bool present;
    struct gw_config_text
        issuer; // https://host[:port], the `iss` of its tokens; its scheme and authority are what `htu` is held to
    struct gw_config_texts addresses; // host:port
    struct gw_config_tls tls;
    bool certificates_required;  // else a client may come without one
    struct gw_config_text state; // path of a folder: signing keys, refresh tokens
    struct gw_config_signing signing;
    struct gw_config_texts audiences; // that tokens may be issued for
    int64_t lifetime;                 // of access tokens
    int64_t refresh_lifetime;         // of a family of refresh tokens, from its first
    bool nonce_required;              // DPoP at the token endpoint
    bool bind_both;                   // tokens are bound to a key and to the certificate, or not issued
    const struct gw_config_client *clients;
    size_t clients_n;
    struct gw_config_policy policy;
    bool feed;                        // publishes `revocations.store`
    struct gw_config_texts followers; // globs of SPIFFE IDs that may read the feed and introspect
    struct gw_config_texts revokers;  // globs of SPIFFE IDs that may enter revocations
    struct gw_config_enrolment enrolment;
};

// A gateway that `connect` may use.
struct gw_config_gateway {
    struct gw_config_remote server; // url, tls.ca, tls.spiffe_id; its timeouts are connect's
    struct gw_config_text address;  // host:port to go to; SPAN_NONE: what the URL says
    struct span host;               // … the same taken apart …
    uint16_t port;                  // … and 0 without it
};

// Where `connect` gets its tokens (RFC 6749 §4.4).
struct gw_config_token_endpoint {
    struct gw_config_remote server; // with the workload's certificate; its timeouts are connect's
    bool present;
    struct gw_config_text scope;     // as asked for
    struct gw_config_texts audience; // likewise; none: the service has only one
    struct gw_config_text client_id; // SPAN_NONE: the certificate says who asks
};

struct gw_config_connect_token {
    struct gw_config_text file; // path of a token that somebody else renews; one of the two
    struct gw_config_token_endpoint endpoint;
};

// The connect role: the loopback side for unmodified clients, as one workload.
struct gw_config_connect {
    struct gw_config_place at;
    bool present;
    struct gw_config_texts listen; // address:port of this machine, or unix:PATH; none: by the place
    struct gw_config_text certificate, key, key_passphrase_file; // paths, of the workload
    struct gw_config_enrol enrol;                                // in their place
    struct gw_config_text ca;                                    // path: who vouches for servers that name no other
    const struct gw_config_gateway *gateways;                    // in order of preference
    size_t gateways_n;
    enum gw_config_binding binding; // dpop, certificate or both
    struct gw_config_connect_token token;
    bool host_network; // allowed
    uint64_t connections, buffer;
    struct gw_config_remote_timeouts timeouts;
    int64_t wait, drain;
};

struct gw_config_operations {
    bool enabled;
    struct gw_config_text listen; // host:port
};

enum gw_config_lock { GW_CONFIG_LOCK_AUTO, GW_CONFIG_LOCK_REQUIRED, GW_CONFIG_LOCK_OFF };

// What the process is to the system it runs on.
struct gw_config_process {
    struct gw_config_text user;  // name or number to become; SPAN_NONE: stays what it is
    struct gw_config_text group; // SPAN_NONE: the user's own
    bool unconfined;             // no system call filter
    enum gw_config_lock lock_memory;
    struct gw_config_text handover; // path of the socket that the next process comes to; SPAN_NONE: none can
};

struct gw_config_log {
    enum log_level level;
    bool json;
};

// Where spans go.
struct gw_config_otlp {
    struct gw_config_remote remote;
    struct gw_config_text headers_file; // path
};

struct gw_config_tracing {
    bool present;
    struct gw_config_otlp otlp;
    struct gw_config_text sample, service;
};

struct gw_config {
    struct arena arena; // holds everything below
    struct span file;   // as it was named
    struct gw_config_listener listener;
    const struct gw_config_mode *modes;
    size_t modes_n;
    const struct gw_config_trust_domain *trust_domains;
    size_t trust_domains_n;
    const struct gw_config_identity *identities;
    size_t identities_n;
    const struct gw_config_issuer *issuers;
    size_t issuers_n;
    struct gw_config_api_keys api_keys;
    struct gw_config_dpop dpop;
    struct gw_config_policy policy;
    const struct gw_config_api *apis;
    size_t apis_n;
    const struct gw_config_shard *shards;
    size_t shards_n;
    const struct gw_config_route *routes;
    size_t routes_n;
    struct gw_config_rates limits;
    struct gw_config_revocations revocations;
    struct gw_config_authority authority;
    struct gw_config_connect connect;
    struct gw_config_audit audit;
    struct gw_config_operations operations;
    struct gw_config_log log;
    struct gw_config_tracing tracing;
    struct gw_config_process process;
    unsigned loops; // 0: one a usable core
};

// Reads, checks and gives back a configuration to be freed with gw_config_free. 0; ERR_CONFIG with the reasons in `diags`, an unreadable file
// among them; ERR_NOMEM. Warnings may come with 0.
int gw_config_load(const char *path, struct gw_config **out, struct diags *diags);
// The same for text that is already there; `file` is the name it goes by, and its folder the one that paths are relative to.
int gw_config_parse(struct span text, struct span file, struct gw_config **out, struct diags *diags);
void gw_config_free(struct gw_config *c); // NULL is fine

// API tables by number: the built-in ones in the order of gw_api_def_at, then those of `apis`. NULL at the end. `c` NULL: only the built-in ones.
const struct gw_api_def *gw_config_api_at(const struct gw_config *c, size_t i);
// The number of the one that is called so; SIZE_MAX: none is.
size_t gw_config_api_find(const struct gw_config *c, struct span name);

// A complaint about a value, for those who look at what the configuration names.
void gw_config_error(const struct gw_config *c, struct gw_config_place at, struct diags *diags, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
