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

enum { MOST_PRODUCTS = 16 };

// products (at most 16), rows, then per product: tb, n, k, accumulate, bias, a, b, c
static void matmul_many(const double* x, Team& team) {
  Gemm g[MOST_PRODUCTS];
  const long count = (long)x[0];
  for (long i = 0; i < count; i++) {
    const double* p = x + 2 + 8 * i;
    g[i].m = (long)x[1];
    g[i].tb = p[0] != 0;
    g[i].n = g[i].ldc = (long)p[1];
    g[i].k = g[i].lda = (long)p[2];
    g[i].ldb = g[i].tb ? g[i].k : g[i].n;
    g[i].accumulate = p[3] != 0;
    g[i].bias = ptr<const float>(p[4]);
    g[i].a = ptr<const float>(p[5]);
    g[i].b = ptr<const float>(p[6]);
    g[i].c = ptr<float>(p[7]);
  }
  gemm_many(g, count, team);
}
// products, rows, depth, a, then per product: n, bias, packed, c
static void matmul_packed_many(const double* x, Team& team) {
  for (long i = 0; i < (long)x[0]; i++) {
    const double* p = x + 4 + 4 * i;
    Gemm g;
    g.m = (long)x[1];
    g.k = g.lda = (long)x[2];
    g.a = ptr<const float>(x[3]);
    g.n = g.ldc = (long)p[0];
    g.bias = ptr<const float>(p[1]);
    g.packed = ptr<const float>(p[2]);
    g.c = ptr<float>(p[3]);
    gemm(g, team);
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

#define ZT_MATMUL_OPS(X) X(matmul) X(matmul_many) X(pack_weights) X(matmul_packed) X(matmul_packed_many) X(set_precision)
