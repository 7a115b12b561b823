// SPDX-License-Identifier: GPL-3.0-or-later
// Configuration text: any bytes end in a configuration or in complaints, and so do they as YAML to be JSON, which is then valid.
#include <assert.h>

#include "gateway/base/json.h"
#include "gateway/config/config.h"
#include "gateway/config/yaml.h"

static void as_config(struct span text)
{
    struct gw_config *c = NULL;
    struct diags diags;
    int e;

    diags_init(&diags);
    e = gw_config_parse(text, SPAN("/f/c.yaml"), &c, &diags);
    assert((e == 0) == (c != NULL));
    assert((e == 0) == (diags.errors == 0));
    for (const struct diag *d = diags.first; d; d = d->next)
        for (size_t i = 0; i < d->text.n; i++)
            assert((unsigned char)d->text.p[i] >= 0x20);
    for (size_t i = 0; c && i < c->routes_n; i++)
        for (size_t j = 0; j < c->routes[i].shards_n; j++)
            assert(c->routes[i].shards[j] < c->shards_n);
    gw_config_free(c);
    diags_fini(&diags);
}

static void as_json(struct span text)
{
    struct json_limits limits = { .bytes = 64 << 20, .depth = 64 };
    struct json_error err;
    struct json_doc *doc;
    struct diags diags;
    struct buf out;

    diags_init(&diags);
    buf_init(&out, 0);
    if (gw_yaml_to_json(text, SPAN("f"), &out, &diags) == 0) {
        doc = json_parse(buf_span(&out), &limits, &err);
        // A number beyond a double's range is the one thing the grammar of YAML lets through.
        assert(doc || strstr(err.what, "infinity"));
        json_free(doc);
    } else {
        assert(diags.errors > 0 && buf_len(&out) == 0);
    }
    buf_fini(&out);
    diags_fini(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_config(span_of(data, size));
    as_json(span_of(data, size));
    return 0;
}
