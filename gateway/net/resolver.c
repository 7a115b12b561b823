// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRY_MS 2000
#define TRIES 2
#define TICK_MS 100
#define TYPE_SRV 33
#define CLASS_IN 1
#define HEADER 12

struct target {
    struct gw_resolver *q;
    uint16_t port, priority;
    char name[GW_RESOLVER_NAME];
    bool found;
};

struct found {
    struct gw_resolver_place place;
    uint16_t priority;
};

struct gw_resolver {
    struct gw_resolver_request request;
    ares_channel channel;
    uv_timer_t tick;
    struct poll *polls;
    struct target targets[GW_ENDPOINTS_MAX];
    size_t n_targets, left; // left: questions that are not answered yet
    struct found found[GW_ENDPOINTS_MAX * 4];
    size_t n_found;
    uint32_t ttl_s;
    const char *what;
    bool more, over;
};

// One of c-ares' sockets.
struct poll {
    uv_poll_t handle;
    struct gw_resolver *q;
    struct poll *next;
    ares_socket_t fd;
};

// -------------------------------------------------------------------------------------------------------- sockets

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct poll *p = h->data;
    ares_socket_t fd = p->fd;
    struct gw_resolver *q = p->q;
    bool in = status < 0 || (events & UV_READABLE), out = status < 0 || (events & UV_WRITABLE);
    if (!q->over)
        ares_process_fd(q->channel, in ? fd : ARES_SOCKET_BAD, out ? fd : ARES_SOCKET_BAD);
}

static void on_poll_closed(uv_handle_t *h)
{
    free(h->data);
}

static struct poll *poll_of(struct gw_resolver *q, ares_socket_t fd)
{
    for (struct poll *p = q->polls; p; p = p->next)
        if (p->fd == fd)
            return p;
    struct poll *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    if (uv_poll_init(q->request.uv, &p->handle, fd) != 0) {
        free(p);
        return NULL;
    }
    *p = (struct poll){ .handle = p->handle, .q = q, .next = q->polls, .fd = fd };
    p->handle.data = p;
    q->polls = p;
    return p;
}

// c-ares tells what it waits for on a socket, and, with neither, that it is about to close it.
static void on_socket(void *ctx, ares_socket_t fd, int readable, int writable)
{
    struct gw_resolver *q = ctx;
    if (readable || writable) {
        struct poll *p = poll_of(q, fd);
        if (p) // else the question runs into its timeout
            uv_poll_start(&p->handle, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0), on_poll);
        return;
    }
    for (struct poll **link = &q->polls; *link; link = &(*link)->next)
        if ((*link)->fd == fd) {
            struct poll *p = *link;
            *link = p->next;
            uv_close((uv_handle_t *)&p->handle, on_poll_closed);
            return;
        }
}

// ------------------------------------------------------------------------------------------------------------- end

static void on_tick_closed(uv_handle_t *h)
{
    free(h->data);
}

// Closes the sockets and, in time, frees the question. Not from within one of c-ares' callbacks.
static void end(struct gw_resolver *q)
{
    q->over = true;
    ares_destroy(q->channel);
    ares_library_cleanup();
    uv_close((uv_handle_t *)&q->tick, on_tick_closed);
}

// The most preferred first.
static int by_place(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority - y->priority;
    int c = strcmp(x->place.address, y->place.address);
    return c != 0                           ? c
           : x->place.port != y->place.port ? x->place.port - y->place.port
                                            : strcmp(x->place.name, y->place.name);
}

static int by_record(const void *a, const void *b)
{
    const struct target *x = a, *y = b;
    int c = strcmp(x->name, y->name);
    return x->priority != y->priority ? x->priority - y->priority : c != 0 ? c : x->port - y->port;
}

// Keeps an array sorted, each once, and when it is full without the last: name servers turn the order of their records with every answer, which must
// not decide who is among those that there is room for. False: something was left out.
static bool put(void *array, size_t *n, size_t most, size_t size, const void *one,
                int (*compare)(const void *, const void *))
{
    char *v = array;
    size_t at = 0;
    while (at < *n && compare(v + at * size, one) < 0)
        at++;
    if (at < *n && compare(v + at * size, one) == 0)
        return true;
    bool full = *n == most;
    if (at == most)
        return false;
    memmove(v + (at + 1) * size, v + at * size, (*n - full - at) * size);
    memcpy(v + at * size, one, size);
    *n += !full;
    return !full;
}

static void answer(struct gw_resolver *q)
{
    struct gw_resolver_answer *a = calloc(1, sizeof *a);
    struct gw_resolver_request r = q->request;
    static const struct gw_resolver_answer none = { .what = "out of memory" };
    for (size_t i = 0; a && i < q->n_found && q->found[i].priority == q->found[0].priority; i++) {
        if (a->n == GW_ENDPOINTS_MAX)
            a->more = true;
        else
            a->v[a->n++] = q->found[i].place;
    }
    if (a) {
        a->more |= q->more;
        a->ttl_s = q->ttl_s;
        a->what = a->n > 0 ? NULL : q->what ? q->what : "it has no address";
    }
    end(q);
    r.on_answer(r.ctx, a ? a : &none);
    free(a);
}

static void on_tick(uv_timer_t *t)
{
    struct gw_resolver *q = t->data;
    ares_process_fd(q->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    if (q->left == 0)
        answer(q);
}

// A callback of c-ares has told all there is: the answer is given from the loop, outside of c-ares.
static void part_done(struct gw_resolver *q)
{
    if (--q->left == 0)
        uv_timer_start(&q->tick, on_tick, 0, 0);
}

// ------------------------------------------------------------------------------------------------------- addresses

static void heard_ttl(struct gw_resolver *q, uint32_t ttl_s)
{
    if (ttl_s < q->ttl_s)
        q->ttl_s = ttl_s;
}

static void add(struct gw_resolver *q, const struct target *t, const struct sockaddr *address)
{
    const void *bytes = address->sa_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
    struct found f = { .priority = t->priority, .place = { .port = t->port } };
    memcpy(f.place.name, t->name, sizeof f.place.name);
    if (inet_ntop(address->sa_family, bytes, f.place.address, sizeof f.place.address) &&
        !put(q->found, &q->n_found, sizeof q->found / sizeof *q->found, sizeof f, &f, by_place))
        q->more = true;
}

// A server with addresses of both families is no endpoint by the one that this machine has no way to. No packet is sent.
static bool has_route(const struct sockaddr *address, socklen_t n)
{
    int fd = socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool there = fd >= 0 && connect(fd, address, n) == 0;
    if (fd >= 0)
        close(fd);
    return there;
}

static void on_addresses(void *ctx, int status, int timeouts, struct ares_addrinfo *result)
{
    struct target *t = ctx;
    struct gw_resolver *q = t->q;
    (void)timeouts;
    if (q->over || status == ARES_EDESTRUCTION) {
        ares_freeaddrinfo(result);
        return;
    }
    if (status != ARES_SUCCESS)
        q->what = ares_strerror(status);
    for (struct ares_addrinfo_node *n = status == ARES_SUCCESS ? result->nodes : NULL; n; n = n->ai_next) {
        if (n->ai_family != AF_INET && n->ai_family != AF_INET6)
            continue;
        if (n->ai_family == AF_INET6 && !has_route(n->ai_addr, n->ai_addrlen))
            continue;
        heard_ttl(q, n->ai_ttl > 0 ? (uint32_t)n->ai_ttl : 0);
        add(q, t, n->ai_addr);
    }
    ares_freeaddrinfo(result);
    part_done(q);
}

static void ask_addresses(struct gw_resolver *q, struct target *t, const char *name)
{
    const struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NOSORT,
                                               .ai_family = AF_UNSPEC,
                                               .ai_socktype = SOCK_STREAM };
    q->left++;
    ares_getaddrinfo(q->channel, name, NULL, &hints, on_addresses, t);
}

// --------------------------------------------------------------------------------------------------------- service

static bool skip_name(const unsigned char *message, size_t n, const unsigned char **at)
{
    char *name;
    long used;
    if (ares_expand_name(*at, message, (int)n, &name, &used) != ARES_SUCCESS)
        return false;
    ares_free_string(name);
    *at += used;
    return true;
}

// RFC 1035 §4.1.
bool gw_resolver_ttl(const unsigned char *message, size_t n, uint32_t *ttl_s)
{
    if (n < HEADER || n > 65535)
        return false;
    const unsigned char *at = message + HEADER, *stop = message + n;
    unsigned questions = (unsigned)message[4] << 8 | message[5], answers = (unsigned)message[6] << 8 | message[7];
    uint32_t least = UINT32_MAX;
    for (; questions > 0; questions--) {
        if (at >= stop || !skip_name(message, n, &at) || stop - at < 4)
            return false;
        at += 4;
    }
    for (; answers > 0; answers--) {
        if (at >= stop || !skip_name(message, n, &at) || stop - at < 10)
            return false;
        uint32_t ttl = (uint32_t)at[4] << 24 | (uint32_t)at[5] << 16 | (uint32_t)at[6] << 8 | at[7];
        long length = (long)at[8] << 8 | at[9];
        if (stop - at - 10 < length)
            return false;
        at += 10 + length;
        // RFC 2181 §8: a TTL with the highest bit set counts as 0.
        ttl = ttl > INT32_MAX ? 0 : ttl;
        least = ttl < least ? ttl : least;
    }
    *ttl_s = least;
    return true;
}

// What goes into the Host field is a host's name, though a record may hold any bytes; and the same in whatever case it comes.
static bool host_name(const char *from, char to[static GW_RESOLVER_NAME])
{
    size_t n = 0;
    for (; from[n]; n++) {
        char c = from[n];
        bool upper = c >= 'A' && c <= 'Z';
        bool good = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        if (!good || n == GW_RESOLVER_NAME - 1)
            return false;
        to[n] = upper ? (char)(c - 'A' + 'a') : c;
    }
    to[n] = '\0';
    return true;
}

static void on_service(void *ctx, int status, int timeouts, unsigned char *message, int n)
{
    struct gw_resolver *q = ctx;
    struct ares_srv_reply *records = NULL;
    uint32_t ttl_s;
    (void)timeouts;
    if (q->over || status == ARES_EDESTRUCTION)
        return;
    if (status == ARES_SUCCESS)
        status = ares_parse_srv_reply(message, n, &records);
    if (status == ARES_SUCCESS && gw_resolver_ttl(message, (size_t)n, &ttl_s))
        heard_ttl(q, ttl_s);
    if (status != ARES_SUCCESS)
        q->what = ares_strerror(status);
    for (struct ares_srv_reply *r = records; r; r = r->next) {
        // RFC 2782: a target of "." says that the service is not there.
        if (r->host[0] == '\0' || r->port == 0)
            continue;
        struct target t = { .q = q, .port = r->port, .priority = r->priority };
        if (!host_name(r->host, t.name))
            q->what = "a record's target is no name of a host";
        else if (!put(q->targets, &q->n_targets, GW_ENDPOINTS_MAX, sizeof t, &t, by_record))
            q->more = true;
    }
    ares_free_data(records);
    for (size_t i = 0; i < q->n_targets; i++)
        ask_addresses(q, &q->targets[i], q->targets[i].name);
    part_done(q);
}

// ----------------------------------------------------------------------------------------------------------- begin

static bool open_channel(struct gw_resolver *q)
{
    struct ares_options options = {
        .flags = 0, .timeout = TRY_MS, .tries = TRIES, .sock_state_cb = on_socket, .sock_state_cb_data = q
    };
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        return false;
    if (ares_init_options(&q->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) !=
        ARES_SUCCESS) {
        ares_library_cleanup();
        return false;
    }
    char list[1024];
    struct span servers = q->request.servers;
    if (servers.n == 0)
        return true;
    if (servers.n < sizeof list) {
        memcpy(list, servers.p, servers.n);
        list[servers.n] = '\0';
        if (ares_set_servers_ports_csv(q->channel, list) == ARES_SUCCESS)
            return true;
    }
    ares_destroy(q->channel);
    ares_library_cleanup();
    return false;
}

struct gw_resolver *gw_resolver_ask(const struct gw_resolver_request *r)
{
    struct gw_resolver *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->request = *r;
    q->ttl_s = UINT32_MAX;
    if (!open_channel(q)) {
        free(q);
        return NULL;
    }
    uv_timer_init(r->uv, &q->tick);
    q->tick.data = q;
    uv_timer_start(&q->tick, on_tick, TICK_MS, TICK_MS);
    // One more than there is, so that the last one's callback never finds it done before all were asked.
    q->left = 1;
    if (r->service) {
        q->left++;
        ares_search(q->channel, r->name, CLASS_IN, TYPE_SRV, on_service, q);
    } else {
        q->targets[0].q = q;
        ask_addresses(q, &q->targets[0], r->name);
    }
    part_done(q);
    return q;
}

void gw_resolver_cancel(struct gw_resolver *q)
{
    if (q)
        end(q);
}
