// The plain kernels whose speed is the memory's.
#pragma once
#include "elementwise.h"
#include "lookup.h"
#include "movement.h"
#include "reduce.h"

#define ZT_LIGHT_OPS(X) ZT_ELEMENTWISE_OPS(X) ZT_LOOKUP_OPS(X) ZT_MOVEMENT_OPS(X) ZT_REDUCE_OPS(X)
