# SPDX-License-Identifier: GPL-3.0-or-later
"""Before anything is measured: every proxy lets through what it should and refuses what it should, so that nobody is fast because it checks less than its row
says."""
import base64
import http.client
import json
import ssl

from peers import Failed


def connect(setting, port, certificate):
    context = ssl.create_default_context(cafile=f"{setting.dir}/ca/bundle.pem")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if certificate:
        context.load_cert_chain(f"{setting.dir}/rag/cert.pem", f"{setting.dir}/rag/key.pem")
    return http.client.HTTPSConnection("localhost", port, timeout=10, context=context)


def ask(setting, port, token=None, certificate=True, collection="docs"):
    """→ the status of a search, or 0 when the connection was refused"""
    c = connect(setting, port, certificate)
    try:
        c.request("POST", f"/collections/{collection}/points/search", open(f"{setting.dir}/search.json", "rb").read(),
                  {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})})
        return c.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        c.close()


def with_subject(token, subject):
    """The same token of somebody else, under the signature that it had."""
    header, claims, signature = token.split(".")
    changed = json.loads(base64.urlsafe_b64decode(claims + "=="))
    changed["sub"] = subject
    return ".".join((header, base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode(), signature))


def check(setting, peer):
    token = open(setting.mint("--cert", "rag/cert.pem")).read().strip()
    for kind, port in peer.ports.items():
        asks = [("a good request", 200, {}), ("no client certificate", (0, 400), {"certificate": False})]
        if kind != "mtls":
            asks[0] = ("a good request", 200, {"token": token})
            asks += [("no token", 401, {}), ("a token that was changed", 401, {"token": with_subject(token, "spiffe://bench.test/other")}),
                     ("a collection that is not for it", 403, {"token": token, "collection": "private-docs"})]
        for what, wanted, how in asks:
            got = ask(setting, port, **how)
            if got != wanted and not (isinstance(wanted, tuple) and got in wanted):
                raise Failed(f"{peer.name} ({kind}) answers {what} with {got or 'a closed connection'}, not {wanted}")
