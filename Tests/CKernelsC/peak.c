#include "check.h"

static const ptrdiff_t round_counts[] = {0, 1, 2, 17};
enum { ROUND_COUNTS = 4 };

void check_peak_f32(checker *c) {
  for (int at = 0; at < ROUND_COUNTS; at++) {
    const ptrdiff_t rounds = round_counts[at];
    float *y = random_floats(ADZE_PEAK_COUNT, -2, 2), exact[ADZE_PEAK_COUNT];
    memcpy(exact, y, sizeof exact);
    for (int i = 0; i < ADZE_PEAK_COUNT; i++) {
      // Half of a float is exact, so that fused and unfused agree.
      for (ptrdiff_t r = 0; r < rounds; r++) exact[i] = exact[i] * 0.5f + 1.25f;
    }
    c->kernels->peak_f32(rounds, 0.5f, 1.25f, y);
    expect(c, same_bits(y, exact, sizeof exact), "%td rounds: %g, not %g …", rounds, y[0], exact[0]);
    release_all();
  }
}

void check_peak_i8(checker *c) {
  for (int at = 0; at < ROUND_COUNTS; at++) {
    const ptrdiff_t rounds = round_counts[at];
    uint8_t *a = random_bytes(ADZE_PEAK_DEPTH);
    int8_t *b = guarded(ADZE_PEAK_COUNT * ADZE_PEAK_DEPTH, 0);
    int32_t *y = guarded(ADZE_PEAK_COUNT * sizeof *y, 7), exact[ADZE_PEAK_COUNT];
    for (int i = 0; i < ADZE_PEAK_COUNT * ADZE_PEAK_DEPTH; i++) b[i] = (int8_t)(random_bits() % 33) - 16;
    // What saturates first: the largest operands everywhere.
    for (int i = 0; i < ADZE_PEAK_DEPTH && at == 3; i++) a[i] = 255;
    for (int i = 0; i < ADZE_PEAK_COUNT * ADZE_PEAK_DEPTH && at == 3; i++) b[i] = i % 8 < 4 ? 16 : -16;
    memcpy(exact, y, sizeof exact);
    for (int i = 0; i < ADZE_PEAK_COUNT; i++) {
      int32_t sum = 0;
      for (int g = 0; g < 4; g++) {
        for (int j = 0; j < 4; j++) sum += a[4 * g + j] * b[(g * ADZE_PEAK_COUNT + i) * 4 + j];
      }
      exact[i] += (int32_t)rounds * sum;
    }
    c->kernels->peak_i8(rounds, a, b, y);
    expect(c, same_bits(y, exact, sizeof exact), "%td rounds: %d, not %d …", rounds, y[0], exact[0]);
    release_all();
  }
}

void check_peak_read(checker *c) {
  FOR_SIZES(n) {
    float *x = random_floats(n, -2, 2);
    uint32_t exact = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
      uint32_t word;
      memcpy(&word, &x[i], 4);
      exact ^= word;
    }
    const uint32_t got = c->kernels->peak_read(x, n);
    expect(c, got == exact, "%td: %x, not %x", n, got, exact);
    release_all();
  }
}
