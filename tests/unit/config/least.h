// SPDX-License-Identifier: GPL-3.0-or-later
// The least that a gateway's configuration has to say, 14 lines, for tests that are about one more key.
#ifndef SALLYPORT_TESTS_UNIT_CONFIG_LEAST_H
#define SALLYPORT_TESTS_UNIT_CONFIG_LEAST_H

// Without shards and routes, without shards, whole: a test adds its own.
#define LEAST_BUT_PLACES                                                                               \
    "listener:\n  addresses: [\"127.0.0.1:1\"]\n  authorities: [a]\n  tls: {certificate: c, key: k}\n" \
    "trust_domains:\n  - {name: a, bundle: b}\n"                                                       \
    "issuers:\n  - {name: corp, issuer: https://i, jwks: j, audiences: [x], scopes: none, asserts: "   \
    "{trust_domains: [a]}}\n"                                                                          \
    "policy: {files: [p]}\naudit: {file: l}\n"
#define LEAST_BUT_SHARDS LEAST_BUT_PLACES "routes:\n  - {shard: s}\n"
#define LEAST LEAST_BUT_SHARDS "shards:\n  - {name: s, api: qdrant, endpoints: [\"http://127.0.0.1:2\"]}\n"

#endif
