// SPDX-License-Identifier: GPL-3.0-or-later
// The answer of `sallyport verify`: each rule as it was looked at, the verdict, and facts about what was verified. For people a line a
// rule (✓ held, ✗ did not, – not looked at and why); for programs one JSON object:
//   {"valid":false,"error":"TOKEN_AUDIENCE","code":"token_invalid","reason":"…","rule":"25","rules":[{"rule":"21","what":"…","ok":true},…],
//    "facts":{"subject":"…"}}
// `ok` is null for a rule that was not looked at. Rules are numbered as in docs/conformance.md.
#ifndef SALLYPORT_CLI_REPORT_H
#define SALLYPORT_CLI_REPORT_H

#include "gateway/cli/cli.h"
#include "pki/trace.h"

#define GW_REPORT_RULES 96

enum gw_report_state { GW_RULE_HELD, GW_RULE_FAILED, GW_RULE_SKIPPED };

struct gw_report_line {
    const char *rule, *what;
    struct span detail;
    enum gw_report_state state;
};

struct gw_report_fact {
    const char *name;
    struct span value;
    struct gw_report_fact *next;
};

struct gw_report {
    struct gw_cli *cli;
    struct gw_report_line lines[GW_REPORT_RULES];
    size_t n;
    struct gw_report_fact *first, *last;
    struct {
        const char *rule, *why;
    } assumed[8]; // rules that the next held lines are only assumed for
    size_t assumed_n;
};

void gw_report_init(struct gw_report *r, struct gw_cli *cli);
// What the pki functions report to. A rule that held and is looked at a second time makes no second line.
struct pki_trace gw_report_trace(struct gw_report *r);
// `detail` may be NULL; it is copied. The other texts are static.
void gw_report_rule(struct gw_report *r, const char *rule, const char *what, bool ok, const char *detail);
void gw_report_skip(struct gw_report *r, const char *rule, const char *what, const char *why);
// From now on rule `rule`, when it holds, counts as not looked at: what it compares with was not given (`why`, static).
void gw_report_assume(struct gw_report *r, const char *rule, const char *why);
// `value` is copied; SPAN_NONE: no fact.
void gw_report_fact(struct gw_report *r, const char *name, struct span value);
void gw_report_moment(struct gw_report *r, const char *name, int64_t s, int64_t now_ms);

// Prints all. `rc` is the check's: 0 → GW_EXIT_OK; an error that says invalid → GW_EXIT_NO; ERR_NOMEM and ERR_INTERNAL → GW_EXIT_USAGE. Facts
// are printed for what is valid only.
int gw_report_finish(struct gw_report *r, int rc);

#endif
