// The plain kernels whose speed is the multiply's.
#pragma once
#include "conv.h"
#include "matmul.h"

#define ZT_HEAVY_OPS(X) ZT_CONV_OPS(X) ZT_MATMUL_OPS(X)
