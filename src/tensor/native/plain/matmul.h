// Matrix products: one, and many with broadcast batches.
#pragma once
#include "../gemm.h"

namespace ZT_NS {

// batches, ta, tb, m, n, k, accumulate, bias, activation, pre, a, b, c, then (offset of a, offset of b) per batch in floats.
static void matmul(const double* x, Team& team) {
  long batches = (long)x[0];
  Gemm g;
  g.ta = x[1] != 0;
  g.tb = x[2] != 0;
  g.m = (long)x[3];
  g.n = (long)x[4];
  g.k = (long)x[5];
  g.accumulate = x[6] != 0;
  g.bias = ptr<const float>(x[7]);
  g.activation = (int)x[8];
  g.pre = ptr<float>(x[9]);
  const float *a = ptr<const float>(x[10]), *b = ptr<const float>(x[11]);
  float *c = ptr<float>(x[12]), *pre = g.pre;
  const int32_t* offsets = ptr<const int32_t>(x[13]);
  g.lda = g.ta ? g.m : g.k;
  g.ldb = g.tb ? g.k : g.n;
  g.ldc = g.n;
  long from = 0, to = batches;
  // Many small products: one each; few: the whole team on each.
  const bool split = batches >= team.count;
  if (split) team.range(batches, from, to);
  for (long i = from; i < to; i++) {
    g.a = a + (offsets ? (long)offsets[2 * i] * g.m * g.k : 0);
    g.b = b + (offsets ? (long)offsets[2 * i + 1] * g.k * g.n : 0);
    g.c = c + i * g.m * g.n;
    if (pre) g.pre = pre + i * g.m * g.n;
    if (split) gemm_serial(g, team);
    else gemm(g, team);
  }
}

// tb, k, n, b, ldb, out: B in packed form (packed_size(n, k) floats), in the precision in use.
static void pack_weights(const double* x, Team& team) {
  pack_b_all(x[0] != 0, (long)x[1], (long)x[2], ptr<const float>(x[3]), (long)x[4], ptr<float>(x[5]), team);
}
// m, n, k, a, packed, c, bias, activation, pre: C = A B with B packed by pack_weights.
static void matmul_packed(const double* x, Team& team) {
  Gemm g;
  g.m = (long)x[0];
  g.n = (long)x[1];
  g.k = (long)x[2];
  g.a = ptr<const float>(x[3]);
  g.lda = g.k;
  g.packed = ptr<const float>(x[4]);
  g.c = ptr<float>(x[5]);
  g.ldc = g.n;
  g.bias = ptr<const float>(x[6]);
  g.activation = (int)x[7];
  g.pre = ptr<float>(x[8]);
  gemm(g, team);
}

}  // namespace ZT_NS

#define ZT_MATMUL_OPS(X) X(matmul) X(pack_weights) X(matmul_packed) X(set_precision)
