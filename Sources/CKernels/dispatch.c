// The only file that knows which CPU runs which kernel.
#include "simd/common.h"

#include <stdatomic.h>
#include <stdlib.h>
#if ADZE_ARM && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#define TYPE_OF(slot) __typeof__(*((adze_kernels *)0)->slot)

#define JOINED(slot, isa) adze_##slot##__##isa
#define NAME(slot, isa) JOINED(slot, isa)
// What the columns of kernels.inc stand for on Arm.
#define ARM_portable portable
#define ARM_avx2 neon
#define ARM_avxvnni neondot

#if ADZE_X86
#define ADZE_KERNEL(slot, portable, avx2, avxvnni, avx512, avx512vnni)                                  \
  TYPE_OF(slot) adze_##slot##__##portable, adze_##slot##__##avx2, adze_##slot##__##avxvnni,             \
    adze_##slot##__##avx512, adze_##slot##__##avx512vnni;
#elif ADZE_ARM
#define ADZE_KERNEL(slot, portable, avx2, avxvnni, avx512, avx512vnni) \
  TYPE_OF(slot) adze_##slot##__##portable, NAME(slot, ARM_##avx2), NAME(slot, ARM_##avxvnni);
#else
#define ADZE_KERNEL(slot, portable, avx2, avxvnni, avx512, avx512vnni) TYPE_OF(slot) adze_##slot##__##portable;
#endif
#define ADZE_SIZE(...)
#include "kernels.inc"
#undef ADZE_KERNEL
#undef ADZE_SIZE

// Those of other processors stay empty.
static const adze_kernels tables[ADZE_ISA_COUNT] = {
#define ADZE_KERNEL(slot, portable, ...) .slot = adze_##slot##__##portable,
#define ADZE_SIZE(slot, portable, ...) .slot = portable,
  [ADZE_ISA_PORTABLE] = {.isa = ADZE_ISA_PORTABLE, .name = "portable",
#include "kernels.inc"
  },
#undef ADZE_KERNEL
#undef ADZE_SIZE
#if ADZE_X86
#define ADZE_KERNEL(slot, portable, avx2, avxvnni, avx512, avx512vnni) .slot = adze_##slot##__##avx2,
#define ADZE_SIZE(slot, portable, avx2, avxvnni, avx512, avx512vnni, neon, neondot) .slot = avx2,
  [ADZE_ISA_AVX2] = {.isa = ADZE_ISA_AVX2, .name = "avx2",
#include "kernels.inc"
  },
#undef ADZE_KERNEL
#undef ADZE_SIZE
#define ADZE_KERNEL(slot, portable, avx2, avxvnni, avx512, avx512vnni) .slot = adze_##slot##__##avxvnni,
#define ADZE_SIZE(slot, portable, avx2, avxvnni, avx512, avx512vnni, neon, neondot) .slot = avxvnni,
  [ADZE_ISA_AVXVNNI] = {.isa = ADZE_ISA_AVXVNNI, .name = "avxvnni",
#include "kernels.inc"
  },
#undef ADZE_KERNEL
#undef ADZE_SIZE
#define ADZE_KERNEL(slot, portable, avx2, avxvnni, avx512, avx512vnni) .slot = adze_##slot##__##avx512,
#define ADZE_SIZE(slot, portable, avx2, avxvnni, avx512, avx512vnni, neon, neondot) .slot = avx512,
  [ADZE_ISA_AVX512] = {.isa = ADZE_ISA_AVX512, .name = "avx512",
#include "kernels.inc"
  },
#undef ADZE_KERNEL
#undef ADZE_SIZE
#define ADZE_KERNEL(slot, portable, avx2, avxvnni, avx512, avx512vnni) .slot = adze_##slot##__##avx512vnni,
#define ADZE_SIZE(slot, portable, avx2, avxvnni, avx512, avx512vnni, neon, neondot) .slot = avx512vnni,
  [ADZE_ISA_AVX512VNNI] = {.isa = ADZE_ISA_AVX512VNNI, .name = "avx512vnni",
#include "kernels.inc"
  },
#undef ADZE_KERNEL
#undef ADZE_SIZE
#elif ADZE_ARM
#define ADZE_KERNEL(slot, portable, avx2, avxvnni, avx512, avx512vnni) .slot = NAME(slot, ARM_##avx2),
#define ADZE_SIZE(slot, portable, avx2, avxvnni, avx512, avx512vnni, neon, neondot) .slot = neon,
  [ADZE_ISA_NEON] = {.isa = ADZE_ISA_NEON, .name = "neon",
#include "kernels.inc"
  },
#undef ADZE_KERNEL
#undef ADZE_SIZE
#define ADZE_KERNEL(slot, portable, avx2, avxvnni, avx512, avx512vnni) .slot = NAME(slot, ARM_##avxvnni),
#define ADZE_SIZE(slot, portable, avx2, avxvnni, avx512, avx512vnni, neon, neondot) .slot = neondot,
  [ADZE_ISA_NEONDOT] = {.isa = ADZE_ISA_NEONDOT, .name = "neondot",
#include "kernels.inc"
  },
#endif
};

const char *adze_isa_name(adze_isa isa) {
  static const char *const names[ADZE_ISA_COUNT] = {
    "portable", "avx2", "avxvnni", "avx512", "avx512vnni", "neon", "neondot"};
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
    case ADZE_ISA_NEON:
    case ADZE_ISA_NEONDOT: return false;
  }
  return false;
}
#elif ADZE_ARM
static bool has_dot_products(void) {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
  // Every other system's 64-bit Arm that this builds for (Apple's) has them.
  return true;
#endif
}
static bool cpu_has(adze_isa isa) {
  return isa == ADZE_ISA_PORTABLE || isa == ADZE_ISA_NEON || (isa == ADZE_ISA_NEONDOT && has_dot_products());
}
#else
static bool cpu_has(adze_isa isa) { return isa == ADZE_ISA_PORTABLE; }
#endif

const adze_kernels *adze_kernels_for(adze_isa isa) {
  const bool known = (size_t)isa < ADZE_ISA_COUNT;
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
