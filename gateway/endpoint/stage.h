// SPDX-License-Identifier: GPL-3.0-or-later
// The stages that a request is judged by, in order: their names for the pipeline that runs them (stages/pipeline.c) and for what counts how long
// each takes (metrics.h).
#ifndef SALLYPORT_ENDPOINT_STAGE_H
#define SALLYPORT_ENDPOINT_STAGE_H

#define GW_STAGE_TABLE(X) X(identity) X(target) X(token) X(binding) X(api) X(policy) X(limits) X(route)
enum gw_stage_id {
#define X(name) GW_STAGE_##name,
    GW_STAGE_TABLE(X)
#undef X
        GW_STAGE_COUNT
};

#endif
