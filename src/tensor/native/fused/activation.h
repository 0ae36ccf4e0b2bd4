// GELU (tanh form), SiLU: value and derivative, elementwise.
#pragma once
#include "../gemm.h"

namespace ZT_NS {

// d/dx of x sigmoid(u(x)): s + x s (1 - s) u'.
static ZT_INLINE vf activation_slope(vf x, int activation) {
  const float c = 2 * 0.7978845608f;
  if (activation == ACT_GELU) {
    vf square = x * x;
    vf s = sigmoid(x * fma(square, splat(c * 0.044715f), splat(c)));
    vf inner = fma(square, splat(3 * c * 0.044715f), splat(c));
    // Far out s (1 - s) is 0 while x inner overflows only beyond 1e12: the product stays 0.
    return fma(s * (splat(1.0f) - s), x * inner, s);
  }
  if (activation == ACT_SILU) {
    vf s = sigmoid(x);
    return fma(s * (splat(1.0f) - s), x, s);
  }
  return select(x > splat(0.0f), splat(1.0f), splat(0.0f));
}

// n, activation, x, out
static void activation(const double* x, Team& team) {
  const int kind = (int)x[1];
  long from, to;
  team.range((long)x[0], from, to, 1024);
  map1(ptr<const float>(x[2]) + from, ptr<float>(x[3]) + from, to - from, [kind](vf a) { return activate(a, kind); });
}

// n, activation, x, dy, dx
static void activation_grad(const double* x, Team& team) {
  const int kind = (int)x[1];
  long from, to;
  team.range((long)x[0], from, to, 1024);
  const float *in = ptr<const float>(x[2]) + from, *dy = ptr<const float>(x[3]) + from;
  float* dx = ptr<float>(x[4]) + from;
  if (kind == ACT_GELU)
    map2(in, dy, dx, to - from, [](vf a, vf d) { return d * activation_slope(a, ACT_GELU); });
  else
    map2(in, dy, dx, to - from, [](vf a, vf d) { return d * activation_slope(a, ACT_SILU); });
}

// rows, n, x, out: sums over rows, the gradient of a bias. A column belongs to one thread and its rows are added in
// order, eight at a time.
static void column_sums(const double* x, Team& team) {
  const long rows = (long)x[0], n = (long)x[1];
  const float* in = ptr<const float>(x[2]);
  float* out = ptr<float>(x[3]);
  long from, to;
  team.range(n, from, to, 64);
  if (to <= from) return;
  for (long j = from; j < to; j++) out[j] = 0;
  long i = 0;
  for (; i + 8 <= rows; i += 8) {
    const float* p = in + i * n;
    long j = from;
    for (; j + VL <= to; j += VL) {
      vf a = load(p + j) + load(p + n + j), b = load(p + 2 * n + j) + load(p + 3 * n + j);
      vf c = load(p + 4 * n + j) + load(p + 5 * n + j), d = load(p + 6 * n + j) + load(p + 7 * n + j);
      store(out + j, load(out + j) + ((a + b) + (c + d)));
    }
    for (; j < to; j++)
      out[j] += ((p[j] + p[n + j]) + (p[2 * n + j] + p[3 * n + j])) +
                ((p[4 * n + j] + p[5 * n + j]) + (p[6 * n + j] + p[7 * n + j]));
  }
  for (; i < rows; i++)
    for (long j = from; j < to; j++) out[j] += in[i * n + j];
}

}  // namespace ZT_NS

#define ZT_FUSED_ACTIVATION_OPS(X) X(activation) X(activation_grad) X(column_sums)
