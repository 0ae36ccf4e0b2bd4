// All kernels, compiled for each instruction set in two parts that can run side by side: the products and fused ops
// (-DZT_HEAVY, -O3) and the plain loops (less optimising: half of the build time for no speed).
// The build gives -DZT_NS=<instruction set>. Only plain C may be used from headers here: see team.h.
#define ZT_JOIN3(a, b, c) a##b##c
#define ZT_JOIN(a, b, c) ZT_JOIN3(a, b, c)
#if defined(ZT_HEAVY)
#include "fused/ops.h"
#include "plain/heavy.h"
#define ZT_OPS(X) ZT_FUSED_OPS(X) ZT_HEAVY_OPS(X)
#define ZT_TABLE ZT_JOIN(zt_, ZT_NS, _heavy)
#else
#include "plain/light.h"
#define ZT_OPS(X) ZT_LIGHT_OPS(X)
#define ZT_TABLE ZT_JOIN(zt_, ZT_NS, _light)
#endif

namespace ZT_NS {
// The ops that may be run in parts (`OpEntry::splits`).
#define ZT_SPLIT_OPS(X)                                                                                            \
  X(activation) X(activation_grad) X(attention) X(attention_grad) X(cache_rows) X(collect_rows) X(copy) X(f32_add) \
  X(f32_mul) X(f32_sub) X(flow_matching_loss_grad) X(gated_residual) X(gated_residual_grad) X(layer_norm)        \
  X(layer_norm_modulate_grad) X(matmul_packed) X(matmul_packed_many) X(norm_rope) X(pack_bf16) X(part_rows) X(patches) \
  X(pool_keys) X(pool_keys_grad) X(unpack_bf16)
constexpr bool same(const char* a, const char* b) {
  for (; *a && *a == *b; a++) b++;
  return *a == *b;
}
constexpr bool splits(const char* name) {
#define ZT_IS(op) same(name, #op) ||
  return ZT_SPLIT_OPS(ZT_IS) false;
}
#define ZT_ENTRY(name) {#name, name, splits(#name)},
static constexpr OpEntry entries[] = {ZT_OPS(ZT_ENTRY)};
}  // namespace ZT_NS

extern "C" const OpEntry* ZT_TABLE(int* count) {
  *count = (int)(sizeof(ZT_NS::entries) / sizeof(ZT_NS::entries[0]));
  return ZT_NS::entries;
}
