// SPDX-License-Identifier: GPL-3.0-or-later
// A policy bundle: one file with everything a policy set is made of, under a version, and beside it, with ".sig" behind its name, the signature
// of whoever answers for it. The file is an archive (policy_archive.h) whose first member is the manifest, `bundle.json`:
//
//   { "version": 42, "created": "2026-11-22T06:00:00Z", "policies": ["rag.cedar", "base.cedar"], "entities": "entities.json",
//     "links": ["links.json"], "schema": ["schema.cedarschema"],
//     "owners": [ { "name": "team-a", "files": ["team-a/a.cedar"], "scope": "Namespace::\"team-a\"" } ] }
//
// in the words of `policy:` in a configuration. Names are those of members, never folders or patterns: what is signed is what is meant. All other members
// are named, each once. `version` is there, and policies or owners; the rest may be left out.
//
// The signature is a compact JWS with its payload detached (RFC 7515 appendix F); the payload is the archive's bytes. Its header has `alg` (any
// asymmetric one), `typ` and `kid`. It is verified before a byte of the archive is looked at.
//
// Pure: bytes in, texts out. Files are read by policy_load.h.
#ifndef SALLYPORT_CONFIG_POLICY_BUNDLE_H
#define SALLYPORT_CONFIG_POLICY_BUNDLE_H

#include "gateway/config/policy_archive.h"
#include "gateway/config/policy_texts.h"
#include "pki/jwks.h"

#define GW_BUNDLE_TYP SPAN("sallyport-policy-bundle+jws")
#define GW_BUNDLE_MANIFEST SPAN("bundle.json")
#define GW_BUNDLE_SIGNATURE_MAX (8u << 10)
#define GW_BUNDLE_VERSION_MAX ((1ULL << 53) - 1) // JSON numbers are exact up to here, wherever they are read
// Every algorithm a bundle may be signed with.
unsigned gw_bundle_algs(void);

struct gw_bundle_names {
    struct span *v;
    size_t n;
};

struct gw_bundle_owner {
    struct span name, scope;
    struct gw_bundle_names files;
};

struct gw_bundle_manifest {
    uint64_t version;
    struct span created, entities; // SPAN_NONE: not there
    struct gw_bundle_names policies, links, schema;
    struct gw_bundle_owner *owners;
    size_t owners_n;
};

struct gw_policy_bundle {
    struct arena arena;
    struct buf archive, signature; // as they were read
    struct gw_archive members;
    struct gw_bundle_manifest manifest;
    struct span kid; // of the key that signed
    enum pki_alg alg;
    uint8_t digest[32]; // SHA-256 of the archive
    bool last_good;     // it was taken from where the last good one is kept
};

// Verifies and reads. `name` is what complaints call the archive. Takes both buffers over, also when it fails. NULL with the reasons in `diags`.
struct gw_policy_bundle *gw_policy_bundle_open(struct span name, struct buf *archive, struct buf *signature,
                                               const struct pki_jwks *keys, struct diags *diags);
// The texts of its members, each by its name in the archive. False after a complaint.
bool gw_policy_bundle_texts(const struct gw_policy_bundle *b, struct gw_policy_texts *t, struct diags *diags);
// Gives the bytes back; what is left says which bundle it was. For before others see it.
void gw_policy_bundle_release(struct gw_policy_bundle *b);
void gw_policy_bundle_free(struct gw_policy_bundle *b); // NULL is fine

// Reads a manifest and holds it against the members. `*out` is in `arena` and `doc`'s text is not needed afterwards. NULL, or what is wrong (static, or
// in `arena`).
const char *gw_bundle_manifest_read(const struct gw_archive *a, struct arena *arena, struct gw_bundle_manifest *out);
// Appends it as JSON, the same bytes for the same manifest. False when out of memory.
bool gw_bundle_manifest_write(const struct gw_bundle_manifest *m, struct buf *out);

// Makes a bundle of the manifest and the members it names (without bundle.json), which are put in the order of their names. `kid` SPAN_NONE: the key's thumbprint.
// Appends to both buffers. 0; ERR_CONFIG with the reason in `*why` (static, or in `arena`); ERR_HSM; ERR_INTERNAL (the key cannot sign); ERR_NOMEM.
int gw_policy_bundle_make(const struct gw_bundle_manifest *m, const struct gw_archive_member *members, size_t n,
                          int64_t mtime_s, const struct pki_key *key, enum pki_alg alg, struct span kid,
                          struct arena *arena, struct buf *archive, struct buf *signature, const char **why);

#endif
