// SPDX-License-Identifier: GPL-3.0-or-later
// The gates that can be told to observe: for some workloads, until a day, a refusal of theirs is recorded and does not count. The default
// is to enforce, and what is said here ends by itself. What `observe` means for a request is in stages/observe.h; which refusals can be
// observed at all, too. The certificate gate has no mode.
#ifndef SALLYPORT_CONFIG_MODES_H
#define SALLYPORT_CONFIG_MODES_H

#include "gateway/config/config.h"

enum gw_gate { GW_GATE_TOKEN, GW_GATE_POLICY, GW_GATE_COUNT };

struct span gw_gate_name(enum gw_gate gate); // "token", "policy"

// Whether the gate only observes what this workload does, now. The first rule that names the workload decides, also when its day is over;
// the listener's modes are for the workloads that no rule names.
bool gw_gate_observes(const struct gw_config *c, enum gw_gate gate, struct span workload, int64_t wall_ms);

// How many rules (the listener's modes count as one) have the gate observe now, and when the first of them ends: milliseconds, 0 without any.
size_t gw_gate_observers(const struct gw_config *c, enum gw_gate gate, int64_t wall_ms, int64_t *first_end_ms);

// A warning for each rule that has a gate observe, and for each whose day is over.
void gw_modes_warn(const struct gw_config *c, int64_t wall_ms, struct diags *diags);
// The same for those alone whose day ended after `since_ms`.
void gw_modes_warn_ended(const struct gw_config *c, int64_t since_ms, int64_t wall_ms, struct diags *diags);

#endif
