#include "proto/sdk_decode.h"

int sdk_decode_protobuf(struct sdk_decode *pass)
{
    return ERR_PROTOCOL;
}
