// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/hsm_token.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/file.h"
#include "gateway/base/secret.h"

#define PIN_FILE_MAX 1024
#define SLOTS_MAX 4096

// Values of the standard that wolfSSL's header lacks.
enum {
    FLAG_LOGIN_REQUIRED = 0x4,
    RV_HOST_MEMORY = 0x2,
    RV_DEVICE_ERROR = 0x30,
    RV_DEVICE_MEMORY = 0x31,
    RV_DEVICE_REMOVED = 0x32,
    RV_ATTRIBUTE_VALUE_INVALID = 0x13,
    RV_KEY_HANDLE_INVALID = 0x60,
    RV_KEY_FUNCTION_NOT_PERMITTED = 0x68,
    RV_OBJECT_HANDLE_INVALID = 0x82,
    RV_OPERATION_ACTIVE = 0x90,
    RV_PIN_INCORRECT = 0xa0,
    RV_PIN_INVALID = 0xa1,
    RV_PIN_LEN_RANGE = 0xa2,
    RV_PIN_EXPIRED = 0xa3,
    RV_PIN_LOCKED = 0xa4,
    RV_SESSION_CLOSED = 0xb0,
    RV_SESSION_COUNT = 0xb1,
    RV_SESSION_HANDLE_INVALID = 0xb3,
    RV_TOKEN_NOT_PRESENT = 0xe0,
    RV_TOKEN_NOT_RECOGNIZED = 0xe1,
    RV_TOKEN_WRITE_PROTECTED = 0xe2,
    RV_USER_ALREADY_LOGGED_IN = 0x100,
    RV_USER_NOT_LOGGED_IN = 0x101,
    RV_USER_PIN_NOT_INITIALIZED = 0x102,
    RV_CURVE_NOT_SUPPORTED = 0x140,
    RV_CRYPTOKI_NOT_INITIALIZED = 0x190,
};

static const struct {
    CK_RV rv;
    bool lost;
    const char *text;
} answers[] = {
    { RV_HOST_MEMORY, false, "the module is out of memory" },
    { RV_DEVICE_ERROR, false, "the token reports a fault of its own" },
    { RV_DEVICE_MEMORY, false, "the token is full" },
    { RV_DEVICE_REMOVED, true, "the token was removed" },
    { RV_ATTRIBUTE_VALUE_INVALID, false, "the token does not know this kind of key" },
    { RV_KEY_HANDLE_INVALID, true, "the key is no longer in the token" },
    { HSM_CKR_KEY_TYPE_INCONSISTENT, false, "the key is of another type than its attributes say" },
    { RV_KEY_FUNCTION_NOT_PERMITTED, false, "the key may not sign (CKA_SIGN is false)" },
    { CKR_MECHANISM_INVALID, false, "the token cannot do this kind of key" },
    { RV_OBJECT_HANDLE_INVALID, true, "the key is no longer in the token" },
    { RV_OPERATION_ACTIVE, true, "the token's session is stuck in another operation" },
    { RV_PIN_INCORRECT, false, "the PIN is wrong" },
    { RV_PIN_INVALID, false, "the PIN has characters that the token does not take" },
    { RV_PIN_LEN_RANGE, false, "the PIN is wrong: too short or too long for the token" },
    { RV_PIN_EXPIRED, false, "the PIN has expired" },
    { RV_PIN_LOCKED, false, "the PIN is locked: too many wrong tries" },
    { RV_SESSION_CLOSED, true, "the session with the token was closed" },
    { RV_SESSION_COUNT, false, "the token has no more sessions" },
    { RV_SESSION_HANDLE_INVALID, true, "the session with the token is gone" },
    { RV_TOKEN_NOT_PRESENT, true, "the token is not there" },
    { RV_TOKEN_NOT_RECOGNIZED, false, "the token is not one that the module knows" },
    { RV_TOKEN_WRITE_PROTECTED, false, "the token is write-protected" },
    { RV_USER_NOT_LOGGED_IN, true, "the token wants a login" },
    { RV_USER_PIN_NOT_INITIALIZED, false, "the token's user PIN was never set" },
    { RV_CURVE_NOT_SUPPORTED, false, "the token does not know this curve" },
    { RV_CRYPTOKI_NOT_INITIALIZED, true, "the module was finalised" },
};

const char *pki_hsm_rv_(CK_RV rv)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (answers[i].rv == rv)
            return answers[i].text;
    return "the token refused, for a reason that has no words here";
}

bool pki_hsm_rv_lost_(CK_RV rv)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (answers[i].rv == rv)
            return answers[i].lost;
    return false;
}

static int fail(const char **what, const char *text)
{
    *what = text;
    return ERR_HSM;
}

// ---- the module

static int load(const struct pki_hsm_uri *u, CK_FUNCTION_LIST **out, const char **what)
{
    CK_C_GetFunctionList get = NULL;
    CK_FUNCTION_LIST *f = NULL;
    if (access(u->module_path.p, R_OK) != 0)
        return fail(what, "module-path: no file there that can be read");
    void *module = dlopen(u->module_path.p, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!module)
        return fail(what, "module-path: not a shared library that can be loaded here");
    void *symbol = dlsym(module, "C_GetFunctionList");
    memcpy(&get, &symbol, sizeof get);
    CK_RV rv = get ? get(&f) : CKR_OK;
    dlclose(module); // it stays, by RTLD_NODELETE
    if (!get)
        return fail(what, "module-path: the library is no PKCS#11 module (it has no C_GetFunctionList)");
    if (rv != CKR_OK || !f || f->version.major < 2)
        return fail(what, "the module gives no list of functions");
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
    rv = f->C_Initialize(&args);
    if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
        return fail(what, "the module cannot be initialised; is it configured?");
    *out = f;
    return 0;
}

// ---- the token

// Fields of CK_TOKEN_INFO are filled up with blanks (§3.2).
static bool field_is(struct span want, const CK_UTF8CHAR *field, size_t n)
{
    while (n > 0 && (field[n - 1] == ' ' || field[n - 1] == '\0'))
        n--;
    return span_is_none(want) || span_eq(want, span_of(field, n));
}

static bool is_token(const struct pki_hsm_uri *u, const CK_TOKEN_INFO *t)
{
    return field_is(u->token, t->label, sizeof t->label) &&
           field_is(u->serial, t->serialNumber, sizeof t->serialNumber) &&
           field_is(u->manufacturer, t->manufacturerID, sizeof t->manufacturerID) &&
           field_is(u->model, t->model, sizeof t->model);
}

static int find_slot(CK_FUNCTION_LIST *f, const struct pki_hsm_uri *u, CK_SLOT_ID *out, CK_FLAGS *flags,
                     const char **what)
{
    CK_ULONG n = 0, found = 0;
    CK_RV rv = f->C_GetSlotList(CK_TRUE, NULL, &n);
    if (rv != CKR_OK || n > SLOTS_MAX)
        return fail(what, rv != CKR_OK ? pki_hsm_rv_(rv) : "the module has more slots than are looked through");
    CK_SLOT_ID *slots = calloc(n + 1, sizeof *slots);
    if (!slots) {
        *what = "out of memory";
        return ERR_NOMEM;
    }
    rv = f->C_GetSlotList(CK_TRUE, slots, &n);
    for (CK_ULONG i = 0; rv == CKR_OK && i < n; i++) {
        CK_TOKEN_INFO info;
        if (f->C_GetTokenInfo(slots[i], &info) == CKR_OK && is_token(u, &info) && found++ == 0) {
            *out = slots[i];
            *flags = info.flags;
        }
    }
    free(slots);
    if (rv != CKR_OK)
        return fail(what, pki_hsm_rv_(rv));
    if (found == 0)
        return fail(what, "the module has no such token");
    return found == 1 ? 0 : fail(what, "more than one token is called that; add serial= to the URI");
}

// ---- the PIN

// The first line of the file, and nothing else may be in it. Both are wiped by the caller.
static int read_pin(const struct pki_hsm_uri *u, struct buf *file, struct span *pin, const char **what)
{
    struct stat st;
    if (stat(u->pin_source.p, &st) == 0 && (st.st_mode & (S_IRWXO | S_IWGRP)) != 0)
        return fail(what, "pin-source: others may read the file or write to it; chmod 600 it");
    int e = file_read(u->pin_source.p, PIN_FILE_MAX, file);
    if (e == -ENOMEM) {
        *what = "out of memory";
        return ERR_NOMEM;
    }
    if (e)
        return fail(what, e == -ENOENT  ? "pin-source: there is no such file"
                          : e == -EFBIG ? "pin-source: the file is too long for a PIN"
                                        : "pin-source: the file cannot be read");
    *pin = buf_span(file);
    if (pin->n > 0 && pin->p[pin->n - 1] == '\n')
        pin->n--;
    if (pin->n > 0 && pin->p[pin->n - 1] == '\r')
        pin->n--;
    if (pin->n == 0)
        return fail(what, "pin-source: the file is empty");
    return memchr(pin->p, '\n', pin->n) || memchr(pin->p, '\0', pin->n)
               ? fail(what, "pin-source: the file has more than one line")
               : 0;
}

static int log_in(CK_FUNCTION_LIST *f, CK_SESSION_HANDLE session, CK_USER_TYPE user, const struct pki_hsm_uri *u,
                  bool *wrong_pin, const char **what)
{
    struct buf file;
    struct span pin = SPAN_NONE;
    buf_init(&file, 0);
    if (!buf_reserve(&file, PIN_FILE_MAX + 1)) {
        *what = "out of memory";
        return ERR_NOMEM;
    }
    int rc = read_pin(u, &file, &pin, what);
    if (!rc) {
        // The interface lacks a const; modules only read it.
        CK_RV rv = f->C_Login(session, user, (CK_UTF8CHAR *)(uintptr_t)pin.p, (CK_ULONG)pin.n);
        if (rv != CKR_OK && rv != RV_USER_ALREADY_LOGGED_IN)
            rc = fail(what, pki_hsm_rv_(rv));
        if (wrong_pin)
            *wrong_pin = rv >= RV_PIN_INCORRECT && rv <= RV_PIN_LOCKED;
    }
    buf_wipe(&file);
    return rc;
}

int pki_hsm_connect_(const struct pki_hsm_uri *u, bool writes, struct pki_hsm_session *out, bool *wrong_pin,
                     const char **what)
{
    struct pki_hsm_session s = { .pid = getpid() };
    CK_SLOT_ID slot = 0;
    CK_FLAGS flags = 0;
    if (wrong_pin)
        *wrong_pin = false;
    int rc = load(u, &s.f, what);
    if (rc || (rc = find_slot(s.f, u, &slot, &flags, what)))
        return rc;
    if ((flags & FLAG_LOGIN_REQUIRED) && span_is_none(u->pin_source))
        return fail(what, "the token wants a login; add pin-source=/path/of/the/PIN's/file to the URI");
    CK_RV rv = s.f->C_OpenSession(slot, CKF_SERIAL_SESSION | (writes ? CKF_RW_SESSION : 0), NULL, NULL, &s.handle);
    if (rv != CKR_OK)
        return fail(what, pki_hsm_rv_(rv));
    if ((flags & FLAG_LOGIN_REQUIRED) && (rc = log_in(s.f, s.handle, CKU_USER, u, wrong_pin, what))) {
        pki_hsm_disconnect_(&s);
        return rc;
    }
    *out = s;
    return 0;
}

void pki_hsm_disconnect_(struct pki_hsm_session *s)
{
    if (s->f && s->pid == getpid())
        s->f->C_CloseSession(s->handle);
    s->f = NULL;
}

int pki_hsm_login_again_(const struct pki_hsm_session *s, const struct pki_hsm_uri *u, bool *wrong_pin,
                         const char **what)
{
    if (span_is_none(u->pin_source))
        return fail(what,
                    "the key wants a login for each signature; add pin-source=/path/of/the/PIN's/file to the URI");
    return log_in(s->f, s->handle, CKU_CONTEXT_SPECIFIC, u, wrong_pin, what);
}

// ---- objects

int pki_hsm_find_(const struct pki_hsm_session *s, CK_OBJECT_CLASS class, struct span label, struct span id,
                  CK_OBJECT_HANDLE *out, size_t max, size_t *n, const char **what)
{
    CK_ATTRIBUTE want[3] = { { CKA_CLASS, &class, sizeof class } };
    CK_ULONG wanted = 1, found = 0;
    if (!span_is_none(label))
        want[wanted++] = (CK_ATTRIBUTE){ CKA_LABEL, (void *)(uintptr_t)label.p, label.n };
    if (!span_is_none(id))
        want[wanted++] = (CK_ATTRIBUTE){ CKA_ID, (void *)(uintptr_t)id.p, id.n };
    CK_RV rv = s->f->C_FindObjectsInit(s->handle, want, wanted);
    if (rv != CKR_OK)
        return fail(what, pki_hsm_rv_(rv));
    *n = 0;
    do { // a module may give fewer at a time than there are
        found = 0;
        rv = s->f->C_FindObjects(s->handle, out + *n, max - *n, &found);
        *n += rv == CKR_OK ? found : 0;
    } while (rv == CKR_OK && found > 0 && *n < max);
    s->f->C_FindObjectsFinal(s->handle);
    return rv == CKR_OK ? 0 : fail(what, pki_hsm_rv_(rv));
}

bool pki_hsm_get_(const struct pki_hsm_session *s, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *to,
                  size_t max, size_t *n)
{
    CK_ATTRIBUTE a = { type, to, max };
    if (s->f->C_GetAttributeValue(s->handle, object, &a, 1) != CKR_OK || a.ulValueLen == CK_UNAVAILABLE_INFORMATION ||
        a.ulValueLen > max)
        return false;
    *n = a.ulValueLen;
    return true;
}

bool pki_hsm_flag_(const struct pki_hsm_session *s, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, bool absent)
{
    CK_BBOOL value = CK_FALSE;
    size_t n;
    return pki_hsm_get_(s, object, type, &value, sizeof value, &n) && n == sizeof value ? value != CK_FALSE : absent;
}
