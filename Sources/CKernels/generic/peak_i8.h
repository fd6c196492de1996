// Sixteen products a lane and step: peak_step(sum, four words of a, place in b). PEAK_I8_CHAINS sums are in registers.

void KERNEL(peak_i8)(ptrdiff_t rounds, const uint8_t *a, const int8_t *b, int32_t *y) {
  vi words[4];
  for (int g = 0; g < 4; g++) {
    int32_t word;
    memcpy(&word, a + 4 * g, 4);
    words[g] = vi_set1(word);
  }
  for (ptrdiff_t at = 0; at < ADZE_PEAK_COUNT; at += PEAK_I8_CHAINS * VL) {
    vi sums[PEAK_I8_CHAINS];
    for (int i = 0; i < PEAK_I8_CHAINS; i++) sums[i] = vi_load(y + at + i * VL);
    for (ptrdiff_t round = 0; round < rounds; round++) {
      // Products of a round are those of the one before: nothing may be kept from it.
      __asm__ volatile("" ::: "memory");
      UNROLL
      for (int i = 0; i < PEAK_I8_CHAINS; i++) sums[i] = peak_step(sums[i], words, b + 4 * (at + i * VL));
    }
    for (int i = 0; i < PEAK_I8_CHAINS; i++) vi_store(y + at + i * VL, sums[i]);
  }
}
