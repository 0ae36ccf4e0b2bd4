// AdamW over many tensors with global-norm clipping and moving average; the flow-matching loss. Sums over elements are
// taken in double over blocks whose number depends on the sizes alone, and added in order.
#pragma once
#include "lanes.h"

namespace ZT_NS {

enum { PART = 8192 };

// Sum of f(offset, count) over blocks, the same in every thread; ends with a barrier.
template <typename F>
static ZT_INLINE double block_sum(long blocks, Team& team, F f) {
  char* common = team.common;
  double* parts = team.shared<double>(blocks ? blocks : 1);
  long from, to;
  team.range(blocks, from, to);
  if (parts)
    for (long i = from; i < to; i++) parts[i] = f(i);
  team.barrier();
  double sum = 0;
  for (long i = 0; i < blocks; i++) sum += parts ? parts[i] : f(i);
  team.barrier();
  team.common = common;
  return sum;
}

static double square_sum(const float* p, long n) {
  vf s = splat(0.0f);
  for_lanes(n, [&](long j, long m) {
    vf v = load_n(p + j, m);
    s = fma(v, v, s);
  });
  return lane_sum(s);
}

struct Slots {
  const int32_t* sizes;
  const double* pointers;  // p, m, v, e, g of each slot
  long count;
  // The slot that block b lies in, walking on from slot s whose first block is `first`.
  ZT_INLINE void find(long b, long& s, long& first) const {
    while (b - first >= (sizes[s] + PART - 1) / PART) first += (sizes[s] + PART - 1) / PART, s++;
  }
};

// count, learning rate, beta1, beta2, 1 / (1 - beta1^t), 1 / (1 - beta2^t), eps, weight decay, max norm (0 = none),
// ema decay, sizes[count] (int32), decays[count], norm (out), then per slot: parameter, m, v, ema (or null), gradient.
// A norm that is not finite leaves everything as it was.
static void adamw(const double* x, Team& team) {
  Slots slots = {ptr<const int32_t>(x[10]), x + 13, (long)x[0]};
  const float* decays = ptr<const float>(x[11]);
  float* norm_out = ptr<float>(x[12]);
  long blocks = 0;
  for (long s = 0; s < slots.count; s++) blocks += (slots.sizes[s] + PART - 1) / PART;
  const double square = block_sum(blocks, team, [&](long b) {
    long s = 0, first = 0;
    slots.find(b, s, first);
    const long at = (b - first) * PART, n = slots.sizes[s] - at;
    return square_sum(ptr<const float>(slots.pointers[5 * s + 4]) + at, n < PART ? n : PART);
  });
  const float norm = (float)__builtin_sqrt(square), limit = (float)x[8];
  if (team.index == 0) *norm_out = norm;
  if (!(norm <= 3.4e38f)) return;
  const float clip = limit > 0 && limit < norm + 1e-6f ? limit / (norm + 1e-6f) : 1;
  const float decay = (float)(x[1] * x[7]);
  const vf g0 = splat(clip), b1 = splat((float)x[2]), a1 = splat((float)(1 - x[2]));
  const vf b2 = splat((float)x[3]), a2 = splat((float)(1 - x[3])), eps = splat((float)x[6]);
  const vf step = splat((float)(x[1] * x[4])), c2 = splat((float)x[5]);
  const vf e0 = splat((float)x[9]), e1 = splat((float)(1 - x[9]));
  long from, to, s = 0, first = 0;
  team.range(blocks, from, to);
  for (long b = from; b < to; b++) {
    slots.find(b, s, first);
    const long at = (b - first) * PART, left = slots.sizes[s] - at, n = left < PART ? left : PART;
    float* q[4];
    for (int i = 0; i < 4; i++) {
      q[i] = ptr<float>(slots.pointers[5 * s + i]);
      if (q[i]) q[i] += at;
    }
    float *p = q[0], *m = q[1], *v = q[2], *e = q[3];
    const float* g = ptr<const float>(slots.pointers[5 * s + 4]) + at;
    const vf keep = splat(1 - decay * decays[s]);
    for_lanes(n, [&](long j, long w) {
      const vf gj = load_n(g + j, w) * g0;
      const vf mj = load_n(m + j, w) * b1 + gj * a1;
      const vf vj = load_n(v + j, w) * b2 + gj * gj * a2;
      const vf pj = load_n(p + j, w) * keep - mj * step / (sqrt(vj * c2) + eps);
      store_n(m + j, mj, w);
      store_n(v + j, vj, w);
      store_n(p + j, pj, w);
      if (e) store_n(e + j, load_n(e + j, w) * e0 + pj * e1, w);
    });
  }
}

// n, elements per weight, velocity, target, weight (or null), loss
static void flow_matching_loss(const double* x, Team& team) {
  const long n = (long)x[0], per = (long)x[1];
  const float *v = ptr<const float>(x[2]), *t = ptr<const float>(x[3]), *weight = ptr<const float>(x[4]);
  float* out = ptr<float>(x[5]);
  const double sum = block_sum((n + PART - 1) / PART, team, [&](long b) {
    const long end = (b + 1) * PART < n ? (b + 1) * PART : n;
    double total = 0;
    for (long i = b * PART; i < end;) {
      // Runs of one weight.
      long stop = weight ? (i / per + 1) * per : end;
      if (stop > end) stop = end;
      vf s = splat(0.0f);
      for_lanes(stop - i, [&](long j, long w) {
        vf e = load_n(v + i + j, w) - load_n(t + i + j, w);
        s = fma(e, e, s);
      });
      total += (double)(weight ? weight[i / per] : 1.0f) * lane_sum(s);
      i = stop;
    }
    return total;
  });
  if (team.index == 0) *out = (float)(sum / n);
}

// n, elements per weight, velocity, target, weight (or null), dloss (scalar), dvelocity
static void flow_matching_loss_grad(const double* x, Team& team) {
  const long n = (long)x[0], per = (long)x[1];
  const float *v = ptr<const float>(x[2]), *t = ptr<const float>(x[3]), *weight = ptr<const float>(x[4]);
  const float scale = 2 * *ptr<const float>(x[5]) / n;
  float* out = ptr<float>(x[6]);
  long from, to;
  team.range(n, from, to, 1024);
  for (long i = from; i < to;) {
    long stop = weight ? (i / per + 1) * per : to;
    if (stop > to) stop = to;
    const vf c = splat(weight ? scale * weight[i / per] : scale);
    for_lanes(stop - i, [&](long j, long w) {
      store_n(out + i + j, (load_n(v + i + j, w) - load_n(t + i + j, w)) * c, w);
    });
    i = stop;
  }
}

}  // namespace ZT_NS

#define ZT_FUSED_OPTIMISER_OPS(X) X(adamw) X(flow_matching_loss) X(flow_matching_loss_grad)
