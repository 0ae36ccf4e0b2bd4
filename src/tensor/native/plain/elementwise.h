// Elementwise kernels with broadcasting, generated from templates.
#pragma once
#include "../simd.h"

namespace ZT_NS {

// n, a, b, out
static void add_same(const double* x, Team& team) {
  long from, to;
  team.range((long)x[0], from, to, 1024);
  map2(ptr<const float>(x[1]) + from, ptr<const float>(x[2]) + from, ptr<float>(x[3]) + from, to - from,
       [](vf a, vf b) { return a + b; });
}

}  // namespace ZT_NS

#define ZT_ELEMENTWISE_OPS(X) X(add_same)
