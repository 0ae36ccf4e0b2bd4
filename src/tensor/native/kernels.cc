// All kernels, compiled once for each instruction set: the build gives -DZT_NS=<name> and the machine flags.
// Only plain C may be used from headers here (no standard library templates): see team.h.
#include "plain/ops.h"
#include "fused/ops.h"

namespace ZT_NS {
#define ZT_ENTRY(name) {#name, name},
static const OpEntry entries[] = {ZT_PLAIN_OPS(ZT_ENTRY) ZT_FUSED_OPS(ZT_ENTRY)};
#undef ZT_ENTRY
}  // namespace ZT_NS

#define ZT_JOIN2(a, b) a##b
#define ZT_JOIN(a, b) ZT_JOIN2(a, b)
extern "C" const OpEntry* ZT_JOIN(zt_table_, ZT_NS)(int* count) {
  *count = (int)(sizeof(ZT_NS::entries) / sizeof(ZT_NS::entries[0]));
  return ZT_NS::entries;
}
