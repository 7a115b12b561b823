// SPDX-License-Identifier: GPL-3.0-or-later
// The words in which tests of whole exchanges speak: a request with credentials, the answer that all is well, and what a text has.
#ifndef SALLYPORT_TESTS_EXCHANGE_H
#define SALLYPORT_TESTS_EXCHANGE_H

#include "tests/support/rig.h"

#include <stdlib.h>

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}"
#define POINT "/collections/docs/points/1"
#define POINTS "/collections/docs/points"
#define COUNT "/collections/docs/points/count"

static inline void ask(struct rig_client *c, const char *method, const char *path, const char *body)
{
    char *request = rig_request(c->rig, method, path, body);
    rig_send(c, request);
    free(request);
    rig_run(c->rig);
}

static inline bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static inline size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (; (text = strstr(text, part)); text++)
        n++;
    return n;
}

#endif
