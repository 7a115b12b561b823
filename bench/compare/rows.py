# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured, and the goals that are held beside it.

A case is one proxy doing one kind of work; a group is the cases that are measured in turn, A B C A B C …, so that what else the machine does hits all
alike. A goal compares two cases of one run."""
from dataclasses import dataclass, field

from setting import ANSWER, BULK

SEARCH = ["--method", "POST", "--path", "/collections/docs/points/search", "--body", "search.json", "--answer-bytes", ANSWER]
UPLOAD = ["--method", "POST", "--path", "/own/docs/search", "--body", "bulk.json", "--answer-bytes", ANSWER]
DOWNLOAD = ["--method", "POST", "--path", "/own/bulk/search", "--body", "query.json", "--answer-bytes", BULK]


@dataclass
class Case:
    id: str
    peer: str  # its name in the run
    kind: str  # which listener of it: sallyport, mtls, jwt
    title: str
    keys: int = 0  # proofs, of so many keys
    more: list = field(default_factory=list)
    workloads: int = 0  # so many, each with a certificate, a token and a key


@dataclass
class Group:
    id: str
    title: str
    unit: str
    better: str  # "less" or "more"
    cases: list


@dataclass
class Goal:
    work: str
    text: str
    case: str
    against: str  # another case's id; "" for a plain number
    limit: float
    most: bool = True  # at most `limit`; else at least


REQUESTS = Group("requests", "A request of 4 KiB with an answer of 1 KiB", "CPU µs", "less", [
    Case("dpop-64", "sallyport", "sallyport", "Sallyport: mTLS, token, fresh proof, policy; 64 keys", 64),
    Case("dpop-10000", "sallyport", "sallyport", "Sallyport: the same, 10,000 keys in turn", 10000),
    Case("cert", "sallyport", "sallyport", "Sallyport: mTLS, certificate-bound token, policy"),
    Case("cert-inputs", "sallyport-inputs", "sallyport", "Sallyport: the same, and what was decided by in each record"),
    Case("haproxy-mtls", "haproxy", "mtls", "HAProxy: mTLS"),
    Case("haproxy-jwt", "haproxy", "jwt", "HAProxy: mTLS, token"),
    Case("nginx-mtls", "nginx", "mtls", "nginx: mTLS"),
    Case("envoy-mtls", "envoy", "mtls", "Envoy: mTLS, rbac"),
    Case("envoy-jwt", "envoy", "jwt", "Envoy: mTLS, cached token, rbac"),
])

HANDSHAKES = Group("handshakes", "A mutual handshake and its end", "CPU µs", "less", [
    Case("full", "sallyport", "sallyport", "Sallyport: full, X25519", more=["--group", "X25519"]),
    Case("full-mlkem", "sallyport", "sallyport", "Sallyport: full, X25519MLKEM768", more=["--group", "X25519MLKEM768"]),
    Case("resumed", "sallyport", "sallyport", "Sallyport: resumed, identity judged again", more=["--group", "X25519", "--resume"]),
    Case("haproxy-full", "haproxy", "mtls", "HAProxy: full, X25519", more=["--group", "X25519"]),
    Case("haproxy-resumed", "haproxy", "mtls", "HAProxy: resumed", more=["--group", "X25519", "--resume"]),
    Case("nginx-full", "nginx", "mtls", "nginx: full, X25519", more=["--group", "X25519"]),
    Case("nginx-resumed", "nginx", "mtls", "nginx: resumed", more=["--group", "X25519", "--resume"]),
    Case("envoy-full", "envoy", "mtls", "Envoy: full, X25519, and one request", more=["--ask", "--group", "X25519"]),
    Case("envoy-full-mlkem", "envoy", "mtls", "Envoy: full, X25519MLKEM768, and one request", more=["--ask", "--group", "X25519MLKEM768"]),
    Case("envoy-resumed", "envoy", "mtls", "Envoy: resumed, and one request", more=["--ask", "--group", "X25519", "--resume"]),
])

DOWNLOADS = Group("downloads", "An answer of 16 MiB", "GB per CPU second", "more", [
    Case("down", "sallyport", "sallyport", "Sallyport, all gates", more=DOWNLOAD),
    Case("haproxy-down", "haproxy", "mtls", "HAProxy: mTLS", more=DOWNLOAD),
    Case("nginx-down", "nginx", "mtls", "nginx: mTLS", more=DOWNLOAD),
    Case("envoy-down", "envoy", "mtls", "Envoy: mTLS, rbac", more=DOWNLOAD),
])

UPLOADS = Group("uploads", "An upload of 16 MiB", "GB per CPU second", "more", [
    Case("up", "sallyport", "sallyport", "Sallyport, all gates", more=UPLOAD),
    Case("haproxy-up", "haproxy", "mtls", "HAProxy: mTLS", more=UPLOAD),
    Case("nginx-up", "nginx", "mtls", "nginx: mTLS", more=UPLOAD),
    Case("envoy-up", "envoy", "mtls", "Envoy: mTLS, rbac", more=UPLOAD),
])

IDLE = Group("idle", "A connection at rest", "KiB", "less", [
    Case("idle", "sallyport", "sallyport", "Sallyport"),
    Case("haproxy-idle", "haproxy", "mtls", "HAProxy"),
    Case("nginx-idle", "nginx", "mtls", "nginx"),
    Case("envoy-idle", "envoy", "mtls", "Envoy"),
])

LOOPS = Group("loops", "A request, with one and with two loops", "CPU µs", "less", [
    Case("one-loop", "sallyport-free", "sallyport", "Sallyport: fresh proof, one loop", 64),
    Case("two-loops", "sallyport-2", "sallyport", "Sallyport: fresh proof, two loops", 64),
])

# Requests a second that load generator and shard, sleeping in between, serve on the core they share with half of it to spare: beyond, theirs would be the latency.
RATE_MOST = 4000
LATENCY = Group("latency", f"The time a request takes at half of what the proxy can do, {RATE_MOST:,} a second at most", "µs", "less", [
    Case("shard-latency", "", "plain", "the shard itself, without TLS"),
    Case("dpop-latency", "sallyport", "sallyport", "Sallyport: fresh proof, 64 keys", 64),
    Case("cert-latency", "sallyport", "sallyport", "Sallyport: certificate-bound token"),
    Case("haproxy-latency", "haproxy", "mtls", "HAProxy: mTLS"),
    Case("haproxy-jwt-latency", "haproxy", "jwt", "HAProxy: mTLS, token"),
    Case("nginx-latency", "nginx", "mtls", "nginx: mTLS"),
    Case("envoy-jwt-latency", "envoy", "jwt", "Envoy: mTLS, cached token, rbac"),
])

ACTIVE = 64
LARGE = Group("large", f"A request of one of {ACTIVE} workloads, with a small and with a large configuration", "CPU µs", "less", [
    Case("small", "sallyport", "sallyport", "Sallyport: fresh proof; 6 policies, 2 shards", workloads=ACTIVE),
    Case("large", "sallyport-large", "sallyport", "Sallyport: the same with 100,006 policies, 1,000 shards", workloads=ACTIVE),
])
# What the large one has met before it is measured: workloads that connected and sent a request, and proofs that it must remember.
KNOWN, KNOWN_QUICK = {"workloads": 10000, "proofs": 1000000}, {"workloads": 500, "proofs": 20000}

# In closed loop: what the gateway has left for those whose requests hold. A flood of proofs or tokens comes from one workload on as many connections, one of
# handshakes 32 at once, from one address or each from another.
FLOODS = Group("floods", "Good requests beside a flood of bad ones", "requests/s", "more", [
    Case("flood-none", "sallyport", "sallyport", "Sallyport: fresh proof, 64 keys; no flood", 64),
    Case("flood-proofs", "sallyport", "sallyport", "beside bad proofs", 64, ["load", "proof"]),
    Case("flood-tokens", "sallyport", "sallyport", "beside bad tokens", 64, ["load", "token"]),
    Case("flood-garbage", "sallyport", "sallyport", "beside connections that do not speak TLS", 64, ["handshakes", "garbage", "127.0.0.2"]),
    Case("flood-aborted", "sallyport", "sallyport", "beside handshakes that are left half-way", 64, ["handshakes", "aborted", "127.0.0.3"]),
    Case("flood-refused", "sallyport", "sallyport", "beside handshakes with a stranger's certificate", 64, ["handshakes", "refused", "127.0.0.4"]),
    Case("flood-aborted-any", "sallyport", "sallyport", "beside handshakes that are left half-way, each from another address", 64,
         ["handshakes", "aborted", "any"]),
    Case("flood-refused-any", "sallyport", "sallyport", "beside handshakes with a stranger's certificate, each from another address", 64,
         ["handshakes", "refused", "any"]),
])

GROUPS = [REQUESTS, HANDSHAKES, DOWNLOADS, UPLOADS, IDLE, LOOPS, LATENCY, LARGE, FLOODS]
# The case whose throughput is what the proxy can do. The shard alone is asked at the rate of the row that it is subtracted from.
CAPACITY = {"shard-latency": "dpop-64", "dpop-latency": "dpop-64", "cert-latency": "cert", "haproxy-latency": "haproxy-mtls", "haproxy-jwt-latency": "haproxy-jwt",
            "nginx-latency": "nginx-mtls", "envoy-jwt-latency": "envoy-jwt"}

GOALS = [
    Goal("mTLS, token, fresh proof, policy; 64 keys", "≤ 0.40 × HAProxy with a token", "dpop-64", "haproxy-jwt", 0.40),
    Goal("the same", "≤ 2.2 × HAProxy's plain mTLS", "dpop-64", "haproxy-mtls", 2.2),
    Goal("the same, 10,000 keys in turn", "≤ 0.60 × HAProxy with a token", "dpop-10000", "haproxy-jwt", 0.60),
    Goal("mTLS, certificate-bound cached token, policy", "≤ 1.15 × HAProxy's plain mTLS", "cert", "haproxy-mtls", 1.15),
    Goal("full handshake, X25519", "≤ 0.25 × HAProxy's", "full", "haproxy-full", 0.25),
    Goal("full handshake, X25519MLKEM768", "≤ 0.35 × HAProxy's with X25519", "full-mlkem", "haproxy-full", 0.35),
    Goal("resumed handshake, identity judged again", "≤ 0.5 × our full one", "resumed", "full", 0.5),
    Goal("answer of 16 MiB", "≥ 1.2 × HAProxy's bytes per CPU second", "down", "haproxy-down", 1.2, False),
    Goal("upload of 16 MiB", "≥ 1.2 × HAProxy's bytes per CPU second", "up", "haproxy-up", 1.2, False),
    Goal("connection at rest", "≤ 14 KiB", "idle", "", 14),
    Goal("two loops", "≤ 1.05 × one loop's", "two-loops", "one-loop", 1.05),
    Goal("100,000 policies, 1,000 shards, 1,000,000 live proofs, 10,000 known workloads of which 64 are active", "≤ 1.10 × the small configuration's", "large", "small", 1.10),
    Goal("latency added at half load, fresh proof: p50", "≤ 60 µs", "dpop-latency:added", "", 60),
    Goal("latency at half load, fresh proof: p99", "≤ 3 × p50", "dpop-latency:p99", "dpop-latency", 3),
]
GOALS += [Goal(f"good requests {case.title}", "≥ 0.5 × those without it", case.id, "flood-none", 0.5, False) for case in FLOODS.cases[1:]]
