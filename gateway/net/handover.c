// SPDX-License-Identifier: GPL-3.0-or-later
// On the wire: "sallyport handover 1 LENGTH\n", LENGTH bytes of JSON, then the descriptors in the order of the JSON, some with each byte 'd'.
#include "gateway/net/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/base64url.h"
#include "gateway/base/json.h"
#include "gateway/base/secret.h"

#define PATIENCE_S 5
#define TEXT_MAX (1u << 20)
#define BATCH 64 // descriptors in a message; the kernel takes 253
#define HEAD "sallyport handover 1 "

static const struct span kinds[GW_HANDOVER_KINDS] = {
    [GW_HANDOVER_LISTENER] = { "listener", 8 },
    [GW_HANDOVER_AUTHORITY] = { "authority", 9 },
    [GW_HANDOVER_ENROLMENT] = { "enrolment", 9 },
    [GW_HANDOVER_OPERATIONS] = { "operations", 10 },
};

enum { WORD = 4 };

static const char words[GW_HANDOVER_WORDS][WORD + 1] = {
    [GW_HANDOVER_GO] = "go\n\n",
    [GW_HANDOVER_GONE] = "gone",
    [GW_HANDOVER_STAY] = "stay",
    [GW_HANDOVER_UP] = "up\n\n",
};

// --------------------------------------------------------------------------------------------------------- the socket

static int unix_address(const char *path, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof out->sun_path)
        return -ENAMETOOLONG;
    memcpy(out->sun_path, path, strlen(path));
    return 0;
}

static int open_socket(void)
{
    struct timeval patience = { .tv_sec = PATIENCE_S };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return fd;
}

// The other end is root, or who we are.
static bool is_friend(int fd)
{
    struct ucred peer;
    socklen_t n = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && (peer.uid == 0 || peer.uid == geteuid());
}

int gw_handover_connect(const char *path)
{
    struct sockaddr_un address;
    int rc = unix_address(path, &address), fd = rc == 0 ? open_socket() : rc;
    if (fd < 0)
        return fd;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        rc = errno == ECONNREFUSED ? -ENOENT : -errno;
    else if (!is_friend(fd))
        rc = -EACCES;
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

int gw_handover_listen(const char *path, int *fd)
{
    struct sockaddr_un address;
    int rc = unix_address(path, &address), there = rc == 0 ? gw_handover_connect(path) : rc;
    if (there >= 0) {
        close(there);
        return -EADDRINUSE;
    }
    if (there != -ENOENT)
        return there;
    int s = open_socket();
    if (s < 0)
        return s;
    unlink(path);
    mode_t before = umask(0177);
    rc = bind(s, (struct sockaddr *)&address, sizeof address) == 0 && listen(s, 4) == 0 ? 0 : -errno;
    umask(before);
    if (rc != 0) {
        close(s);
        return rc;
    }
    *fd = s;
    return 0;
}

int gw_handover_accept(int listener)
{
    struct timeval patience = { .tv_sec = PATIENCE_S };
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (!is_friend(fd)) {
        close(fd);
        return -EACCES;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return fd;
}

// ------------------------------------------------------------------------------------------------------------- bytes

static int write_all(int fd, struct span bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes = span_sub(bytes, (size_t)n, bytes.n);
    }
    return 0;
}

static int read_all(int fd, char *out, size_t n)
{
    while (n > 0) {
        ssize_t got = recv(fd, out, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -ECONNRESET;
        out += got;
        n -= (size_t)got;
    }
    return 0;
}

int gw_handover_say(int peer, enum gw_handover_word word)
{
    return write_all(peer, span_of(words[word], WORD));
}

int gw_handover_hear(int peer, enum gw_handover_word *word)
{
    char heard[WORD];
    ssize_t n;
    do
        n = recv(peer, heard, sizeof heard, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n < 0 ? -errno : -ECONNRESET;
    // It was sent in one piece, and so it comes. Whoever sends half of one is not waited for.
    if (n != WORD)
        return -EPROTO;
    for (int i = 0; i < GW_HANDOVER_WORDS; i++) {
        if (memcmp(heard, words[i], WORD) == 0) {
            *word = (enum gw_handover_word)i;
            return 0;
        }
    }
    return -EPROTO;
}

// -------------------------------------------------------------------------------------------------------- descriptors

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(BATCH * sizeof(int))];
};

static int send_batch(int peer, const int *fds, size_t n)
{
    union control control = { .bytes = { 0 } };
    struct iovec byte = { .iov_base = (char[]){ 'd' }, .iov_len = 1 };
    struct msghdr m = {
        .msg_iov = &byte, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_SPACE(n * sizeof *fds)
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(n * sizeof *fds) };
    memcpy(CMSG_DATA(c), fds, n * sizeof *fds);
    ssize_t sent;
    do
        sent = sendmsg(peer, &m, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == 1 ? 0 : sent < 0 ? -errno : -EPROTO;
}

// Exactly `n` of them.
static int receive_batch(int peer, int *fds, size_t n)
{
    union control control = { .bytes = { 0 } };
    char byte;
    struct iovec to = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr m = {
        .msg_iov = &to, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes
    };
    ssize_t got;
    do
        got = recvmsg(peer, &m, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return got < 0 ? -errno : -ECONNRESET;
    int came[BATCH];
    size_t n_came = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) && n_came < BATCH; i++)
                memcpy(&came[n_came++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
    if (n_came == n && (m.msg_flags & MSG_CTRUNC) == 0) {
        memcpy(fds, came, n * sizeof *fds);
        return 0;
    }
    for (size_t i = 0; i < n_came; i++)
        close(came[i]);
    return (m.msg_flags & MSG_CTRUNC) != 0 ? -EMFILE : -EPROTO;
}

// ----------------------------------------------------------------------------------------------------------- the text

// There are keys in it.
static void wipe(struct buf *text)
{
    if (buf_len(text) > 0)
        secret_wipe(text->base + text->start, buf_len(text));
    buf_fini(text);
}

static void put_key(struct json_writer *w, const uint8_t key[static 32])
{
    char text[BASE64URL_ENCODED(32)];
    base64url_encode(span_of(key, 32), text);
    json_w_string(w, span_of(text, sizeof text));
    secret_wipe(text, sizeof text);
}

static void put_nonces(struct json_writer *w, const struct pki_nonce_keys *k)
{
    json_w_object(w);
    json_w_key(w, SPAN("keys"));
    json_w_array(w);
    for (int i = 0; i < (k->has_previous ? 2 : 1); i++)
        put_key(w, k->key[i]);
    json_w_end(w);
    json_w_key(w, SPAN("ids"));
    json_w_array(w);
    for (int i = 0; i < (k->has_previous ? 2 : 1); i++)
        json_w_uint(w, k->id[i]);
    json_w_end(w);
    json_w_key(w, SPAN("bucket_ms"));
    json_w_int(w, k->bucket_ms);
    json_w_key(w, SPAN("life_ms"));
    json_w_int(w, k->life_ms);
    json_w_end(w);
}

static bool get_nonces(json v, struct pki_nonce_keys *k)
{
    json keys = json_get(v, SPAN("keys")), ids = json_get(v, SPAN("ids"));
    size_t n = json_count(keys);
    if (n < 1 || n > 2 || json_count(ids) != n || !json_i64(json_get(v, SPAN("bucket_ms")), &k->bucket_ms) ||
        !json_i64(json_get(v, SPAN("life_ms")), &k->life_ms) || k->bucket_ms < 1 || k->life_ms < k->bucket_ms)
        return false;
    k->has_previous = n == 2;
    for (size_t i = 0; i < n; i++) {
        uint8_t raw[BASE64URL_DECODED(BASE64URL_ENCODED(32))];
        struct span text = json_string(json_at(keys, i));
        int64_t id;
        size_t raw_n;
        if (text.n != BASE64URL_ENCODED(32) || !base64url_decode(text, raw, &raw_n) || raw_n != 32 ||
            !json_i64(json_at(ids, i), &id) || id < 0 || id > UINT8_MAX)
            return false;
        memcpy(k->key[i], raw, 32);
        k->id[i] = (uint8_t)id;
        secret_wipe(raw, sizeof raw);
    }
    return true;
}

static bool get_log(json root, struct gw_journal_end *log)
{
    struct span name = json_string(json_get(root, SPAN("log")));
    int64_t seq;
    if (name.n != GW_CHAIN_LOG - 1 || !json_i64(json_get(root, SPAN("seq")), &seq) || seq < 0)
        return false;
    memcpy(log->log, name.p, name.n);
    log->seq = (uint64_t)seq;
    return true;
}

static bool get_sockets(json v, struct gw_handover *h)
{
    size_t n = json_count(v);
    if (n > GW_HANDOVER_SOCKETS || !(h->sockets = arena_alloc(&h->arena, (n + 1) * sizeof *h->sockets)))
        return false;
    for (struct json_iter it = json_iter(v); h->n < n;) {
        struct span name;
        json row;
        if (!json_next(&it, &name, &row))
            return false;
        struct gw_handover_socket s = { .of = GW_HANDOVER_KINDS, .fd = -1 };
        for (int k = 0; k < GW_HANDOVER_KINDS; k++)
            if (span_eq(json_string(json_at(row, 0)), kinds[k]))
                s.of = (enum gw_handover_of)k;
        s.address = arena_dup(&h->arena, json_string(json_at(row, 1)));
        if (span_is_none(s.address))
            return false;
        h->sockets[h->n++] = s;
    }
    return true;
}

// ---------------------------------------------------------------------------------------------------------- all of it

int gw_handover_send(int peer, const struct gw_handover *h)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    struct json_writer w = json_writer(&text);
    json_w_object(&w);
    json_w_key(&w, SPAN("sockets"));
    json_w_array(&w);
    for (size_t i = 0; i < h->n; i++) {
        json_w_array(&w);
        json_w_string(&w, kinds[h->sockets[i].of]);
        json_w_string(&w, h->sockets[i].address);
        json_w_end(&w);
    }
    json_w_end(&w);
    json_w_key(&w, SPAN("replay"));
    json_w_bool(&w, h->replay >= 0);
    json_w_key(&w, SPAN("log"));
    json_w_string(&w, span_str(h->log.log));
    json_w_key(&w, SPAN("seq"));
    json_w_uint(&w, h->log.seq);
    json_w_key(&w, SPAN("nonces"));
    put_nonces(&w, &h->nonces);
    json_w_end(&w);
    char head[64];
    int head_n = snprintf(head, sizeof head, HEAD "%10zu\n", buf_len(&text));
    int rc = text.failed ? -ENOMEM : write_all(peer, span_of(head, (size_t)head_n));
    if (rc == 0)
        rc = write_all(peer, buf_span(&text));
    wipe(&text);
    int fds[BATCH];
    size_t n = 0;
    for (size_t i = 0; rc == 0 && i < h->n; i++) {
        fds[n++] = h->sockets[i].fd;
        if (n == BATCH) {
            rc = send_batch(peer, fds, n);
            n = 0;
        }
    }
    if (h->replay >= 0)
        fds[n++] = h->replay;
    return rc == 0 && n > 0 ? send_batch(peer, fds, n) : rc;
}

static int receive_text(int peer, struct buf *text)
{
    char head[sizeof HEAD - 1 + 11];
    uint64_t n;
    int rc = read_all(peer, head, sizeof head);
    if (rc != 0)
        return rc;
    struct span number = span_trim(span_sub(span_of(head, sizeof head), sizeof HEAD - 1, sizeof head - 1));
    if (memcmp(head, HEAD, sizeof HEAD - 1) != 0 || head[sizeof head - 1] != '\n' || !span_to_u64(number, &n) ||
        n > TEXT_MAX)
        return -EPROTO;
    char *to = buf_reserve(text, (size_t)n);
    if (!to)
        return -ENOMEM;
    rc = read_all(peer, to, (size_t)n);
    if (rc == 0)
        buf_commit(text, (size_t)n);
    return rc;
}

static int receive_descriptors(int peer, struct gw_handover *h, bool replay)
{
    size_t all = h->n + replay, at = 0;
    while (at < all) {
        int fds[BATCH];
        // The store comes along with the last sockets, or alone.
        size_t n = all - at < BATCH ? all - at : BATCH;
        int rc = receive_batch(peer, fds, n);
        if (rc != 0)
            return rc;
        for (size_t i = 0; i < n; i++, at++) {
            if (at < h->n)
                h->sockets[at].fd = fds[i];
            else
                h->replay = fds[i];
        }
    }
    return 0;
}

int gw_handover_receive(int peer, struct gw_handover *out)
{
    struct gw_handover h = { .replay = -1 };
    struct buf text;
    buf_init(&text, TEXT_MAX);
    arena_init(&h.arena, 0);
    int rc = receive_text(peer, &text);
    struct json_doc *doc = rc == 0 ? json_parse(buf_span(&text), NULL, NULL) : NULL;
    json root = doc ? json_root(doc) : NULL;
    bool replay = false;
    if (rc == 0 &&
        (!json_bool(json_get(root, SPAN("replay")), &replay) || !get_log(root, &h.log) ||
         !get_nonces(json_get(root, SPAN("nonces")), &h.nonces) || !get_sockets(json_get(root, SPAN("sockets")), &h)))
        rc = -EPROTO;
    if (rc == 0)
        rc = receive_descriptors(peer, &h, replay);
    json_free(doc);
    wipe(&text);
    if (rc != 0)
        gw_handover_fini(&h);
    else
        *out = h;
    return rc;
}

void gw_handover_close_rest(struct gw_handover *h)
{
    for (size_t i = 0; i < h->n; i++) {
        if (h->sockets[i].fd >= 0)
            close(h->sockets[i].fd);
        h->sockets[i].fd = -1;
    }
}

void gw_handover_fini(struct gw_handover *h)
{
    gw_handover_close_rest(h);
    if (h->replay >= 0)
        close(h->replay);
    secret_wipe(&h->nonces, sizeof h->nonces);
    arena_fini(&h->arena);
    *h = (struct gw_handover){ .replay = -1 };
}

int gw_handover_take(struct gw_handover *h, enum gw_handover_of of, struct span address)
{
    for (size_t i = 0; i < h->n; i++) {
        struct gw_handover_socket *s = &h->sockets[i];
        if (s->of == of && s->fd >= 0 && span_eq(s->address, address)) {
            int fd = s->fd;
            s->fd = -1;
            return fd;
        }
    }
    return -1;
}
