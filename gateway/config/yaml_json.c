// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/base/json.h"
#include "gateway/config/yaml.h"

struct converter {
    struct json_writer json;
    unsigned line; // that is being written
    struct span file;
    struct diags *diags;
    size_t errors;
};

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits(struct span s, size_t i)
{
    while (i < s.n && digit(s.p[i]))
        i++;
    return i;
}

// RFC 8259 §6.
static bool is_json_number(struct span s)
{
    size_t i = s.n && s.p[0] == '-' ? 1 : 0, from = i;

    i = digits(s, i);
    if (i == from || (s.p[from] == '0' && i > from + 1))
        return false;
    if (i < s.n && s.p[i] == '.') {
        from = ++i;
        i = digits(s, i);
        if (i == from)
            return false;
    }
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        i++;
        if (i < s.n && (s.p[i] == '+' || s.p[i] == '-'))
            i++;
        from = i;
        i = digits(s, i);
        if (i == from)
            return false;
    }
    return i == s.n;
}

static bool all_of(struct span s, const char *set)
{
    for (size_t i = 0; i < s.n; i++)
        if (!s.p[i] || !strchr(set, s.p[i]))
            return false;
    return true;
}

// "2024-1-1 10:00", "2024-01-01T10:00:00Z" and the like; a date alone is all digits and '-' and found without this.
static bool is_date_with_time(struct span s)
{
    size_t month = digits(s, 0), day;

    if (month != 4 || month >= s.n || s.p[month] != '-')
        return false;
    day = digits(s, month + 1);
    if (day >= s.n || s.p[day] != '-')
        return false;
    day = digits(s, day + 1);
    return day < s.n && (s.p[day] == 'T' || s.p[day] == 't' || s.p[day] == ' ' || s.p[day] == '\t');
}

// What some YAML reader takes for a number or a date although JSON does not: 0777, +1, 1_000, .5, 0x1f, 1:30, 2024-01-01, .inf
static bool is_number_to_some(struct span s)
{
    struct span body = s.n && (s.p[0] == '+' || s.p[0] == '-') ? span_sub(s, 1, s.n) : s;
    size_t dots = 0;

    if (body.n == 0)
        return false;
    if (span_ieq(body, SPAN(".inf")) || span_ieq(body, SPAN(".nan")))
        return true;
    if (body.n > 2 && body.p[0] == '0' && strchr("xXoObB", body.p[1]) &&
        all_of(span_sub(body, 2, body.n), "0123456789abcdefABCDEF_"))
        return true;
    if (!digit(body.p[0]) && !(body.p[0] == '.' && body.n > 1 && digit(body.p[1])))
        return false;
    for (size_t i = 0; i < body.n; i++)
        dots += body.p[i] == '.';
    if (dots <= 1 && all_of(body, "0123456789_.:eE+-"))
        return true;
    return is_date_with_time(body);
}

static const char *ambiguous(struct span s)
{
    static const struct span words[] = {
        { "true", 4 }, { "false", 5 }, { "yes", 3 }, { "no", 2 }, { "on", 2 }, { "off", 3 }, { "y", 1 }, { "n", 1 },
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_ieq(s, words[i]))
            return "some readers take it for a boolean; write true or false, or put it in quotes";
    if (span_ieq(s, SPAN("null")))
        return "some readers take it for null; write null, or put it in quotes";
    if (is_number_to_some(s))
        return "some readers take it for a number or a date; write a plain decimal number, or put it in quotes";
    return NULL;
}

static void scalar(struct converter *c, const struct gw_yaml *node)
{
    const char *what;

    if (node->quoted)
        json_w_string(&c->json, node->text);
    else if (gw_yaml_is_null(node))
        json_w_null(&c->json);
    else if (span_eq(node->text, SPAN("true")) || span_eq(node->text, SPAN("false")) || is_json_number(node->text))
        json_w_raw(&c->json, node->text);
    else {
        what = ambiguous(node->text);
        if (what) {
            diag_error(c->diags, c->file, node->line, node->column, "'%.*s' is ambiguous: %s",
                       SPAN_FMT(span_sub(node->text, 0, 64)), what);
            c->errors++;
        }
        json_w_string(&c->json, node->text);
    }
}

static void advance(struct converter *c, unsigned line)
{
    for (; c->line < line; c->line++)
        buf_byte(c->json.out, '\n');
}

// As deep as gw_yaml_parse allowed.
static void convert(struct converter *c, const struct gw_yaml *node)
{
    advance(c, node->line);
    if (node->kind == GW_YAML_SCALAR) {
        scalar(c, node);
        return;
    }
    if (node->kind == GW_YAML_MAP)
        json_w_object(&c->json);
    else
        json_w_array(&c->json);
    for (const struct gw_yaml *child = node->first; child; child = child->next) {
        if (node->kind == GW_YAML_MAP) {
            advance(c, child->key_line);
            json_w_key(&c->json, child->key);
        }
        convert(c, child);
    }
    json_w_end(&c->json);
}

int gw_yaml_to_json(struct span yaml, struct span file, struct buf *out, struct diags *diags)
{
    struct converter c = { .line = 1, .file = file, .diags = diags };
    struct gw_yaml *root = NULL;
    struct arena arena;
    struct buf text;
    int e;

    arena_init(&arena, 0);
    buf_init(&text, 0);
    c.json = json_writer(&text);
    e = gw_yaml_parse(yaml, file, &arena, diags, &root);
    if (!e) {
        if (root)
            convert(&c, root);
        else
            json_w_null(&c.json);
        if (c.errors)
            e = ERR_CONFIG;
        else if (text.failed || !buf_append(out, buf_span(&text)))
            e = ERR_NOMEM;
    }
    buf_fini(&text);
    arena_fini(&arena);
    return e;
}
