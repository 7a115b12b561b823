// SPDX-License-Identifier: GPL-3.0-or-later
// The pure half of a certificate that renews itself (net/enrolment.h): what is asked, what an answer means, and when the next question is due. No I/O and no
// clock.
//
//   POST /enrol      Authorization: Bearer <token>, or none and a client certificate     body: the request, PEM
//   200              {"spiffe_id", "certificate" (PEM, leaf first), "bundle" (PEM), "serial", "not_before", "not_after", "renew_after"}
//
// Times are seconds since the epoch, of the authority's clock; `renew_after` is two thirds of the life. An answer is only taken when its certificate is for our
// key, is valid now, has a path to the bundle that came with it, and has the SPIFFE ID that was asked for.
#ifndef SALLYPORT_CONFIG_ENROLMENT_H
#define SALLYPORT_CONFIG_ENROLMENT_H

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/err.h"

#define GW_ENROL_PATH SPAN("/enrol")
#define GW_ENROL_ANSWER_MAX (512u << 10)
#define GW_ENROL_RETRY_MIN_MS 1000
#define GW_ENROL_RETRY_MAX_MS 60000

// A certificate with all that belongs to it. Spans are in the buffers, which the holder owns.
struct gw_enrolled {
    struct buf chain, key, bundle; // PEM: leaf first; PKCS#8, secret; the trust domain's roots
    char spiffe_id[2049], serial[64];
    int64_t not_before_s, not_after_s; // of the leaf
    int64_t renew_s;                   // when the next is due
};
void gw_enrolled_fini(struct gw_enrolled *e);                                // wipes the key
bool gw_enrolled_copy(struct gw_enrolled *out, const struct gw_enrolled *e); // false: out of memory

// A fresh key (PEM into `key`) and a request (PEM into `csr`) for `spiffe_id` (SPAN_NONE: no URI) and DNS names. 0, ERR_NOMEM, ERR_INTERNAL.
int gw_enrol_ask(struct span spiffe_id, const struct span *dns, size_t n_dns, struct buf *key, struct buf *csr);

// What became of a question with `key_pem`, for `spiffe_id` (SPAN_NONE: any of one trust domain). 0 and `*out`, to be freed by gw_enrolled_fini; or
// an error with the reason in `what`, which repeats of the answer only its `code` and `detail`, printable and cut.
int gw_enrol_take(unsigned status, struct span body, struct span key_pem, struct span spiffe_id, int64_t now_s,
                  struct gw_enrolled *out, char *what, size_t what_n);
// The same of what was written to a folder: checks that the three belong together and are valid.
int gw_enrol_keep(struct span chain, struct span key, struct span bundle, struct span spiffe_id, int64_t now_s,
                  struct gw_enrolled *out, char *what, size_t what_n);

// How long to wait, monotonic, from now: after `failures` in a row (0: until `renew_s`, a little earlier, by `random`; with a certificate GW_ENROL_RETRY_MIN_MS
// at least, however soon it ends by our clock), at most 60 s when something failed.
// Never so late that a certificate that is held would expire first, as far as GW_ENROL_RETRY_MIN_MS allows.
int64_t gw_enrol_wait_ms(const struct gw_enrolled *held, unsigned failures, int64_t now_s, uint64_t random);
// Whether the clock has come by `renew_s` before that wait was over: it was set, or the machine slept. After a failure the wait counts.
bool gw_enrol_overtaken(const struct gw_enrolled *held, unsigned failures, int64_t now_s);

#endif
