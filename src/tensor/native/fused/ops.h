// The fused kernels: include a header here and add its ops to the list. Order does not matter; names are unique.
#pragma once
#include "../gemm.h"

#define ZT_FUSED_OPS(X)
