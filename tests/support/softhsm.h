// SPDX-License-Identifier: GPL-3.0-or-later
// A SoftHSM token in a folder of its own. The configuration is named by SOFTHSM2_CONF, which the module reads once a process: a test
// program has one of these, with as many tokens in it as it likes.
#ifndef SALLYPORT_TESTS_SOFTHSM_H
#define SALLYPORT_TESTS_SOFTHSM_H

#include "gateway/base/span.h"

#define SOFTHSM_PIN "the-pin-2718"
#define SOFTHSM_LABEL "sallyport test"

struct softhsm {
    char folder[256];
    char module[256];
    char pin_file[300]; // has SOFTHSM_PIN
};

// False when SoftHSM is not installed: the tests then skip. Makes a token called SOFTHSM_LABEL; softhsm_add makes another.
bool softhsm_init(struct softhsm *h);
bool softhsm_add(const struct softhsm *h, const char *label);
void softhsm_fini(struct softhsm *h);
// pkcs11:token=…;object=… (none when NULL) with this module and PIN file, NUL-terminated, malloc'ed.
char *softhsm_uri(const struct softhsm *h, const char *object);
// A function of the module (every PKCS#11 function is exported, PKCS#11 3.1 §4): for what only somebody else in the process would do.
void *softhsm_function(const struct softhsm *h, const char *name);

#endif
