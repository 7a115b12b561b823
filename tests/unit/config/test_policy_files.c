// SPDX-License-Identifier: GPL-3.0-or-later
// Every policy that the configuration names is loaded, or none is: a forbid that is left out permits.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/config/policy_files.h"

struct place {
    char folder[64];
};

static void put(const struct place *p, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", p->folder, name);
    if (!text) {
        assert_int_equal(mkdir(path, 0755), 0);
        return;
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    if (!p)
        return -1;
    strcpy(p->folder, "/tmp/sallyport-policies-XXXXXX");
    if (!mkdtemp(p->folder) || chmod(p->folder, 0755) != 0)
        return -1;
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", p->folder);
    int rc = system(command);
    free(p);
    return rc;
}

static void nothing(void *ctx, const char *path)
{
    (void)ctx;
    (void)path;
}

// How many policies the entry stands for; -1: it is refused.
static int loaded(const struct place *p, const char *entry)
{
    char path[256];
    struct diags diags;
    snprintf(path, sizeof path, "%s/%s", p->folder, entry);
    struct gw_config_text text = { .v = span_str(path) };
    struct gw_config c = { .file = SPAN("gateway.yaml") };
    c.policy.files.v = &text;
    c.policy.files.n = 1;
    diags_init(&diags);
    struct pol_set *set = gw_policy_files_load(&c, &c.policy, GW_POLICY_GATEWAY, nothing, NULL, &diags);
    assert_true(set || diags.errors > 0);
    int n = set ? (int)pol_set_count(set) : -1;
    pol_set_free(set);
    diags_fini(&diags);
    return n;
}

static void a_folder_that_cannot_be_listed_is_not_passed_over(void **state)
{
    const struct place *p = *state;
    char path[256];
    put(p, "a", NULL);
    put(p, "a/permit.cedar", "permit(principal, action, resource);");
    put(p, "b", NULL);
    put(p, "b/forbid.cedar", "forbid(principal, action, resource);");
    assert_int_equal(loaded(p, "*/*.cedar"), 2);
    snprintf(path, sizeof path, "%s/b", p->folder);
    assert_int_equal(chmod(path, 0), 0);
    bool root = geteuid() == 0;
    assert_true(!root || seteuid(65534) == 0);
    int n = loaded(p, "*/*.cedar");
    assert_true(!root || seteuid(0) == 0);
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(n, -1);
}

static void a_folder_is_itself_whatever_its_name_looks_like(void **state)
{
    const struct place *p = *state;
    put(p, "prod[1]", NULL);
    put(p, "prod[1]/rules.cedar", "permit(principal, action, resource);\nforbid(principal, action, resource);");
    put(p, "prod1", NULL);
    put(p, "prod1/other.cedar", "permit(principal, action, resource);");
    assert_int_equal(loaded(p, "prod[1]"), 2);
}

// Nothing would ever match it: a forbid that says so permits.
static void an_action_that_does_not_exist_is_an_error(void **state)
{
    const struct place *p = *state;
    put(p, "known.cedar",
        "forbid(principal, action == Action::\"drop\", resource);\n"
        "permit(principal, action in [Action::\"readonly\", Action::\"write\"], resource);");
    put(p, "misspelt.cedar", "forbid(principal, action == Action::\"dorp\", resource);");
    put(p, "group.cedar", "forbid(principal, action in Action::\"readwrit\", resource);");
    put(p, "list.cedar", "forbid(principal, action in [Action::\"drop\", Action::\"Alter\"], resource);");
    put(p, "namespace.cedar", "forbid(principal, action == Qdrant::Action::\"drop\", resource);");
    assert_int_equal(loaded(p, "known.cedar"), 2);
    assert_int_equal(loaded(p, "misspelt.cedar"), -1);
    assert_int_equal(loaded(p, "group.cedar"), -1);
    assert_int_equal(loaded(p, "list.cedar"), -1);
    assert_int_equal(loaded(p, "namespace.cedar"), -1);
}

static void what_is_not_there_is_an_error(void **state)
{
    const struct place *p = *state;
    put(p, "empty", NULL);
    assert_int_equal(loaded(p, "empty"), -1);
    assert_int_equal(loaded(p, "none.cedar"), -1);
    assert_int_equal(loaded(p, "none/*.cedar"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_listed_is_not_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_is_itself_whatever_its_name_looks_like, setup, teardown),
        cmocka_unit_test_setup_teardown(an_action_that_does_not_exist_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
