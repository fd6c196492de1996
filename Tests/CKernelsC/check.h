#ifndef CHECK_H
#define CHECK_H
#include "include/adze_kernel_checks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct checker {
  const adze_kernels *kernels;
  const char *name;
  adze_check_result result;
} checker;

typedef void check_fn(checker *);

/// Counts a passed or failed expectation; the first failure keeps its text.
__attribute__((format(printf, 3, 4))) void expect(checker *, bool ok, const char *format, ...);

/// Whether the next of a kernel's many problems is to be checked: all are, unless main was asked for a sample.
bool takes_turn(void);
/// Of how many problems one is checked.
extern int sample_step;

/// Memory that ends where an inaccessible page begins, so that an access past it is a crash. Filled with `fill`.
void *guarded(size_t bytes, int fill);
/// Gives back all that `guarded` gave.
void release_all(void);

/// The same numbers on every machine.
uint32_t random_bits(void);
void seed(uint32_t value);
/// Uniform in [low, high).
float random_float(float low, float high);
float *random_floats(ptrdiff_t count, float low, float high);
uint8_t *random_bytes(ptrdiff_t count);

/// |got - exact| in units of the last place of `exact` as a float; 0 for equal infinities and for two NaN.
double ulp_error(float got, double exact);
bool same_bits(const void *a, const void *b, size_t bytes);

/// 0, 1 and what lies around one, two and four vectors of every width.
extern const ptrdiff_t vector_sizes[];
extern const int vector_size_count;
#define FOR_SIZES(n) \
  for (int n##_at = 0; n##_at < vector_size_count; n##_at++) \
    for (ptrdiff_t n = vector_sizes[n##_at], n##_once = 1; n##_once; n##_once = 0)

#define ADZE_KERNEL(slot, ...) check_fn check_##slot;
#define ADZE_SIZE(...)
#include "../../Sources/CKernels/kernels.inc"
#undef ADZE_KERNEL
#undef ADZE_SIZE
#endif
