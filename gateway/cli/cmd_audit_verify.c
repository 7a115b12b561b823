// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport audit verify: whether the lines of an audit log are those that were written, and how far signatures vouch for that.
#include "gateway/audit/files.h"
#include "gateway/audit/verify.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/key_file.h"

#include <stdlib.h>

enum { SHOWN = 50, KEYS = 64, SET_MAX = 1 << 20 };

struct job {
    struct gw_cli *cli;
    struct gw_audit_list files;
    struct gw_audit_verifier v;
    struct json_writer *w; // NULL: for people
    size_t shown;
    struct gw_chain_key keys[KEYS];
    size_t n_keys;
    struct pki_key *single[KEYS]; // owned
    struct pki_jwks *sets[KEYS];
    size_t n_single, n_sets;
};

static void place_json(struct json_writer *w, struct gw_audit_place at)
{
    json_w_key(w, SPAN("file"));
    json_w_string(w, span_str(at.file));
    json_w_key(w, SPAN("line"));
    json_w_uint(w, at.number);
    if (at.seq) {
        json_w_key(w, SPAN("seq"));
        json_w_uint(w, at.seq);
    }
}

static void on_finding(void *ctx, const struct gw_audit_finding *f)
{
    struct job *j = ctx;
    struct gw_cli *cli = j->cli;
    bool note = f->kind == GW_AUDIT_NOTE;

    if (j->shown++ >= SHOWN)
        return;
    if (j->w) {
        json_w_object(j->w);
        json_w_key(j->w, SPAN("kind"));
        json_w_string(j->w, gw_audit_finding_name(f->kind));
        place_json(j->w, f->at);
        json_w_key(j->w, SPAN("text"));
        json_w_string(j->w, span_str(f->text));
        json_w_end(j->w);
        return;
    }
    fprintf(cli->out, "%s:%zu: %s%.*s%s: ", f->at.file, f->at.number,
            gw_cli_style(cli, note ? GW_STYLE_WARN : GW_STYLE_BAD), SPAN_FMT(gw_audit_finding_name(f->kind)),
            gw_cli_style(cli, GW_STYLE_PLAIN));
    gw_cli_print(cli->out, span_str(f->text));
    fputc('\n', cli->out);
}

// ---------------------------------------------------------------------------------------------------------------- keys

static bool add_key(struct job *j, const struct pki_key *key)
{
    if (j->n_keys == KEYS)
        return gw_cli_usage(j->cli, "more than %d keys", KEYS), false;
    gw_chain_key_init(&j->keys[j->n_keys++], key);
    return true;
}

static bool read_key(struct job *j, const char *path)
{
    unsigned algs = PKI_ALG_BIT(PKI_ES256) | PKI_ALG_BIT(PKI_ES384) | PKI_ALG_BIT(PKI_ES512) | PKI_ALG_BIT(PKI_EDDSA) |
                    PKI_ALG_BIT(PKI_RS256);
    struct span text = gw_cli_read(j->cli, path, SET_MAX);
    bool ok = true;

    if (span_is_none(text))
        return false;
    if (!memmem(text.p, text.n, "\"keys\"", 6)) {
        if (j->n_single == KEYS || gw_cli_public_key(j->cli, path, &j->single[j->n_single]) != 0)
            return false;
        return add_key(j, j->single[j->n_single++]);
    }
    struct pki_jwks *set = j->n_sets < KEYS ? gw_cli_key_set(j->cli, path, algs) : NULL;
    if (!set)
        return false;
    j->sets[j->n_sets++] = set;
    for (size_t i = 0; ok && i < pki_jwks_count(set); i++)
        ok = add_key(j, pki_jwks_at(set, i)->key);
    return ok;
}

static bool read_keys(struct job *j)
{
    const char *path;

    for (size_t i = 0; (path = gw_cli_next(j->cli, "key", &i));)
        if (!read_key(j, path))
            return false;
    return true;
}

// ------------------------------------------------------------------------------------------------------------- reading

static bool read_lines(struct job *j)
{
    struct gw_audit_reader r;
    enum gw_audit_read is;
    bool ok = true;

    gw_audit_reader_init(&r, j->files.paths, j->files.n);
    while (ok && (is = gw_audit_reader_next(&r)) != GW_AUDIT_END) {
        if (is == GW_AUDIT_LINE)
            gw_audit_verify_line(&j->v, &r);
        else
            ok = (gw_cli_usage(j->cli, "%s: %s", r.file, r.what), false);
    }
    if (ok)
        gw_audit_verify_end(&j->v);
    gw_audit_reader_fini(&r);
    return ok;
}

static uint64_t unsigned_lines(const struct gw_audit_verifier *v)
{
    return v->lines - v->vouched_lines;
}

// Keys were given, and no checkpoint is signed with any: whoever wrote the log had none.
static bool unvouched(const struct gw_audit_verifier *v)
{
    return v->n_keys > 0 && !v->vouched.file;
}

static void report_text(struct job *j)
{
    const struct gw_audit_verifier *v = &j->v;
    FILE *out = j->cli->out;

    if (j->shown > SHOWN)
        fprintf(out, "… and %zu more\n", j->shown - SHOWN);
    if (v->before_chain)
        fprintf(out, "%llu line%s from before the log had a chain: nothing vouches for %s\n",
                (unsigned long long)v->before_chain, v->before_chain == 1 ? "" : "s",
                v->before_chain == 1 ? "it" : "them");
    if (v->lines == 0) {
        fprintf(out, "no line of a chain\n");
        return;
    }
    fprintf(out, "log %s: %llu lines in %zu file%s, numbers %llu to %llu; %llu records, %llu checkpoints\n", v->log,
            (unsigned long long)v->lines, j->files.n, j->files.n == 1 ? "" : "s", (unsigned long long)v->first.seq,
            (unsigned long long)v->last.seq, (unsigned long long)v->records, (unsigned long long)v->checkpoints);
    if (v->faults)
        fprintf(out, "%s✗ not as it was written%s: first at %s:%zu\n", gw_cli_style(j->cli, GW_STYLE_BAD),
                gw_cli_style(j->cli, GW_STYLE_PLAIN), v->first_fault.file, v->first_fault.number);
    else
        fprintf(out, "%s✓ the chain is whole%s\n", gw_cli_style(j->cli, GW_STYLE_GOOD),
                gw_cli_style(j->cli, GW_STYLE_PLAIN));
    if (v->n_keys == 0) {
        fprintf(out, "– signatures were not looked at: give --key\n");
    } else if (!v->vouched.file) {
        fprintf(out, "%s✗ no checkpoint vouches for any of it%s\n", gw_cli_style(j->cli, GW_STYLE_BAD),
                gw_cli_style(j->cli, GW_STYLE_PLAIN));
    } else {
        fprintf(out, "%s✓ signed%s up to %s:%zu, number %llu, at %s", gw_cli_style(j->cli, GW_STYLE_GOOD),
                gw_cli_style(j->cli, GW_STYLE_PLAIN), v->vouched.file, v->vouched.number,
                (unsigned long long)v->vouched.seq, v->vouched_time);
        if (unsigned_lines(v))
            fprintf(out, "; %llu lines behind that are not", (unsigned long long)unsigned_lines(v));
        fputc('\n', out);
    }
    fprintf(out, "%s\n",
            v->stopped
                ? "the last process ended in order"
                : "the last process has not ended in order: it runs, was killed, or lines are gone from the end");
}

static void report_json(struct job *j, struct json_writer *w)
{
    const struct gw_audit_verifier *v = &j->v;
    const struct {
        struct span name;
        uint64_t n;
    } counts[] = {
        { SPAN("files"), j->files.n },
        { SPAN("lines"), v->lines },
        { SPAN("records"), v->records },
        { SPAN("checkpoints"), v->checkpoints },
        { SPAN("before_chain"), v->before_chain },
        { SPAN("faults"), v->faults },
        { SPAN("unsigned"), unsigned_lines(v) },
    };
    const struct {
        struct span name;
        const struct gw_audit_place *at;
    } places[] = { { SPAN("first"), &v->first },
                   { SPAN("last"), &v->last },
                   { SPAN("first_fault"), &v->first_fault },
                   { SPAN("signed"), &v->vouched } };

    json_w_key(w, SPAN("valid"));
    json_w_bool(w, v->faults == 0 && !unvouched(v));
    json_w_key(w, SPAN("log"));
    json_w_string(w, span_str(v->log));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        json_w_key(w, counts[i].name);
        json_w_uint(w, counts[i].n);
    }
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (!places[i].at->file)
            continue;
        json_w_key(w, places[i].name);
        json_w_object(w);
        place_json(w, *places[i].at);
        if (places[i].at == &v->vouched) {
            json_w_key(w, SPAN("time"));
            json_w_string(w, span_str(v->vouched_time));
        }
        json_w_end(w);
    }
    json_w_key(w, SPAN("ended_in_order"));
    json_w_bool(w, v->stopped);
    json_w_end(w);
}

static bool work(struct job *j)
{
    struct buf b;
    bool ok;

    if (!j->cli->json) {
        ok = read_lines(j);
        if (ok)
            report_text(j);
        return ok;
    }
    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    json_w_key(&w, SPAN("findings"));
    json_w_array(&w);
    j->w = &w;
    ok = read_lines(j);
    json_w_end(&w);
    report_json(j, &w);
    if (ok && b.failed)
        ok = (gw_cli_usage(j->cli, "out of memory"), false);
    if (ok)
        fprintf(j->cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return ok;
}

static int run(struct gw_cli *cli)
{
    struct job *j = calloc(1, sizeof *j);
    int rc = GW_EXIT_USAGE;

    if (!j)
        return gw_cli_usage(cli, "out of memory");
    j->cli = cli;
    j->v = (struct gw_audit_verifier){ .keys = j->keys, .on_finding = on_finding, .ctx = j };
    if (gw_audit_list((const char *const *)cli->args, cli->n_args, &j->files) != 0) {
        gw_cli_usage(cli, "out of memory");
    } else if (read_keys(j)) {
        j->v.n_keys = j->n_keys;
        if (work(j))
            rc = j->v.faults || unvouched(&j->v) || (j->v.lines == 0 && j->v.before_chain) ? GW_EXIT_NO : GW_EXIT_OK;
    }
    for (size_t i = 0; i < j->n_single; i++)
        pki_key_free(j->single[i]);
    for (size_t i = 0; i < j->n_sets; i++)
        pki_jwks_free(j->sets[i]);
    gw_audit_verifier_fini(&j->v);
    gw_audit_list_fini(&j->files);
    free(j);
    return rc;
}

static const struct gw_cli_option options[] = {
    { .name = "key",
      .value = "FILE",
      .help = "what checkpoints may be signed with: PEM, JWK or a set",
      .repeat = true },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_audit_verify = {
    .name = "verify",
    .summary = "find what was removed, altered, moved or put in",
    .args = "FILE...",
    .min_args = 1,
    .max_args = 10000,
    .about =
        "Each line names the hash of the one before it. The chain shows what was changed without writing all that "
        "follows "
        "anew;\n"
        "checkpoints, which are signed, show the rest. What was changed behind the last checkpoint, or taken from the "
        "very "
        "end,\n"
        "shows nothing.\n"
        "Exit status: 0 as it was written, 1 it is not (or --key was given and no checkpoint is signed with it), 2 "
        "unreadable.\n"
        "\n"
        "  sallyport audit verify /var/log/sallyport/audit.log --key audit-public.pem",
    .options = options,
    .run = run,
};
