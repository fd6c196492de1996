// Tables of 256 bytes, 64 at a time.
#define LOOKUP_BYTES 64

typedef struct {
  vi quarters[4];
} lookup_table;

HELPER lookup_table lookup_table_of(const uint8_t *table) {
  lookup_table t;
  for (int i = 0; i < 4; i++) t.quarters[i] = _mm512_loadu_si512(table + 64 * i);
  return t;
}

/// The low byte of each word replaced by that element of the table, which `high` says is in its upper half.
HELPER vi look_up_words(const lookup_table *t, vi index, __mmask32 high) {
  const vi pair = _mm512_srli_epi16(index, 1);
  const vi low_half = _mm512_permutex2var_epi16(t->quarters[0], pair, t->quarters[1]);
  const vi high_half = _mm512_permutex2var_epi16(t->quarters[2], pair, t->quarters[3]);
  const vi odd = _mm512_slli_epi16(_mm512_and_si512(index, _mm512_set1_epi16(1)), 3);
  return _mm512_srlv_epi16(_mm512_mask_blend_epi16(high, low_half, high_half), odd);
}

HELPER void look_up(const lookup_table *t, const uint8_t *x, uint8_t *y) {
  const vi v = _mm512_loadu_si512(x);
  const vi even = look_up_words(t, v, _mm512_test_epi16_mask(v, _mm512_set1_epi16(0x80)));
  const vi odd = look_up_words(t, _mm512_srli_epi16(v, 8), _mm512_movepi16_mask(v));
  _mm512_storeu_si512(y, _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaaull, even, _mm512_slli_epi16(odd, 8)));
}
