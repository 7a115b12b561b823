// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/softhsm.h"

#include <dlfcn.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// SoftHSM 2.6.1 loses an ASN1_OCTET_STRING each time it reads a point. Its own: nothing else here uses that library.
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libsofthsm2.so\nleak:libcrypto.so\n";
}

const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}

static const char *const places[] = {
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/*/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
};

static bool find_module(char *out, size_t n)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        glob_t found;
        bool ok = glob(places[i], 0, NULL, &found) == 0;
        if (ok)
            snprintf(out, n, "%s", found.gl_pathv[0]);
        globfree(&found);
        if (ok)
            return true;
    }
    return false;
}

static bool write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return false;
    bool ok = fputs(text, f) >= 0;
    return fclose(f) == 0 && ok && chmod(path, 0600) == 0;
}

bool softhsm_add(const struct softhsm *h, const char *label)
{
    (void)h;
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
            _exit(126);
        execlp("softhsm2-util", "softhsm2-util", "--init-token", "--free", "--label", label, "--pin", SOFTHSM_PIN,
               "--so-pin", "so-" SOFTHSM_PIN, (char *)NULL);
        _exit(127);
    }
    int status;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

bool softhsm_init(struct softhsm *h)
{
    char path[512], text[1024];
    const char *tmp = getenv("TMPDIR");
    if (!find_module(h->module, sizeof h->module))
        return false;
    snprintf(h->folder, sizeof h->folder, "%s/sallyport-softhsm-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(h->folder))
        return false;
    snprintf(path, sizeof path, "%s/tokens", h->folder);
    bool ok = mkdir(path, 0700) == 0;
    snprintf(text, sizeof text,
             "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n",
             path);
    snprintf(path, sizeof path, "%s/softhsm2.conf", h->folder);
    ok = ok && write_text(path, text) && setenv("SOFTHSM2_CONF", path, 1) == 0;
    snprintf(h->pin_file, sizeof h->pin_file, "%s/pin", h->folder);
    if (ok && write_text(h->pin_file, SOFTHSM_PIN "\n") && softhsm_add(h, SOFTHSM_LABEL))
        return true;
    softhsm_fini(h);
    return false;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void softhsm_fini(struct softhsm *h)
{
    if (*h->folder)
        nftw(h->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    *h->folder = '\0';
}

char *softhsm_uri(const struct softhsm *h, const char *object)
{
    char *uri;
    int n = asprintf(&uri, "pkcs11:token=sallyport%%20test%s%s?module-path=%s&pin-source=file:%s",
                     object ? ";object=" : "", object ? object : "", h->module, h->pin_file);
    return n < 0 ? NULL : uri;
}

void *softhsm_function(const struct softhsm *h, const char *name)
{
    void *module = dlopen(h->module, RTLD_NOW | RTLD_LOCAL);
    void *function = module ? dlsym(module, name) : NULL;
    if (module)
        dlclose(module); // the gateway keeps it
    return function;
}
