# SPDX-License-Identifier: GPL-3.0-or-later
"""What the comparison stands on: a temporary folder with CA, keys and policies (bench/setting/make), the shard, who runs on which core, and the load programs,
whose every run is checked."""
import json
import os
import shutil
import subprocess
import tempfile
import time

from peers import DOMAIN, WORKLOAD, Failed, end_with_parent

BULK = 16 << 20
ANSWER = 1024
MANY = f"spiffe://{DOMAIN}/w/00000"  # and those after it


class Setting:
    def __init__(self, top, build):
        self.top, self.build = top, build
        self.sallyport = os.path.join(build, "sallyport")
        self.dir = tempfile.mkdtemp(prefix="sallyport-compare.")
        self.cores = sorted(os.sched_getaffinity(0))
        self.alone = len(self.cores) > 1 and shutil.which("taskset") is not None  # the proxy has a core of its own
        self.proxy_core = str(self.cores[0])
        self.load_core = str(self.cores[1 if len(self.cores) > 1 else 0])
        self.all_cores = ",".join(map(str, self.cores))
        self.shard, self.shard_port = None, 0

    def pin(self, core):
        return ["taskset", "-c", str(core)] if self.alone else []

    def begin(self):
        subprocess.run([os.path.join(self.top, "bench/setting/make"), self.dir, self.sallyport], check=True)
        with open(f"{self.dir}/issuer.pub", "wb") as f:
            subprocess.run(["openssl", "pkey", "-in", f"{self.dir}/issuer/key.pem", "-pubout"], check=True, stdout=f)
        with open(f"{self.dir}/bulk.json", "w") as f:
            f.write('{"text":"' + "x" * (BULK - 11) + '"}')
        self.start_shard(spin=True)

    def start_shard(self, spin):
        """Anew where there is one already, on the same port: kept connections to it end, and whoever had them makes others."""
        self.stop_shard()
        self.shard = subprocess.Popen(self.pin(self.load_core) + [f"{self.build}/bench/load/shard", "--port", str(self.shard_port), "--answer-bytes", str(ANSWER),
                                       "--bulk-bytes", str(BULK)] + (["--spin"] if spin and self.alone else []), stdout=subprocess.PIPE, text=True,
                                      start_new_session=True, preexec_fn=end_with_parent)
        self.shard_port = int(self.shard.stdout.readline())

    def stop_shard(self):
        if self.shard:
            self.shard.kill()
            self.shard.wait()

    def end(self, keep=False):
        self.stop_shard()
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)

    def mint(self, *binding, workload=WORKLOAD):
        """→ the file of a token that lives for a quarter of an hour"""
        path = os.path.join(self.dir, f"token-{workload.rsplit('/', 1)[-1]}-" + "".join(b for b in binding if b.startswith("--")).strip("-"))
        done = subprocess.run([self.sallyport, "token", "mint", "--key", "issuer/key.pem", "--issuer", f"https://issuer.{DOMAIN}", "--audience", "vectors",
                               "--workload", workload, "--scope", "vectors.read vectors.write", "--role", "reader", "--role", "writer", "--ttl", "15m",
                               *binding], cwd=self.dir, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"sallyport token mint: {done.stderr.strip()}")
        with open(path, "w") as f:
            f.write(done.stdout)
        return path

    def run(self, program, name, *options, cores=None, spin=True):
        """One run of a load program → what it printed, or Failed: some answer was not right."""
        command = self.pin(cores or self.load_core) + [f"{self.build}/bench/load/{program}", "--json", "--name", name, *map(str, options)]
        done = subprocess.run(command + (["--spin"] if spin and self.alone and program == "load" else []), cwd=self.dir, capture_output=True, text=True,
                              timeout=600)
        if done.returncode != 0:
            raise Failed(f"{name}: {done.stderr.strip() or done.stdout.strip()}\n  {' '.join(command)}")
        return json.loads(done.stdout)

    def flood(self, program, name, *options):
        return Flood(self.pin(self.load_core) + [f"{self.build}/bench/load/{program}", "--json", "--name", name, *map(str, options)], self.dir)

    def stranger(self):
        """Options for a certificate that nobody here knows."""
        if not os.path.exists(f"{self.dir}/stranger"):
            for command in (["ca", "init", "--trust-domain", "stranger.test", "--dir", "stranger-ca", "--no-passphrase"],
                            ["ca", "issue", "--dir", "stranger-ca", "--spiffe-id", "spiffe://stranger.test/x", "--out", "stranger"]):
                subprocess.run([self.sallyport, *command], cwd=self.dir, check=True, stdout=subprocess.DEVNULL)
        return ["--cert", "stranger/cert.pem", "--key", "stranger/key.pem"]

    def tls(self, port, sallyport, workloads=0):
        """Options of the load programs for a connection to this port: of the one workload, or of so many others. A request names the authority that proofs are
        made for."""
        who = ["--ca", "ca", "--workload-id", MANY, "--workloads", workloads] if workloads else ["--cert", "rag/cert.pem", "--key", "rag/key.pem"]
        return ["--connect", f"127.0.0.1:{port}", "--authority", f"localhost:{sallyport}", "--bundle", "ca/bundle.pem", *who,
                "--spiffe-id", f"spiffe://{DOMAIN}/gateway"]


class Flood:
    """A load program that goes on until it is told to end; from the core of the load."""

    def __init__(self, command, cwd):
        self.process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                                        preexec_fn=end_with_parent)
        self.per_second = 0

    def __enter__(self):
        time.sleep(0.5)
        return self

    def over(self):
        return self.process.poll() is not None

    def said(self):
        return " ".join(self.process.communicate()).strip()

    def __exit__(self, failed, *_):
        self.process.terminate()
        try:
            out, err = self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
        if failed:
            return
        if self.process.returncode != 0:
            raise Failed(f"a flood ended badly: {err.strip() or out.strip()}")
        got = json.loads(out)
        self.per_second = got.get("requests", got.get("handshakes", 0)) / max(got["seconds"], 0.001)


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown processor")
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "kernel": os.uname().release, "day": time.strftime("%Y-%m-%d", time.gmtime())}


def others_busy(seconds=1.0):
    """→ how many cores other processes keep busy while this one waits, stolen time included"""
    def read():
        f = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
        return sum(f), f[3] + f[4]
    total, idle = read()
    time.sleep(seconds)
    total2, idle2 = read()
    return os.cpu_count() * (1 - (idle2 - idle) / max(1, total2 - total))
