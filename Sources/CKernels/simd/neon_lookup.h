// Tables of 256 bytes, 16 at a time.
#define LOOKUP_BYTES 16

typedef struct {
  uint8x16x4_t quarters[4];
} lookup_table;

HELPER lookup_table lookup_table_of(const uint8_t *table) {
  lookup_table t;
  for (int i = 0; i < 4; i++) t.quarters[i] = vld1q_u8_x4(table + 64 * i);
  return t;
}

HELPER void look_up(const lookup_table *t, const uint8_t *x, uint8_t *y) {
  const uint8x16_t index = vld1q_u8(x);
  uint8x16_t found = vqtbl4q_u8(t->quarters[0], index);
  for (int i = 1; i < 4; i++) found = vqtbx4q_u8(found, t->quarters[i], vsubq_u8(index, vdupq_n_u8((uint8_t)(64 * i))));
  vst1q_u8(y, found);
}
