// SPDX-License-Identifier: GPL-3.0-or-later
// Many workloads, each with a certificate and a key of its own, made in memory with the CA's issuing key: thousands a second, where `sallyport ca issue`
// keeps a register. They are called like the given SPIFFE ID, which ends in WORKLOAD_DIGITS digits, with their number in place of these.
#ifndef SALLYPORT_BENCH_SUPPORT_WORKLOADS_H
#define SALLYPORT_BENCH_SUPPORT_WORKLOADS_H

#include "gateway/base/buf.h"

#define WORKLOAD_DIGITS 5
#define WORKLOADS_MAX 100000

struct workload {
    struct span cert_pem; // chain, leaf first
    struct span key_pem;
};

// Ends the process with the reason when they cannot be made. `ca`: a folder of `sallyport ca init`, without a passphrase. They live an hour.
struct workload *workloads_make(const char *ca, const char *like, long n);
// Writes the number's digits.
void workload_number(char *digits, long i);

#endif
