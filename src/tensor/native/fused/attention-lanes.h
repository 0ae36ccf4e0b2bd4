// Attention of a block of query rows to all keys of a walk, with queries as lanes: a vector holds one number of VL queries.
//
//   scores   S[key][query]  = K Q^T     a number of K for all lanes, Q as columns [d][VL]
//   mix      O[d][query]   += V^T P     a number of V for all lanes
//
// Keys and values are read where they lie, softmax needs no sum across lanes, and a query depends on no other. In bf16 a
// step of either sum takes a word of two neighbours (bf16.h): numbers of a key along the head, and values of two keys.
#pragma once
#include "attention-keys.h"

namespace ZT_NS {

enum {
  LANE_KEYS = 128,                    // keys of a block
  LANE_GROUPS = ATTN_ROWS / VL,       // vectors of queries of a block of rows
  LANE_TILE = VL == 16 || TILE_ROWS == 8 ? 8 : 4,
};

// Rows that are needed next: read into the second-level cache while something else is computed.
struct Ahead {
  const float* rows = 0;
  long ld = 0, d = 0;
  ZT_INLINE void fetch(long first, long n) const {
    if (rows) prefetch_far_rows(rows + first * ld, ld, n, d);
  }
};

// s[key][query] = scale k . q for K keys `ld` apart and Q vectors of queries; q is [group][depth][VL].
template <typename In, int K, int Q>
ZT_BF16 static ZT_INLINE void lane_score_tile(const In* k, long ld, const float* q, long depth, float scale, float* s,
                                              long lanes) {
  vf c[K][Q];
  const In* at[K];
#pragma GCC unroll 8
  for (int r = 0; r < K; r++) {
    at[r] = k + r * ld;
#pragma GCC unroll 2
    for (int i = 0; i < Q; i++) c[r][i] = splat(0.0f);
  }
  for (long j = 0; j < depth; j++) {
    vf b[Q];
#pragma GCC unroll 2
    for (int i = 0; i < Q; i++) b[i] = load(q + (i * depth + j) * VL);
#pragma GCC unroll 8
    for (int r = 0; r < K; r++)
#pragma GCC unroll 2
      for (int i = 0; i < Q; i++) c[r][i] = step(at[r][j], b[i], c[r][i]);
  }
  const vf factor = splat(scale);
#pragma GCC unroll 8
  for (int r = 0; r < K; r++)
#pragma GCC unroll 2
    for (int i = 0; i < Q; i++) store(s + r * lanes + i * VL, c[r][i] * factor);
}
template <typename In, int Q>
ZT_BF16 static void lane_scores(const In* k, long ld, long keys, const float* q, long depth, float scale, float* s, long lanes,
                                Ahead ahead) {
  long r = 0;
  for (; r + LANE_TILE <= keys; r += LANE_TILE) {
    ahead.fetch(r, LANE_TILE);
    lane_score_tile<In, LANE_TILE, Q>(k + r * ld, ld, q, depth, scale, s + r * lanes, lanes);
  }
  for (; r + 2 <= keys; r += 2) lane_score_tile<In, 2, Q>(k + r * ld, ld, q, depth, scale, s + r * lanes, lanes);
  for (; r < keys; r++) lane_score_tile<In, 1, Q>(k + r * ld, ld, q, depth, scale, s + r * lanes, lanes);
}

template <typename In>
static ZT_INLINE void score_groups(const In* k, long ld, long keys, const float* q, long depth, float scale, float* s,
                                   long groups, Ahead ahead) {
  const long lanes = groups * VL;
  long g = 0;
  for (; g + 2 <= groups; g += 2, ahead.rows = 0)
    lane_scores<In, 2>(k, ld, keys, q + g * depth * VL, depth, scale, s + g * VL, lanes, ahead);
  if (g < groups) lane_scores<In, 1>(k, ld, keys, q + g * depth * VL, depth, scale, s + g * VL, lanes, ahead);
}

// o[d][query] = alpha o + v^T p for D numbers of a head and Q vectors of queries; o is [group][d][VL], p [key][query].
template <typename In, int D, int Q>
ZT_BF16 static ZT_INLINE void lane_mix_tile(const In* const* v, long ld, const KeyRun* runs, long count, const float* p,
                                            long lanes, const float* alpha, long d, long col, float* o) {
  vf c[D][Q];
#pragma GCC unroll 16
  for (int r = 0; r < D; r++)
#pragma GCC unroll 2
    for (int i = 0; i < Q; i++) c[r][i] = load(o + (i * d + col + r) * VL) * load(alpha + i * VL);
  for (long n = 0; n < count; n++) {
    const In* at = v[n] + col;
    for (long key = 0; key < runs[n].count; key++, at += ld, p += lanes) {
      vf b[Q];
#pragma GCC unroll 2
      for (int i = 0; i < Q; i++) b[i] = load(p + i * VL);
#pragma GCC unroll 16
      for (int r = 0; r < D; r++)
#pragma GCC unroll 2
        for (int i = 0; i < Q; i++) c[r][i] = step(at[r], b[i], c[r][i]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < D; r++)
#pragma GCC unroll 2
    for (int i = 0; i < Q; i++) store(o + (i * d + col + r) * VL, c[r][i]);
}
template <typename In, int Q>
ZT_BF16 static void lane_mix(const In* const* v, long ld, const KeyRun* runs, long count, const float* p, long lanes,
                             const float* alpha, long d, float* o) {
  enum { WIDE = 2 * LANE_TILE / Q };
  long col = 0;
  for (; col + WIDE <= d; col += WIDE) lane_mix_tile<In, WIDE, Q>(v, ld, runs, count, p, lanes, alpha, d, col, o);
  for (; col + 2 <= d; col += 2) lane_mix_tile<In, 2, Q>(v, ld, runs, count, p, lanes, alpha, d, col, o);
  for (; col < d; col++) lane_mix_tile<In, 1, Q>(v, ld, runs, count, p, lanes, alpha, d, col, o);
}

template <typename In>
static ZT_INLINE void mix_groups(const In* const* v, long ld, const KeyRun* runs, long count, const float* p,
                                 const float* alpha, long d, float* o, long groups) {
  const long lanes = groups * VL;
  long g = 0;
  for (; g + 2 <= groups; g += 2)
    lane_mix<In, 2>(v, ld, runs, count, p + g * VL, lanes, alpha + g * VL, d, o + g * d * VL);
  if (g < groups) lane_mix<In, 1>(v, ld, runs, count, p + g * VL, lanes, alpha + g * VL, d, o + g * d * VL);
}

// Keys and values of one (batch row, head) as words: along the head [key][words], or of two keys [key / 2][dp]. The forward
// pass reads keys along and values across, the backward pass also values along and, in place of values, keys across.
// Converted once where scratch allows, 16 keys at a time, else block by block.
struct LaneWords {
  enum { GRAIN = 16 };
  uint32_t *keys, *values, *across;
  unsigned char* done;
  long words, dp;
  bool keep, backward;
  ZT_INLINE void open(Team& team, long key_count, long d, long padded, bool is_backward) {
    words = row_words(d);
    dp = padded;
    backward = is_backward;
    const long grains = (key_count + GRAIN - 1) / GRAIN;
    const size_t room = (size_t)(team.own_end - team.own);
    keep = (size_t)grains * GRAIN * (2 * words + dp / 2) * sizeof(uint32_t) + grains < room / 4;
    const long held = keep ? grains * GRAIN : (long)LANE_KEYS;
    keys = team.scratch<uint32_t>(held * words);
    values = backward ? team.scratch<uint32_t>(held * words) : 0;
    across = team.scratch<uint32_t>(held / 2 * dp);
    done = keep ? team.scratch<unsigned char>(grains + 1) : 0;
  }
  ZT_INLINE void forget(long key_count) {
    if (keep)
      for (long i = 0; i < (key_count + GRAIN - 1) / GRAIN; i++) done[i] = 0;
  }
#if ZT_BF16_COMPILED
  ZT_BF16 ZT_INLINE void along(const float* x, long d, uint32_t* o) const {
    for (long j = 0; j < words; j += VL) *(viu*)(o + j) = pairs_along(x + 2 * j, d - 2 * j);
  }
  ZT_BF16 void convert(const KeySource& source, long key, long n, long at) {
    const long ld = source.k.stride();
    const float *k = source.k.read(key, n), *v = source.v.read(key, n), *both = backward ? k : v;
    for (long i = 0; i < n; i++) along(k + i * ld, source.d, keys + (at + i) * words);
    for (long i = 0; backward && i < n; i++) along(v + i * ld, source.d, values + (at + i) * words);
    for (long i = 0; i < n; i += 2)
      for (long j = 0; j < dp; j += VL) {
        const float* x = both + i * ld + j;
        *(viu*)(across + (at + i) / 2 * dp + j) = pairs_across(x, i + 1 < n ? x + ld : 0, source.d - j);
      }
  }
#else
  void convert(const KeySource&, long, long, long) {}
#endif
  // Where the words of a run lie, which is the first after `before` keys of its block.
  ZT_INLINE long place(const KeySource& source, const KeyRun& run, long before) {
    if (!keep) {
      convert(source, run.key, run.count, before);
      return before;
    }
    for (long g = run.key / GRAIN; g * GRAIN < run.key + run.count; g++)
      if (!done[g]) {
        const long left = source.keys - g * GRAIN;
        convert(source, g * GRAIN, left < GRAIN ? left : (long)GRAIN, g * GRAIN);
        done[g] = 1;
      }
    return run.key;
  }
};

// Rows of queries as columns (of words) [group][depth][VL].
static ZT_INLINE void lane_columns(const float* rows, long ld, long n, long d, bool bf16, float* o) {
  const long depth = bf16 ? (d + 1) / 2 : d;
  for (long i = 0; i < n; i += VL) {
    const long here = n - i < VL ? n - i : (long)VL;
    if (bf16) pack_columns_bf16(rows + i * ld, ld, here, d, (uint32_t*)(o + i * depth));
    else pack_columns(rows + i * ld, ld, here, d, o + i * depth);
  }
}
// Columns [group][d][VL] back to n rows.
static ZT_INLINE void lane_rows(const float* o, long n, long d, float* const* out) {
  for (long i = 0; i < n; i += VL)
    for (long j = 0; j < d; j += VL) {
      vf r[VL];
      for (long c = 0; c < VL; c++) r[c] = j + c < d ? load(o + i * d + (j + c) * VL) : splat(0.0f);
      transpose(r);
      for (long c = 0; c < VL && i + c < n; c++) store(out[i + c] + j, r[c]);
    }
}

// A block of query rows on its way through the keys.
struct LaneBlock {
  float *q, *o, *s;  // [group][d or words][VL], [group][d][VL], [LANE_KEYS][lanes]
  float m[ATTN_ROWS], l[ATTN_ROWS], alpha[ATTN_ROWS];
  long d, groups, ld;
  const float *next_k, *next_v;
  bool bf16;
  LaneWords words;

  ZT_INLINE void open(Team& team, const AttentionShape& a) {
    d = a.d;
    bf16 = a.in_bf16();
    q = team.scratch(ATTN_ROWS * a.dp);
    o = team.scratch(ATTN_ROWS * a.dp);
    s = team.scratch(ATTN_ROWS * LANE_KEYS);
    if (bf16) words.open(team, a.keys, a.d, a.dp, false);
  }
  ZT_INLINE void begin(const float* rows, long ld, long n) {
    groups = (n + VL - 1) / VL;
    lane_columns(rows, ld, n, d, bf16, q);
    for (long i = 0; i < groups * VL; i++) m[i] = -__builtin_inff(), l[i] = 0;
    for (long i = 0; i < groups * d * VL; i += VL) store(o + i, splat(0.0f));
  }
  // Scores of n keys become weights (in bf16 the words of two keys each).
  ZT_BF16 void soften(long n) {
    const long lanes = groups * VL;
    for (long g = 0; g < groups; g++) {
      float* at = s + g * VL;
      vf even = splat(-__builtin_inff()), odd = even;
      for (long i = 0; i + 1 < n; i += 2) {
        even = larger(even, load(at + i * lanes));
        odd = larger(odd, load(at + (i + 1) * lanes));
      }
      if (n & 1) even = larger(even, load(at + (n - 1) * lanes));
      const vf before = load(m + g * VL), top = larger(before, larger(even, odd));
      // Without a finite score so far, any reference will do.
      const vf none = splat(-__builtin_inff()), reference = select(top == none, splat(0.0f), top);
      vf sum = splat(0.0f);
#if ZT_BF16_COMPILED
      if (bf16) {
        for (long i = 0; i < n; i += 2) {
          const vf a = exp(load(at + i * lanes) - reference);
          const vf b = i + 1 < n ? exp(load(at + (i + 1) * lanes) - reference) : splat(0.0f);
          sum += a + b;
          store(at + i / 2 * lanes, (vf)pairs(a, b));
        }
      } else
#endif
        for (long i = 0; i < n; i++) {
          const vf e = exp(load(at + i * lanes) - reference);
          store(at + i * lanes, e);
          sum += e;
        }
      const vf scale = select(before == none, splat(0.0f), exp(before - reference));
      store(alpha + g * VL, scale);
      store(l + g * VL, fma(load(l + g * VL), scale, sum));
      store(m + g * VL, top);
    }
  }
  template <typename In>
  void attend_block(const In* const* k, long k_ld, const In* const* v, long v_ld, KeyRun* runs, long count, float scale) {
    const long lanes = groups * VL;
    long n = 0;
    for (long i = 0; i < count; n += runs[i++].count)
      score_groups(k[i], k_ld, runs[i].count, q, bf16 ? (d + 1) / 2 : d, scale, s + n * lanes, groups,
                   {next_k ? next_k + runs[i].key * ld : 0, ld, d});
    if (next_v)
      for (long i = 0; i < count; i++) Ahead{next_v + runs[i].key * ld, ld, d}.fetch(0, runs[i].count);
    soften(n);
    if (bf16)
      for (long i = 0; i < count; i++) runs[i].count = (runs[i].count + 1) / 2;
    mix_groups(v, v_ld, runs, count, s, alpha, d, o, groups);
  }
  // Adds the keys of the walk.
  void attend(const KeySource& source, PanelWalk& walk, float scale, const float* k_next, const float* v_next) {
    next_k = k_next, next_v = v_next, ld = source.k.ld;
    KeyRun runs[LANE_KEYS];
    while (long count = walk.runs(runs, LANE_KEYS)) {
      if (bf16) {
        const uint32_t *k[LANE_KEYS], *v[LANE_KEYS];
        for (long i = 0, n = 0; i < count; n += runs[i++].count) {
          const long at = words.place(source, runs[i], n);
          k[i] = words.keys + at * words.words;
          v[i] = words.across + at / 2 * words.dp;
        }
        attend_block(k, words.words, v, words.dp, runs, count, scale);
      } else {
        const float *k[LANE_KEYS], *v[LANE_KEYS];
        for (long i = 0, n = 0; i < count; n += runs[i++].count) {
          k[i] = source.k.read(runs[i].key, runs[i].count, n);
          v[i] = source.v.read(runs[i].key, runs[i].count, n);
        }
        attend_block(k, source.k.stride(), v, source.v.stride(), runs, count, scale);
      }
    }
  }
};

}  // namespace ZT_NS
