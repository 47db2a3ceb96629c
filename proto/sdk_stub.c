/* Stands for the encoder until it is here. */
#include "proto/sdk_encode.h"

const struct sdk_encoder sdk_protobuf_encoder;
