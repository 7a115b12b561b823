// SPDX-License-Identifier: GPL-3.0-or-later
// The files that a snapshot is made of: read once, into its arena, and noted for the watcher. For those who build a part of it.
#ifndef SALLYPORT_CONFIG_SNAPSHOT_FILES_H
#define SALLYPORT_CONFIG_SNAPSHOT_FILES_H

#include "gateway/config/snapshot.h"

#define GW_PEM_MAX (4u << 20)
#define GW_SECRET_MAX (64u << 10)
#define GW_SNAPSHOT_FILES_MAX 65536
#define GW_SNAPSHOT_CONNECT_FILES_MAX 64 // of the connect role, which reads no policies, and minds its memory

// A file was read that the watcher is to look at. `snapshot` is a struct gw_snapshot.
void gw_snapshot_note(void *snapshot, const char *path);
// The content of a file the configuration names, in the snapshot's arena; SPAN_NONE when the key is absent, or after a complaint.
struct span gw_snapshot_read(struct gw_snapshot *s, const struct gw_config_text *path, size_t max, struct diags *diags);
// The same for a secret on one line: the newline that editors add is not part of it. Whoever keeps it wipes it.
struct span gw_snapshot_read_secret(struct gw_snapshot *s, const struct gw_config_text *path, struct diags *diags);

#endif
