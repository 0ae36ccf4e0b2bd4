// Attention of a block of rows to the chunks that they chose, where a chunk is a few whole panels. All scores of a row lie
// side by side, pick after pick, so that one softmax serves them; each key and value is read once for all rows that chose
// it, and those of the next chunks are on their way meanwhile: a long history does not fit into the caches.
#pragma once
#include "attention-routing.h"

namespace ZT_NS {

// State of a block of query rows in the forward pass.
struct ForwardBlock {
  float *q[ATTN_ROWS], *s[ATTN_ROWS], *o[ATTN_ROWS];
  uint32_t* words[ATTN_ROWS];  // of q, in bf16
  float m[ATTN_ROWS], l[ATTN_ROWS];
};

struct ChosenChunks {
  enum {
    AHEAD = 6,    // chunks on their way from memory while one is computed
    MOST = 2048,  // scores of a row
  };
  float* s;                          // [ATTN_ROWS][top][tokens of a chunk]
  int32_t *chunks, *starts, *picks;  // the chosen chunks, and the picks (row * top + place) that name each
  long tokens, top, count;

  static ZT_INLINE bool serves(const AttentionShape& a) {
    return a.top > 0 && a.key_chunk % VL == 0 && a.d % VL == 0 && a.top * a.key_chunk <= MOST && !a.in_bf16();
  }
  ZT_INLINE void open(Team& team, const AttentionShape& a) {
    tokens = a.key_chunk;
    top = a.top;
    s = team.scratch((size_t)ATTN_ROWS * top * tokens);
    chunks = team.scratch<int32_t>(a.key_chunks + 1);
    starts = team.scratch<int32_t>(ATTN_ROWS * top + 1);
    picks = team.scratch<int32_t>(ATTN_ROWS * top);
  }
  // Scores of every pick, chunk by chunk; empties the groups.
  void score(const ForwardBlock& block, Groups& groups, KeySource& source, float scale, long direct_rows, float* counts) {
    const float* q[ATTN_ROWS];
    float* to[ATTN_ROWS];
    Panel panels[ATTN_PANELS];
    long at = 0;
    for (long c = 0; c < count; c++) {
      // Values follow the last keys.
      const long next = c + AHEAD;
      if (next < count) source.k.prefetch(chunks[next] * tokens, tokens);
      else if (next - count < count) source.v.prefetch(chunks[next - count] * tokens, tokens);
      starts[c] = (int32_t)at;
      long m = 0;
      for (int32_t i = groups.head[chunks[c]]; i >= 0; i = groups.next[i], m++) {
        picks[at++] = i;
        q[m] = block.q[i / top];
        to[m] = s + i * tokens;
      }
      groups.head[chunks[c]] = -1;
      if (counts) counts[chunks[c]] += (float)m;
      const long first = chunks[c] * tokens / VL, last = first + tokens / VL;
      for (long p = first; p < last;) {
        long held = 0;
        if (m <= direct_rows) {
          source.k.where_stored(p * VL, [&](const auto* keys, long ld) {
            for (long i = 0; i < m; i++) store(to[i], direct_scores(q[i], keys, ld, source.d, 0, VL) * splat(scale));
          });
          held = 1;
        } else {
          for (; held < ATTN_PANELS && p + held < last; held++) panels[held].key_columns = source.columns(p + held, held);
          scores(q, m, panels, held, false, source.d, scale, to);
        }
        for (long i = 0; i < m; i++) to[i] += held * VL;
        p += held;
      }
    }
    starts[count] = (int32_t)at;
  }
  // Scores of one row become weights; what it has so far is scaled to the new reference.
  ZT_INLINE void weigh(ForwardBlock& block, long r, long used, long dp) {
    float* p = s + r * top * tokens;
    const long n = used * tokens;
    vf most = splat(-__builtin_inff());
    for (long j = 0; j < n; j += VL) most = larger(most, load(p + j));
    const float before = block.m[r], here = lane_max(most), m = here > before ? here : before;
    // Without a finite score so far, any reference will do.
    const vf reference = splat(m == -__builtin_inff() ? 0 : m);
    vf sum = splat(0.0f);
    for (long j = 0; j < n; j += VL) {
      const vf e = exp(load(p + j) - reference);
      store(p + j, e);
      sum += e;
    }
    const float alpha = before == -__builtin_inff() ? 0 : exp(splat(before) - reference)[0];
    block.l[r] = block.l[r] * alpha + lane_sum(sum);
    block.m[r] = m;
    for (long j = 0; j < dp; j += VL) store(block.o[r] + j, load(block.o[r] + j) * splat(alpha));
  }
  void mix_values(ForwardBlock& block, const KeySource& source) {
    float *p[ATTN_ROWS], *o[ATTN_ROWS];
    Panel panels[ATTN_PANELS];
    const long stride = source.v.stride();
    for (long c = 0; c < count; c++) {
      if (c + AHEAD < count) source.v.prefetch(chunks[c + AHEAD] * tokens, tokens);
      const long m = starts[c + 1] - starts[c];
      for (long i = 0; i < m; i++) {
        const long pick = picks[starts[c] + i];
        p[i] = s + pick * tokens;
        o[i] = block.o[pick / top];
      }
      if (m <= 2) {
        source.v.where_stored(chunks[c] * tokens, [&](const auto* values, long ld) {
          if (m == 1) mix_few<1>(p, values, tokens, source.dp, ld, o);
          else mix_few<2>(p, values, tokens, source.dp, ld, o);
        });
        continue;
      }
      const long first = chunks[c] * tokens / VL, last = first + tokens / VL;
      for (long at = first; at < last; at += ATTN_PANELS) {
        const long held = last - at < ATTN_PANELS ? last - at : (long)ATTN_PANELS;
        const float* values = source.v.read(at * VL, held * VL);
        for (long i = 0; i < held; i++) {
          panels[i].value_rows = values + i * VL * stride;
          panels[i].lo = 0;
          panels[i].hi = VL;
        }
        mix(p, m, panels, held, false, source.dp, stride, 0, o);
        for (long i = 0; i < m; i++) p[i] += held * VL;
      }
    }
  }
  // Which of a list were chosen; the first of them are asked for.
  ZT_INLINE void begin(const Groups& groups, const int32_t* list, long n, const KeySource& source) {
    count = groups.chosen(list, n, chunks);
    for (long c = 0; c < AHEAD && c < count; c++) source.k.prefetch(chunks[c] * tokens, tokens);
  }
  // picked: [rows][top], -1 where a row has fewer; counts: per chunk, may be null.
  ZT_INLINE void attend(ForwardBlock& block, long rows, Groups& groups, const int32_t* picked, KeySource& source,
                        float scale, long direct_rows, float* counts) {
    score(block, groups, source, scale, direct_rows, counts);
    for (long r = 0; r < rows; r++) {
      long used = 0;
      while (used < top && picked[r * top + used] >= 0) used++;
      weigh(block, r, used, source.dp);
    }
    mix_values(block, source);
  }
};

}  // namespace ZT_NS
