// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/schema.h"

// Made by the build from policy/schema/sallyport.cedarschema.
static const unsigned char text[] = {
#include "policy/sallyport_cedarschema.inc"
};

const struct pol_source pol_schema_shipped = {
    .name = { "sallyport.cedarschema", sizeof "sallyport.cedarschema" - 1 },
    .text = { (const char *)text, sizeof text },
};
