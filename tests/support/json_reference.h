// SPDX-License-Identifier: GPL-3.0-or-later
// Our reader of JSON beside another: yyjson, with our rules on top. They must be one dialect.
#ifndef SALLYPORT_TESTS_SUPPORT_JSON_REFERENCE_H
#define SALLYPORT_TESTS_SUPPORT_JSON_REFERENCE_H

#include "gateway/base/json.h"

// NULL when both refuse the text, or both take it and say the same of every value in it, and what json_write writes is what the
// other's values come to. Else what is different.
const char *json_differs(struct span text, const struct json_limits *limits);

#endif
