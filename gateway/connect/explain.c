// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/connect/explain.h"

#include "gateway/base/json.h"
#include "gateway/http/writer.h"

#define N(text)               \
    {                         \
        text, sizeof text - 1 \
    }
#define ASK_PLATFORM "ask the people who run the gateway, and give them the request id"

struct row {
    struct span code, gate;
    const char *text;
    enum gw_remedy remedy;
};

// In the order of the gates. Several reasons of err.h share a code; the gateway's operators see which it was.
static const struct row rows[] = {
    { N("certificate_missing"), N("certificate"), "the gateway saw no certificate of this workload", GW_REMEDY_NONE },
    { N("certificate_invalid"), N("certificate"),
      "the gateway does not accept this workload's certificate; ask whoever issues it", GW_REMEDY_NONE },
    { N("certificate_untrusted"), N("certificate"),
      "the gateway does not know the CA that issued this workload's certificate; " ASK_PLATFORM, GW_REMEDY_NONE },
    { N("certificate_expired"), N("certificate"),
      "this workload's certificate has expired and no newer one was put in its place; look at what renews it",
      GW_REMEDY_NONE },
    { N("certificate_revoked"), N("certificate"), "this workload's certificate was revoked; " ASK_PLATFORM,
      GW_REMEDY_NONE },
    { N("certificate_unmapped"), N("certificate"), "the gateway does not know which workload this certificate is",
      GW_REMEDY_NONE },
    { N("token_missing"), N("token"), "the gateway does not take this kind of credential; " ASK_PLATFORM,
      GW_REMEDY_NONE },
    { N("token_invalid"), N("token"),
      "the gateway does not accept this workload's token (its issuer, audience or signature); " ASK_PLATFORM,
      GW_REMEDY_TOKEN },
    { N("token_expired"), N("token"), "this workload's token has expired, and there was no newer one",
      GW_REMEDY_TOKEN },
    { N("token_revoked"), N("token"), "this workload's token was revoked; " ASK_PLATFORM, GW_REMEDY_TOKEN },
    { N("token_inactive"), N("token"), "the issuer says that this workload's token is no longer good",
      GW_REMEDY_TOKEN },
    { N("token_not_yours"), N("token"),
      "the token is bound to another workload, certificate or key than the one that is used here", GW_REMEDY_TOKEN },
    { N("token_unbound"), N("token"),
      "the gateway wants a token that is bound otherwise; connect.binding has to be as its issuers entry says",
      GW_REMEDY_NONE },
    { N("token_scheme"), N("token"), "the token is bound to a key, and was sent without a proof; set binding: dpop",
      GW_REMEDY_NONE },
    { N("api_key_invalid"), N("token"), "the gateway does not know the API key in connect.token.file", GW_REMEDY_NONE },
    { N("api_key_expired"), N("token"), "the API key in connect.token.file has expired", GW_REMEDY_NONE },
    { N("api_key_revoked"), N("token"), "the API key in connect.token.file was revoked", GW_REMEDY_NONE },
    { N("quota_exceeded"), N("token"), "the API key's quota is used up; try again after the time in retry-after",
      GW_REMEDY_NONE },
    { N("proof_nonce"), N("token"),
      "the gateway wants a fresh nonce, and the request was too long to be sent again; send it again",
      GW_REMEDY_PROOF },
    { N("proof_stale"), N("token"), "the clocks of this machine and of the gateway differ too much; set them right",
      GW_REMEDY_PROOF },
    { N("proof_missing"), N("token"), "the gateway wants a proof with each request; set binding: dpop",
      GW_REMEDY_NONE },
    { N("proof_invalid"), N("token"),
      "the gateway did not accept the proof; is connect.gateways.url exactly what its authorities say?",
      GW_REMEDY_NONE },
    { N("proof_replayed"), N("token"), "the gateway has seen the proof before; is something replaying requests?",
      GW_REMEDY_PROOF },
    { N("misdirected"), N("request"), "the gateway goes by another name than connect.gateways.url; " ASK_PLATFORM,
      GW_REMEDY_NONE },
    { N("api_unknown"), N("request"),
      "the gateway does not know this request of the database's API, so it does not let it through", GW_REMEDY_NONE },
    { N("api_body"), N("request"),
      "the gateway cannot tell from this body what is asked for, so it does not let it through", GW_REMEDY_NONE },
    { N("api_query"), N("request"), "a query parameter is repeated or malformed", GW_REMEDY_NONE },
    { N("bad_expected_rq_timeout"), N("request"),
      "x-envoy-expected-rq-timeout-ms, which the client sent, is no number of milliseconds", GW_REMEDY_NONE },
    { N("content_encoding"), N("request"), "the gateway has to read this body; send it without a content-encoding",
      GW_REMEDY_NONE },
    { N("body_too_large"), N("request"), "the body is larger than the gateway takes; send it in smaller parts",
      GW_REMEDY_NONE },
    { N("collection_unknown"), N("request"), "there is no such collection", GW_REMEDY_NONE },
    { N("insufficient_scope"), N("policy"),
      "this workload's token does not cover what was asked for; it needs another scope: see "
      "connect.token.endpoint.scope",
      GW_REMEDY_NONE },
    { N("denied"), N("policy"),
      "the policies do not let this workload do this; with the request id, `sallyport explain` tells whoever runs the "
      "gateway which rule decided and "
      "what would permit it",
      GW_REMEDY_NONE },
    { N("rate_limited"), N("limit"), "over the rate for this workload; try again after the time in retry-after",
      GW_REMEDY_NONE },
    { N("too_many_failures"), N("limit"),
      "too many requests of this workload were refused for their token or proof; find out which of its instances sends "
      "them, and try again after the time in retry-after",
      GW_REMEDY_NONE },
    { N("no_shard"), N("shard"), "no database is configured for this collection; " ASK_PLATFORM, GW_REMEDY_NONE },
    { N("shards_differ"), N("shard"),
      "the collections in one request live on different databases; ask about each alone", GW_REMEDY_NONE },
    { N("shard_unreachable"), N("shard"), "the database behind the gateway cannot be reached; try again",
      GW_REMEDY_NONE },
    { N("shard_busy"), N("shard"), "the database behind the gateway is busy; try again", GW_REMEDY_NONE },
    { N("shard_timeout"), N("shard"), "the database behind the gateway did not answer in time", GW_REMEDY_NONE },
    { N("shard_invalid"), N("shard"), "the database behind the gateway gave an answer that cannot be used",
      GW_REMEDY_NONE },
    { N("shard_cut"), N("shard"), "the database behind the gateway stopped in the middle of its answer",
      GW_REMEDY_NONE },
    { N("draining"), N("gateway"), "the gateway is shutting down, and there is no other; try again",
      GW_REMEDY_GATEWAY },
    { N("overloaded"), N("gateway"), "the gateway has no room for this request at present; try again",
      GW_REMEDY_GATEWAY },
    { N("keys_stale"), N("gateway"), "the gateway cannot check tokens at present; " ASK_PLATFORM, GW_REMEDY_GATEWAY },
    { N("revocation_stale"), N("gateway"), "the gateway does not hear of revocations at present; " ASK_PLATFORM,
      GW_REMEDY_GATEWAY },
    { N("introspection_failed"), N("gateway"), "the gateway could not ask the token's issuer; try again",
      GW_REMEDY_GATEWAY },
    { N("audit_unavailable"), N("gateway"),
      "the gateway cannot write its audit log, so it lets nothing through; " ASK_PLATFORM, GW_REMEDY_GATEWAY },
};

static const struct row own[] = {
    { N("host_not_loopback"), N("connect"), "Host has to be localhost, 127.0.0.1 or [::1]: write the client's URL so",
      GW_REMEDY_NONE },
    { N("origin_refused"), N("connect"), "requests of web pages are refused: this address is for programs",
      GW_REMEDY_NONE },
    { N("no_certificate"), N("certificate"), "there is no usable certificate of this workload yet", GW_REMEDY_NONE },
    { N("no_token"), N("token"), "no token could be had", GW_REMEDY_NONE },
    { N("gateway_unreachable"), N("gateway"), "no gateway can be reached from here; try again", GW_REMEDY_NONE },
    { N("gateway_untrusted"), N("gateway"),
      "TLS with the gateway failed: it is not who connect.gateways.spiffe_id says, or does not accept this workload's "
      "certificate",
      GW_REMEDY_NONE },
    { N("gateway_busy"), N("gateway"), "all connections to the gateways are in use; try again", GW_REMEDY_NONE },
    { N("gateway_timeout"), N("gateway"), "the gateway did not answer in time; what was asked may have been done",
      GW_REMEDY_NONE },
    { N("gateway_cut"), N("gateway"), "the connection to the gateway ended early; what was asked may have been done",
      GW_REMEDY_NONE },
};

static const struct row *find(const struct row *table, size_t n, struct span code)
{
    for (size_t i = 0; i < n && !span_is_none(code); i++)
        if (span_eq(table[i].code, code))
            return &table[i];
    return NULL;
}

#define FIND(table, code) find((table), sizeof(table) / sizeof *(table), (code))

struct span gw_problem_code(struct span body)
{
    struct json_doc *doc = json_parse(body, NULL, NULL);
    struct span code = doc ? json_string(json_get(json_root(doc), SPAN("code"))) : SPAN_NONE;
    const struct row *row = FIND(rows, code); // whose text outlives the document
    json_free(doc);
    return row ? row->code : SPAN_NONE;
}

enum gw_remedy gw_remedy_of(unsigned status, struct span code, bool wants_nonce)
{
    const struct row *row = FIND(rows, code);
    if (status == 401 && wants_nonce)
        return GW_REMEDY_PROOF;
    if (row)
        return status == 401 || row->remedy == GW_REMEDY_GATEWAY ? row->remedy : GW_REMEDY_NONE;
    return GW_REMEDY_NONE;
}

// A person may see one of the two members only: libraries of databases show `message`.
static void write_text(struct json_writer *w, const struct row *row, const char *more)
{
    struct buf text;
    buf_init(&text, 0);
    buf_printf(&text, "%s%s%s", row->text, more && *more ? ": " : "", more ? more : "");
    json_w_key(w, SPAN("gate"));
    json_w_string(w, row->gate);
    json_w_key(w, SPAN("detail"));
    json_w_string(w, buf_span(&text));
    json_w_key(w, SPAN("message"));
    json_w_string(w, buf_span(&text));
    buf_fini(&text);
}

bool gw_explain_answer(struct span body, const char *token_why, struct buf *out)
{
    struct json_doc *doc = json_parse(body, NULL, NULL);
    json root = doc ? json_root(doc) : NULL;
    const struct row *row = FIND(rows, json_string(json_get(root, SPAN("code"))));
    bool ours = row && json_type(root) == JSON_OBJECT && !json_get(root, SPAN("detail")) &&
                !json_get(root, SPAN("message")) && !json_get(root, SPAN("gate"));
    size_t mark = buf_len(out);
    if (ours) {
        struct json_writer w = json_writer(out);
        struct json_iter it = json_iter(root);
        struct span name;
        json value;
        json_w_object(&w);
        while (json_next(&it, &name, &value)) {
            json_w_key(&w, name);
            json_w_value(&w, value);
        }
        write_text(&w, row, row->remedy == GW_REMEDY_TOKEN ? token_why : NULL);
        json_w_end(&w);
    }
    json_free(doc);
    if (ours && out->failed)
        gw_buf_rewind(out, mark);
    return ours && !out->failed;
}

int gw_explain_own(int err, struct span request_id, const char *what, struct buf *out)
{
    const struct err_info *info = err_info(err);
    const struct row *row = FIND(own, info->code);
    struct json_writer w = json_writer(out);
    if (!row)
        row = FIND(rows, info->code);
    json_w_object(&w);
    json_w_key(&w, SPAN("type"));
    json_w_string(&w, SPAN("about:blank"));
    json_w_key(&w, SPAN("title"));
    json_w_string(&w, gw_status_reason((unsigned)info->status));
    json_w_key(&w, SPAN("status"));
    json_w_int(&w, info->status);
    json_w_key(&w, SPAN("code"));
    json_w_string(&w, info->code);
    json_w_key(&w, SPAN("request_id"));
    json_w_string(&w, request_id);
    const struct row plain = { info->code, SPAN("connect"), what ? what : info->reason.p, GW_REMEDY_NONE };
    write_text(&w, row ? row : &plain, row ? what : NULL);
    json_w_end(&w);
    return out->failed ? ERR_NOMEM : 0;
}
