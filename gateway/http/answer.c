// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/http/answer.h"

#include <time.h>

#include "gateway/base/json.h"

// IMF-fixdate (RFC 9110 §5.6.7), whatever the locale.
static void date_field(struct gw_head *h, int64_t wall_ms)
{
    static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[][4] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
    };
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    if (wall_ms <= 0 || !gmtime_r(&seconds, &tm))
        return;
    buf_printf(h->out, "date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
               tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void optional_field(struct gw_head *h, struct span name, struct span value)
{
    if (!span_is_none(value))
        gw_head_field(h, name, value);
}

int gw_answer_write(const struct gw_answer *a, struct buf *out)
{
    struct gw_head h = gw_head_response(out, a->status);
    bool bodiless = a->status < 200 || a->status == 204 || a->status == 304;
    date_field(&h, a->wall_ms);
    optional_field(&h, SPAN("content-type"), a->content_type);
    if (!bodiless)
        gw_head_framing(&h, GW_FRAMING_LENGTH, a->body.n);
    for (size_t i = 0; i < a->n_challenges; i++)
        gw_head_field(&h, SPAN("www-authenticate"), a->challenges[i]);
    optional_field(&h, SPAN("dpop-nonce"), a->dpop_nonce);
    for (size_t i = 0; i < a->n_fields; i++)
        optional_field(&h, a->fields[i].name, a->fields[i].value);
    if (a->retry_after_s)
        gw_head_uint(&h, SPAN("retry-after"), a->retry_after_s);
    if (a->no_store)
        gw_head_field(&h, SPAN("cache-control"), SPAN("no-store"));
    optional_field(&h, SPAN("x-request-id"), a->request_id);
    if (a->close)
        gw_head_field(&h, SPAN("connection"), SPAN("close"));
    int rc = gw_head_end(&h);
    if (rc || a->head || bodiless)
        return rc;
    if (buf_append(out, a->body))
        return 0;
    gw_buf_rewind(out, h.mark);
    return ERR_NOMEM;
}

int gw_problem_body(int error, struct span request_id, struct buf *out)
{
    const struct err_info *info = err_info(error);
    struct json_writer w = json_writer(out);
    json_w_object(&w);
    json_w_key(&w, SPAN("type"));
    json_w_string(&w, SPAN("about:blank"));
    json_w_key(&w, SPAN("title"));
    json_w_string(&w, gw_status_reason((unsigned)info->status));
    json_w_key(&w, SPAN("status"));
    json_w_int(&w, info->status);
    json_w_key(&w, SPAN("code"));
    json_w_string(&w, info->code);
    if (!span_is_none(request_id)) {
        json_w_key(&w, SPAN("request_id"));
        json_w_string(&w, request_id);
    }
    json_w_end(&w);
    return out->failed ? ERR_NOMEM : 0;
}

int gw_problem_write(const struct gw_problem *p, struct buf *out)
{
    const struct err_info *info = err_info(p->error);
    bool waits = info->status == 429 || info->status == 503;
    bool challenged = info->status == 401 || info->oauth.n;
    struct buf body;
    buf_init(&body, 4096);
    int rc = gw_problem_body(p->error, p->request_id, &body);
    rc = rc ? rc
            : gw_answer_write(
                  &(struct gw_answer){
                      .status = (unsigned)info->status,
                      .content_type = SPAN("application/problem+json"),
                      .body = buf_span(&body),
                      .request_id = p->request_id,
                      .dpop_nonce = p->dpop_nonce,
                      .challenges = p->challenges,
                      .n_challenges = challenged ? p->n_challenges : 0,
                      .fields = p->fields,
                      .n_fields = p->n_fields,
                      .retry_after_s = p->never           ? 0
                                       : p->retry_after_s ? p->retry_after_s
                                                          : waits,
                      .wall_ms = p->wall_ms,
                      .head = p->head,
                      .close = p->close || gw_problem_must_close(p->error),
                      .no_store = true,
                  },
                  out);
    buf_fini(&body);
    return rc;
}

bool gw_problem_must_close(int error)
{
    switch (error) {
    case ERR_HTTP_MALFORMED:
    case ERR_HTTP_FRAMING:
    case ERR_HTTP_HOST:
    case ERR_HTTP_TARGET:
    case ERR_HTTP_LINE_SIZE:
    case ERR_HTTP_HEADER_SIZE:
    case ERR_HTTP_BODY_SIZE:
    case ERR_HTTP_TIMEOUT:
    case ERR_HTTP_UPGRADE:
    case ERR_HTTP_METHOD:
    case ERR_HTTP_EXPECT:
    case ERR_HTTP_VERSION:
    case ERR_CLIENT_GONE:
    case ERR_DRAINING: return true;
    default: return false;
    }
}
