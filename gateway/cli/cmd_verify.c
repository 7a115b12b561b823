// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport verify: the gateway's own checks, offline. A file each: cmd_verify_cert.c, cmd_verify_token.c, cmd_verify_proof.c, cmd_verify_jws.c; they call
// what decides for the gateway and report what it looked at (report.h).
#include "gateway/cli/cli.h"

extern const struct gw_cli_command gw_cmd_verify_cert, gw_cmd_verify_token, gw_cmd_verify_proof, gw_cmd_verify_jws;

static const struct gw_cli_command *const sub[] = { &gw_cmd_verify_cert, &gw_cmd_verify_token, &gw_cmd_verify_proof,
                                                    &gw_cmd_verify_jws, NULL };

const struct gw_cli_command gw_cmd_verify = {
    .name = "verify",
    .summary = "run the gateway's checks on a certificate, token, proof or JWS, and say which rule failed",
    .about =
        "The rules are numbered as in docs/conformance.md. Exit status: 0 valid, 1 invalid, 2 unreadable input.\n"
        "\n"
        "  sallyport verify cert search/cert.pem --bundle ca/bundle.pem --trust-domain example.org\n"
        "  sallyport verify token @token --jwks issuer/jwks.json --issuer https://issuer.example --audience vectors\n"
        "  sallyport verify proof @proof --method POST --url https://gateway.example/collections --token @token\n"
        "  sallyport verify jws --jwk issuer/jwks.json --alg ES256 --in token",
    .sub = sub,
};
