// Tables of 256 bytes, 32 at a time: vpshufb takes the low four bits of an index and gives 0 where its sign is set. So
// steps 16 apart, each with the difference to the table before it, add up to the element of the last one reached.
#define LOOKUP_BYTES 32

typedef struct {
  vi steps[16];
} lookup_table;

HELPER lookup_table lookup_table_of(const uint8_t *table) {
  lookup_table t;
  __m128i before = _mm_setzero_si128();
  for (int i = 0; i < 16; i++) {
    const __m128i own = _mm_loadu_si128((const __m128i *)(const void *)(table + 16 * i));
    t.steps[i] = _mm256_broadcastsi128_si256(i == 8 ? own : _mm_xor_si128(own, before));
    before = own;
  }
  return t;
}

HELPER void look_up(const lookup_table *t, const uint8_t *x, uint8_t *y) {
  vi low = _mm256_loadu_si256((const __m256i *)(const void *)x), high = _mm256_xor_si256(low, _mm256_set1_epi8(-128));
  vi found = _mm256_setzero_si256();
  UNROLL for (int i = 0; i < 8; i++) {
    found = _mm256_xor_si256(found, _mm256_shuffle_epi8(t->steps[i], low));
    found = _mm256_xor_si256(found, _mm256_shuffle_epi8(t->steps[8 + i], high));
    low = _mm256_subs_epi8(low, _mm256_set1_epi8(16)), high = _mm256_subs_epi8(high, _mm256_set1_epi8(16));
  }
  _mm256_storeu_si256((__m256i *)(void *)y, found);
}
