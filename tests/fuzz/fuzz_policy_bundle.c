// SPDX-License-Identifier: GPL-3.0-or-later
// The manifest of a policy bundle, as `bundle.json` of an archive of four members. What is read names members that are there, and written again it is read
// the same.
#include <stdlib.h>

#include "gateway/config/policy_bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *read_it(struct span manifest, struct arena *arena, struct gw_bundle_manifest *out)
{
    const struct gw_archive_member v[] = {
        { GW_BUNDLE_MANIFEST, manifest }, { SPAN("a"), SPAN("") }, { SPAN("b"), SPAN("") }, { SPAN("c"), SPAN("") }
    };
    struct buf bytes;
    struct gw_archive a;
    struct gw_archive_fault fault;
    const char *what = "too large";

    buf_init(&bytes, 0);
    if (gw_archive_write(v, 4, 0, &bytes, NULL) == 0) {
        if (gw_archive_read(buf_span(&bytes), arena, &a, &fault) != 0)
            abort();
        what = gw_bundle_manifest_read(&a, arena, out);
    }
    buf_fini(&bytes);
    return what;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct gw_bundle_manifest m, again;
    struct arena arena;
    struct buf out;

    arena_init(&arena, 0);
    buf_init(&out, 0);
    const char *what = read_it(span_of(data, n), &arena, &m);
    for (const char *p = what; p && *p; p++)
        if ((unsigned char)*p < 0x20)
            abort(); // a log line that moves the cursor
    if (!what && (m.version == 0 || m.version > GW_BUNDLE_VERSION_MAX || m.policies.n + m.links.n + m.schema.n > 3))
        abort();
    if (!what && (!gw_bundle_manifest_write(&m, &out) || read_it(buf_span(&out), &arena, &again) != NULL))
        abort();
    if (!what && (again.version != m.version || again.policies.n != m.policies.n || again.owners_n != m.owners_n ||
                  !span_eq(again.entities, m.entities) || !span_eq(again.created, m.created)))
        abort();
    buf_fini(&out);
    arena_fini(&arena);
    return 0;
}
