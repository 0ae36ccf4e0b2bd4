// C = alpha op(A) op(B) (+ C) (+ bias, activation), row-major float32: blocking as in Goto and van de Geijn, "Anatomy of
// High-Performance Matrix Multiplication", TOMS 2008.
//
// Every element of C is one chain of multiply-adds over k within a block of KC, blocks added in order. Edge tiles run
// the same chain on zero-padded panels, so a row of C depends neither on the number of rows, nor on the team.
#pragma once
#include "gemm-tile.h"

namespace ZT_NS {

// Depth of a block and its packing, in the precision in use: bf16 takes twice the depth in the same bytes.
static ZT_INLINE long block_depth() { return bf16_on ? 2 * KC : KC; }
static ZT_INLINE void pack_block(bool tb, long k, long n, const float* b, long ldb, float* o) {
  if (bf16_on) pack_b_bf16(tb, k, n, b, ldb, (uint32_t*)o);
  else pack_b(tb, k, n, b, ldb, o);
}
// Floats that a packed row or column of depth k takes.
static ZT_INLINE long packed_depth(long k) { return bf16_on ? (k + 1) / 2 : k; }

// Part of an operand that will be read next, in memory: it is fetched while tiles are computed.
struct Area {
  const float* at = 0;
  long ld = 0, rows = 0, width = 0;
};
static ZT_INLINE Area area_of_a(const Gemm& g, long ic, long mc, long pc, long k) {
  if (g.ta) return {g.a + pc * g.lda + ic, g.lda, k, mc};
  return {g.a + ic * g.lda + pc, g.lda, mc, k};
}
static ZT_INLINE Area area_of_b(const Gemm& g, long jc, long n, long pc, long k) {
  if (g.tb) return {g.b + jc * g.ldb + pc, g.ldb, n, k};
  return {g.b + pc * g.ldb + jc, g.ldb, k, n};
}
struct Fetching {
  const Area& area;
  long share, row, column;
  // So that all is fetched after this many steps.
  ZT_INLINE Fetching(const Area& next, long steps) : area(next), row(0), column(0) {
    share = (area.rows * ((area.width + LINE - 1) / LINE) + steps - 1) / steps;
  }
  ZT_INLINE void step() {
    for (long i = 0; i < share && row < area.rows; i++) {
      fetch_soon(area.at + row * area.ld + column);
      column += LINE;
      if (column >= area.width) column = 0, row++;
    }
  }
};

// All tiles of mc rows and n columns.
template <typename In, bool PANEL>
static ZT_INLINE void tiles(const Gemm& g, long ic, long mc, long jc, long n, long pc, long k, long depth, const In* a,
                            long lda, const In* b, const Area& next_a, const Area& next_b) {
  const long count = ((n + NR - 1) / NR) * ((mc + MR - 1) / MR);
  Fetching fa(next_a, count), fb(next_b, count);
  for (long jr = 0; jr < n; jr += NR)
    for (long ir = 0; ir < mc; ir += MR) {
      fa.step();
      fb.step();
      tile_rows<In, PANEL>(mc - ir, g, depth, a + ir * lda, PANEL ? 0 : lda, b + jr * depth, ic + ir, jc + jr,
                           n - jr < NR ? n - jr : (long)NR, pc == 0, pc + k >= g.k);
    }
}
// Rows [m0, m1), columns [jc, jc+n) and depth [pc, pc+k), with the block of B already packed at `pb`; A is packed at `pa`
// where it is not read as it lies. `after` and `next_b` are what the caller reads next.
static void gemm_block(const Gemm& g, long m0, long m1, long jc, long n, long pc, long k, const float* pb, float* pa,
                       const Area& after = Area(), const Area& next_b = Area()) {
  for (long ic = m0; ic < m1; ic += MC) {
    const bool is_last = ic + MC >= m1;
    const Area next_a = is_last ? after : area_of_a(g, ic + MC, m1 - ic - MC < MC ? m1 - ic - MC : (long)MC, pc, k);
    const Area none, &b = is_last ? next_b : none;
    const long mc = m1 - ic < MC ? m1 - ic : (long)MC, words = (k + 1) / 2;
    const float* a = g.ta ? g.a + pc * g.lda + ic : g.a + ic * g.lda + pc;
    float* sums = g.row_sums && jc == 0 ? g.row_sums + ic : 0;
    uint32_t* wa = (uint32_t*)pa;
    const uint32_t* wb = (const uint32_t*)pb;
    if (sums) add_row_sums(mc, k, a, g.lda, pc == 0, sums);
    if (bf16_on && g.ta) {
      pack_a_bf16(mc, k, a, g.lda, wa);
      tiles<uint32_t, true>(g, ic, mc, jc, n, pc, k, words, wa, words, wb, next_a, b);
    } else if (bf16_on) {
      const long ld = (words + VL - 1) / VL * VL;
      pack_a_rows(mc, k, a, g.lda, wa, ld);
      tiles<uint32_t, false>(g, ic, mc, jc, n, pc, k, words, wa, ld, wb, next_a, b);
    } else if (g.ta) {
      pack_a(mc, k, a, g.lda, pa);
      tiles<float, true>(g, ic, mc, jc, n, pc, k, k, pa, k, pb, next_a, b);
    } else {
      tiles<float, false>(g, ic, mc, jc, n, pc, k, k, a, g.lda, pb, next_a, b);
    }
  }
}

// B in blocks as `gemm_block` reads them: stripes of NC columns, in them blocks of the depth in use.
struct PackedBlocks {
  const Gemm& g;
  long depth;
  float* at;
  ZT_INLINE long width(long jc) const { return g.n - jc < NC ? (g.n - jc + NR - 1) / NR * NR : (long)NC; }
  ZT_INLINE float* block(long jc, long pc) const { return at + jc * packed_depth(g.k) + width(jc) * packed_depth(pc); }
  ZT_INLINE size_t size() const { return (size_t)(g.n + NR - 1) / NR * NR * packed_depth(g.k); }
  // Panel i of all, counted through the stripes and in each through its blocks.
  ZT_INLINE long panels() const { return (g.n + NR - 1) / NR * ((g.k + depth - 1) / depth); }
  ZT_INLINE void pack(long i) const {
    const long blocks = (g.k + depth - 1) / depth, jc = i / (NC / NR * blocks) * NC, in_stripe = width(jc) / NR;
    i -= jc / NR * blocks;
    const long pc = i / in_stripe * depth, j = jc + i % in_stripe * NR;
    const long k = g.k - pc < depth ? g.k - pc : depth, n = g.n - j < NR ? g.n - j : (long)NR;
    pack_block(g.tb, k, n, g.tb ? g.b + j * g.ldb + pc : g.b + pc * g.ldb + j, g.ldb,
               block(jc, pc) + (j - jc) * packed_depth(k));
  }
};

// Floats that suffice for B in packed form.
static ZT_INLINE long packed_size(long n, long k) { return (n + NR - 1) / NR * NR * k; }
// The whole of B for `Gemm::packed`, in the precision in use.
static void pack_b_all(bool tb, long k, long n, const float* b, long ldb, float* o, Team& team) {
  Gemm g;
  g.tb = tb, g.n = n, g.k = k, g.b = b, g.ldb = ldb;
  const PackedBlocks blocks = {g, block_depth(), o};
  long from, to;
  team.range(blocks.panels(), from, to);
  for (long i = from; i < to; i++) blocks.pack(i);
}

// k == 0 and the finish of it: C is bias and activation of zero (or of C).
static void gemm_without_depth(const Gemm& g, long m0, long m1) {
  if (g.row_sums)
    for (long i = m0; i < m1; i++) g.row_sums[i] = 0;
  for (long i = m0; i < m1; i++)
    for (long j = 0; j < g.n; j++) {
      float v = (g.accumulate ? g.c[i * g.ldc + j] : 0) + (g.bias ? g.bias[j] : 0);
      if (g.pre) g.pre[i * g.ldc + j] = v;
      g.c[i * g.ldc + j] = activate(splat(v), g.activation)[0];
    }
}

// Rows [m0, m1) and columns [n0, n1) by this thread alone; n0 must be a multiple of NR.
static void gemm_part(const Gemm& g, long m0, long m1, long n0, long n1, Team& team) {
  if (m1 <= m0 || n1 <= n0) return;
  if (g.k <= 0) return n0 == 0 ? gemm_without_depth(g, m0, m1) : (void)0;
  char* mark = team.mark();
  float* pa = team.scratch((size_t)KC * (MC + MR));
  float* pb = g.packed ? 0 : team.scratch((size_t)KC * ((n1 - n0 < NC ? n1 - n0 : NC) + NR));
  for (long jc = n0; jc < n1;) {
    // Blocks of columns begin at multiples of NC, so that the packed layout can be addressed.
    long end = (jc / NC + 1) * NC < n1 ? (jc / NC + 1) * NC : n1, n = end - jc;
    const long depth = block_depth();
    for (long pc = 0; pc < g.k; pc += depth) {
      long k = g.k - pc < depth ? g.k - pc : depth;
      const float* block = pb;
      if (g.packed) {
        const long c0 = jc / NC * NC;
        block = PackedBlocks{g, depth, (float*)g.packed}.block(c0, pc) + (jc - c0) * packed_depth(k);
      } else {
        pack_block(g.tb, k, n, g.tb ? g.b + jc * g.ldb + pc : g.b + pc * g.ldb + jc, g.ldb, pb);
      }
      Area after, next_b;
      if (pc + depth < g.k) {
        const long left = g.k - pc - depth < depth ? g.k - pc - depth : depth;
        after = area_of_a(g, m0, m1 - m0 < MC ? m1 - m0 : (long)MC, pc + depth, left);
        if (!g.packed) next_b = area_of_b(g, jc, n, pc + depth, left);
      }
      gemm_block(g, m0, m1, jc, n, pc, k, block, pa, after, next_b);
    }
    jc = end;
  }
  team.release(mark);
}

// By this thread alone: for use inside fused kernels.
static void gemm_serial(const Gemm& g, Team& team) { gemm_part(g, 0, g.m, 0, g.n, team); }

// The rows of a product as items for a team: whole blocks, and small ones at the end, so that all are through at once.
struct Rows {
  long m, whole, small;
  ZT_INLINE Rows(long rows, int count) : m(rows), whole(rows / MC), small(MC) {
    if (count > 1) whole = whole > 2L * count ? whole - 2L * count : 0, small = MC / 4;
  }
  ZT_INLINE long items() const { return whole + (m - whole * MC + small - 1) / small; }
  // Where item i begins; m beyond the last.
  ZT_INLINE long begin(long i) const {
    const long at = i < whole ? i * MC : whole * MC + (i - whole) * small;
    return at < m ? at : m;
  }
};

// Item i; `step` items on is what this thread probably takes next.
static ZT_INLINE void block_of_rows(const Gemm& g, const PackedBlocks& blocks, const Rows& split, long i, long step, float* pa) {
  const long m0 = split.begin(i), m1 = split.begin(i + 1), next = split.begin(i + step);
  const long rows = split.begin(i + step + 1) - next;
  for (long jc = 0; jc < g.n; jc += NC)
    for (long pc = 0; pc < g.k; pc += blocks.depth) {
      const long k = g.k - pc < blocks.depth ? g.k - pc : blocks.depth;
      Area after;
      if (pc + k < g.k) after = area_of_a(g, m0, m1 - m0, pc + k, g.k - pc - k < k ? g.k - pc - k : k);
      else if (rows > 0) after = area_of_a(g, next, rows, 0, g.k < blocks.depth ? g.k : blocks.depth);
      gemm_block(g, m0, m1, jc, g.n - jc < NC ? g.n - jc : (long)NC, pc, k, blocks.block(jc, pc), pa, after);
    }
}

// All blocks of B lie packed in common scratch: blocks of rows go to whoever is free, and C is written while it is in cache.
static void gemm_shared(const Gemm& g, const PackedBlocks& blocks, Team& team) {
  team.each(blocks.panels(), [&](long i) { blocks.pack(i); });
  team.barrier();
  char* mark = team.mark();
  float* pa = team.scratch((size_t)KC * (MC + MR));
  const Rows rows(g.m, team.count);
  team.each(rows.items(), [&](long i) { block_of_rows(g, blocks, rows, i, team.count, pa); });
  team.release(mark);
}

// By the whole team: all threads call it with the same arguments. Ends with a barrier: C is complete for everybody.
static void gemm(const Gemm& g, Team& team) {
  const long rows = (g.m + MR - 1) / MR, columns = (g.n + NR - 1) / NR;
  long from, to;
  if (team.count > 1 && rows < 3L * team.count && columns > rows) {
    team.range(g.n, from, to, NR);
    gemm_part(g, 0, g.m, from, to, team);
    return team.barrier();
  }
  team.range(g.m, from, to, MR);
  if (g.packed || g.k <= 0) {
    gemm_part(g, from, to, 0, g.n, team);
    return team.barrier();
  }
  char* common = team.common;
  const PackedBlocks whole = {g, block_depth(), 0};
  if (float* at = team.shared(whole.size())) {
    gemm_shared(g, {g, whole.depth, at}, team);
    team.common = common;
    return team.barrier();
  }
  if (team.count == 1) return gemm_serial(g, team);
  char* mark = team.mark();
  float* pa = team.scratch((size_t)KC * (MC + MR));
  // Two buffers: a thread may pack the next block while another still multiplies by this one.
  size_t room = (size_t)KC * (NC + NR);
  float* pb = team.shared(2 * room);
  int turn = 0;
  for (long jc = 0; jc < g.n; jc += NC) {
    long n = g.n - jc < NC ? g.n - jc : NC, panels = (n + NR - 1) / NR;
    const long depth = block_depth();
    for (long pc = 0; pc < g.k; pc += depth, turn ^= 1) {
      long k = g.k - pc < depth ? g.k - pc : depth, first, last;
      float* block = pb + turn * room;
      team.range(panels, first, last);
      long n0 = first * NR, n1 = last * NR < n ? last * NR : n;
      if (n1 > n0)
        pack_block(g.tb, k, n1 - n0, g.tb ? g.b + (jc + n0) * g.ldb + pc : g.b + pc * g.ldb + jc + n0, g.ldb,
                   block + n0 * packed_depth(k));
      team.barrier();
      gemm_block(g, from, to, jc, n, pc, k, block, pa);
    }
  }
  team.release(mark);
  team.common = common;
  team.barrier();
}

// Products with as many rows each, block of rows by block of rows: those that share A find it in cache, and those that add
// to the same C, one after the other, find that. By the whole team, as `gemm`; the bits are those of one after the other.
static void gemm_many(const Gemm* g, long count, Team& team) {
  char* common = team.common;
  const long m = g[0].m, depth = block_depth();
  float* at = 0;
  size_t size = 0;
  bool by_rows = (m + MR - 1) / MR >= 3L * team.count;
  for (long i = 0; i < count; i++) {
    by_rows = by_rows && g[i].k > 0;
    size += PackedBlocks{g[i], depth, 0}.size();
  }
  if (by_rows) at = team.shared(size);
  if (!at) {
    for (long i = 0; i < count; i++) gemm(g[i], team);
    return;
  }
  size = 0;
  for (long i = 0; i < count; i++) {
    const PackedBlocks blocks = {g[i], depth, at + size};
    long from, to;
    team.range(blocks.panels(), from, to);
    for (long p = from; p < to; p++) blocks.pack(p);
    size += blocks.size();
  }
  team.barrier();
  char* mark = team.mark();
  float* pa = team.scratch((size_t)KC * (MC + MR));
  const Rows rows(m, team.count);
  team.each(rows.items(), [&](long r) {
    const float* packed = at;
    for (long i = 0; i < count; i++) {
      const PackedBlocks blocks = {g[i], depth, (float*)packed};
      block_of_rows(g[i], blocks, rows, r, team.count, pa);
      packed += blocks.size();
    }
  });
  team.release(mark);
  team.common = common;
  team.barrier();
}

// A deep product with a small result: stretches of depth go to whoever is free, and their results are added in order. How
// many there are depends on the depth and the size of C alone. C has no bias and no activation here.
static void gemm_deep(const Gemm& g, Team& team) {
  enum { STRETCH = 1024 };
  const long stretches = (g.k + STRETCH - 1) / STRETCH, size = g.m * g.n, sums = g.row_sums ? g.m : 0;
  char* common = team.common;
  float* parts = stretches > 1 && stretches <= 8 ? team.shared((size_t)(stretches - 1) * (size + sums)) : 0;
  if (!parts) return gemm(g, team);
  team.each(stretches, [&](long i) {
    Gemm part = g;
    part.k = g.k - i * STRETCH < STRETCH ? g.k - i * STRETCH : (long)STRETCH;
    part.a = g.a + i * STRETCH * (g.ta ? g.lda : 1);
    part.b = g.b + i * STRETCH * (g.tb ? 1 : g.ldb);
    if (i > 0) {
      part.c = parts + (i - 1) * (size + sums);
      part.ldc = g.n;
      if (sums) part.row_sums = part.c + size;
    }
    gemm_serial(part, team);
  });
  team.barrier();
  long from, to;
  team.range(g.m, from, to);
  for (long r = from; r < to; r++)
    for (long i = 0; i + 1 < stretches; i++) {
      const float* part = parts + i * (size + sums);
      map2(g.c + r * g.ldc, part + r * g.n, g.c + r * g.ldc, g.n, [](vf c, vf p) { return c + p; });
      if (sums) g.row_sums[r] += part[size + r];
    }
  team.common = common;
  team.barrier();
}

}  // namespace ZT_NS
