// SPDX-License-Identifier: GPL-3.0-or-later
// Which counters belong to which name of the configuration: a row is given to a name when it is first seen and kept as long as the process lives, so
// that a reload neither moves nor resets a counter. The first GW_NAMED_ROWS get one of their own; what is scraped stays bounded however many there are.
// Of the main thread only.
#ifndef SALLYPORT_ENDPOINT_NAMED_ROWS_H
#define SALLYPORT_ENDPOINT_NAMED_ROWS_H

#include "gateway/base/span.h"

#define GW_NAMED_ROWS 64
#define GW_NAMED_ROW_NAME 64 // as gw_fault_name bounds them

struct gw_named_rows {
    char names[GW_NAMED_ROWS][GW_NAMED_ROW_NAME + 1];
    size_t n;
};

// The name's row; `others` when there is none left.
uint16_t gw_named_row(struct gw_named_rows *r, struct span name, uint16_t others);

#endif
