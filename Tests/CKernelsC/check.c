#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

void expect(checker *c, bool ok, const char *format, ...) {
  if (ok) {
    c->result.passed++;
    return;
  }
  if (c->result.failed++ == 0) {
    char text[320];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(c->result.first_failure, sizeof c->result.first_failure, "%s %s: %s", c->name, c->kernels->name, text);
  }
}

int sample_step = 1;
static int turn;
bool takes_turn(void) { return turn++ % sample_step == 0; }

typedef struct {
  void *base;
  size_t bytes;
} mapping;
static mapping mappings[256];
static int mapping_count;

void *guarded(size_t bytes, int fill) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (bytes + page - 1) / page * page;
  uint8_t *base = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED || mapping_count == 256) abort();
  if (mprotect(base + whole, page, PROT_NONE) != 0) abort();
  mappings[mapping_count++] = (mapping){base, whole + page};
  memset(base, fill, whole);
  return base + whole - bytes;
}

void release_all(void) {
  while (mapping_count > 0) {
    mapping_count--;
    munmap(mappings[mapping_count].base, mappings[mapping_count].bytes);
  }
}

static uint32_t state = 1;
void seed(uint32_t value) { state = value * 2654435761u + 1; }
uint32_t random_bits(void) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

float random_float(float low, float high) { return low + (high - low) * (float)(random_bits() >> 8) / 16777216.0f; }

float *random_floats(ptrdiff_t count, float low, float high) {
  float *x = guarded((size_t)count * sizeof *x, 0xff);
  for (ptrdiff_t i = 0; i < count; i++) x[i] = random_float(low, high);
  return x;
}

uint8_t *random_bytes(ptrdiff_t count) {
  uint8_t *x = guarded((size_t)count, 0xff);
  // Both ends of the range come often: that is where saturating instructions go wrong.
  for (ptrdiff_t i = 0; i < count; i++) {
    const uint32_t r = random_bits() >> 8;
    x[i] = r % 4 == 0 ? 255 : r % 4 == 1 ? 128 : (uint8_t)(r >> 4);
  }
  return x;
}

double ulp_error(float got, double exact) {
  const float rounded = (float)exact;
  if (isnan(got) || isnan(rounded)) return isnan(got) && isnan(rounded) ? 0 : INFINITY;
  if (isinf(got) && isinf(rounded)) return got == rounded ? 0 : INFINITY;
  // Beside an infinity the largest float stands for it.
  if (isinf(got)) return fabs(exact) > 3.4028e38 ? 1 : INFINITY;
  int exponent;
  frexp(exact, &exponent);
  if (exact == 0 || exponent < -125) exponent = -125;
  if (exponent > 128) exponent = 128;
  return fabs((double)got - exact) / ldexp(1, exponent - 24);
}

bool same_bits(const void *a, const void *b, size_t bytes) { return bytes == 0 || memcmp(a, b, bytes) == 0; }

const ptrdiff_t vector_sizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 67, 129, 1000};
const int vector_size_count = sizeof vector_sizes / sizeof *vector_sizes;

static const struct {
  const char *name;
  check_fn *check;
} checks[] = {
#define ADZE_KERNEL(slot, ...) {#slot, check_##slot},
#define ADZE_SIZE(...)
#include "../../Sources/CKernels/kernels.inc"
};

int adze_check_count(void) { return sizeof checks / sizeof *checks; }
const char *adze_check_name(int index) { return checks[index].name; }

adze_check_result adze_check_run(int index, const adze_kernels *kernels) {
  checker c = {.kernels = kernels, .name = checks[index].name};
  seed(7);
  turn = 0;
  checks[index].check(&c);
  release_all();
  return c.result;
}
