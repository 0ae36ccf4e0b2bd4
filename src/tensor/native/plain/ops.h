// The plain kernels behind tf.*: one header a family, all listed here.
#pragma once
#include "matmul.h"
#include "elementwise.h"

#define ZT_PLAIN_OPS(X) \
  ZT_MATMUL_OPS(X)      \
  ZT_ELEMENTWISE_OPS(X)
