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
#define ZT_ENTRY(name) {#name, name},
static const OpEntry entries[] = {ZT_OPS(ZT_ENTRY)};
}  // namespace ZT_NS

extern "C" const OpEntry* ZT_TABLE(int* count) {
  *count = (int)(sizeof(ZT_NS::entries) / sizeof(ZT_NS::entries[0]));
  return ZT_NS::entries;
}
