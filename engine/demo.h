/* The page to see it work, GET /demo on the client port: its files, built into the engine. */
#ifndef SHARDCAST_ENGINE_DEMO_H
#define SHARDCAST_ENGINE_DEMO_H

#include "proto/http_asset.h"

#define DEMO_ASSETS 7

void demo_assets(struct http_asset assets[DEMO_ASSETS]);

#endif
