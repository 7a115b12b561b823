// SPDX-License-Identifier: GPL-3.0-or-later
// One store of two processes, as at an upgrade: a proof counts once among them, whatever becomes of one of them.
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pki/replay.h"

#define T INT64_C(1700000000000)

static const uint8_t jkt[32] = { 1 };

static int insert(struct pki_replay *r, uint64_t number, int64_t iat_ms)
{
    char jti[24];
    snprintf(jti, sizeof jti, "%llu", (unsigned long long)number);
    struct pki_replay_entry e = {
        .jkt = jkt,
        .jti = span_str(jti),
        .htm = SPAN("GET"),
        .htu = SPAN("https://gw/a"),
        .workload = SPAN("w"),
        .iat_ms = iat_ms,
        .keep_until_ms = iat_ms + 65000,
    };
    return pki_replay_insert(r, &e, iat_ms);
}

static void rule_16_two_processes_share_what_they_saw(void **state)
{
    (void)state;
    struct pki_replay *ours =
        pki_replay_new(&(struct pki_replay_options){ .entries = 4096, .share_percent = 100, .not_before_ms = T });
    struct pki_replay *theirs = pki_replay_adopt(dup(pki_replay_fd(ours)));
    assert_non_null(theirs);
    assert_int_equal(pki_replay_capacity(theirs), pki_replay_capacity(ours));
    assert_int_equal(insert(ours, 1, T), 0);
    assert_int_equal(insert(theirs, 1, T), ERR_PROOF_REPLAYED);
    assert_int_equal(insert(theirs, 2, T), 0);
    assert_int_equal(insert(ours, 2, T), ERR_PROOF_REPLAYED);
    assert_int_equal(insert(theirs, 3, T - 1), ERR_PROOF_BEFORE_START);
    // The old process ends, and the new one goes on.
    pki_replay_free(ours);
    assert_int_equal(insert(theirs, 1, T), ERR_PROOF_REPLAYED);
    assert_int_equal(pki_replay_count(theirs), 2);
    pki_replay_free(theirs);
}

static void what_is_no_store_of_this_layout_is_not_adopted(void **state)
{
    (void)state;
    struct pki_replay *r = pki_replay_new(&(struct pki_replay_options){ .entries = 4096, .not_before_ms = T });
    size_t bytes = (size_t)lseek(pki_replay_fd(r), 0, SEEK_END);
    char head[64];
    assert_int_equal(pread(pki_replay_fd(r), head, sizeof head, 0), sizeof head);
    for (int i = 0; i < 4; i++) {
        int fd = memfd_create("x", MFD_ALLOW_SEALING);
        char changed[sizeof head];
        memcpy(changed, head, sizeof head);
        changed[0] ^= i == 1;          // another layout
        changed[8] ^= i == 2 ? 64 : 0; // another size than it has
        assert_int_equal(ftruncate(fd, i == 3 ? 32 : (off_t)bytes), 0);
        assert_int_equal(pwrite(fd, changed, i == 3 ? 32 : sizeof changed, 0), i == 3 ? 32 : sizeof changed);
        if (i > 0) // 0: could be made smaller under us
            assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
        assert_null(pki_replay_adopt(fd));
    }
    assert_null(pki_replay_adopt(open("/dev/null", O_RDWR)));
    assert_int_equal(ftruncate(pki_replay_fd(r), 0), -1);
    pki_replay_free(r);
}

#define KILLS 60

// A process that is killed in the middle of a change, which has been inside a lock more often than not: nobody waits for it, nothing that it said
// was used can be used again, and what is new works.
static void kill_at_any_moment_brings_no_proof_back_and_stops_nobody(void **state)
{
    (void)state;
    struct pki_replay *r = pki_replay_new(
        &(struct pki_replay_options){ .entries = 1 << 16, .stripes = 1, .share_percent = 100, .not_before_ms = T });
    _Atomic uint64_t *said = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t next = 1;
    for (int k = 0; k < KILLS; k++) {
        int64_t iat_ms = T + k * 100000; // what was before has expired: the wheel turns as well
        uint64_t first = next;
        atomic_store(said, next);
        pid_t pid = fork();
        if (pid == 0) {
            struct pki_replay *mine = pki_replay_adopt(dup(pki_replay_fd(r)));
            for (uint64_t n = first; mine; n++)
                if (insert(mine, n, iat_ms) == 0)
                    atomic_store(said, n + 1);
            _exit(1);
        }
        while (atomic_load(said) < first + 20 + (uint64_t)(k % 7) * 100)
            usleep(50);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        next = atomic_load(said) + 1; // and one more that it may have inserted without a word
        for (uint64_t n = first; n + 1 < next; n++)
            assert_int_equal(insert(r, n, iat_ms), ERR_PROOF_REPLAYED);
        assert_int_equal(insert(r, next++, iat_ms + 2000), 0);
    }
    munmap((void *)said, 4096);
    pki_replay_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_16_two_processes_share_what_they_saw),
        cmocka_unit_test(what_is_no_store_of_this_layout_is_not_adopted),
        cmocka_unit_test(kill_at_any_moment_brings_no_proof_back_and_stops_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
