// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "gateway/tls/ticket.h"

#define STATE 100

struct sealed {
    uint8_t data[STATE + GW_TLS_TICKET_FACTS];
    uint8_t name[GW_TLS_TICKET_NAME], iv[GW_TLS_TICKET_IV], tag[GW_TLS_TICKET_TAG];
};

static const struct gw_tls_ticket_facts facts = { .leaf_sha256 = { 1, 2, 3 },
                                                  .issued_s = 1000,
                                                  .until_s = 1LL << 40,
                                                  .listener = 0xfedcba98,
                                                  .trust_generation = 77,
                                                  .chain = 199 };

static struct sealed seal(struct gw_tls_ticket_keys *k, int64_t now_s)
{
    struct sealed s;
    memset(s.data, 's', STATE);
    assert_int_equal(gw_tls_ticket_seal(k, now_s, &facts, s.data, STATE, s.name, s.iv, s.tag), 0);
    return s;
}

static int open(struct gw_tls_ticket_keys *k, int64_t now_s, struct sealed s, struct gw_tls_ticket_facts *out)
{
    int e = gw_tls_ticket_open(k, now_s, s.data, sizeof s.data, s.name, s.iv, s.tag, out);
    if (e == 0)
        for (size_t i = 0; i < STATE; i++)
            assert_int_equal(s.data[i], 's');
    return e;
}

static void facts_come_back_as_they_were(void **state)
{
    (void)state;
    struct gw_tls_ticket_keys *k = gw_tls_ticket_keys_new(0);
    struct gw_tls_ticket_facts got;
    struct sealed s = seal(k, 1000);
    assert_memory_not_equal(s.data, "ssssssss", 8);
    assert_int_equal(open(k, 1000, s, &got), 0);
    assert_memory_equal(got.leaf_sha256, facts.leaf_sha256, 32);
    assert_true(got.issued_s == facts.issued_s && got.until_s == facts.until_s && got.listener == facts.listener &&
                got.trust_generation == facts.trust_generation && got.chain == facts.chain);
    gw_tls_ticket_keys_free(k);
}

static void anything_changed_is_refused(void **state)
{
    (void)state;
    struct gw_tls_ticket_keys *k = gw_tls_ticket_keys_new(0);
    struct gw_tls_ticket_facts got;
    struct sealed s = seal(k, 1000);
    uint8_t *bytes = (uint8_t *)&s;
    for (size_t i = 0; i < sizeof s; i++) {
        bytes[i] ^= 0x20;
        assert_int_equal(open(k, 1000, s, &got), ERR_TLS);
        bytes[i] ^= 0x20;
    }
    assert_int_equal(gw_tls_ticket_open(k, 1000, s.data, GW_TLS_TICKET_FACTS - 1, s.name, s.iv, s.tag, &got), ERR_TLS);
    assert_int_equal(open(k, 1000, s, &got), 0);
    gw_tls_ticket_keys_free(k);
}

static void keys_rotate_and_the_previous_one_is_honoured_for_as_long_again(void **state)
{
    (void)state;
    struct gw_tls_ticket_keys *k = gw_tls_ticket_keys_new(100);
    struct gw_tls_ticket_facts got;
    struct sealed first = seal(k, 1000), second = seal(k, 1049), third = seal(k, 1050);
    assert_memory_equal(first.name, second.name, GW_TLS_TICKET_NAME);
    assert_memory_not_equal(first.name, third.name, GW_TLS_TICKET_NAME);
    assert_memory_not_equal(first.iv, second.iv, GW_TLS_TICKET_IV);
    assert_int_equal(open(k, 1099, first, &got), 0);
    assert_int_equal(open(k, 1100, first, &got), ERR_TLS);
    assert_int_equal(open(k, 1100, third, &got), 0);
    assert_int_equal(open(k, 5000, third, &got), ERR_TLS); // after a long silence
    gw_tls_ticket_keys_free(k);
}

static void keys_of_two_processes_do_not_open_each_others(void **state)
{
    (void)state;
    struct gw_tls_ticket_keys *a = gw_tls_ticket_keys_new(0), *b = gw_tls_ticket_keys_new(0);
    struct gw_tls_ticket_facts got;
    struct sealed s = seal(a, 1000);
    assert_int_equal(open(b, 1000, s, &got), ERR_TLS); // it has no key yet
    seal(b, 1000);
    assert_int_equal(open(b, 1000, s, &got), ERR_TLS);
    gw_tls_ticket_keys_free(a);
    gw_tls_ticket_keys_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_come_back_as_they_were),
        cmocka_unit_test(anything_changed_is_refused),
        cmocka_unit_test(keys_rotate_and_the_previous_one_is_honoured_for_as_long_again),
        cmocka_unit_test(keys_of_two_processes_do_not_open_each_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
