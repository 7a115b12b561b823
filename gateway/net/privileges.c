// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/privileges.h"

#include "gateway/base/file.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME_MAX_BYTES 64
#define DATABASE_MAX (1u << 20) // a group with many members is one long line
#define SWAPS_MAX 4096

struct who {
    char name[NAME_MAX_BYTES]; // "": a number that no user has
    uid_t uid;
    gid_t gid;
};

// ------------------------------------------------------------------------------------------------------ who it will be

static bool number(struct span text, uint32_t *out)
{
    uint64_t n;
    // All ones means "leave it as it is" to the calls that take it.
    if (!span_to_u64(text, &n) || n >= UINT32_MAX)
        return false;
    *out = (uint32_t)n;
    return true;
}

static bool terminated(struct span text, char out[NAME_MAX_BYTES])
{
    if (text.n == 0 || text.n >= NAME_MAX_BYTES)
        return false;
    memcpy(out, text.p, text.n);
    out[text.n] = '\0';
    return true;
}

static bool find_user(struct span text, struct who *w)
{
    struct passwd entry, *found = NULL;
    char name[NAME_MAX_BYTES];
    uint32_t uid = 0;
    bool is_number = number(text, &uid);
    char *scratch = malloc(DATABASE_MAX);
    if (scratch && is_number)
        getpwuid_r(uid, &entry, scratch, DATABASE_MAX, &found);
    else if (scratch && terminated(text, name))
        getpwnam_r(name, &entry, scratch, DATABASE_MAX, &found);
    bool ok = found ? terminated(span_str(found->pw_name), w->name) : scratch && is_number;
    w->uid = found ? found->pw_uid : uid;
    w->gid = found ? found->pw_gid : uid;
    free(scratch);
    return ok;
}

static bool find_group(struct span text, gid_t *gid)
{
    struct group entry, *found = NULL;
    char name[NAME_MAX_BYTES];
    uint32_t n;
    if (number(text, &n)) {
        *gid = n;
        return true;
    }
    char *scratch = malloc(DATABASE_MAX);
    if (scratch && terminated(text, name))
        getgrnam_r(name, &entry, scratch, DATABASE_MAX, &found);
    if (found)
        *gid = found->gr_gid;
    free(scratch);
    return found != NULL;
}

// -------------------------------------------------------------------------------------------------------- capabilities

static int keep_capabilities(const int *kept, size_t n)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
    for (size_t i = 0; i < n; i++) {
        data[CAP_TO_INDEX(kept[i])].effective |= CAP_TO_MASK(kept[i]);
        data[CAP_TO_INDEX(kept[i])].permitted |= CAP_TO_MASK(kept[i]);
    }
    return syscall(SYS_capset, &head, data) == 0 ? 0 : -errno;
}

static bool has_capability(int cap)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
    return syscall(SYS_capget, &head, data) == 0 && (data[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap)) != 0;
}

// What a program that this process starts could have: nothing. It starts none, and this is for the case that somebody makes it.
static void empty_bounds(void)
{
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
        prctl(PR_CAPBSET_DROP, cap);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static int become(const struct who *w)
{
    static const int until_bound[] = { CAP_NET_BIND_SERVICE };
    empty_bounds();
    if (prctl(PR_SET_KEEPCAPS, 1) != 0 || (w->name[0] ? initgroups(w->name, w->gid) : setgroups(0, NULL)) != 0 ||
        setresgid(w->gid, w->gid, w->gid) != 0 || setresuid(w->uid, w->uid, w->uid) != 0)
        return -errno;
    prctl(PR_SET_KEEPCAPS, 0);
    // The kernel makes a process that changed its user one whose memory may be looked at, as the system is set.
    prctl(PR_SET_DUMPABLE, 0);
    int rc = keep_capabilities(until_bound, 1);
    if (rc == 0 && w->uid != 0 && setresuid(0, 0, 0) == 0)
        abort(); // there is no saying what else did not work
    return rc;
}

int gw_privileges_drop(const struct gw_config *c, struct diags *diags)
{
    const struct gw_config_process *p = &c->process;
    struct who who = { .uid = geteuid(), .gid = getegid() };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        diag_error(diags, c->file, 0, 0, "no_new_privs: %s", strerror(errno));
        return ERR_CONFIG;
    }
    if (geteuid() == 0 && p->lock_memory != GW_CONFIG_LOCK_OFF)
        setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
    if (span_is_none(p->user.v))
        return 0;
    if (!find_user(p->user.v, &who)) {
        gw_config_error(c, p->user.at, diags, "no user is called '%.*s' here; create one, or name another",
                        SPAN_FMT(p->user.v));
        return ERR_CONFIG;
    }
    if (!span_is_none(p->group.v) && !find_group(p->group.v, &who.gid)) {
        gw_config_error(c, p->group.at, diags, "no group is called '%.*s' here; create one, or name another",
                        SPAN_FMT(p->group.v));
        return ERR_CONFIG;
    }
    if (geteuid() != 0) {
        if (who.uid == geteuid() && who.gid == getegid())
            return 0;
        gw_config_error(
            c, p->user.at, diags,
            "only root can become '%.*s', and this process is user %u, group %u; start it as root, or as that user",
            SPAN_FMT(p->user.v), (unsigned)geteuid(), (unsigned)getegid());
        return ERR_CONFIG;
    }
    int rc = become(&who);
    if (rc != 0) {
        gw_config_error(c, p->user.at, diags, "the process could not become '%.*s': %s", SPAN_FMT(p->user.v),
                        strerror(-rc));
        return ERR_CONFIG;
    }
    return 0;
}

// -------------------------------------------------------------------------------------------------------------- memory

// /proc/swaps is a line of headings, and one for each place that is swapped to.
static bool machine_swaps(void)
{
    struct buf text;
    buf_init(&text, SWAPS_MAX);
    struct span lines = file_read("/proc/swaps", SWAPS_MAX, &text) == 0 ? buf_span(&text) : SPAN("");
    span_cut(&lines, '\n');
    bool swaps = lines.n > 0;
    buf_fini(&text);
    return swaps;
}

int gw_privileges_lock(const struct gw_config *c, struct log *log, struct diags *diags)
{
    const struct gw_config_process *p = &c->process;
    struct rlimit limit;
    if (p->lock_memory == GW_CONFIG_LOCK_OFF)
        return 0;
    // Under a limit an allocation would fail one day, since all that is mapped counts, touched or not.
    bool unlimited = getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_max == RLIM_INFINITY;
    limit.rlim_cur = limit.rlim_max;
    if (unlimited)
        setrlimit(RLIMIT_MEMLOCK, &limit);
    // The capability goes above the limit, as long as the process keeps it.
    unlimited = unlimited || (span_is_none(p->user.v) && has_capability(CAP_IPC_LOCK));
    if (unlimited && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)
        return 0;
    if (p->lock_memory == GW_CONFIG_LOCK_REQUIRED) {
        diag_error(diags, c->file, 0, 0,
                   "process.lock_memory: memory cannot be locked; allow it without limit (systemd: "
                   "LimitMEMLOCK=infinity), or say 'auto'");
        return ERR_CONFIG;
    }
    if (machine_swaps())
        log_warn(log, "this machine swaps, and memory cannot be locked: keys and tokens may reach a disk; allow locked "
                      "memory without limit (systemd: LimitMEMLOCK=infinity), or turn swap off");
    return 0;
}

int gw_privileges_seal(const struct gw_config *c)
{
    if (span_is_none(c->process.user.v))
        return 0;
    return keep_capabilities(NULL, 0);
}
