// Node-API glue. Arguments of an op lie in one Float64Array that JavaScript fills; run(op) reads them from there.
#include <node_api.h>
#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <string.h>

#include "pool.h"

extern "C" {
#define ZT_TABLES(isa)                     \
  const OpEntry* zt_##isa##_heavy(int*); \
  const OpEntry* zt_##isa##_light(int*);
ZT_TABLES(baseline)
#if defined(ZT_HAS_AVX2)
ZT_TABLES(avx2)
#endif
#if defined(ZT_HAS_AVX512)
ZT_TABLES(avx512)
#endif
}

namespace {

struct Isa {
  const char* name;
  Table heavy;
  Table light;
  bool runs;
};

bool bf16_runs() {
#if defined(__x86_64__) && defined(ZT_HAS_BF16)
  unsigned a, b, c, d;
  return __builtin_cpu_supports("avx512f") && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 5));
#else
  return false;
#endif
}

// Best first.
const Isa* isas(int* count) {
  static const Isa list[] = {
#if defined(ZT_HAS_AVX512)
      {"avx512", zt_avx512_heavy, zt_avx512_light,
       __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma")},
#endif
#if defined(ZT_HAS_AVX2)
      {"avx2", zt_avx2_heavy, zt_avx2_light, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
#endif
#if defined(__aarch64__)
      {"neon", zt_baseline_heavy, zt_baseline_light, true},
#else
      {"baseline", zt_baseline_heavy, zt_baseline_light, true},
#endif
  };
  *count = static_cast<int>(sizeof(list) / sizeof(list[0]));
  return list;
}

// One per JavaScript environment: worker threads load the addon too.
struct State {
  const double* args = nullptr;
  napi_ref args_ref = nullptr;
  int threads = 1;
  const Isa* isa = nullptr;
  const OpEntry* heavy = nullptr;
  const OpEntry* light = nullptr;
  int heavies = 0;
  int lights = 0;
  const OpEntry& entry(int i) const { return i < heavies ? heavy[i] : light[i - heavies]; }
};

State* state(napi_env env) {
  void* p = nullptr;
  napi_get_instance_data(env, &p);
  return static_cast<State*>(p);
}
void choose(State* s, const Isa* isa) {
  s->isa = isa;
  s->heavy = isa->heavy(&s->heavies);
  s->light = isa->light(&s->lights);
}

napi_value undefined(napi_env env) {
  napi_value v;
  napi_get_undefined(env, &v);
  return v;
}
napi_value text(napi_env env, const char* s) {
  napi_value v;
  napi_create_string_utf8(env, s, NAPI_AUTO_LENGTH, &v);
  return v;
}

// open(args: Float64Array): the array that ops read from.
napi_value Open(napi_env env, napi_callback_info info) {
  napi_value v;
  size_t n = 1;
  napi_get_cb_info(env, info, &n, &v, nullptr, nullptr);
  void* data = nullptr;
  if (napi_get_typedarray_info(env, v, nullptr, nullptr, &data, nullptr, nullptr) != napi_ok) {
    napi_throw_type_error(env, nullptr, "internal: open() wants a Float64Array");
    return nullptr;
  }
  State* s = state(env);
  if (s->args_ref) napi_delete_reference(env, s->args_ref);
  napi_create_reference(env, v, 1, &s->args_ref);
  s->args = static_cast<const double*>(data);
  return undefined(env);
}

// run(op: number, threads: number, work: number)
napi_value Run(napi_env env, napi_callback_info info) {
  napi_value v[3];
  size_t n = 3;
  napi_get_cb_info(env, info, &n, v, nullptr, nullptr);
  int32_t op = -1, threads = 1;
  double work = 0;
  napi_get_value_int32(env, v[0], &op);
  napi_get_value_int32(env, v[1], &threads);
  napi_get_value_double(env, v[2], &work);
  void* p = nullptr;
  napi_get_instance_data(env, &p);
  State* s = static_cast<State*>(p);
  if (op < 0 || op >= s->heavies + s->lights || !s->args) {
    napi_throw_range_error(env, nullptr, "internal: no such native op");
    return nullptr;
  }
  pool_run(s->entry(op), s->args, threads, work);
  return nullptr;
}

// address(buffer: ArrayBuffer): its first byte, as a number.
napi_value Address(napi_env env, napi_callback_info info) {
  napi_value v;
  size_t n = 1;
  napi_get_cb_info(env, info, &n, &v, nullptr, nullptr);
  void* data = nullptr;
  size_t bytes = 0;
  if (napi_get_arraybuffer_info(env, v, &data, &bytes) != napi_ok) {
    napi_throw_type_error(env, nullptr, "internal: address() wants an ArrayBuffer");
    return nullptr;
  }
  napi_value out;
  napi_create_double(env, static_cast<double>(reinterpret_cast<uintptr_t>(data)), &out);
  return out;
}

// names(): the ops, in the order that run() counts them.
napi_value Names(napi_env env, napi_callback_info) {
  State* s = state(env);
  napi_value list;
  const int count = s->heavies + s->lights;
  napi_create_array_with_length(env, count, &list);
  for (int i = 0; i < count; i++) napi_set_element(env, list, i, text(env, s->entry(i).name));
  return list;
}

// isas(): the instruction sets that are compiled in and run here, best first.
napi_value Isas(napi_env env, napi_callback_info) {
  int count, m = 0;
  const Isa* list = isas(&count);
  napi_value out;
  napi_create_array(env, &out);
  for (int i = 0; i < count; i++)
    if (list[i].runs) napi_set_element(env, out, m++, text(env, list[i].name));
  return out;
}

// use(isa: string): the name of the instruction set now in use (unchanged if the asked one does not run here).
napi_value Use(napi_env env, napi_callback_info info) {
  napi_value v;
  size_t n = 1, length = 0;
  char name[16] = "";
  napi_get_cb_info(env, info, &n, &v, nullptr, nullptr);
  napi_get_value_string_utf8(env, v, name, sizeof name, &length);
  int count;
  const Isa* list = isas(&count);
  for (int i = 0; i < count; i++)
    if (list[i].runs && !strcmp(list[i].name, name)) choose(state(env), &list[i]);
  return text(env, state(env)->isa->name);
}

// hasBf16(): whether precision "bf16" is there.
napi_value HasBf16(napi_env env, napi_callback_info) {
  napi_value v;
  napi_get_boolean(env, bf16_runs(), &v);
  return v;
}

napi_value Init(napi_env env, napi_value exports) {
#if defined(__GLIBC__)
  // Buffers of tensors come from malloc. Without this each large one is mapped and unmapped, and page faults cost more
  // than the arithmetic.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  mallopt(M_TOP_PAD, 16 << 20);
#endif
  State* s = new State();
  napi_set_instance_data(
      env, s, [](napi_env, void* p, void*) { delete static_cast<State*>(p); }, nullptr);
  int count;
  const Isa* list = isas(&count);
  for (int i = count - 1; i >= 0; i--)
    if (list[i].runs) choose(s, &list[i]);
  const struct {
    const char* name;
    napi_callback f;
  } functions[] = {{"open", Open}, {"run", Run},   {"address", Address}, {"names", Names},
                   {"isas", Isas}, {"use", Use},   {"hasBf16", HasBf16}};
  for (const auto& f : functions) {
    napi_value v;
    napi_create_function(env, f.name, NAPI_AUTO_LENGTH, f.f, nullptr, &v);
    napi_set_named_property(env, exports, f.name, v);
  }
  return exports;
}

}  // namespace

NAPI_MODULE(zoetrope, Init)
