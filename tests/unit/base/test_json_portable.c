// SPDX-License-Identifier: GPL-3.0-or-later
// JSON as processors without SSE2 read and write it: CMakeLists.txt builds the reader and the writer into this program once more, without it.
#if defined(__SSE2__)
#error "this is the program that does without"
#endif
#include "tests/unit/base/test_json.c"
