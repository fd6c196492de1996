// Vectors of which some bytes only are in memory, without a call and without a byte beyond them.

#ifndef ADZE_PART_BYTES
#define ADZE_PART_BYTES

/// The first `count` (at most 8) bytes of a little-endian word; the others are 0.
HELPER uint64_t word_of_bytes(const uint8_t *p, ptrdiff_t count) {
  uint64_t word = 0;
  if (count >= 8) {
    memcpy(&word, p, 8);
  } else if (count >= 4) {
    uint32_t first, last;
    memcpy(&first, p, 4);
    memcpy(&last, p + count - 4, 4);
    // The bytes that both hold are equal.
    word = first | (uint64_t)last << (8 * (count - 4));
  } else if (count > 0) {
    word = p[0] | (uint64_t)p[count / 2] << (8 * (count / 2)) | (uint64_t)p[count - 1] << (8 * (count - 1));
  }
  return word;
}

/// `count` (at most VL) bytes, widened.
HELPER vi load_part_8(const uint8_t *p, const bool is_signed, ptrdiff_t count) {
  if (count == VL) return is_signed ? vi_load_s8((const int8_t *)p) : vi_load_u8(p);
  const uint64_t words[2] = {word_of_bytes(p, count), count > 8 ? word_of_bytes(p + 8, count - 8) : 0};
  const void *bytes = words;
  return is_signed ? vi_load_s8(bytes) : vi_load_u8(bytes);
}

/// The lowest byte of the first `count` (at most VL) elements.
HELPER void store_part_8(uint8_t *p, vi v, ptrdiff_t count) {
  if (count == VL) {
    vi_store_8(p, v);
    return;
  }
  uint8_t bytes[16];
  vi_store_8(bytes, v);
  const uint8_t *from = bytes;
  for (int part = 8; part > 0; part /= 2) {
    if (!(count & part)) continue;
    memcpy(p, from, (size_t)part);
    p += part, from += part;
  }
}

#endif
