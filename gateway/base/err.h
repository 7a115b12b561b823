// SPDX-License-Identifier: GPL-3.0-or-later
// Every way in which a request can end badly, once. One table gives each its name, HTTP status, OAuth error code
// (RFC 6750 §3.1, RFC 9449 §7.1), the stable `code` a client sees, and the reason the audit record holds; so the five agree by
// construction. Functions all over the program return 0 or one of these (they are negative).
// The client sees status and code only; the reason may say more and goes to audit.
#ifndef SALLYPORT_BASE_ERR_H
#define SALLYPORT_BASE_ERR_H

#include "gateway/base/span.h"

// X(name, HTTP status, OAuth code or "", problem code, audit reason)
#define ERR_TABLE(X)                                                                                                   \
    X(INTERNAL, 500, "", "internal", "a fault of the gateway's own")                                                   \
    X(NOMEM, 503, "", "overloaded", "out of memory or over a memory bound")                                            \
    /* gate one: the certificate */                                                                                    \
    X(CERT_MISSING, 403, "", "certificate_missing", "no client certificate was presented")                             \
    X(CERT_MALFORMED, 403, "", "certificate_invalid", "the certificate does not parse")                                \
    X(CERT_SAN, 403, "", "certificate_invalid", "the certificate does not have exactly one URI SAN")                   \
    X(CERT_SPIFFE_ID, 403, "", "certificate_invalid", "the URI SAN is not a valid SPIFFE ID")                          \
    X(CERT_IS_CA, 403, "", "certificate_invalid", "the leaf is a CA or may sign certificates or CRLs")                 \
    X(CERT_USAGE, 403, "", "certificate_invalid", "the key usage does not allow client authentication")                \
    X(CERT_WEAK, 403, "", "certificate_invalid", "the certificate's key or signature algorithm is not accepted")       \
    X(CERT_TRUST_DOMAIN, 403, "", "certificate_untrusted", "no bundle for the trust domain of the SPIFFE ID")          \
    X(CERT_UNTRUSTED, 403, "", "certificate_untrusted", "no valid path to the bundle of the ID's own trust domain")    \
    X(CERT_NAME_CONSTRAINT, 403, "", "certificate_untrusted", "a name constraint of an issuer excludes the name")      \
    X(CERT_EXPIRED, 403, "", "certificate_expired", "the certificate has expired")                                     \
    X(CERT_NOT_YET, 403, "", "certificate_invalid", "the certificate is not valid yet")                                \
    X(CERT_REVOKED, 403, "", "certificate_revoked", "the certificate, or a CA of its path, was revoked or removed")    \
    X(CRL_STALE, 503, "", "revocation_stale", "the CRL that is needed is missing or too old")                          \
    X(CERT_UNMAPPED, 403, "", "certificate_unmapped", "no rule maps this certificate to a workload")                   \
    X(TLS, 403, "", "tls", "the TLS handshake failed")                                                                 \
    /* the request as HTTP */                                                                                          \
    X(HTTP_MALFORMED, 400, "", "bad_request", "the message is not valid HTTP/1.1")                                     \
    X(HTTP_FRAMING, 400, "", "bad_framing", "ambiguous or invalid message framing")                                    \
    X(HTTP_HOST, 400, "", "bad_host", "missing, repeated or invalid Host")                                             \
    X(HTTP_TARGET, 400, "", "bad_target", "the request target is not acceptable")                                      \
    X(HTTP_AUTHORITY, 421, "", "misdirected", "the authority is not one that this gateway serves")                     \
    X(HTTP_LINE_SIZE, 414, "", "uri_too_long", "the request line is over its bound")                                   \
    X(HTTP_HEADER_SIZE, 431, "", "headers_too_large", "header fields are over their bound in bytes or number")         \
    X(HTTP_BODY_SIZE, 413, "", "body_too_large", "the body is over its bound")                                         \
    X(HTTP_TIMEOUT, 408, "", "request_timeout", "the request did not arrive in time")                                  \
    X(HTTP_UPGRADE, 400, "", "upgrade_refused", "protocol upgrades and CONNECT are refused")                           \
    X(HTTP_METHOD, 501, "", "method_unknown", "the method is not known")                                               \
    X(HTTP_EXPECT, 417, "", "expectation_failed", "an expectation other than 100-continue")                            \
    X(HTTP_TIME_LEFT, 400, "", "bad_expected_rq_timeout",                                                              \
      "x-envoy-expected-rq-timeout-ms is not one whole number of milliseconds, from 1 to 86400000")                    \
    X(HTTP_VERSION, 505, "", "http_version", "an HTTP version other than 1.0 or 1.1")                                  \
    X(HTTP_NOT_FOUND, 404, "", "not_found", "there is nothing at this path")                                           \
    X(HTTP_NOT_ALLOWED, 405, "", "method_not_allowed", "the path does not serve this method")                          \
    X(CLIENT_GONE, 499, "", "client_closed", "the client went away before the answer was whole")                       \
    /* gate two: the token */                                                                                          \
    X(TOKEN_MISSING, 401, "", "token_missing", "no access token was sent")                                             \
    X(TOKEN_WAYS, 400, "invalid_request", "token_ways", "the token was sent in more than one way or place")            \
    X(TOKEN_SCHEME, 401, "", "token_missing", "an authentication scheme that is not served")                           \
    X(TOKEN_MALFORMED, 401, "invalid_token", "token_invalid", "the token is not a well-formed JWT")                    \
    X(TOKEN_ENCRYPTED, 401, "invalid_token", "token_invalid", "the token is encrypted (JWE), which is not accepted")   \
    X(TOKEN_ISSUER, 401, "invalid_token", "token_invalid", "the token's issuer is not configured")                     \
    X(TOKEN_ALG, 401, "invalid_token", "token_invalid", "the token's algorithm is not allowed for its issuer")         \
    X(TOKEN_TYP, 401, "invalid_token", "token_invalid", "the token's typ is not the one its issuer uses")              \
    X(TOKEN_CRIT, 401, "invalid_token", "token_invalid", "the token has a critical header that is not understood")     \
    X(TOKEN_HEADER_KEY, 401, "invalid_token", "token_invalid", "the token brings its own key (jwk, jku, x5u, x5c)")    \
    X(TOKEN_KEY, 401, "invalid_token", "token_invalid", "no key of the issuer matches the token's kid and alg")        \
    X(TOKEN_SIGNATURE, 401, "invalid_token", "token_invalid", "the token's signature does not verify")                 \
    X(TOKEN_CLAIM, 401, "invalid_token", "token_invalid", "a required claim is missing or has the wrong type")         \
    X(TOKEN_AUDIENCE, 401, "invalid_token", "token_invalid", "the token is for another audience")                      \
    X(TOKEN_EXPIRED, 401, "invalid_token", "token_expired", "the token has expired")                                   \
    X(TOKEN_NOT_YET, 401, "invalid_token", "token_invalid", "the token is not valid yet, or issued in the future")     \
    X(TOKEN_LIFETIME, 401, "invalid_token", "token_invalid", "the token lives longer than its issuer may grant")       \
    X(TOKEN_REVOKED, 401, "invalid_token", "token_revoked", "the token or its signing key was revoked")                \
    X(TOKEN_ASSERTS, 401, "invalid_token", "token_invalid",                                                            \
      "the issuer asserts a role, tenant or trust domain that is not its own")                                         \
    X(TOKEN_INACTIVE, 401, "invalid_token", "token_inactive", "the issuer says that the token is not active")          \
    X(TOKEN_WORKLOAD, 401, "invalid_token", "token_not_yours", "the token belongs to another workload")                \
    X(APIKEY_MALFORMED, 401, "invalid_token", "api_key_invalid", "not an API key, or one with a typing error")         \
    X(APIKEY_UNKNOWN, 401, "invalid_token", "api_key_invalid", "no API key has this id and secret")                    \
    X(APIKEY_EXPIRED, 401, "invalid_token", "api_key_expired", "the API key, or its overlap, is over")                 \
    X(APIKEY_REVOKED, 401, "invalid_token", "api_key_revoked", "the API key was revoked")                              \
    X(APIKEY_WORKLOAD, 401, "invalid_token", "token_not_yours", "the API key is another workload's, or nobody's")      \
    X(APIKEY_QUOTA, 429, "", "quota_exceeded", "over the API key's quota")                                             \
    /* binding */                                                                                                      \
    X(TOKEN_UNBOUND, 401, "invalid_token", "token_unbound",                                                            \
      "the token is not bound as its issuer's configuration demands")                                                  \
    X(CNF_UNKNOWN, 401, "invalid_token", "token_invalid", "the token's cnf has a member that is not understood")       \
    X(CNF_CERTIFICATE, 401, "invalid_token", "token_not_yours", "the token is bound to another certificate")           \
    X(BOUND_AS_BEARER, 401, "invalid_token", "token_scheme", "a DPoP-bound token was sent as Bearer")                  \
    X(PROOF_MISSING, 401, "invalid_dpop_proof", "proof_missing", "the token is DPoP-bound and no proof was sent")      \
    X(PROOF_REPEATED, 401, "invalid_dpop_proof", "proof_invalid", "more than one DPoP field")                          \
    X(PROOF_MALFORMED, 401, "invalid_dpop_proof", "proof_invalid", "the proof is not a well-formed compact JWS")       \
    X(PROOF_TYP, 401, "invalid_dpop_proof", "proof_invalid", "the proof's typ is not dpop+jwt")                        \
    X(PROOF_ALG, 401, "invalid_dpop_proof", "proof_invalid", "the proof's algorithm is not allowed")                   \
    X(PROOF_KEY, 401, "invalid_dpop_proof", "proof_invalid", "the proof's jwk is missing, malformed or weak")          \
    X(PROOF_PRIVATE, 401, "invalid_dpop_proof", "proof_invalid", "the proof's jwk holds a private or symmetric key")   \
    X(PROOF_CRIT, 401, "invalid_dpop_proof", "proof_invalid",                                                          \
      "the proof has a critical header that is not understood")                                                        \
    X(PROOF_CLAIM, 401, "invalid_dpop_proof", "proof_invalid",                                                         \
      "jti, htm, htu or iat is missing or has the wrong type")                                                         \
    X(PROOF_SIGNATURE, 401, "invalid_dpop_proof", "proof_invalid", "the proof's signature does not verify")            \
    X(PROOF_HTM, 401, "invalid_dpop_proof", "proof_invalid", "htm is not the request's method")                        \
    X(PROOF_HTU, 401, "invalid_dpop_proof", "proof_invalid", "htu is not the request's URI")                           \
    X(PROOF_IAT, 401, "invalid_dpop_proof", "proof_stale", "iat is outside the window")                                \
    X(PROOF_NONCE, 401, "use_dpop_nonce", "proof_nonce", "the proof has no nonce, or an old one")                      \
    X(PROOF_NONCE_INVENTED, 401, "use_dpop_nonce", "proof_nonce", "the proof's nonce was never one of ours")           \
    X(PROOF_ATH, 401, "invalid_dpop_proof", "proof_invalid", "ath is not the hash of this access token")               \
    X(PROOF_JKT, 401, "invalid_token", "token_not_yours", "the proof's key is not the one the token is bound to")      \
    X(PROOF_REPLAYED, 401, "invalid_dpop_proof", "proof_replayed", "the proof was used before")                        \
    X(PROOF_BEFORE_START, 401, "invalid_dpop_proof", "proof_stale", "the proof was made before this gateway started")  \
    X(REPLAY_FULL, 503, "", "overloaded", "the replay store is full, or the workload's share of it")                   \
    /* what the request means */                                                                                       \
    X(API_UNKNOWN, 403, "", "api_unknown", "no API table knows this method and path")                                  \
    X(API_BODY, 400, "", "api_body", "the body decides the authorisation and is not acceptable")                       \
    X(API_QUERY, 400, "", "api_query", "a query parameter that matters is repeated or malformed")                      \
    X(API_ENCODING, 415, "", "content_encoding", "an encoded body where the body decides the authorisation")           \
    X(API_COLLECTION, 404, "", "collection_unknown", "no such collection in the path's tenant and database")           \
    X(SCOPE, 403, "insufficient_scope", "insufficient_scope", "the token's scopes do not cover the action")            \
    X(POLICY_NO_PERMIT, 403, "", "denied", "no policy permits the request")                                            \
    X(POLICY_FORBID, 403, "", "denied", "a policy forbids the request")                                                \
    X(POLICY_FORBID_ERROR, 403, "", "denied", "a forbid could not be evaluated")                                       \
    X(POLICY_BUDGET, 403, "", "denied", "the policy evaluation went over its step budget")                             \
    X(POLICY_OBLIGATION, 403, "", "denied", "an obligation of the policies cannot be met")                             \
    X(RATE, 429, "", "rate_limited", "over the rate for this subject")                                                 \
    X(FAILING, 429, "", "too_many_failures", "too many of the workload's requests failed at the token or proof")       \
    X(FAILING_SOURCE, 429, "", "too_many_failures", "too many handshakes of the address failed, or are under way")     \
    /* the way to the shard */                                                                                         \
    X(ROUTE_NONE, 404, "", "no_shard", "no routing rule names a shard for this collection")                            \
    X(ROUTE_SPLIT, 400, "", "shards_differ", "the request names collections that live on different shards")            \
    X(SHARD_CONNECT, 502, "", "shard_unreachable", "no endpoint of the shard could be connected to")                   \
    X(SHARD_DOWN, 503, "", "shard_unreachable", "no endpoint of the shard takes requests at present")                  \
    X(SHARD_TLS, 502, "", "shard_unreachable", "the shard's TLS identity did not verify")                              \
    X(SHARD_BUSY, 503, "", "shard_busy", "all connections to the shard are in use")                                    \
    X(SHARD_TIMEOUT, 504, "", "shard_timeout", "the shard did not answer in time")                                     \
    X(SHARD_ANSWER, 502, "", "shard_invalid", "the shard's answer was not valid")                                      \
    X(SHARD_CUT, 502, "", "shard_cut", "the shard's answer ended early")                                               \
    /* the gateway's own state */                                                                                      \
    X(KEYS_STALE, 503, "", "keys_stale", "the issuer's keys are missing or older than max_stale")                      \
    X(REVOCATIONS_STALE, 503, "", "revocation_stale", "the revocation feed was last heard longer than max_stale ago")  \
    X(INTROSPECTION, 503, "", "introspection_failed", "the issuer could not be asked about the token")                 \
    X(AUDIT_FULL, 503, "", "audit_unavailable", "the audit log cannot take the record")                                \
    X(DRAINING, 503, "", "draining", "the gateway is shutting down")                                                   \
    X(OVERLOADED, 503, "", "overloaded", "over the bound of connections or exchanges")                                 \
    X(CONFIG, 500, "", "internal", "the configuration, or a file it names, is not valid")                              \
    /* the embedded stores (SQLite) and the CA behind them */                                                          \
    X(STORE_BUSY, 503, "", "store_busy", "another process holds the lock of the store")                                \
    X(STORE_FAILED, 503, "", "store_failed", "the store cannot be read or written")                                    \
    X(STORE_EXISTS, 409, "", "exists", "the store has such an entry already")                                          \
    X(STORE_ABSENT, 404, "", "not_found", "the store has no such entry")                                               \
    X(CA_REFUSED, 400, "", "ca_refused", "the CA does not issue what was asked for")                                   \
    X(HSM, 503, "", "store_failed", "the PKCS#11 token cannot be used")                                                \
    /* the token service; at its endpoints the status and code of RFC 6749 §5.2 stand in for these */                 \
    X(GRANT_UNKNOWN, 400, "", "grant_invalid", "no such refresh token")                                                \
    X(GRANT_EXPIRED, 400, "", "grant_invalid", "the refresh token has expired")                                        \
    X(GRANT_REVOKED, 400, "", "grant_invalid", "the refresh token was revoked")                                        \
    X(GRANT_REUSED, 400, "", "grant_invalid", "a replaced refresh token was used again; its family is revoked")        \
    X(GRANT_SENDER, 400, "", "grant_invalid", "the grant is another client's, or bound to another key or certificate") \
    X(OAUTH_FORM, 400, "", "oauth_request", "the request to the token service is malformed")                           \
    X(OAUTH_CLIENT, 401, "", "oauth_client", "the client did not authenticate as it is registered")                    \
    X(OAUTH_GRANT_TYPE, 400, "", "oauth_grant_type", "a grant type that is not offered")                               \
    X(OAUTH_SCOPE, 400, "", "oauth_scope", "the scope is missing, malformed or wider than it may be")                  \
    X(OAUTH_TARGET, 400, "", "oauth_target", "no audience, or one that no tokens are issued for")                      \
    X(OAUTH_UNBOUND, 400, "", "oauth_unbound", "neither a proof nor a certificate to bind the token to")               \
    X(OAUTH_UNPROVEN, 400, "", "oauth_unproven", "a bound token without proof of its binding")                         \
    X(OAUTH_ASSERTION_REPLAYED, 401, "", "oauth_client", "the client assertion was used before")                       \
    /* the connect role, between an application and a gateway */                                                       \
    X(CONNECT_HOST, 421, "", "host_not_loopback", "the Host of the request is not this machine's loopback")            \
    X(CONNECT_ORIGIN, 403, "", "origin_refused", "the request comes from a web page")                                  \
    X(CONNECT_CERTIFICATE, 503, "", "no_certificate", "there is no certificate for the workload yet")                  \
    X(CONNECT_TOKEN, 503, "", "no_token", "there is no token at present")                                              \
    X(CONNECT_GATEWAY, 502, "", "gateway_unreachable", "no gateway could be connected to")                             \
    X(CONNECT_GATEWAY_TLS, 502, "", "gateway_untrusted", "TLS with the gateway failed")                                \
    X(CONNECT_GATEWAY_BUSY, 503, "", "gateway_busy", "all connections to the gateways are in use")                     \
    X(CONNECT_GATEWAY_TIMEOUT, 504, "", "gateway_timeout", "the gateway did not answer in time")                       \
    X(CONNECT_GATEWAY_CUT, 502, "", "gateway_cut", "the gateway's answer was not valid, or ended early")               \
    /* enrolment at the authority */                                                                                   \
    X(ENROL_CREDENTIAL, 401, "", "credential_missing", "neither a token nor a certificate to enrol with")              \
    X(ENROL_ACCOUNT, 403, "", "attestation", "the namespace or service account is not one that may enrol")             \
    X(ENROL_CLAIMS, 401, "", "credential_invalid", "the token is not a Kubernetes service account's")                  \
    X(ENROL_POD, 403, "", "attestation", "the service account's token is bound to no pod")                             \
    X(REVIEW_FAILED, 503, "", "token_review_failed", "the cluster could not be asked about the token")                 \
    X(REVIEW_REFUSED, 401, "", "credential_invalid", "the cluster does not vouch for the token, or not for us")        \
    X(JOIN_UNKNOWN, 401, "", "join_token_invalid", "no join token has this id and secret")                             \
    X(JOIN_EXPIRED, 401, "", "join_token_expired", "the join token has expired")                                       \
    X(JOIN_REVOKED, 401, "", "join_token_invalid", "the join token was revoked")                                       \
    X(JOIN_USED, 401, "", "join_token_used", "the join token was used before")                                         \
    X(CSR_INVALID, 400, "", "csr_invalid", "the certification request does not parse, is weak, or lacks possession")   \
    X(CSR_EXTENSION, 403, "", "csr_refused", "the certification request asks to be a CA, or for other extensions")     \
    X(CSR_NAME, 403, "", "csr_name", "the certification request has a name that it may not have")

enum err_index_ {
#define X(name, status, oauth, code, reason) ERR_INDEX_##name,
    ERR_TABLE(X)
#undef X
        ERR_INDEX_COUNT
};

// Negative, so that 0 is success everywhere: ERR_CERT_MISSING and so on.
enum err {
    ERR_OK = 0,
#define X(name, status, oauth, code, reason) ERR_##name = -1 - ERR_INDEX_##name,
    ERR_TABLE(X)
#undef X
};

struct err_info {
    struct span name;   // "CERT_MISSING": what `verify` and the tests print
    int status;         // HTTP
    struct span oauth;  // empty where RFC 6750 wants no error code
    struct span code;   // stable; part of the interface
    struct span reason; // for audit
};

// For any negative `e`; a value outside the table gives INTERNAL's row.
const struct err_info *err_info(int e);

#endif
