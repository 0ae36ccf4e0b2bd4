// Gradients of attention, probabilities recomputed from the log-sum-exp of the forward pass (Dao et al. 2205.14135).
// A (batch row, head) belongs to one thread: no atomics, sums in the order of the lists.
#pragma once
#include "attention-lanes-backward.h"
#include "attention-routing.h"

namespace ZT_NS {

// State of a block of query rows in the backward pass.
struct BackwardBlock {
  float *q[ATTN_ROWS], *g[ATTN_ROWS], *dq[ATTN_ROWS], *s[ATTN_ROWS], *t[ATTN_ROWS];
  float lse[ATTN_ROWS], delta[ATTN_ROWS];
  // In bf16: words of the rows of q, g and the gradient of scores, and of pairs of rows of q and g.
  uint32_t *q_words[ATTN_ROWS], *g_words[ATTN_ROWS], *t_words[ATTN_ROWS], *q_pairs, *g_pairs;
};

// Weights and the gradient of scores of a row, in place of the scores s and of t = g . v.
static ZT_INLINE void softmax_back(float* s, float* t, const Panel* panels, long count, float row_lse, float row_delta,
                                   float scale) {
  const vf lse = splat(row_lse), delta = splat(row_delta), c = splat(scale);
  for (long j = 0; j < count; j++) {
    vf p = exp(load(s + j * VL) - lse), dp = p * (load(t + j * VL) - delta) * c;
    if (panels[j].hi - panels[j].lo < VL) {
      const vi here = lanes_between(panels[j].lo, panels[j].hi);
      p = select(here, p, splat(0.0f)), dp = select(here, dp, splat(0.0f));
    }
    store(s + j * VL, p);
    store(t + j * VL, dp);
  }
}

static void attend_back_bf16(BackwardBlock& block, const int* rows, long n, KeySource& source, PanelWalk& walk, float scale,
                             float* dk, float* dv) {
  Panel panels[ATTN_PANELS];
  const uint32_t *q_words[ATTN_ROWS], *g_words[ATTN_ROWS], *t_words[ATTN_ROWS];
  const float *q[ATTN_ROWS], *g[ATTN_ROWS];
  float *dq[ATTN_ROWS], *s[ATTN_ROWS], *t[ATTN_ROWS];
  for (long i = 0; i < n; i++) {
    const int r = rows[i];
    q_words[i] = block.q_words[r], g_words[i] = block.g_words[r], t_words[i] = block.t_words[r];
    q[i] = block.q[r], g[i] = block.g[r];
    dq[i] = block.dq[r], s[i] = block.s[r], t[i] = block.t[r];
  }
  pair_scattered_bf16(q, n, source.dp, block.q_pairs);
  pair_scattered_bf16(g, n, source.dp, block.g_pairs);
  const long pairs = (n + 1) / 2;
  const uint32_t *q_pairs[ATTN_ROWS / 2], *g_pairs[ATTN_ROWS / 2];
  for (long i = 0; i < pairs; i++) q_pairs[i] = block.q_pairs + i * source.dp, g_pairs[i] = block.g_pairs + i * source.dp;
  while (long count = source.block(walk, panels, false)) {
    scores(q_words, n, panels, count, false, source.d, scale, s);
    scores(g_words, n, panels, count, true, source.d, 1, t);
    for (long i = 0; i < n; i++) {
      softmax_back(s[i], t[i], panels, count, block.lse[rows[i]], block.delta[rows[i]], scale);
      words_along(t[i], count * VL, block.t_words[rows[i]]);
    }
    mix(t_words, n, panels, count, true, source.dp, source.dp, 0, dq);
    pair_rows_bf16(s, n, count * VL);
    pair_rows_bf16(t, n, count * VL);
    spread(t, pairs, panels, count, q_pairs, source.d, dk, source.k.ld);
    spread(s, pairs, panels, count, g_pairs, source.d, dv, source.k.ld);
  }
}

// Gradients through the keys of the walk for the given rows; dk and dv begin at key 0 of the (batch row, head).
static void attend_back(BackwardBlock& block, const int* rows, long n, KeySource& source, PanelWalk& walk, float scale,
                        float* dk, float* dv) {
  Panel panels[ATTN_PANELS];
  const float *q[ATTN_ROWS], *g[ATTN_ROWS];
  float *dq[ATTN_ROWS], *s[ATTN_ROWS], *t[ATTN_ROWS];
  for (long i = 0; i < n; i++) {
    q[i] = block.q[rows[i]];
    g[i] = block.g[rows[i]];
    dq[i] = block.dq[rows[i]];
    s[i] = block.s[rows[i]];
    t[i] = block.t[rows[i]];
  }
  if (source.bf16) return attend_back_bf16(block, rows, n, source, walk, scale, dk, dv);
  while (long count = source.block(walk, panels, false)) {
    scores(q, n, panels, count, false, source.d, scale, s);
    scores(g, n, panels, count, true, source.d, 1, t);
    for (long i = 0; i < n; i++)
      softmax_back(s[i], t[i], panels, count, block.lse[rows[i]], block.delta[rows[i]], scale);
    mix(t, n, panels, count, true, source.dp, source.dp, 0, dq);
    spread(t, n, panels, count, q, source.d, dk, source.k.ld);
    spread(s, n, panels, count, g, source.d, dv, source.k.ld);
  }
}

// AttentionShape, q, k, v, o, lse, selection (or null), do, dq, dk, dv
static void attention_grad(const double* x, Team& team) {
  AttentionShape a;
  a.read(x);
  x += AttentionShape::VALUES;
  const float *q = ptr<const float>(x[0]), *k = ptr<const float>(x[1]), *v = ptr<const float>(x[2]);
  const float *o = ptr<const float>(x[3]), *lse = ptr<const float>(x[4]);
  const int32_t* selection = ptr<const int32_t>(x[5]);
  const float* g = ptr<const float>(x[6]);
  float *dq = ptr<float>(x[7]), *dk = ptr<float>(x[8]), *dv = ptr<float>(x[9]);
  long from, to;
  team.range(a.batch * a.heads, from, to);
  if (to <= from) return;

  KeySource source;
  LaneBackward lanes;
  lanes.open(team, a);
  BackwardBlock block;
  float* rows = team.scratch((size_t)ATTN_ROWS * (3 * a.dp + 2 * ATTN_STRIDE));
  for (long i = 0; i < ATTN_ROWS; i++) {
    block.q[i] = rows + i * a.dp;
    block.g[i] = rows + (ATTN_ROWS + i) * a.dp;
    block.dq[i] = rows + (2 * ATTN_ROWS + i) * a.dp;
    block.s[i] = rows + 3 * ATTN_ROWS * a.dp + i * ATTN_STRIDE;
    block.t[i] = rows + 3 * ATTN_ROWS * a.dp + (ATTN_ROWS + i) * ATTN_STRIDE;
  }
  const bool bf16 = a.in_bf16();
  const long words = row_words(a.d), half = ATTN_STRIDE / 2;
  uint32_t* room = bf16 ? team.scratch<uint32_t>(ATTN_ROWS * (2 * words + half + a.dp)) : 0;
  for (long i = 0; i < ATTN_ROWS; i++) {
    block.q_words[i] = room + i * words;
    block.g_words[i] = room + (ATTN_ROWS + i) * words;
    block.t_words[i] = room + 2 * ATTN_ROWS * words + i * half;
  }
  block.q_pairs = room + ATTN_ROWS * (2 * words + half);
  block.g_pairs = block.q_pairs + ATTN_ROWS / 2 * a.dp;
  Groups groups;
  if (a.top > 0) groups.open(team, a.key_chunks, a.top);
  source.open(team, a, true, false);
  int some[ATTN_ROWS];

  const long chunks = a.query_chunk ? a.queries / a.query_chunk : 0;
  for (long bh = from; bh < to; bh++) {
    const long b = bh / a.heads, h = bh % a.heads, key_at = a.stored.at(b, h), ld = a.stored.ld;
    source.point(k, v, key_at);
    if (bf16) lanes.words.forget(a.keys);
    for (long i = 0; i < a.capacity; i++)
      for_lanes(a.d, [&](long j, long w) {
        store_n(dk + key_at + i * ld + j, splat(0.0f), w);
        store_n(dv + key_at + i * ld + j, splat(0.0f), w);
      });
    for (long chunk = 0; chunk < chunks; chunk++) {
      const long end = (chunk + 1) * a.query_chunk;
      for (long r0 = chunk * a.query_chunk; r0 < end; r0 += ATTN_ROWS) {
        const long n = end - r0 < ATTN_ROWS ? end - r0 : (long)ATTN_ROWS;
        const long at = (b * a.queries + r0) * a.width + h * a.d;
        // The next rows, and of the next head a share of its keys: they lie too far apart to be fetched unasked.
        {
          const long more = end < a.queries ? ATTN_ROWS < a.query_chunk ? ATTN_ROWS : a.query_chunk : 0;
          prefetch_far_rows(q + at + n * a.width, a.width, more, a.d);
          prefetch_far_rows(g + at + n * a.width, a.width, more, a.d);
          prefetch_far_rows(o + at + n * a.width, a.width, more, a.d);
        }
        if (bh + 1 < to) {
          const long next = a.stored.at((bh + 1) / a.heads, (bh + 1) % a.heads);
          const long share = a.keys * r0 / a.queries, until = a.keys * (r0 + n) / a.queries;
          prefetch_far_rows(k + next + share * ld, ld, until - share, a.d);
          prefetch_far_rows(v + next + share * ld, ld, until - share, a.d);
          prefetch_far_rows(dk + next + share * ld, ld, until - share, a.d);
          prefetch_far_rows(dv + next + share * ld, ld, until - share, a.d);
        }
        pack_rows(q + at, a.width, n, n, a.d, a.dp, block.q[0]);
        pack_rows(g + at, a.width, n, n, a.d, a.dp, block.g[0]);
        lanes.begin(block.q[0], block.g[0], n);
        for (long i = 0; i < n; i++) {
          block.lse[i] = lse[bh * a.queries + r0 + i];
          prefetch_rows(o + at + (i + 8) * a.width, a.width, 1, a.d);
          vf s = splat(0.0f);
          for_lanes(a.d, [&](long j, long w) { s = fma(load_n(o + at + i * a.width + j, w), load(block.g[i] + j), s); });
          block.delta[i] = lane_sum(s);
          lanes.lse[i] = block.lse[i], lanes.delta[i] = block.delta[i];
        }
        PanelWalk walk;
        long count;
        const int32_t* list = a.visible.list(chunk, count);
        walk.start(list, count, a.key_chunk);
        lanes.attend(source, walk, a.scale, dk + key_at, dv + key_at);
        lane_rows(lanes.dq, n, a.d, block.dq);
        if (a.top > 0) {
          for (long i = 0; bf16 && i < n; i++) {
            words_along(block.q[i], a.d, block.q_words[i]);
            words_along(block.g[i], a.d, block.g_words[i]);
          }
          list = a.candidates.list(chunk, count);
          groups.fill(selection + (bh * a.queries + r0) * a.top, n, a.top);
          for (long j = 0; j < count; j++) {
            if (groups.head[list[j]] < 0) continue;
            const long m = groups.take(list[j], a.top, some);
            walk.start(list + j, 1, a.key_chunk);
            attend_back(block, some, m, source, walk, a.scale, dk + key_at, dv + key_at);
          }
        }
        for (long i = 0; i < n; i++)
          for_lanes(a.d, [&](long j, long w) { store_n(dq + at + i * a.width + j, load(block.dq[i] + j), w); });
      }
    }
  }
}

}  // namespace ZT_NS

#define ZT_FUSED_ATTENTION_BACKWARD_OPS(X) X(attention_grad)
