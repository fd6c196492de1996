// The only file that knows which CPU runs which kernel.
#include "simd/common.h"

#include <stdatomic.h>
#include <stdlib.h>

#define TYPE_OF(slot) __typeof__(*((adze_kernels *)0)->slot)

#if ADZE_X86
#define ADZE_KERNEL(slot, portable, avx2, avxvnni, avx512, avx512vnni)                                  \
  TYPE_OF(slot) adze_##slot##__##portable, adze_##slot##__##avx2, adze_##slot##__##avxvnni,             \
    adze_##slot##__##avx512, adze_##slot##__##avx512vnni;
#else
#define ADZE_KERNEL(slot, portable, avx2, avxvnni, avx512, avx512vnni) TYPE_OF(slot) adze_##slot##__##portable;
#endif
#define ADZE_SIZE(slot, portable, avx2, avxvnni, avx512, avx512vnni)
#include "kernels.inc"
#undef ADZE_KERNEL
#undef ADZE_SIZE

static const adze_kernels tables[] = {
#define ADZE_KERNEL(slot, portable, avx2, avxvnni, avx512, avx512vnni) .slot = adze_##slot##__##portable,
#define ADZE_SIZE(slot, portable, avx2, avxvnni, avx512, avx512vnni) .slot = portable,
  {.isa = ADZE_ISA_PORTABLE, .name = "portable",
#include "kernels.inc"
  },
#undef ADZE_KERNEL
#undef ADZE_SIZE
#if ADZE_X86
#define ADZE_KERNEL(slot, portable, avx2, avxvnni, avx512, avx512vnni) .slot = adze_##slot##__##avx2,
#define ADZE_SIZE(slot, portable, avx2, avxvnni, avx512, avx512vnni) .slot = avx2,
  {.isa = ADZE_ISA_AVX2, .name = "avx2",
#include "kernels.inc"
  },
#undef ADZE_KERNEL
#undef ADZE_SIZE
#define ADZE_KERNEL(slot, portable, avx2, avxvnni, avx512, avx512vnni) .slot = adze_##slot##__##avxvnni,
#define ADZE_SIZE(slot, portable, avx2, avxvnni, avx512, avx512vnni) .slot = avxvnni,
  {.isa = ADZE_ISA_AVXVNNI, .name = "avxvnni",
#include "kernels.inc"
  },
#undef ADZE_KERNEL
#undef ADZE_SIZE
#define ADZE_KERNEL(slot, portable, avx2, avxvnni, avx512, avx512vnni) .slot = adze_##slot##__##avx512,
#define ADZE_SIZE(slot, portable, avx2, avxvnni, avx512, avx512vnni) .slot = avx512,
  {.isa = ADZE_ISA_AVX512, .name = "avx512",
#include "kernels.inc"
  },
#undef ADZE_KERNEL
#undef ADZE_SIZE
#define ADZE_KERNEL(slot, portable, avx2, avxvnni, avx512, avx512vnni) .slot = adze_##slot##__##avx512vnni,
#define ADZE_SIZE(slot, portable, avx2, avxvnni, avx512, avx512vnni) .slot = avx512vnni,
  {.isa = ADZE_ISA_AVX512VNNI, .name = "avx512vnni",
#include "kernels.inc"
  },
#endif
};

const char *adze_isa_name(adze_isa isa) {
  static const char *const names[ADZE_ISA_COUNT] = {"portable", "avx2", "avxvnni", "avx512", "avx512vnni"};
  return (unsigned)isa < ADZE_ISA_COUNT ? names[isa] : "unknown";
}

#if ADZE_X86
/// The compiler's run-time support asks cpuid, and XGETBV for what the operating system saves.
static bool cpu_has(adze_isa isa) {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
    && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  switch (isa) {
    case ADZE_ISA_PORTABLE: return true;
    case ADZE_ISA_AVX2: return avx2;
    case ADZE_ISA_AVXVNNI: return avx2 && __builtin_cpu_supports("avxvnni");
    case ADZE_ISA_AVX512: return avx512;
    case ADZE_ISA_AVX512VNNI: return avx512 && __builtin_cpu_supports("avx512vnni");
  }
  return false;
}
#else
static bool cpu_has(adze_isa isa) { return isa == ADZE_ISA_PORTABLE; }
#endif

const adze_kernels *adze_kernels_for(adze_isa isa) {
  const bool known = (size_t)isa < sizeof tables / sizeof *tables;
  return known && cpu_has(isa) ? &tables[isa] : NULL;
}

static const adze_kernels *choose(void) {
  const char *wanted = getenv("ADZE_ISA");
  for (int isa = 0; wanted && isa < ADZE_ISA_COUNT; isa++) {
    const adze_kernels *table = adze_kernels_for((adze_isa)isa);
    if (table && strcmp(wanted, table->name) == 0) return table;
  }
  for (int isa = ADZE_ISA_COUNT - 1; isa > 0; isa--) {
    const adze_kernels *table = adze_kernels_for((adze_isa)isa);
    if (table) return table;
  }
  return &tables[ADZE_ISA_PORTABLE];
}

const adze_kernels *adze_kernels_get(void) {
  // Threads that race here choose the same table.
  static _Atomic(const adze_kernels *) chosen;
  const adze_kernels *table = atomic_load_explicit(&chosen, memory_order_acquire);
  if (!table) {
    table = choose();
    atomic_store_explicit(&chosen, table, memory_order_release);
  }
  return table;
}
