// GELU (tanh form), SiLU: value and derivative, elementwise; the gradients of a linear layer's weight and bias.
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

// rows, outputs, inputs, dy, x, dweight, dbias (or null): dW = dy^T x, with the column sums of dy taken on the way.
static void linear_grad_weight(const double* x, Team& team) {
  Gemm g;
  g.ta = true;
  g.k = (long)x[0];
  g.m = (long)x[1];
  g.n = (long)x[2];
  g.a = ptr<const float>(x[3]);
  g.lda = g.m;
  g.b = ptr<const float>(x[4]);
  g.ldb = g.n;
  g.c = ptr<float>(x[5]);
  g.ldc = g.n;
  g.row_sums = ptr<float>(x[6]);
  gemm_deep(g, team);
}

}  // namespace ZT_NS

#define ZT_FUSED_ACTIVATION_OPS(X) X(activation) X(activation_grad) X(linear_grad_weight)
