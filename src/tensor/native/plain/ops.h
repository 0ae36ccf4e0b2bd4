// The plain kernels behind tf.*: one header a family, all listed here.
#pragma once
#include "conv.h"
#include "elementwise.h"
#include "lookup.h"
#include "matmul.h"
#include "movement.h"
#include "reduce.h"

#define ZT_PLAIN_OPS(X) \
  ZT_CONV_OPS(X)        \
  ZT_ELEMENTWISE_OPS(X) \
  ZT_LOOKUP_OPS(X)      \
  ZT_MATMUL_OPS(X)      \
  ZT_MOVEMENT_OPS(X)    \
  ZT_REDUCE_OPS(X)
