// SPDX-License-Identifier: GPL-3.0-or-later
// What an answer says about itself where HTTP's status does not: Milvus answers 200 to everything and begins with {"code":N, 0 for success.
// Read from the first bytes, while the answer streams.
#ifndef SALLYPORT_API_ANSWER_CODE_H
#define SALLYPORT_API_ANSWER_CODE_H

#include "gateway/base/span.h"

#define GW_API_ANSWER_HEAD 64 // bytes that are enough

// `head` is how an answer begins. False, `*code` untouched, when it begins otherwise.
bool gw_api_answer_code(struct span head, int64_t *code);

#endif
