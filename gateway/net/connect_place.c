// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/connect_place.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool is_set(const char *s)
{
    return s && *s;
}

static bool has_device(const char *interfaces)
{
    DIR *d = opendir(interfaces);
    bool found = false;
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        char path[512];
        struct stat st;
        int n = snprintf(path, sizeof path, "%s/%s/device", interfaces, e->d_name);
        found = e->d_name[0] != '.' && n > 0 && (size_t)n < sizeof path && lstat(path, &st) == 0;
    }
    if (d)
        closedir(d);
    return found;
}

enum gw_place gw_place_find(const char *(*variable)(const char *name), const char *interfaces)
{
    if (!is_set(variable("KUBERNETES_SERVICE_HOST")))
        return GW_PLACE_MACHINE;
    const char *pod = variable("POD_IP"), *host = variable("HOST_IP");
    bool on_host = is_set(pod) && is_set(host) ? strcmp(pod, host) == 0 : has_device(interfaces);
    return on_host ? GW_PLACE_POD_HOST_NETWORK : GW_PLACE_POD;
}

struct span gw_place_listen(enum gw_place place, const char *(*variable)(const char *name), struct arena *a)
{
    const char *runtime = variable("XDG_RUNTIME_DIR");
    if (place != GW_PLACE_MACHINE)
        return arena_dup(a, SPAN("127.0.0.1:6333"));
    return is_set(runtime) && runtime[0] == '/' ? arena_printf(a, "unix:%s/sallyport.sock", runtime) : SPAN_NONE;
}
