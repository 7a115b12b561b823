// SPDX-License-Identifier: GPL-3.0-or-later
// A whole gateway in memory: real configuration, certificates, policies, tokens, proofs, TLS, stages and audit file; only the sockets are
// made of memory. Clients and a shard are played by the test, a byte at a time if it likes.
#ifndef SALLYPORT_TESTS_RIG_H
#define SALLYPORT_TESTS_RIG_H

#include "gateway/net/client.h"
#include "tests/support/certs.h"

#define RIG_AUTHORITY "gateway.test"
#define RIG_RAG "spiffe://example.org/rag"
#define RIG_THIEF "spiffe://example.org/thief"
#define RIG_SHARD "spiffe://example.org/shard"

// One end of a connection: the gateway's socket, and the bytes that wait in each direction.
struct rig_pipe {
    struct gw_socket *socket; // NULL once closed
    struct buf to_gateway, from_gateway;
    size_t window;          // how much the far side lets the gateway send before it takes it (0: as much as comes)
    bool far_end, near_end; // closed by the far side (FIN), by the gateway
    bool told_end, reset, connecting, refused;
    gw_on_connected on_connected;
    struct gw_tls_engine *tls; // the far side's, of a shard that speaks TLS
    struct buf plain;          // what it read
    struct rig_pipe *next;
};

struct rig {
    struct certs certs;
    char dir[64];
    struct log log;
    struct gw_shared shared;
    struct pki_nonce_keys nonces;
    struct gw_metrics metrics;
    struct gw_core core;
    struct pki_key *issuer, *dpop;
    struct rig_pipe *pipes;
    struct rig_pipe *shards[512]; // connections to the shard, in the order they were made
    uint16_t ports[512];          // that they went to
    size_t n_shards;
    bool shard_down;                  // connections are refused
    uint16_t port_down;               // connections to this one are
    uint16_t port_unreachable;        // to this one there is no route; 0: none
    bool dial_fails;                  // connections cannot even be tried
    bool disk_hangs;                  // nobody hears of what the audit writer wrote
    struct gw_tls_context *shard_tls; // the shard speaks TLS
    struct pki_trust *trust;
    struct gw_tls_trust client_trust;
    struct gw_tls_target target;
    unsigned jti;
};

struct rig_client {
    struct rig *rig;
    struct rig_pipe *pipe;
    struct gw_tls_context *context;
    struct gw_tls_engine tls;
    struct buf received; // plaintext
    bool closed;         // close_notify came
    bool cut;            // the connection ended without it
};

// Of a whole group of tests, for cmocka: what a process does once.
int rig_setup(void **state);
int rig_teardown(void **state);

// `extra` is added to the configuration (YAML, top level), e.g. "dpop: { nonce: required }\n"; `audit` stands in audit's braces after the file.
void rig_init(struct rig *r, const char *extra, const char *audit);
// The same with shards and routes of its own. https: the shard's certificate is RIG_SHARD's.
void rig_init_shards(struct rig *r, const char *shards, const char *extra, const char *audit);
// With more issuers (list items of YAML, indented by two), on one plain shard.
void rig_init_issuers(struct rig *r, const char *issuers, const char *extra);
void rig_fini(struct rig *r);
// Moves bytes until nothing moves any more, and waits for the audit writer where somebody waits for it.
void rig_run(struct rig *r);
// Lets time pass: deadlines fall due.
void rig_sleep(struct rig *r, int64_t ms);
// Whether the audit file has the text, once what was handed over is written.
bool rig_audited(struct rig *r, const char *text);
size_t rig_audit_lines(struct rig *r, const char *text);
// Takes up a CRL that revokes the certificate called `name`.
void rig_revoke(struct rig *r, const char *name);

// A client with the certificate `name` ("rag", "thief"; NULL: none); the handshake is done when rig_run returns.
void rig_client_init(struct rig_client *c, struct rig *r, const char *name);
// The same, but not a byte has moved yet.
void rig_client_begin(struct rig_client *c, struct rig *r, const char *name);
void rig_client_fini(struct rig_client *c);
void rig_send(struct rig_client *c, const char *text);
void rig_send_span(struct rig_client *c, struct span s);
// What came so far, NUL-terminated; valid until the next call on the client.
const char *rig_received(struct rig_client *c);

// An access token for the workload, bound to the rig's DPoP key; malloc'ed. `scope` NULL: all.
char *rig_token(struct rig *r, const char *workload, const char *scope);
// "Authorization: DPoP …\r\nDPoP: …\r\n" with a fresh proof; malloc'ed.
char *rig_credentials(struct rig *r, const char *token, const char *method, const char *path);
// A whole request with credentials of `rag`; malloc'ed. `body` NULL: none.
char *rig_request(struct rig *r, const char *method, const char *path, const char *body);

// The shard: what it got on its nth connection, NUL-terminated ("" if there is none), and what it says.
const char *rig_shard_got(struct rig *r, size_t n);
void rig_shard_forget(struct rig *r, size_t n);
void rig_shard_say(struct rig *r, size_t n, const char *text);
// Said, and not moved yet: two of them reach the gateway in one read, over TLS as two records.
void rig_shard_write(struct rig *r, size_t n, const char *text);
void rig_shard_close(struct rig *r, size_t n);

#endif
