// SPDX-License-Identifier: GPL-3.0-or-later
// The chain through the audit log's files: what a kill, a full disk and rotation leave verifies, and whatever somebody changes does not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/audit/files.h"
#include "gateway/audit/journal.h"
#include "gateway/audit/verify.h"
#include "gateway/base/file.h"

struct place {
    char folder[64], log[96];
    struct pki_key *key, *other;
    struct gw_chain_key signer, stranger;
    struct clock_now now;
    unsigned n; // records written so far
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    snprintf(p->folder, sizeof p->folder, "/tmp/sallyport-journal-XXXXXX");
    if (!mkdtemp(p->folder))
        return -1;
    snprintf(p->log, sizeof p->log, "%s/audit.log", p->folder);
    p->key = pki_key_generate(PKI_KEY_P256, 0);
    p->other = pki_key_generate(PKI_KEY_P256, 0);
    gw_chain_key_init(&p->signer, p->key);
    gw_chain_key_init(&p->stranger, p->other);
    p->now = (struct clock_now){ .wall_ms = 1763769600000, .mono_ms = 1000 };
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    char command[96];

    snprintf(command, sizeof command, "rm -r %s", p->folder);
    assert_int_equal(system(command), 0);
    pki_key_free(p->key);
    pki_key_free(p->other);
    free(p);
    return 0;
}

static struct gw_journal_options options(const struct place *p, bool sign)
{
    return (struct gw_journal_options){
        .file = p->log, .key = sign ? &p->signer : NULL, .sign_every_ms = 60000, .sign_lines = 10
    };
}

static void open_journal(struct place *p, struct gw_journal *j, struct gw_journal_options o)
{
    assert_int_equal(gw_journal_open(j, &o, p->now), 0);
}

static void add(struct place *p, struct gw_journal *j)
{
    char line[256];
    int n = snprintf(line, sizeof line, "{\"kind\":\"request\",\"request_id\":\"r%u\",\"pad\":\"%0*d\"}\n", p->n,
                     20 + (int)(p->n * 7 % 90), 0);

    p->n++;
    assert_true(gw_journal_add(j, span_of(line, 5), span_of(line + 5, (size_t)n - 5), p->now));
    p->now.wall_ms += 10;
    p->now.mono_ms += 10;
}

static void records(struct place *p, struct gw_journal *j, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        add(p, j);
        if (i % 3 == 2 || i + 1 == n)
            assert_int_equal(gw_journal_flush(j, p->now), 0);
    }
}

// As by kill -9: nothing more is written.
static void die(struct gw_journal *j)
{
    close(j->sink.fd);
    buf_fini(&j->out);
    buf_fini(&j->torn);
    buf_fini(&j->unread);
    free(j->path);
}

struct seen {
    struct gw_audit_verifier v;
    size_t notes, of_kind[8];
    char fault[512]; // the first
    char note[512];  // the last
};

static void on_finding(void *ctx, const struct gw_audit_finding *f)
{
    struct seen *s = ctx;

    s->of_kind[f->kind]++;
    if (f->kind == GW_AUDIT_NOTE)
        snprintf(s->note, sizeof s->note, "%s", f->text);
    else if (!s->fault[0])
        snprintf(s->fault, sizeof s->fault, "%s:%zu: %s", f->at.file, f->at.number, f->text);
}

// Everything that was rotated, and the file itself. The places in it must be used before `list` goes.
static struct seen verify_list(const struct gw_audit_list *list, const struct gw_chain_key *key)
{
    struct seen s = { 0 };
    struct gw_audit_reader r;

    s.v = (struct gw_audit_verifier){ .keys = key, .n_keys = key != NULL, .on_finding = on_finding };
    s.v.ctx = &s;
    gw_audit_reader_init(&r, list->paths, list->n);
    for (enum gw_audit_read is; (is = gw_audit_reader_next(&r)) != GW_AUDIT_END;) {
        assert_int_equal(is, GW_AUDIT_LINE);
        gw_audit_verify_line(&s.v, &r);
    }
    gw_audit_verify_end(&s.v);
    gw_audit_reader_fini(&r);
    gw_audit_verifier_fini(&s.v);
    return s;
}

static struct seen verify(const struct place *p, const struct gw_chain_key *key)
{
    const char *paths[] = { p->log };
    struct gw_audit_list list;
    struct seen s;

    assert_int_equal(gw_audit_list(paths, 1, &list), 0);
    s = verify_list(&list, key);
    gw_audit_list_fini(&list);
    return s;
}

static struct buf slurp(const char *path)
{
    struct buf b;

    buf_init(&b, 0);
    assert_int_equal(file_read(path, 64 << 20, &b), 0);
    return b;
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void every_line_is_a_link_and_checkpoints_vouch_for_them(void **state)
{
    struct place *p = *state;
    struct gw_journal j;

    open_journal(p, &j, options(p, true));
    records(p, &j, 35);
    gw_journal_close(&j, p->now);
    struct seen s = verify(p, &p->signer);
    assert_string_equal(s.fault, "");
    assert_int_equal(s.v.records, 35);
    assert_true(s.v.checkpoints >= 4);
    assert_int_equal(s.v.lines, s.v.records + s.v.checkpoints + 2);
    assert_true(s.v.stopped);
    assert_int_equal(s.v.vouched.seq, s.v.lines);
    assert_int_equal(s.of_kind[GW_AUDIT_NOTE], 0);
    assert_int_equal(verify(p, NULL).v.faults, 0);
    // With another key, and with none.
    s = verify(p, &p->stranger);
    assert_int_equal(s.of_kind[GW_AUDIT_SIGNATURE], s.v.checkpoints);
    assert_null(s.v.vouched.file);
}

static void a_checkpoint_follows_within_its_time_and_not_without_need(void **state)
{
    struct place *p = *state;
    struct gw_journal j;

    open_journal(p, &j, options(p, true));
    assert_int_equal(gw_journal_due_ms(&j, p->now), p->now.mono_ms);
    assert_int_equal(gw_journal_flush(&j, p->now), 0);
    // What a process found when it began is vouched for at once; then there is nothing to do.
    assert_int_equal(gw_journal_due_ms(&j, p->now), INT64_MAX);
    assert_int_equal(verify(p, &p->signer).v.vouched.seq, 2);
    records(p, &j, 2);
    int64_t due = gw_journal_due_ms(&j, p->now);
    assert_true(due > p->now.mono_ms + 59000 && due <= p->now.mono_ms + 60000);
    p->now.mono_ms = due;
    assert_int_equal(gw_journal_flush(&j, p->now), 0);
    assert_int_equal(verify(p, &p->signer).v.vouched.seq, 5);
    assert_int_equal(gw_journal_due_ms(&j, p->now), INT64_MAX);
    gw_journal_close(&j, p->now);
}

static void the_chain_goes_on_over_processes_and_says_how_they_ended(void **state)
{
    struct place *p = *state;
    struct gw_journal j;
    char log[GW_CHAIN_LOG];

    open_journal(p, &j, options(p, true));
    memcpy(log, j.chain.log, sizeof log);
    records(p, &j, 5);
    gw_journal_close(&j, p->now);
    open_journal(p, &j, options(p, true));
    assert_string_equal(j.chain.log, log);
    records(p, &j, 5);
    die(&j);
    open_journal(p, &j, options(p, true));
    records(p, &j, 5);
    gw_journal_close(&j, p->now);
    struct seen s = verify(p, &p->signer);
    assert_string_equal(s.fault, "");
    assert_int_equal(s.v.records, 15);
    assert_int_equal(s.of_kind[GW_AUDIT_NOTE], 1);
    assert_non_null(strstr(s.note, "did not end in order"));
}

// Cut at every byte of its last lines, as a kill cuts: the next process goes on, and all of it verifies.
static void a_log_cut_anywhere_goes_on_and_verifies(void **state)
{
    struct place *p = *state;
    struct gw_journal j;
    struct buf whole;

    open_journal(p, &j, options(p, true));
    records(p, &j, 12);
    gw_journal_close(&j, p->now);
    whole = slurp(p->log);
    for (size_t cut = buf_len(&whole) > 900 ? buf_len(&whole) - 900 : 1; cut <= buf_len(&whole); cut++) {
        assert_int_equal(file_write(p->log, span_sub(buf_span(&whole), 0, cut), 0600), 0);
        for (int again = 0; again < 2; again++) {
            open_journal(p, &j, options(p, false));
            records(p, &j, 1);
            // And killed once more, in the middle of its first line.
            if (again == 0) {
                off_t size = (off_t)j.sink.size;
                assert_int_equal(ftruncate(j.sink.fd, size - 30 - (off_t)(cut % 200)), 0);
                die(&j);
                continue;
            }
            gw_journal_close(&j, p->now);
        }
        struct seen s = verify(p, &p->signer);
        if (s.fault[0])
            fail_msg("cut at %zu: %s", cut, s.fault);
    }
    buf_fini(&whole);
}

static void rotation_by_size_goes_on_in_numbered_files_and_keeps_so_many(void **state)
{
    struct place *p = *state;
    struct gw_journal_options o = options(p, true);
    struct gw_audit_numbers n;
    struct gw_journal j;

    o.rotate_size = 2000;
    open_journal(p, &j, o);
    records(p, &j, 60);
    gw_journal_close(&j, p->now);
    assert_int_equal(gw_audit_numbers(p->log, &n), 0);
    assert_true(n.n >= 5);
    assert_int_equal(n.v[0], 1);
    assert_int_equal(n.v[n.n - 1], n.n);
    gw_audit_numbers_fini(&n);
    struct seen s = verify(p, &p->signer);
    assert_string_equal(s.fault, "");
    assert_int_equal(s.v.records, 60);
    assert_int_equal(s.of_kind[GW_AUDIT_NOTE], 0);

    // Each verifies alone: it begins with a line that says so, and ends with a checkpoint.
    char *one[] = { gw_audit_file_name(p->log, 2) };
    struct gw_audit_list list = { one, 1 };
    s = verify_list(&list, &p->signer);
    assert_string_equal(s.fault, "");
    assert_int_equal(s.v.vouched.seq, s.v.last.seq);
    free(one[0]);

    o.keep = 2;
    open_journal(p, &j, o);
    assert_true(j.number > 5);
    j.needed = 4; // somebody still has to send it on
    records(p, &j, 30);
    assert_int_equal(gw_audit_numbers(p->log, &n), 0);
    assert_int_equal(n.v[0], 4);
    gw_audit_numbers_fini(&n);
    j.needed = UINT32_MAX;
    records(p, &j, 30);
    gw_journal_close(&j, p->now);
    assert_int_equal(gw_audit_numbers(p->log, &n), 0);
    assert_int_equal(n.n, 2);
    gw_audit_numbers_fini(&n);
    s = verify(p, &p->signer);
    assert_string_equal(s.fault, "");
    assert_non_null(strstr(s.note, "begins here with number"));
}

static void rotation_by_age_comes_without_a_record_too_but_not_for_an_empty_file(void **state)
{
    struct place *p = *state;
    struct gw_journal_options o = options(p, false);
    struct gw_audit_numbers n;
    struct gw_journal j;

    o.rotate_every_ms = 3600000;
    open_journal(p, &j, o);
    assert_int_equal(gw_journal_flush(&j, p->now), 0);
    assert_int_equal(gw_journal_due_ms(&j, p->now), INT64_MAX);
    records(p, &j, 3);
    int64_t due = gw_journal_due_ms(&j, p->now);
    assert_true(due > p->now.mono_ms + 3590000 && due <= p->now.mono_ms + 3600000);
    // The age counts over processes.
    die(&j);
    p->now.wall_ms += 1800000;
    open_journal(p, &j, o);
    assert_int_equal(gw_journal_flush(&j, p->now), 0);
    due = gw_journal_due_ms(&j, p->now);
    assert_true(due <= p->now.mono_ms + 1800000);
    p->now.wall_ms += 1800000;
    p->now.mono_ms += 1800000;
    assert_int_equal(gw_journal_flush(&j, p->now), 0);
    assert_int_equal(gw_audit_numbers(p->log, &n), 0);
    assert_int_equal(n.n, 1);
    gw_audit_numbers_fini(&n);
    gw_journal_close(&j, p->now);
    assert_string_equal(verify(p, NULL).fault, "");
}

static void killed_between_rename_and_the_new_file_the_chain_goes_on(void **state)
{
    struct place *p = *state;
    struct gw_journal_options o = options(p, true);
    struct gw_journal j;
    char *away = gw_audit_file_name(p->log, 1);

    open_journal(p, &j, o);
    records(p, &j, 5);
    die(&j);
    assert_int_equal(rename(p->log, away), 0);
    open_journal(p, &j, o);
    assert_int_equal(j.number, 2);
    records(p, &j, 5);
    gw_journal_close(&j, p->now);
    assert_string_equal(verify(p, &p->signer).fault, "");
    assert_int_equal(verify(p, &p->signer).v.records, 10);
    free(away);
}

static void a_file_that_is_moved_away_is_noticed(void **state)
{
    struct place *p = *state;
    struct gw_journal j;
    char *away = gw_audit_file_name(p->log, 1);

    open_journal(p, &j, options(p, false));
    records(p, &j, 5);
    assert_int_equal(rename(p->log, away), 0);
    p->now.mono_ms += 2000;
    records(p, &j, 1);
    records(p, &j, 5);
    gw_journal_close(&j, p->now);
    struct seen s = verify(p, NULL);
    assert_string_equal(s.fault, "");
    assert_int_equal(s.v.records, 11);
    assert_int_equal(access(p->log, F_OK), 0);
    free(away);
}

// The file fills up before anybody has looked whether it still has its name; what has the name then is not ours to rename.
static void a_file_that_is_moved_away_just_before_its_rotation_is_begun_anew(void **state)
{
    struct place *p = *state;
    struct gw_journal_options o = options(p, false);
    struct gw_audit_numbers n;
    struct gw_journal j;
    char *away = gw_audit_file_name(p->log, 1);

    o.rotate_size = 2000;
    open_journal(p, &j, o);
    records(p, &j, 3);
    for (int placed = 0; placed < 2; placed++) {
        assert_int_equal(rename(p->log, away), 0);
        if (placed) // logrotate's `create`
            close(open(p->log, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        p->now.mono_ms += 10;
        records(p, &j, 30);
        assert_int_equal(gw_audit_numbers(p->log, &n), 0);
        // The ones after it were rotated as ever, at once.
        assert_in_range(n.n, 2, 10);
        gw_audit_numbers_fini(&n);
        for (uint32_t k = 1; k < j.number; k++) {
            char *name = gw_audit_file_name(p->log, k);
            struct stat st;
            assert_int_equal(stat(name, &st), 0);
            assert_true(st.st_size > 0);
            free(name);
        }
        struct seen s = verify(p, NULL);
        assert_string_equal(s.fault, "");
        assert_int_equal(s.v.records, p->n);
        free(away);
        away = gw_audit_file_name(p->log, j.number);
    }
    gw_journal_close(&j, p->now);
    free(away);
}

static void a_log_from_before_the_chain_goes_on_with_one(void **state)
{
    struct place *p = *state;
    struct gw_journal j;

    assert_int_equal(file_write(p->log, SPAN("{\"kind\":\"request\"}\n{\"kind\":\"handshake\"}\n{\"kind\":\"re"), 0600),
                     0);
    open_journal(p, &j, options(p, true));
    records(p, &j, 5);
    gw_journal_close(&j, p->now);
    struct seen s = verify(p, &p->signer);
    assert_string_equal(s.fault, "");
    // Its torn line cannot be told from one of the old ones.
    assert_int_equal(s.v.before_chain, 3);
    assert_int_equal(s.v.records, 5);
}

static void a_full_disk_leaves_whole_lines_and_the_chain_goes_on(void **state)
{
    struct place *p = *state;
    struct gw_journal j;
    unsigned lost = 0;

    open_journal(p, &j, options(p, true));
    records(p, &j, 5);
    for (rlim_t room = 0; room < 700; room += 37) {
        limit_file_size(j.sink.size + room);
        add(p, &j);
        add(p, &j);
        int e = gw_journal_flush(&j, p->now);
        limit_file_size(RLIM_INFINITY);
        if (e) {
            lost += 2;
            assert_false(gw_journal_held(&j));
        }
    }
    assert_true(lost > 0);
    records(p, &j, 5);
    gw_journal_close(&j, p->now);
    struct seen s = verify(p, &p->signer);
    assert_string_equal(s.fault, "");
    assert_int_equal(s.v.records, p->n - lost);
}

// Where nothing can be taken back (chattr +a; here: somebody else's bytes are in the file), a line that is given up half written is told of.
static void what_cannot_be_taken_back_is_told_of(void **state)
{
    struct place *p = *state;
    struct gw_journal j;

    open_journal(p, &j, options(p, false));
    records(p, &j, 3);
    for (rlim_t room = 1; room < 260; room += 13) {
        uint64_t size = j.sink.size;
        limit_file_size(size + room);
        add(p, &j);
        j.sink.size += 1; // it no longer knows what the end of the file is
        if (gw_journal_flush(&j, p->now) != 0) {
            assert_true(gw_journal_held(&j));
            gw_journal_discard(&j);
        }
        limit_file_size(RLIM_INFINITY);
        j.sink.size -= 1;
        if (room % 2)
            records(p, &j, 2);
    }
    records(p, &j, 1);
    gw_journal_close(&j, p->now);
    struct seen s = verify(p, NULL);
    assert_string_equal(s.fault, "");
    assert_true(s.of_kind[GW_AUDIT_NOTE] > 5);
}

static void what_is_held_goes_out_when_there_is_room(void **state)
{
    struct place *p = *state;
    struct gw_journal j;

    open_journal(p, &j, options(p, true));
    records(p, &j, 3);
    limit_file_size(j.sink.size + 100);
    add(p, &j);
    add(p, &j);
    j.sink.size += 1;
    assert_int_equal(gw_journal_flush(&j, p->now), -EFBIG);
    assert_int_equal(gw_journal_flush(&j, p->now), -EFBIG);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(gw_journal_flush(&j, p->now), 0);
    gw_journal_close(&j, p->now);
    struct seen s = verify(p, &p->signer);
    assert_string_equal(s.fault, "");
    assert_int_equal(s.v.records, 5);
}

// ------------------------------------------------------------------------------------------------------- tampering

struct text {
    struct span lines[512];
    size_t n;
};

static struct text cut(struct span all)
{
    struct text t = { .n = 0 };

    while (all.n)
        t.lines[t.n++] = span_cut(&all, '\n');
    return t;
}

static void put(const struct place *p, const struct text *t)
{
    struct buf b;

    buf_init(&b, 0);
    for (size_t i = 0; i < t->n; i++) {
        buf_append(&b, t->lines[i]);
        buf_byte(&b, '\n');
    }
    assert_int_equal(file_write(p->log, buf_span(&b), 0600), 0);
    buf_fini(&b);
}

static uint64_t dice(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

// One change of a whole log at line `at`; false: it changed nothing.
static bool tamper(struct text *t, size_t at, uint64_t *seed, char line[static 4096], size_t *from)
{
    struct span old = t->lines[at];
    size_t other = dice(seed) % t->n, byte = dice(seed) % old.n;

    *from = at;
    switch (dice(seed) % 7) {
    case 0: // removed
        memmove(&t->lines[at], &t->lines[at + 1], (t->n - at - 1) * sizeof *t->lines);
        t->n--;
        return true;
    case 1: // repeated elsewhere
        memmove(&t->lines[other + 1], &t->lines[other], (t->n - other) * sizeof *t->lines);
        t->lines[other] = old;
        t->n++;
        *from = other + (other == at); // the copy is the second of them
        return true;
    case 2: // swapped
        if (other == at)
            return false;
        t->lines[at] = t->lines[other];
        t->lines[other] = old;
        *from = at < other ? at : other;
        return true;
    case 3: // made up
        memmove(&t->lines[at + 1], &t->lines[at], (t->n - at) * sizeof *t->lines);
        t->lines[at] = SPAN("{\"kind\":\"request\",\"request_id\":\"forged\"}");
        t->n++;
        return true;
    case 4: // several removed
        if (t->n - at < 6)
            return false;
        memmove(&t->lines[at], &t->lines[at + 4], (t->n - at - 4) * sizeof *t->lines);
        t->n -= 4;
        return true;
    case 5: // a byte altered, perhaps into a line break
        memcpy(line, old.p, old.n);
        line[byte] = (char)(line[byte] ^ (1 << dice(seed) % 7));
        t->lines[at] = span_of(line, old.n);
        return line[byte] != old.p[byte];
    default: // a byte gone
        memcpy(line, old.p, byte);
        memcpy(line + byte, old.p + byte + 1, old.n - byte - 1);
        t->lines[at] = span_of(line, old.n - 1);
        return true;
    }
}

static void whatever_is_changed_is_found_there_or_before(void **state)
{
    struct place *p = *state;
    struct gw_journal j;
    struct buf whole;
    char line[4096];
    uint64_t seed = 88172645463325252u;
    unsigned tried = 0;

    open_journal(p, &j, options(p, true));
    records(p, &j, 40);
    die(&j);
    open_journal(p, &j, options(p, true));
    records(p, &j, 20);
    gw_journal_close(&j, p->now);
    whole = slurp(p->log);
    assert_string_equal(verify(p, &p->signer).fault, "");
    for (int round = 0; round < 1500; round++) {
        struct text t = cut(buf_span(&whole));
        size_t from, n = t.n;
        // The last line has no next one that names it.
        if (!tamper(&t, dice(&seed) % (t.n - 1), &seed, line, &from))
            continue;
        put(p, &t);
        struct seen s = verify(p, round % 2 ? &p->signer : NULL);
        tried++;
        // Taken out of the end with nothing behind it, or a copy of a line put back behind itself at the very end.
        if (s.v.faults == 0)
            fail_msg("round %d: a change at line %zu of %zu was not found", round, from + 1, n);
        if (s.v.first_fault.number > from + 1)
            fail_msg("round %d: a change at line %zu was found at %zu only: %s", round, from + 1,
                     s.v.first_fault.number, s.fault);
    }
    assert_true(tried > 1000);
    buf_fini(&whole);
}

// Somebody who knows the format writes the chain anew behind what he changed. Without the key he cannot make the checkpoints.
static void a_chain_that_was_written_anew_fails_at_the_next_checkpoint(void **state)
{
    struct place *p = *state;
    struct gw_journal j;
    struct buf whole, forged;
    struct gw_chain chain = { 0 };

    open_journal(p, &j, options(p, true));
    records(p, &j, 40);
    gw_journal_close(&j, p->now);
    whole = slurp(p->log);
    for (int drop_checkpoints = 0; drop_checkpoints < 2; drop_checkpoints++) {
        struct text t = cut(buf_span(&whole));
        buf_init(&forged, 0);
        memset(&chain, 0, sizeof chain);
        for (size_t i = 0; i < t.n; i++) {
            struct span l = t.lines[i], member = SPAN(",\"seq\":");
            const char *end = memmem(l.p, l.n, member.p, member.n);
            struct buf bare;
            if (i == 20 || (drop_checkpoints && memmem(l.p, l.n, "\"kind\":\"checkpoint\"", 19)))
                continue;
            buf_init(&bare, 0);
            buf_append(&bare, span_of(l.p, (size_t)(end - l.p)));
            buf_append(&bare, SPAN("}\n"));
            assert_true(gw_chain_add(&chain, buf_span(&bare), SPAN(""), &forged));
            buf_fini(&bare);
        }
        assert_int_equal(file_write(p->log, buf_span(&forged), 0600), 0);
        struct seen s = verify(p, &p->signer);
        if (drop_checkpoints) { // then nothing vouches for it
            assert_null(s.v.vouched.file);
        } else {
            assert_true(s.of_kind[GW_AUDIT_SIGNATURE] > 0);
            assert_true(s.v.vouched.number > 0 && s.v.vouched.number < 20);
        }
        buf_fini(&forged);
    }
    buf_fini(&whole);
}

static void a_rotated_file_that_is_gone_or_changed_is_found(void **state)
{
    struct place *p = *state;
    struct gw_journal_options o = options(p, true);
    struct gw_journal j;
    char *second = gw_audit_file_name(p->log, 2);

    o.rotate_size = 2000;
    open_journal(p, &j, o);
    records(p, &j, 60);
    gw_journal_close(&j, p->now);
    struct buf text = slurp(second);
    assert_int_equal(unlink(second), 0);
    struct seen s = verify(p, &p->signer);
    assert_int_equal(s.of_kind[GW_AUDIT_REMOVED], 1);
    assert_non_null(strstr(s.fault, "000003:1: "));
    // Without its last line, without its first.
    const char *first_end = memchr(buf_span(&text).p, '\n', buf_len(&text));
    assert_int_equal(file_write(second,
                                span_sub(buf_span(&text), (size_t)(first_end - buf_span(&text).p) + 1, buf_len(&text)),
                                0600),
                     0);
    assert_int_equal(verify(p, &p->signer).of_kind[GW_AUDIT_REMOVED], 1);
    const char *last = memrchr(buf_span(&text).p, '\n', buf_len(&text) - 1);
    assert_int_equal(file_write(second, span_sub(buf_span(&text), 0, (size_t)(last - buf_span(&text).p) + 1), 0600), 0);
    s = verify(p, &p->signer);
    assert_int_equal(s.of_kind[GW_AUDIT_REMOVED], 1);
    assert_non_null(strstr(s.fault, "000003:1: "));
    buf_fini(&text);
    free(second);
}

// Out of a descriptor whose other end nobody reads, then somebody does.
static void standard_output_gets_whole_lines_or_says_that_it_cannot(void **state)
{
    struct place *p = *state;
    struct gw_journal_options o = options(p, true);
    struct gw_journal j;
    int ends[2];
    char *text = malloc(1 << 20);
    size_t have = 0;
    unsigned taken = 0;

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    o.file = NULL;
    o.stream_fd = ends[1];
    open_journal(p, &j, o);
    for (; taken < 100000; taken++) {
        add(p, &j);
        if (gw_journal_flush(&j, p->now) != 0)
            break;
    }
    assert_true(taken > 100 && taken < 100000);
    unsigned lost = !gw_journal_held(&j); // to be added again
    // What went out cannot be taken back, so it is held until somebody reads.
    for (int i = 0; gw_journal_held(&j) && i < 100; i++) {
        ssize_t n = read(ends[0], text + have, (1 << 20) - have);
        have += n > 0 ? (size_t)n : 0;
        (void)gw_journal_flush(&j, p->now);
    }
    assert_false(gw_journal_held(&j));
    gw_journal_close(&j, p->now);
    close(ends[1]);
    for (ssize_t n; (n = read(ends[0], text + have, (1 << 20) - have)) > 0;)
        have += (size_t)n;
    close(ends[0]);
    assert_int_equal(file_write(p->log, span_of(text, have), 0600), 0);
    struct seen s = verify(p, &p->signer);
    assert_string_equal(s.fault, "");
    assert_int_equal(s.v.records, p->n - lost);
    free(text);
}

static void a_copy_on_standard_output_holds_nothing_up(void **state)
{
    struct place *p = *state;
    struct gw_journal_options o = options(p, false);
    struct gw_journal j;
    char text[65536];
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    o.copy = true;
    o.stream_fd = ends[1];
    open_journal(p, &j, o);
    records(p, &j, 3);
    ssize_t n = read(ends[0], text, sizeof text);
    assert_true(n > 0);
    struct buf file = slurp(p->log);
    assert_true(span_eq(buf_span(&file), span_of(text, (size_t)n)));
    buf_fini(&file);
    for (int i = 0; i < 60000; i++) {
        add(p, &j);
        if (i % 100 == 0)
            assert_int_equal(gw_journal_flush(&j, p->now), 0);
    }
    gw_journal_close(&j, p->now);
    assert_int_equal(verify(p, NULL).v.faults, 0);
    close(ends[0]);
    close(ends[1]);
}

static void write_lines(const char *path, const struct span *lines, size_t n)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%.*s\n", SPAN_FMT(lines[i]));
    assert_int_equal(fclose(f), 0);
}

static void an_empty_line_that_was_put_in_is_found_wherever_it_stands(void **state)
{
    struct place *p = *state;
    struct gw_journal j;

    open_journal(p, &j, options(p, true));
    records(p, &j, 12);
    gw_journal_close(&j, p->now);
    struct buf text = slurp(p->log);
    struct span lines[64], rest = buf_span(&text);
    size_t n = 0;
    while (rest.n)
        lines[n++] = span_cut(&rest, '\n');
    for (size_t at = 1; at <= n; at++) {
        struct span with[65];
        memcpy(with, lines, at * sizeof *lines);
        with[at] = SPAN("");
        memcpy(with + at + 1, lines + at, (n - at) * sizeof *lines);
        write_lines(p->log, with, n + 1);
        struct seen s = verify(p, NULL);
        assert_int_equal(s.of_kind[GW_AUDIT_INSERTED], 1);
        assert_int_equal(s.v.faults, 1);
    }
    buf_fini(&text);
}

// ------------------------------------------------------------------------------------------- one process after another

// As at an upgrade: the path is left by the first, and the second begins beside it.
static void take_over(struct place *p, struct gw_journal *from, struct gw_journal *to, bool sign)
{
    struct gw_journal_options o = options(p, sign);
    struct gw_journal_end end = gw_journal_end(from);

    o.beside = &end;
    assert_int_equal(gw_journal_leave(from, p->now), 0);
    open_journal(p, to, o);
}

static void at_a_take_over_both_logs_verify_each_by_its_own_checkpoints(void **state)
{
    struct place *p = *state;
    struct gw_journal a, b;

    open_journal(p, &a, options(p, true));
    records(p, &a, 5);
    take_over(p, &a, &b, true);
    records(p, &b, 4);
    records(p, &a, 3);
    gw_journal_close(&a, p->now);
    struct seen s = verify(p, &p->signer);
    assert_string_equal(s.fault, "");
    assert_int_equal(s.v.records, 12);
    assert_int_equal(s.v.lines - s.v.vouched_lines, 1); // three went out with the first checkpoint
    gw_journal_close(&b, p->now);
    s = verify(p, &p->signer);
    assert_string_equal(s.fault, "");
    assert_int_equal(s.v.lines, s.v.vouched_lines);
}

// No hash leads from the second log into the first: whoever has no key could write that anew, and leave its checkpoints out.
static void a_log_that_was_written_anew_before_a_take_over_is_not_vouched_for_by_the_next_one(void **state)
{
    struct place *p = *state;
    struct gw_journal a, b;

    open_journal(p, &a, options(p, false));
    records(p, &a, 5);
    take_over(p, &a, &b, true);
    records(p, &b, 4);
    gw_journal_close(&a, p->now);
    gw_journal_close(&b, p->now);
    struct seen s = verify(p, &p->signer);
    assert_int_equal(s.of_kind[GW_AUDIT_SIGNATURE], 1);
    assert_non_null(strstr(s.fault, "no checkpoint vouches for any of the log that ends here"));
    assert_int_equal(verify(p, NULL).v.faults, 0);
}

static void what_a_kill_cuts_short_before_a_take_over_is_no_fault_of_the_next_log(void **state)
{
    struct place *p = *state;
    struct gw_journal a, b;

    open_journal(p, &a, options(p, true));
    records(p, &a, 5);
    take_over(p, &a, &b, true);
    records(p, &b, 4);
    records(p, &a, 3);
    assert_int_equal(write(a.sink.fd, "{\"kind\":\"requ", 14), 14);
    die(&a);
    free(a.left);
    gw_journal_close(&b, p->now);
    struct seen s = verify(p, &p->signer);
    assert_string_equal(s.fault, "");
    // Its piece of a line, its missing end, the lines that nobody signed, and the next log.
    assert_int_equal(s.of_kind[GW_AUDIT_NOTE], 4);
    // Without the first one something is missing, and that shows.
    char first[112];
    snprintf(first, sizeof first, "%s.000001", p->log);
    assert_int_equal(unlink(first), 0);
    s = verify(p, &p->signer);
    assert_int_equal(s.v.faults, 0);
    assert_non_null(strstr(s.note, "beside another one that is not among the files"));
}

static void whose_successor_dies_takes_its_path_again_and_all_of_it_verifies(void **state)
{
    struct place *p = *state;
    struct gw_journal a, b;

    open_journal(p, &a, options(p, true));
    records(p, &a, 5);
    // One that wrote nothing.
    assert_int_equal(gw_journal_leave(&a, p->now), 0);
    records(p, &a, 2);
    assert_int_equal(gw_journal_come_back(&a, p->now), 0);
    records(p, &a, 2);
    struct seen s = verify(p, &p->signer);
    assert_string_equal(s.fault, "");
    assert_int_equal(s.v.records, 9);
    // One that was killed in the middle of its second line.
    take_over(p, &a, &b, true);
    records(p, &b, 1);
    assert_int_equal(write(b.sink.fd, "{\"kind\":\"requ", 14), 14);
    die(&b);
    records(p, &a, 2);
    assert_int_equal(gw_journal_come_back(&a, p->now), 0);
    records(p, &a, 4);
    assert_int_equal(gw_journal_come_back(&a, p->now), 0); // is there already
    s = verify(p, &p->signer);
    assert_string_equal(s.fault, "");
    assert_int_equal(s.v.records, 16);
    // The next one comes as if nothing had been.
    take_over(p, &a, &b, true);
    records(p, &b, 1);
    gw_journal_close(&a, p->now);
    gw_journal_close(&b, p->now);
    s = verify(p, &p->signer);
    assert_string_equal(s.fault, "");
    assert_int_equal(s.v.records, 17);
    // Where the path cannot be opened, it goes on where it is.
    open_journal(p, &a, options(p, true));
    assert_int_equal(gw_journal_leave(&a, p->now), 0);
    assert_int_equal(mkdir(p->log, 0700), 0);
    assert_true(gw_journal_come_back(&a, p->now) < 0);
    records(p, &a, 2);
    assert_int_equal(rmdir(p->log), 0);
    assert_int_equal(gw_journal_come_back(&a, p->now), 0);
    records(p, &a, 2);
    gw_journal_close(&a, p->now);
    s = verify(p, &p->signer);
    assert_string_equal(s.fault, "");
    assert_int_equal(s.v.records, 21);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(every_line_is_a_link_and_checkpoints_vouch_for_them),
        CASE(a_checkpoint_follows_within_its_time_and_not_without_need),
        CASE(the_chain_goes_on_over_processes_and_says_how_they_ended),
        CASE(a_log_cut_anywhere_goes_on_and_verifies),
        CASE(rotation_by_size_goes_on_in_numbered_files_and_keeps_so_many),
        CASE(rotation_by_age_comes_without_a_record_too_but_not_for_an_empty_file),
        CASE(killed_between_rename_and_the_new_file_the_chain_goes_on),
        CASE(a_file_that_is_moved_away_is_noticed),
        CASE(a_file_that_is_moved_away_just_before_its_rotation_is_begun_anew),
        CASE(a_log_from_before_the_chain_goes_on_with_one),
        CASE(a_full_disk_leaves_whole_lines_and_the_chain_goes_on),
        CASE(what_cannot_be_taken_back_is_told_of),
        CASE(what_is_held_goes_out_when_there_is_room),
        CASE(whatever_is_changed_is_found_there_or_before),
        CASE(a_chain_that_was_written_anew_fails_at_the_next_checkpoint),
        CASE(a_rotated_file_that_is_gone_or_changed_is_found),
        CASE(standard_output_gets_whole_lines_or_says_that_it_cannot),
        CASE(a_copy_on_standard_output_holds_nothing_up),
        CASE(an_empty_line_that_was_put_in_is_found_wherever_it_stands),
        CASE(at_a_take_over_both_logs_verify_each_by_its_own_checkpoints),
        CASE(a_log_that_was_written_anew_before_a_take_over_is_not_vouched_for_by_the_next_one),
        CASE(what_a_kill_cuts_short_before_a_take_over_is_no_fault_of_the_next_log),
        CASE(whose_successor_dies_takes_its_path_again_and_all_of_it_verifies),
    };

    signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
