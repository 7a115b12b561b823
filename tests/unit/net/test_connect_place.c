// SPDX-License-Identifier: GPL-3.0-or-later
// Where `connect` finds itself, and where it listens when nobody says.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/net/connect_place.h"

static const char *const *environment;

static const char *variable(const char *name)
{
    for (const char *const *e = environment; e[0]; e += 2)
        if (strcmp(e[0], name) == 0)
            return e[1];
    return NULL;
}

static enum gw_place find(const char *const *variables, const char *interfaces)
{
    environment = variables;
    return gw_place_find(variable, interfaces);
}

static void the_hosts_network_is_told_by_addresses_or_devices(void **state)
{
    (void)state;
    char folder[] = "/tmp/sallyport-place-XXXXXX", path[128];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/eth0", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    const char *machine[] = { NULL, NULL };
    const char *pod[] = { "KUBERNETES_SERVICE_HOST", "10.0.0.1", NULL };
    const char *same[] = { "KUBERNETES_SERVICE_HOST", "10.0.0.1", "POD_IP", "10.1.1.1", "HOST_IP", "10.1.1.1", NULL };
    const char *other[] = { "KUBERNETES_SERVICE_HOST", "10.0.0.1", "POD_IP", "10.9.9.9", "HOST_IP", "10.1.1.1", NULL };
    assert_int_equal(find(machine, folder), GW_PLACE_MACHINE);
    assert_int_equal(find(pod, folder), GW_PLACE_POD);
    assert_int_equal(find(same, folder), GW_PLACE_POD_HOST_NETWORK);
    // A pod's interface is a pair with one outside and belongs to no device; a node's card does.
    snprintf(path, sizeof path, "%s/eth0/device", folder);
    assert_int_equal(symlink("../../virtio0", path), 0);
    assert_int_equal(find(pod, folder), GW_PLACE_POD_HOST_NETWORK);
    assert_int_equal(find(other, folder), GW_PLACE_POD);
    unlink(path);
    snprintf(path, sizeof path, "%s/eth0", folder);
    rmdir(path);
    rmdir(folder);
}

static void outside_of_a_pod_the_default_is_one_users_socket(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    const char *user[] = { "XDG_RUNTIME_DIR", "/run/user/7", NULL };
    const char *nobody[] = { NULL, NULL };
    environment = user;
    assert_true(span_eq(gw_place_listen(GW_PLACE_MACHINE, variable, &a), SPAN("unix:/run/user/7/sallyport.sock")));
    assert_true(span_eq(gw_place_listen(GW_PLACE_POD, variable, &a), SPAN("127.0.0.1:6333")));
    environment = nobody;
    assert_true(span_is_none(gw_place_listen(GW_PLACE_MACHINE, variable, &a)));
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hosts_network_is_told_by_addresses_or_devices),
        cmocka_unit_test(outside_of_a_pod_the_default_is_one_users_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
