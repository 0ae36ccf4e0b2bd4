// The fused kernels: include a header here and add its ops to the list. Order does not matter; names are unique.
#pragma once
#include "activation.h"
#include "attention-backward.h"
#include "attention.h"
#include "layout.h"
#include "muon.h"
#include "norm.h"
#include "optimiser.h"

#define ZT_FUSED_OPS(X)      \
  ZT_FUSED_ACTIVATION_OPS(X) \
  ZT_FUSED_ATTENTION_OPS(X)  \
  ZT_FUSED_ATTENTION_BACKWARD_OPS(X) \
  ZT_FUSED_LAYOUT_OPS(X)     \
  ZT_FUSED_MUON_OPS(X)       \
  ZT_FUSED_NORM_OPS(X)       \
  ZT_FUSED_OPTIMISER_OPS(X)
