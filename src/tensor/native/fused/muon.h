// Muon: momentum, five steps of the Newton-Schulz iteration, weights and their averages, a matrix at a time in cache.
// Tall matrices are not turned: with A = X^T X the iteration is X <- a X + X (b A + c A^2).
#pragma once
#include "optimiser.h"

namespace ZT_NS {

// A matrix of a group by one thread, or by the whole team (the elementwise parts then in the first thread).
struct MuonMatrix {
  long rows, cols;
  float keep, scale, beta, average;
  bool whole;

  ZT_INLINE void product(const Gemm& g, Team& team) const {
    if (whole) gemm(g, team);
    else gemm_serial(g, team);
  }
  ZT_INLINE bool mine(Team& team) const { return !whole || team.index == 0; }
  ZT_INLINE void meet(Team& team) const {
    if (whole) team.barrier();
  }

  void step(float* m, float* p, const float* g, float* e, float* room, Team& team) const {
    const long size = rows * cols, s = rows < cols ? rows : cols;
    float *x = room, *y = room + size, *a = y + size, *b = a + s * s;
    if (mine(team)) {
      const vf keep_m = splat(beta), add = splat(1 - beta);
      for_lanes(size, [&](long j, long w) {
        const vf gj = load_n(g + j, w) * add, mj = load_n(m + j, w) * keep_m + gj;
        store_n(m + j, mj, w);
        store_n(x + j, mj * keep_m + gj, w);
      });
      double sum = 0;
      for (long j = 0; j < size; j += PART) sum += square_sum(x + j, size - j < PART ? size - j : PART);
      const vf factor = splat((float)(1 / (__builtin_sqrt(sum) + 1e-7)));
      map1(x, x, size, [factor](vf v) { return v * factor; });
    }
    meet(team);
    for (int i = 0; i < 5; i++) {
      Gemm square;  // A = X X^T, or X^T X
      square.m = square.n = s;
      square.k = rows < cols ? cols : rows;
      square.ta = rows > cols;
      square.tb = rows <= cols;
      square.a = square.b = x;
      square.lda = square.ldb = cols;
      square.c = a;
      square.ldc = s;
      product(square, team);
      if (mine(team)) {
        map1(a, b, s * s, [](vf v) { return v * splat(-4.775f); });
        map1(x, y, size, [](vf v) { return v * splat(3.4445f); });
      }
      meet(team);
      Gemm fourth;  // B = b A + c A^2
      fourth.m = fourth.n = fourth.k = s;
      fourth.a = fourth.b = a;
      fourth.c = b;
      fourth.lda = fourth.ldb = fourth.ldc = s;
      fourth.alpha = 2.0315f;
      fourth.accumulate = true;
      product(fourth, team);
      Gemm next;  // Y = a X + B X, or a X + X B
      next.m = rows;
      next.n = cols;
      next.k = s;
      next.a = rows > cols ? x : b;
      next.b = rows > cols ? b : x;
      next.lda = rows > cols ? cols : s;
      next.ldb = rows > cols ? s : cols;
      next.c = y;
      next.ldc = cols;
      next.accumulate = true;
      product(next, team);
      float* t = x;
      x = y;
      y = t;
    }
    if (mine(team)) {
      const vf k = splat(keep), c = splat(scale), e0 = splat(average), e1 = splat(1 - average);
      for_lanes(size, [&](long j, long w) {
        const vf v = load_n(p + j, w) * k - load_n(x + j, w) * c;
        store_n(p + j, v, w);
        if (e) store_n(e + j, load_n(e + j, w) * e0 + v * e1, w);
      });
    }
    meet(team);
  }
};

// n, rows, cols, factor on weights, factor on the direction, beta, decay of averages, momentum [n, rows, cols],
// workspace [min(n, threads)][2 (rows cols + min(rows, cols)^2)], squared norm; then weights, gradient, average (or null)
// of each matrix.
static void muon(const double* x, Team& team) {
  const long n = (long)x[0], rows = (long)x[1], cols = (long)x[2], size = rows * cols, parts = (size + PART - 1) / PART;
  const long s = rows < cols ? rows : cols;
  const double* pointers = x + 10;
  const double squared = block_sum(n * parts, team, [&](long b) {
    const long at = b % parts * PART, left = size - at;
    return square_sum(ptr<const float>(pointers[b / parts * 3 + 1]) + at, left < PART ? left : PART);
  });
  if (team.index == 0) *ptr<float>(x[9]) = (float)squared;
  // Neither infinite nor not a number.
  if (!(squared <= 3.4e38)) return;
  const bool whole = n < team.count;
  const MuonMatrix matrix = {rows, cols, (float)x[3], (float)x[4], (float)x[5], (float)x[6], whole};
  float* room = ptr<float>(x[8]) + (whole ? 0 : team.index * 2 * (size + s * s));
  long from = 0, to = n;
  if (!whole) team.range(n, from, to);
  for (long i = from; i < to; i++) {
    const double* q = pointers + 3 * i;
    matrix.step(ptr<float>(x[7]) + i * size, ptr<float>(q[0]), ptr<const float>(q[1]), ptr<float>(q[2]), room, team);
  }
}

}  // namespace ZT_NS

#define ZT_FUSED_MUON_OPS(X) X(muon)
