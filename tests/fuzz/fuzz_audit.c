// SPDX-License-Identifier: GPL-3.0-or-later
// An audit log that somebody wrote: it is read and verified without a crash, every line is looked at once, and what is found wrong is said
// without a byte that moves a cursor. Where the chain goes on behind it, the log verifies as well as before.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/audit/journal.h"
#include "gateway/audit/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct seen {
    size_t findings, faults;
};

static void on_finding(void *ctx, const struct gw_audit_finding *f)
{
    struct seen *s = ctx;

    s->findings++;
    s->faults += f->kind != GW_AUDIT_NOTE;
    if (!f->at.file || f->text[0] == '\0')
        abort(); // a fault that is nowhere, or nothing
}

static struct seen verify(FILE *f, size_t *lines)
{
    struct seen s = { 0 };
    struct gw_audit_verifier v = { .on_finding = on_finding, .ctx = &s };
    struct gw_audit_reader r;

    *lines = 0;
    rewind(f);
    gw_audit_reader_of(&r, f, "log");
    while (gw_audit_reader_next(&r) == GW_AUDIT_LINE) {
        (*lines)++;
        gw_audit_verify_line(&v, &r);
    }
    gw_audit_verify_end(&v);
    if (s.faults != v.faults || (v.faults > 0) != (v.first_fault.file != NULL))
        abort(); // a fault that was not told, or told and not counted
    if (v.lines + v.before_chain > *lines)
        abort();
    gw_audit_reader_fini(&r);
    gw_audit_verifier_fini(&v);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static char path[64];
    struct gw_journal_options o = { .file = path };
    struct clock_now now = { .wall_ms = 1763769600000, .mono_ms = 1 };
    struct gw_journal j;
    size_t lines, after;

    snprintf(path, sizeof path, "/dev/shm/sallyport-fuzz-audit-%ld", (long)getpid());
    unlink(path);
    FILE *f = fopen(path, "w+e");
    if (!f || (n > 0 && fwrite(data, 1, n, f) != n) || fflush(f) != 0)
        abort();
    struct seen before = verify(f, &lines);
    // A process starts with that as its log.
    if (gw_journal_open(&j, &o, now) != 0)
        abort();
    if (!gw_journal_add(&j, SPAN("{\"kind\":\"request\"}\n"), SPAN(""), now) || gw_journal_flush(&j, now) != 0)
        abort();
    gw_journal_close(&j, now);
    struct seen then = verify(f, &after);
    if (after <= lines)
        abort(); // its lines are not there
    if (before.faults == 0 && then.faults > 1)
        abort(); // a sound log was made unsound
    fclose(f);
    unlink(path);
    return 0;
}
