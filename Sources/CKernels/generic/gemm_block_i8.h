// Product of rows that are quantized to int8 by blocks with block-quantized weights. The including file defines, on
// vectors of words of four bytes, a unsigned and b signed:
//   vi dot_4(vi acc, vi a, vi b)  acc + the four products, exact
// and, where sums of pairs in 16 bits are faster, sets PAIRS to 1 and defines pair_products, add_16 and widened as
// gemm_i8_split.h has them. Elements of 2 or 4 bits times int8: eight words fit 16 bits (2 * 8 * 15 * 127 < 2^15).
//
// Integers are exact inside a block. A block then adds float(sum) * (scale of A * scale of B) to the element, one rounding
// each, so that results are equal on every instruction set.
#include "gemm_block.h"

// Rows of a tile: as many as leave registers for the weights.
#define TILE_ROWS (PAIRS || VL == 8 ? 4 : 8)
// Elements of A that a call quantizes at a time: rows and depth of a chunk, for many rows and for few.
#define CHUNK_DEPTH (PAIRS ? 256 : 512)
#define CHUNK_ROWS 64
#define FEW_ROWS 4
#define FEW_DEPTH 4096
#define CHUNK_ELEMENTS (CHUNK_DEPTH * CHUNK_ROWS)
#define SMALLEST_BLOCK 16
#define LARGEST_BLOCK 256

/// A chunk of A: words of four int8 by row, and of each block the scale and minus the sum of its elements, times
/// 2^(bits - 1) when no zero points are given.
typedef struct {
  int32_t words[CHUNK_ELEMENTS / 4];
  float scales[CHUNK_ELEMENTS / SMALLEST_BLOCK];
  int32_t sums[CHUNK_ELEMENTS / SMALLEST_BLOCK];
} quantized_rows;

/// A chunk of k: blocks [block, end) and what a row of `quantized_rows` holds of it.
typedef struct {
  const adze_gemm_block *gemm;
  block_layout layout;
  ptrdiff_t block, end;
  const quantized_rows *a;
  const int32_t *unpacked;  // words of four weights, [group][PANEL], of the panel; or null
} i8_chunk;

ALWAYS_INLINE ptrdiff_t chunk_blocks(const i8_chunk *c) { return c->end - c->block; }
ALWAYS_INLINE ptrdiff_t block_groups(const i8_chunk *c) { return c->gemm->block / 4; }

/// The scale of `count` elements, NaN when one is not finite.
static float symmetric_scale(const float *x, ptrdiff_t count) {
  vf largest = v_set1(0), invalid = v_set1(0);
  const vf magnitude = v_as_f(vi_set1(0x7fffffff));
  for (ptrdiff_t i = 0; i < count; i += VL) {
    const vf value = count - i < VL ? v_load_part(x + i, count - i) : v_load(x + i);
    largest = v_max(v_bits_and(value, magnitude), largest);
    invalid = invalid + value * v_set1(0);
  }
  float lanes[VL], greatest = 0;
  v_store(lanes, largest);
  for (int l = 0; l < VL; l++) greatest = lanes[l] > greatest ? lanes[l] : greatest;
  return greatest / 127 + v_sum(invalid);
}

/// `count` elements to `block` int8, zeros after them, and their sum.
static int32_t quantize_block(const float *x, ptrdiff_t count, ptrdiff_t block, float scale, int8_t *y) {
  const vf divisor = v_set1(scale > 0 ? scale : 1), limit = v_set1(127), low = v_set1(-127);
  vi sum = vi_set1(0);
  for (ptrdiff_t i = 0; i < block; i += VL) {
    vf value = v_set1(0);
    if (i + VL <= count) value = v_load(x + i);
    else if (i < count) value = v_load_part(x + i, count - i);
    const vi q = v_to_i(v_min(v_max(value / divisor, low), limit));
    sum = vi_add(sum, q);
    vi_store_8(y + i, q);
  }
  return vi_sum(sum);
}

static void quantize_rows(const i8_chunk *c, ptrdiff_t row, ptrdiff_t rows, quantized_rows *to) {
  const adze_gemm_block *g = c->gemm;
  const ptrdiff_t blocks = chunk_blocks(c);
  for (ptrdiff_t r = 0; r < rows; r++) {
    for (ptrdiff_t b = 0; b < blocks; b++) {
      const ptrdiff_t k = (c->block + b) * g->block, count = least(g->block, g->k - k), at = r * blocks + b;
      const float *x = g->a + (row + r) * g->a_row_stride + k;
      to->scales[at] = symmetric_scale(x, count);
      int8_t *words = (int8_t *)(to->words + at * block_groups(c));
      const int32_t sum = quantize_block(x, count, g->block, to->scales[at], words);
      to->sums[at] = -(g->has_zero_points ? sum : sum * (1 << (g->bits - 1)));
    }
  }
}

/// Four weights of each column, unsigned: group `sub` of word `word`.
ALWAYS_INLINE vi weights_of(const int bits, const int32_t *words, int sub) {
  const uint32_t flip = bits == 2 ? 0xaaaaaaaau : bits == 4 ? 0x88888888u : 0x80808080u;
  const vi w = vi_xor(vi_load(words), vi_set1((int32_t)flip));
  if (bits == 8) return w;
  return vi_and(vi_shift_right(w, sub * bits), vi_set1(bits == 2 ? 0x03030303 : 0x0f0f0f0f));
}

/// acc += the sums of one block: rows x PANEL. `step` words at a time; step * subs groups fit 16 bits. `once`: the block
/// has no more words.
ALWAYS_INLINE void block_sums(
  const int rows, const int bits, const int step, const bool once, const bool unpacked, const i8_chunk *c,
  const int32_t *words, const int32_t *a, ptrdiff_t a_stride, vi acc[TILE_ROWS][2]) {
  const int subs = 8 / bits;
  for (ptrdiff_t word = 0; word < (once ? step : c->layout.words); word += step) {
#if PAIRS
    vi pairs[TILE_ROWS][2];
#endif
    UNROLL for (int s = 0; s < step; s++) {
      UNROLL for (int sub = 0; sub < subs; sub++) {
        const ptrdiff_t group = (word + s) * subs + sub;
        vi b[2];
        UNROLL for (int v = 0; v < 2; v++) {
          b[v] = unpacked ? vi_load(words + group * PANEL + v * VL)
                          : weights_of(bits, words + (word + s) * PANEL + v * VL, sub);
        }
        UNROLL for (int i = 0; i < rows; i++) {
          const vi ai = vi_set1(a[i * a_stride + group]);
          UNROLL for (int v = 0; v < 2; v++) {
#if PAIRS
            if (bits < 8) {
              const vi products = pair_products(b[v], ai);
              pairs[i][v] = s + sub ? add_16(pairs[i][v], products) : products;
              continue;
            }
#endif
            acc[i][v] = dot_4(acc[i][v], b[v], ai);
          }
        }
      }
    }
#if PAIRS
    UNROLL for (int i = 0; i < rows && bits < 8; i++) {
      UNROLL for (int v = 0; v < 2; v++) acc[i][v] = vi_add(acc[i][v], widened(pairs[i][v]));
    }
#endif
  }
}

/// `rows` rows (the first is `local` in the chunk) against one chunk of a panel.
ALWAYS_INLINE void i8_block_tile(
  const int rows, const int bits, const int step, const bool once, const bool unpacked, const i8_chunk *c,
  ptrdiff_t panel, ptrdiff_t row, ptrdiff_t local) {
  const adze_gemm_block *g = c->gemm;
  const ptrdiff_t blocks = chunk_blocks(c), groups = block_groups(c), column = panel * PANEL;
  const ptrdiff_t columns = least(PANEL, g->n - column);
  vf totals[TILE_ROWS][2];
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < 2; v++) {
      const ptrdiff_t part = columns - v * VL;
      const float *y = g->c + (row + i) * g->c_row_stride + column + v * VL;
      totals[i][v] = c->block == 0 || part <= 0 ? v_set1(0) : part >= VL ? v_load(y) : v_load_part(y, part);
    }
  }
  for (ptrdiff_t b = 0; b < blocks; b++) {
    const block_record r = record_at(g, &c->layout, panel, c->block + b);
    const int32_t *a = c->a->words + (local * blocks + b) * groups;
    vi acc[TILE_ROWS][2];
    const int32_t *words = unpacked ? c->unpacked + b * groups * PANEL : r.words;
#if !PAIRS
    if (rows > 2) prefetch_record(&r, &c->layout);
#endif
    // The weights are taken unsigned: their shift times the elements of A is what the sums begin with.
    const ptrdiff_t at = local * blocks + b;
    UNROLL for (int i = 0; i < rows; i++) acc[i][0] = acc[i][1] = vi_set1(c->a->sums[at + i * blocks]);
    if (g->has_zero_points) {
      UNROLL for (int v = 0; v < 2; v++) {
        const vi shift = vi_add(vi_load_s8(r.zero_points + v * VL), vi_set1(1 << (bits - 1)));
        UNROLL for (int i = 0; i < rows; i++) acc[i][v] = vi_mul(shift, acc[i][v]);
      }
    }
    block_sums(rows, bits, step, once, unpacked, c, words, a, blocks * groups, acc);
    UNROLL for (int v = 0; v < 2; v++) {
      const vf scale = v_load(r.scales + v * VL);
      UNROLL for (int i = 0; i < rows; i++) {
        totals[i][v] = totals[i][v] + v_from_i(acc[i][v]) * (v_set1(c->a->scales[at + i * blocks]) * scale);
      }
    }
  }
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < 2; v++) {
      const ptrdiff_t part = columns - v * VL;
      float *y = g->c + (row + i) * g->c_row_stride + column + v * VL;
      if (part >= VL) v_store(y, totals[i][v]);
      else if (part > 0) v_store_part(y, totals[i][v], part);
    }
  }
}

typedef void i8_tile_fn(const i8_chunk *c, ptrdiff_t panel, ptrdiff_t row, ptrdiff_t local);
#if PAIRS
static void unpack_chunk(const int bits, const i8_chunk *c, ptrdiff_t panel, int32_t *to) {
  const int subs = 8 / bits;
  for (ptrdiff_t block = c->block; block < c->end; block++) {
    const block_record r = record_at(c->gemm, &c->layout, panel, block);
    for (ptrdiff_t word = 0; word < c->layout.words; word++) {
      for (int v = 0; v < 2; v++) {
        UNROLL for (int sub = 0; sub < subs; sub++) {
          vi_store(to + sub * PANEL + v * VL, weights_of(bits, r.words + word * PANEL + v * VL, sub));
        }
      }
      to += subs * PANEL;
    }
  }
}

#define TILE(rows, bits, step, once, unpacked)                                                     \
  static void i8_tile_##rows##_##bits##_##step##_##once##_##unpacked(                              \
    const i8_chunk *c, ptrdiff_t panel, ptrdiff_t row, ptrdiff_t local) {                          \
    i8_block_tile(rows, bits, step, once, unpacked, c, panel, row, local);                         \
  }
// For blocks of 16, of 32 and of more.
#define FORMS(rows, unpacked)                                                                      \
  TILE(rows, 2, 1, 1, unpacked) TILE(rows, 2, 2, 1, unpacked) TILE(rows, 2, 2, 0, unpacked)        \
  TILE(rows, 4, 2, 1, unpacked) TILE(rows, 4, 4, 1, unpacked) TILE(rows, 4, 4, 0, unpacked)        \
  TILE(rows, 8, 4, 1, unpacked) TILE(rows, 8, 4, 0, unpacked)
#define FORM_ENTRIES(rows, unpacked)                                                               \
  {{i8_tile_##rows##_2_1_1_##unpacked, i8_tile_##rows##_2_2_1_##unpacked, i8_tile_##rows##_2_2_0_##unpacked}, \
    {i8_tile_##rows##_4_2_1_##unpacked, i8_tile_##rows##_4_4_1_##unpacked, i8_tile_##rows##_4_4_0_##unpacked}, \
    {i8_tile_##rows##_8_4_1_##unpacked, i8_tile_##rows##_8_4_0_##unpacked, i8_tile_##rows##_8_4_0_##unpacked}}
FORMS(1, 0) FORMS(2, 0) FORMS(1, 1) FORMS(2, 1) FORMS(3, 1) FORMS(4, 1)
static i8_tile_fn *const packed_tiles[2][3][3] = {FORM_ENTRIES(1, 0), FORM_ENTRIES(2, 0)};
static i8_tile_fn *const unpacked_tiles[TILE_ROWS][3][3] = {
  FORM_ENTRIES(1, 1), FORM_ENTRIES(2, 1), FORM_ENTRIES(3, 1), FORM_ENTRIES(4, 1)};

/// All rows of a chunk against one panel.
static void multiply_chunk(
  i8_chunk *c, ptrdiff_t panel, ptrdiff_t row, ptrdiff_t rows, int32_t *space) {
  const adze_gemm_block *g = c->gemm;
  const int bits = g->bits == 2 ? 0 : g->bits == 4 ? 1 : 2, size = g->block == 16 ? 0 : g->block == 32 ? 1 : 2;
  if (rows <= 2) {
    packed_tiles[rows - 1][bits][size](c, panel, row, 0);
    return;
  }
  // Few rows have chunks too deep to lie unpacked in the first cache.
  const ptrdiff_t step = CHUNK_DEPTH / g->block;
  if (chunk_blocks(c) > step) {
    for (ptrdiff_t r = 0; r < rows; r += 2) {
      packed_tiles[least(2, rows - r) - 1][bits][size](c, panel, row + r, r);
    }
    return;
  }
  if (g->bits == 2) unpack_chunk(2, c, panel, space);
  else if (g->bits == 4) unpack_chunk(4, c, panel, space);
  else unpack_chunk(8, c, panel, space);
  c->unpacked = space;
  for (ptrdiff_t r = 0; r < rows; r += TILE_ROWS) {
    unpacked_tiles[least(TILE_ROWS, rows - r) - 1][bits][size](c, panel, row + r, r);
  }
}

#else

#define TILE(rows, bits)                                                                                          \
  static void i8_tile_##rows##_##bits(const i8_chunk *c, ptrdiff_t panel, ptrdiff_t row, ptrdiff_t local) {       \
    i8_block_tile(rows, bits, bits / 2, false, false, c, panel, row, local);                                      \
  }
#define FORMS(rows) TILE(rows, 2) TILE(rows, 4) TILE(rows, 8)
#define FORM_ENTRIES(rows) {i8_tile_##rows##_2, i8_tile_##rows##_4, i8_tile_##rows##_8}
FORMS(1) FORMS(2) FORMS(3) FORMS(4)
#if VL != 8
FORMS(5) FORMS(6) FORMS(7) FORMS(8)
#endif
static i8_tile_fn *const tiles[TILE_ROWS][3] = {
  FORM_ENTRIES(1), FORM_ENTRIES(2), FORM_ENTRIES(3), FORM_ENTRIES(4),
#if VL != 8
  FORM_ENTRIES(5), FORM_ENTRIES(6), FORM_ENTRIES(7), FORM_ENTRIES(8),
#endif
};

/// All rows of a chunk against one panel, in tiles of nearly equal height.
static void multiply_chunk(
  i8_chunk *c, ptrdiff_t panel, ptrdiff_t row, ptrdiff_t rows, int32_t *space) {
  const int bits = c->gemm->bits == 2 ? 0 : c->gemm->bits == 4 ? 1 : 2;
  const ptrdiff_t steps = (rows + TILE_ROWS - 1) / TILE_ROWS, height = rows / steps, taller = rows % steps;
  for (ptrdiff_t step = 0, local = 0; step < steps; step++) {
    const ptrdiff_t count = height + (step < taller);
    tiles[count - 1][bits](c, panel, row + local, local);
    local += count;
  }
}
#endif

void KERNEL(gemm_block_i8)(
  const adze_gemm_block *g, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  _Alignas(64) quantized_rows a;
  _Alignas(64) int32_t space[CHUNK_DEPTH / 4 * PANEL];
#if PAIRS
  const ptrdiff_t block_rows = row_end - row_begin <= FEW_ROWS ? FEW_ROWS : CHUNK_ROWS;
#else
  const ptrdiff_t block_rows = least(CHUNK_ROWS, row_end - row_begin);
#endif
  const ptrdiff_t fitting = CHUNK_ELEMENTS / most(1, block_rows) / LARGEST_BLOCK * LARGEST_BLOCK;
  const ptrdiff_t step = least(FEW_DEPTH, fitting) / g->block;
  const ptrdiff_t column_end = least(panel_end * PANEL, g->n);
  if (g->k == 0) finish_empty(g, row_begin, row_end, panel_begin, panel_end);
  for (ptrdiff_t row = row_begin; row < row_end; row += block_rows) {
    const ptrdiff_t rows = least(block_rows, row_end - row);
    i8_chunk c = {.gemm = g, .layout = layout_of(g), .a = &a};
    for (c.block = 0; c.block < c.layout.blocks; c.block = c.end) {
      c.end = least(c.block + step, c.layout.blocks);
      quantize_rows(&c, row, rows, &a);
      for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
        multiply_chunk(&c, panel, row, rows, space);
        if (c.end < c.layout.blocks) continue;
        const ptrdiff_t column = panel * PANEL, columns = least(PANEL, column_end - column);
        finish_part(&g->epilogue, g->c, g->c_row_stride, row, row + rows, column, columns);
      }
    }
    activate_part(&g->epilogue, g->c, g->c_row_stride, row, row + rows, panel_begin * PANEL, column_end);
  }
}
