// SPDX-License-Identifier: GPL-3.0-or-later
// What one gateway process hands to the one that replaces it, over a Unix socket: its listening sockets, the store of used proofs, the keys of its
// nonces. Nothing is taken from the old process by that: both could serve, until the new one says that it will.
//
//   new: connects                   old: sends all of this
//   new: loads, fetches, is ready
//   new: "go"                       old: leaves the audit file, says "gone"; it still serves
//   new: opens the audit file, serves, says "up"
//                                   old: takes no new connections, drains
//
// Whenever the new process dies, or gives up, before "up", the old one goes on, with the audit file. It says "stay" to one that may not go on, since
// another one came; a connection that ends without that is a process that ended, and the new one serves without its leave. Who may connect is said by
// the kernel: root, and the user that the old one is.
//
// Plain blocking calls with a patience of seconds: they run on the main thread, which serves no workload.
#ifndef SALLYPORT_NET_HANDOVER_H
#define SALLYPORT_NET_HANDOVER_H

#include "gateway/audit/journal.h"
#include "gateway/base/arena.h"
#include "pki/nonce.h"

#define GW_HANDOVER_SOCKETS 4096

enum gw_handover_of {
    GW_HANDOVER_LISTENER,
    GW_HANDOVER_AUTHORITY,
    GW_HANDOVER_ENROLMENT,
    GW_HANDOVER_OPERATIONS,
    GW_HANDOVER_KINDS
};

struct gw_handover_socket {
    enum gw_handover_of of;
    struct span address; // as it was configured
    int fd;              // -1: taken out
};

struct gw_handover {
    struct arena arena; // of addresses, and of `sockets` where it was received
    struct gw_handover_socket *sockets;
    size_t n;
    int replay; // of pki_replay_fd; -1: none
    struct pki_nonce_keys nonces;
    struct gw_journal_end log; // of the audit; `log` and `seq` only
};

// A socket at `path` that only this user and root may use; one that nobody listens on any more is replaced. 0 and *fd, or -errno (-EADDRINUSE:
// somebody does listen).
int gw_handover_listen(const char *path, int *fd);
// Who waits there. A descriptor, or -errno: -EACCES, and he is sent away, if he may not.
int gw_handover_accept(int listener);
// To whom listens there. A descriptor, -ENOENT: nobody does, or another -errno: -EACCES, if it is a stranger.
int gw_handover_connect(const char *path);

// 0, or -errno.
int gw_handover_send(int peer, const struct gw_handover *h);
// 0, and what the caller then owns: gw_handover_fini closes what was not taken out. -errno: -EPROTO, if what came is of another version or makes no sense.
int gw_handover_receive(int peer, struct gw_handover *out);
void gw_handover_fini(struct gw_handover *h);
// Closes the sockets that were not taken out: who comes to their addresses is not to wait for somebody who never accepts.
void gw_handover_close_rest(struct gw_handover *h);

// Takes out a socket that listens on this address; -1: there is none, or no more.
int gw_handover_take(struct gw_handover *h, enum gw_handover_of of, struct span address);

// Four bytes each. -EPROTO: something else was heard; -ECONNRESET, -EPIPE: the other end is closed; or another -errno.
enum gw_handover_word { GW_HANDOVER_GO, GW_HANDOVER_GONE, GW_HANDOVER_STAY, GW_HANDOVER_UP, GW_HANDOVER_WORDS };
int gw_handover_say(int peer, enum gw_handover_word word);
int gw_handover_hear(int peer, enum gw_handover_word *word);

#endif
