// SPDX-License-Identifier: GPL-3.0-or-later
// One session with a PKCS#11 token (PKCS#11 3.1 §5): the module loaded, the token found, the user logged in; and the few things asked of
// objects there.
//
// The module's state belongs to the process, not to us: it is initialised if nobody has (C_Initialize is not safe beside itself, so one
// thread at a time opens keys), and never finalised, since another part of the process may be using it and C_Finalize is undefined beside
// any other call. It stays loaded. Closing the last session logs the user out (§5.6.4).
#ifndef SALLYPORT_PKI_HSM_TOKEN_H
#define SALLYPORT_PKI_HSM_TOKEN_H

#include <sys/types.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/pkcs11.h>

#include "pki/hsm_uri.h"

// Values of the standard that wolfSSL's header lacks.
#define HSM_CKK_EC_EDWARDS 0x40UL
#define HSM_CKM_EC_EDWARDS_KEY_PAIR_GEN 0x1055UL
#define HSM_CKM_EDDSA 0x1057UL
#define HSM_CKR_KEY_TYPE_INCONSISTENT 0x63UL

struct pki_hsm_session {
    CK_FUNCTION_LIST *f;
    CK_SESSION_HANDLE handle;
    pid_t pid; // a child of this process has no session
};

// What a CK_RV means to a person; static. Never NULL.
const char *pki_hsm_rv_(CK_RV rv);
// The session, token or login that the call needed is gone: worth one new session.
bool pki_hsm_rv_lost_(CK_RV rv);

// Loads, finds, opens, logs in. 0; ERR_HSM with `*what`; ERR_NOMEM. `*wrong_pin` (may be NULL): trying again would use up the token's tries.
int pki_hsm_connect_(const struct pki_hsm_uri *uri, bool writes, struct pki_hsm_session *out, bool *wrong_pin,
                     const char **what);
void pki_hsm_disconnect_(struct pki_hsm_session *s);
// C_Login once more for this one signature: what a key with CKA_ALWAYS_AUTHENTICATE wants after C_SignInit. As above.
int pki_hsm_login_again_(const struct pki_hsm_session *s, const struct pki_hsm_uri *uri, bool *wrong_pin,
                         const char **what);

// Objects of a class with this label and id (SPAN_NONE: any); at most `max` of them. 0 or ERR_HSM.
int pki_hsm_find_(const struct pki_hsm_session *s, CK_OBJECT_CLASS class, struct span label, struct span id,
                  CK_OBJECT_HANDLE *out, size_t max, size_t *n, const char **what);
// An attribute's bytes, or false: the object has it not, or not in `max` bytes.
bool pki_hsm_get_(const struct pki_hsm_session *s, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *to,
                  size_t max, size_t *n);
// CK_BBOOL attributes; `absent` when the object has it not.
bool pki_hsm_flag_(const struct pki_hsm_session *s, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, bool absent);

#endif
