// Gradients of attention to all keys of a walk, with queries as lanes (attention-lanes.h): the scores once more, the gradients
// of the weights, those of the queries as columns, and
//
//   spread   dK[key][d]  += dS Q     a number of dS for all lanes, rows of Q as vectors
//
// In bf16 a step of the spread takes a word of two neighbouring queries.
#pragma once
#include "attention-lanes.h"

namespace ZT_NS {

// R keys, N vectors of their gradient at `o` (leading dimension ld; the last vector holds `last` floats): s is [key][steps of
// a key], x [step][dp].
template <typename In, int R, int N>
ZT_BF16 static ZT_INLINE void lane_spread_tile(const In* s, long per_key, long steps, const In* x, long dp, float* o, long ld,
                                               long last) {
  vf c[R][N];
  const In* at[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++) {
    at[r] = s + r * per_key;
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) c[r][n] = load_n(o + r * ld + n * VL, n == N - 1 ? last : VL);
  }
  for (long i = 0; i < steps; i++) {
    vf b[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) b[n] = load((const float*)(x + i * dp + n * VL));
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) c[r][n] = step(at[r][i], b[n], c[r][n]);
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) store_n(o + r * ld + n * VL, c[r][n], n == N - 1 ? last : VL);
}
template <typename In, int R>
ZT_BF16 static void lane_spread_keys(const In* s, long per_key, long steps, const In* x, long d, long dp, float* o, long ld) {
  long col = 0;
  for (; col + 2 * VL <= d; col += 2 * VL)
    lane_spread_tile<In, R, 2>(s, per_key, steps, x + col, dp, o + col, ld, VL);
  for (; col < d; col += VL)
    lane_spread_tile<In, R, 1>(s, per_key, steps, x + col, dp, o + col, ld, d - col < VL ? d - col : (long)VL);
}
// o[key] += sum over steps of s[key][step] x[step].
template <typename In>
static void lane_spread(const In* s, long per_key, long keys, long steps, const In* x, long d, long dp, float* o, long ld) {
  long r = 0;
  for (; r + TILE_ROWS <= keys; r += TILE_ROWS)
    lane_spread_keys<In, TILE_ROWS>(s + r * per_key, per_key, steps, x, d, dp, o + r * ld, ld);
  for (; r + 2 <= keys; r += 2) lane_spread_keys<In, 2>(s + r * per_key, per_key, steps, x, d, dp, o + r * ld, ld);
  for (; r < keys; r++) lane_spread_keys<In, 1>(s + r * per_key, per_key, steps, x, d, dp, o + r * ld, ld);
}

// A block of query rows on its way through the keys.
struct LaneBackward {
  float *q, *g, *dq, *s, *t;         // columns of q, g and dq; weights and gradients of scores, [LANE_KEYS][lanes]
  uint32_t *p_words, *t_words;       // in bf16: both as words of two queries, [LANE_KEYS][lanes / 2]
  uint32_t *q_pairs, *g_pairs;       // in bf16: rows of q and g, two to a word
  const float *q_rows, *g_rows;      // [row][dp]
  float lse[ATTN_ROWS], delta[ATTN_ROWS], ones[ATTN_ROWS];
  long d, dp, groups, rows;
  bool bf16;
  LaneWords words;

  ZT_INLINE void open(Team& team, const AttentionShape& a) {
    d = a.d;
    dp = a.dp;
    bf16 = a.in_bf16();
    q = team.scratch(ATTN_ROWS * a.dp);
    g = team.scratch(ATTN_ROWS * a.dp);
    dq = team.scratch(ATTN_ROWS * a.dp);
    s = team.scratch(ATTN_ROWS * LANE_KEYS);
    t = team.scratch(ATTN_ROWS * LANE_KEYS);
    for (long i = 0; i < ATTN_ROWS; i++) ones[i] = 1;
    if (!bf16) return;
    p_words = team.scratch<uint32_t>(ATTN_ROWS / 2 * LANE_KEYS);
    t_words = team.scratch<uint32_t>(ATTN_ROWS / 2 * LANE_KEYS);
    q_pairs = team.scratch<uint32_t>(ATTN_ROWS / 2 * a.dp);
    g_pairs = team.scratch<uint32_t>(ATTN_ROWS / 2 * a.dp);
    words.open(team, a.keys, a.d, a.dp, true);
  }
  // Rows [n][dp] of q and of the gradient of the output; lse and delta are filled in by the caller.
  ZT_INLINE void begin(const float* queries, const float* gradients, long n) {
    rows = n;
    groups = (n + VL - 1) / VL;
    q_rows = queries, g_rows = gradients;
    lane_columns(queries, dp, n, d, bf16, q);
    lane_columns(gradients, dp, n, d, bf16, g);
    for (long i = 0; bf16 && i < n; i += 2) {
      pair_rows(queries + i * dp, i + 1 < n, q_pairs + i / 2 * dp);
      pair_rows(gradients + i * dp, i + 1 < n, g_pairs + i / 2 * dp);
    }
    for (long i = n; i < groups * VL; i++) lse[i] = delta[i] = 0;
    for (long i = 0; i < groups * d * VL; i += VL) store(dq + i, splat(0.0f));
  }
#if ZT_BF16_COMPILED
  ZT_BF16 void pair_rows(const float* x, bool both, uint32_t* o) const {
    for (long j = 0; j < dp; j += VL) *(viu*)(o + j) = pairs_across(x + j, both ? x + dp + j : 0, VL);
  }
  // The words of two keys in place of t, and both as words of two queries.
  ZT_BF16 void round(long n) {
    typedef int32_t half __attribute__((vector_size(VL * 2), aligned(4)));
    const long lanes = groups * VL;
    for (long i = 0; i < n; i += 2)
      for (long at = 0; at < lanes; at += VL) {
        const bool both = i + 1 < n;
        const vf t0 = load(t + i * lanes + at), t1 = both ? load(t + (i + 1) * lanes + at) : splat(0.0f);
        const vf p0 = load(s + i * lanes + at), p1 = both ? load(s + (i + 1) * lanes + at) : splat(0.0f);
        const __m512i tw = (__m512i)_mm512_cvtne2ps_pbh((__m512)t1, (__m512)t0);
        const __m512i pw = (__m512i)_mm512_cvtne2ps_pbh((__m512)p1, (__m512)p0);
        uint32_t *to = t_words + (i * lanes + at) / 2, *po = p_words + (i * lanes + at) / 2;
        *(half*)to = (half)_mm512_castsi512_si256(tw);
        *(half*)po = (half)_mm512_castsi512_si256(pw);
        if (both) {
          *(half*)(to + lanes / 2) = (half)_mm512_extracti64x4_epi64(tw, 1);
          *(half*)(po + lanes / 2) = (half)_mm512_extracti64x4_epi64(pw, 1);
        }
        store(t + i / 2 * lanes + at, (vf)pairs(t0, t1));
      }
  }
#else
  void pair_rows(const float*, bool, uint32_t*) const {}
  void round(long) {}
#endif
  // Weights and the gradients of scores, in place of scores and of g . v.
  ZT_INLINE void soften(long n, float scale) {
    const vf c = splat(scale);
    for (long at = 0; at < groups * VL; at += VL) {
      const vf top = load(lse + at), less = load(delta + at);
      for (long i = at; i < n * groups * VL; i += groups * VL) {
        const vf p = exp(load(s + i) - top);
        store(s + i, p);
        store(t + i, p * (load(t + i) - less) * c);
      }
    }
  }
  // k, v along the head, `across` for the gradient of the queries; dk and dv begin at key 0.
  template <typename In>
  void back_block(const In* const* k, const In* const* v, long along_ld, const In* const* across, long across_ld, KeyRun* runs,
                  long count, float scale, const In* q_in, const In* g_in, const In* p_in, const In* t_in, float* dk, float* dv,
                  long ld) {
    const long lanes = groups * VL, depth = bf16 ? (d + 1) / 2 : d, per_key = bf16 ? lanes / 2 : lanes;
    const long steps = bf16 ? (rows + 1) / 2 : rows;
    long n = 0;
    for (long i = 0; i < count; n += runs[i++].count) {
      score_groups(k[i], along_ld, runs[i].count, q, depth, scale, s + n * lanes, groups, {});
      score_groups(v[i], along_ld, runs[i].count, g, depth, 1, t + n * lanes, groups, {});
    }
    soften(n, scale);
    if (bf16) round(n);
    n = 0;
    for (long i = 0; i < count; n += runs[i++].count) {
      const long at = runs[i].key * ld;
      lane_spread(t_in + n * per_key, per_key, runs[i].count, steps, q_in, d, dp, dk + at, ld);
      lane_spread(p_in + n * per_key, per_key, runs[i].count, steps, g_in, d, dp, dv + at, ld);
    }
    for (long i = 0; bf16 && i < count; i++) runs[i].count = (runs[i].count + 1) / 2;
    mix_groups(across, across_ld, runs, count, t, ones, d, dq, groups);
  }
  void attend(const KeySource& source, PanelWalk& walk, float scale, float* dk, float* dv) {
    KeyRun runs[LANE_KEYS];
    while (long count = walk.runs(runs, LANE_KEYS)) {
      if (bf16) {
        const uint32_t *k[LANE_KEYS], *v[LANE_KEYS], *across[LANE_KEYS];
        for (long i = 0, n = 0; i < count; n += runs[i++].count) {
          const long at = words.place(source, runs[i], n);
          k[i] = words.keys + at * words.words;
          v[i] = words.values + at * words.words;
          across[i] = words.across + at / 2 * words.dp;
        }
        back_block<uint32_t>(k, v, words.words, across, words.dp, runs, count, scale, q_pairs, g_pairs, p_words, t_words, dk,
                             dv, source.k.ld);
      } else {
        const float *k[LANE_KEYS], *v[LANE_KEYS];
        for (long i = 0; i < count; i++) {
          k[i] = source.k.read(runs[i].key, runs[i].count);
          v[i] = source.v.read(runs[i].key, runs[i].count);
        }
        back_block<float>(k, v, source.k.ld, k, source.k.ld, runs, count, scale, q_rows, g_rows, s, t, dk, dv, source.k.ld);
      }
    }
  }
};

}  // namespace ZT_NS
