// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport token: tokens without an identity provider. A file each: cmd_token_keygen.c, cmd_token_mint.c, cmd_token_inspect.c,
// cmd_token_revoke.c, cmd_token_revoked.c, cmd_token_keys.c.
#include "gateway/cli/cli.h"

extern const struct gw_cli_command gw_cmd_token_keygen, gw_cmd_token_mint, gw_cmd_token_inspect, gw_cmd_token_revoke,
    gw_cmd_token_revoked, gw_cmd_token_keys;

static const struct gw_cli_command *const sub[] = { &gw_cmd_token_keygen,
                                                    &gw_cmd_token_mint,
                                                    &gw_cmd_token_inspect,
                                                    &gw_cmd_token_revoke,
                                                    &gw_cmd_token_revoked,
                                                    &gw_cmd_token_keys,
                                                    NULL };

const struct gw_cli_command gw_cmd_token = {
    .name = "token",
    .summary = "make keys and access tokens without an identity provider, look into tokens, revoke them",
    .about = "  sallyport token keygen --out issuer/\n"
             "  sallyport token keygen --out client/ --no-passphrase\n"
             "  sallyport token mint --key issuer/key.pem --issuer https://issuer.example --audience vectors \\\n"
             "      --subject spiffe://example.org/search --scope 'vectors.read' --dpop-key client/jwks.json > token\n"
             "  sallyport token inspect @token\n"
             "  sallyport token revoke --store revoked.db --token @token\n"
             "  sallyport token keys list --config authority.yaml",
    .sub = sub,
};
