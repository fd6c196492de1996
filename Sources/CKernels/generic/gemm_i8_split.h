// 8-bit GEMM by u8 x s8 multiply-adds that saturate at 16 bits (vpmaddubsw), kept exact. The including file sets
// TILE_ROWS (2, 4 or 8; divides VL) and defines, on vectors of VL words:
//   vi pair_products(vi a, vi b)  int16 a.0 b.0 + a.1 b.1, a unsigned, b signed bytes; saturates
//   vi add_16(vi a, vi b), vi widened(vi a)  int16 sums; int32 sums of neighbours
//   vi dot_4(vi acc, vi a, vi b)  acc + the four products of each word, by way of int16 operands
//
// An int16 lane holds the sum of 2 d products of a weight and of at most 255, where d words of four weights are added
// before widening. It cannot overflow when the lane's positive weights sum to at most 128 and its negative ones to at
// least -128. Packing moves what exceeds that into entries (a word of the column: group, four excess bytes), which are
// multiplied apart, vectorised over rows. For each panel packing counts the lanes at d = 1, 2 and 4 and takes the
// cheapest way; d = 0 stands for dot_4, which needs no split, and SPARSE for weights of which so few are not zero that
// all of them are entries.
//
// A packed panel: split_header, [groups][PANEL][4] bytes, entries.
// A's rows are kept unsigned as [block of VL rows][groups][VL] words: a tile broadcasts words, entries take vectors. A
// single row is kept as [groups] words.

#define PANEL (2 * VL)
#define A_SHIFT 128
#include "gemm_i8_rows.h"

// k is padded to this many groups, the largest d.
#define GROUP_MULTIPLE 4
#define A_WORDS 16384
#define CHUNK (A_WORDS / VL)
#define ROW_BLOCKS (BLOCK_ROWS / VL)
#define SPARSE 5
// Bytes of B that a single row asks for ahead: its few multiplications leave it waiting for memory.
#ifndef AHEAD
#define AHEAD 4096
#endif
// Bytes kept for entries, as gemm_i8_spare has it.
#define ENTRY_BYTES(groups) ((groups) * PANEL * 2)

/// Four words of one column; what fills up holds zeros.
typedef struct {
  int32_t words[4];
  uint16_t groups[4];
} split_entries;

typedef struct {
  int32_t column_sums[PANEL];
  int32_t entry_ends[PANEL];  // of each column's split_entries, ascending
  int32_t depth;              // d
  int32_t unused[15];
} split_header;

typedef struct {
  split_header *header;
  int8_t *bytes;
  split_entries *entries;  // of a SPARSE panel: where the bytes would be
  ptrdiff_t entry_bytes;
} split_panel;

ALWAYS_INLINE ptrdiff_t group_count(ptrdiff_t k) {
  return (k + 4 * GROUP_MULTIPLE - 1) / (4 * GROUP_MULTIPLE) * GROUP_MULTIPLE;
}

ALWAYS_INLINE split_panel panel_at(const void *packed, ptrdiff_t groups, ptrdiff_t panel) {
  const ptrdiff_t bytes = groups * PANEL * 4;
  int8_t *start = (int8_t *)packed + panel * ((ptrdiff_t)sizeof(split_header) + bytes + ENTRY_BYTES(groups));
  int8_t *weights = start + sizeof(split_header);
  return (split_panel){
    (split_header *)(void *)start, weights, (split_entries *)(void *)(weights + bytes), ENTRY_BYTES(groups)};
}

/// rows x PANEL sums of a chunk; `words` point to the first row's in its block.
ALWAYS_INLINE void split_tile(
  const int rows, const int width, const int depth, ptrdiff_t groups, const int32_t *words, const int8_t *b,
  bool resumes, int32_t *sums) {
  vi acc[TILE_ROWS][2];
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < 2; v++) acc[i][v] = resumes ? vi_load(sums + i * PANEL + v * VL) : vi_set1(0);
  }
  const int step = depth ? depth : 1;
  for (ptrdiff_t g = 0; g < groups; g += step) {
    if (width == 1) {
      UNROLL for (int at = 0; at < step * PANEL * 4; at += 64) __builtin_prefetch(b + AHEAD + at);
    }
    UNROLL for (int i = 0; i < rows; i++) {
      vi pairs[2];
      UNROLL for (int j = 0; j < step; j++) {
        const vi a = vi_set1(words[j * width + i]);
        UNROLL for (int v = 0; v < 2; v++) {
          const vi bv = vi_load((const int32_t *)(const void *)b + j * PANEL + v * VL);
          if (depth == 0) {
            acc[i][v] = dot_4(acc[i][v], a, bv);
          } else {
            const vi products = pair_products(a, bv);
            pairs[v] = j ? add_16(pairs[v], products) : products;
          }
        }
      }
      if (depth) UNROLL for (int v = 0; v < 2; v++) acc[i][v] = vi_add(acc[i][v], widened(pairs[v]));
    }
    words += step * width;
    b += step * PANEL * 4;
  }
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < 2; v++) vi_store(sums + i * PANEL + v * VL, acc[i][v]);
  }
}

typedef void split_tile_fn(ptrdiff_t groups, const int32_t *words, const int8_t *b, bool resumes, int32_t *sums);
#define NAMED_TILE(name, rows, width, depth)                                                       \
  static void name(                                                                                \
    ptrdiff_t groups, const int32_t *words, const int8_t *b, bool resumes, int32_t *sums) {        \
    split_tile(rows, width, depth, groups, words, b, resumes, sums);                               \
  }
#define TILE(rows, depth) NAMED_TILE(split_tile_##rows##_##depth, rows, VL, depth)
#define TILES(rows) TILE(rows, 0) TILE(rows, 1) TILE(rows, 2) TILE(rows, 4)
#define TILE_ENTRY(rows) \
  {split_tile_##rows##_0, split_tile_##rows##_1, split_tile_##rows##_2, NULL, split_tile_##rows##_4}
TILES(1) TILES(2) TILES(3) TILES(4)
#if TILE_ROWS > 4
TILES(5) TILES(6) TILES(7) TILES(8)
#endif
static split_tile_fn *const split_tiles[TILE_ROWS][5] = {
  TILE_ENTRY(1), TILE_ENTRY(2), TILE_ENTRY(3), TILE_ENTRY(4),
#if TILE_ROWS > 4
  TILE_ENTRY(5), TILE_ENTRY(6), TILE_ENTRY(7), TILE_ENTRY(8),
#endif
};

NAMED_TILE(split_row_0, 1, 1, 0) NAMED_TILE(split_row_1, 1, 1, 1) NAMED_TILE(split_row_2, 1, 1, 2)
NAMED_TILE(split_row_4, 1, 1, 4)
static split_tile_fn *const split_rows[5] = {split_row_0, split_row_1, split_row_2, NULL, split_row_4};

/// Sums of the entries [begin, end) of one column for `blocks` blocks of VL rows; y of block i at i * PANEL * VL.
ALWAYS_INLINE void column_entries(
  const int blocks, const split_panel *p, ptrdiff_t begin, ptrdiff_t end, const int32_t *words, ptrdiff_t block_words,
  int32_t *y) {
  vi acc[ROW_BLOCKS];
  UNROLL for (int i = 0; i < blocks; i++) acc[i] = vi_set1(0);
  for (ptrdiff_t e = begin; e < end; e++) {
    const split_entries *entries = &p->entries[e];
    UNROLL for (int i = 0; i < blocks; i++) {
      vi pairs = vi_set1(0);
      UNROLL for (int j = 0; j < 4; j++) {
        const vi a = vi_load(words + i * block_words + (ptrdiff_t)entries->groups[j] * VL);
        const vi products = pair_products(a, vi_set1(entries->words[j]));
        pairs = j ? add_16(pairs, products) : products;
      }
      acc[i] = vi_add(acc[i], widened(pairs));
    }
  }
  UNROLL for (int i = 0; i < blocks; i++) vi_store(y + i * PANEL * VL, acc[i]);
}

typedef void column_fn(
  const split_panel *p, ptrdiff_t begin, ptrdiff_t end, const int32_t *words, ptrdiff_t block_words, int32_t *y);
#define COLUMN(blocks)                                                                                            \
  static void column_entries_##blocks(                                                                            \
    const split_panel *p, ptrdiff_t begin, ptrdiff_t end, const int32_t *words, ptrdiff_t block_words, int32_t *y) { \
    column_entries(blocks, p, begin, end, words, block_words, y);                                                 \
  }
COLUMN(1) COLUMN(2) COLUMN(3)
#if VL < 16
COLUMN(4) COLUMN(5) COLUMN(6) COLUMN(7)
#endif
static column_fn *const column_blocks[ROW_BLOCKS] = {
  column_entries_1, column_entries_2, column_entries_3,
#if VL < 16
  column_entries_4, column_entries_5, column_entries_6, column_entries_7,
#endif
};

// Entries whose running sum a single row keeps at a time.
#define RUN 64

/// What the entries of each column give to a single row: four words at a time. One running sum goes over all columns, so
/// that their ends, which no CPU foresees, do not hold up the sums; a column's is the difference of two of its values.
static void add_entries_to_row(const split_panel *p, const int32_t *words, int32_t *sums) {
  const __m128i ones = _mm_set1_epi16(1);
  const int32_t *ends = p->header->entry_ends;
  __m128i running[RUN + 1], columns[PANEL], acc = _mm_setzero_si128(), before = acc;
  int c = 0;
  for (ptrdiff_t begin = 0; c < PANEL; begin += RUN) {
    const ptrdiff_t count = least(RUN, ends[PANEL - 1] - begin);
    running[0] = acc;
    for (ptrdiff_t i = 0; i < count; i++) {
      const split_entries *entries = &p->entries[begin + i];
      const uint16_t *g = entries->groups;
      const __m128i a = _mm_setr_epi32(words[g[0]], words[g[1]], words[g[2]], words[g[3]]);
      const __m128i b = _mm_loadu_si128((const __m128i *)(const void *)entries->words);
      acc = _mm_add_epi32(acc, _mm_madd_epi16(_mm_maddubs_epi16(a, b), ones));
      running[i + 1] = acc;
    }
    for (; c < PANEL && ends[c] <= begin + count; c++) {
      const __m128i now = running[ends[c] - begin];
      columns[c] = _mm_sub_epi32(now, before);
      before = now;
    }
  }
  for (c = 0; c < PANEL; c += 4) {
    const __m128i low = _mm_hadd_epi32(columns[c], columns[c + 1]), high = _mm_hadd_epi32(columns[c + 2], columns[c + 3]);
    __m128i *to = (__m128i *)(void *)(sums + c);
    _mm_storeu_si128(to, _mm_add_epi32(_mm_loadu_si128(to), _mm_hadd_epi32(low, high)));
  }
}

/// Adds what one panel's entries give to the sums of all blocks of rows.
static void add_entries(
  const split_panel *p, ptrdiff_t rows, const int32_t *words, ptrdiff_t block_words, int32_t *sums) {
  const ptrdiff_t blocks = (rows + VL - 1) / VL;
  _Alignas(64) int32_t by_column[ROW_BLOCKS * PANEL * VL];
  ptrdiff_t begin = 0;
  for (int c = 0; c < PANEL; c++) {
    const ptrdiff_t end = p->header->entry_ends[c];
    column_blocks[blocks - 1](p, begin, end, words, block_words, by_column + c * VL);
    begin = end;
  }
  for (ptrdiff_t i = 0; i < blocks; i++) {
    int32_t *to = sums + i * VL * PANEL;
    for (int r = 0; r < VL; r += TRANSPOSE_TILE) {
      for (int c = 0; c < PANEL; c += TRANSPOSE_TILE) {
        _Alignas(64) int32_t square[TRANSPOSE_TILE * TRANSPOSE_TILE];
        const int32_t *from = by_column + (i * PANEL + c) * VL + r;
        v_transpose((const float *)(const void *)from, VL, (float *)(void *)square, TRANSPOSE_TILE);
        for (int q = 0; q < TRANSPOSE_TILE; q++) {
          for (int s = 0; s < TRANSPOSE_TILE; s++) to[(r + q) * PANEL + c + s] += square[q * TRANSPOSE_TILE + s];
        }
      }
    }
  }
}

/// Elements [k, k + depth) of `count` rows to blocks of words; what pads rows and k is zero.
static void split_convert(
  const adze_gemm_i8 *g, ptrdiff_t row, ptrdiff_t count, ptrdiff_t k, ptrdiff_t depth, bool sums, i8_rows *rows,
  int32_t *words) {
  const ptrdiff_t groups = group_count(depth), width = count == 1 ? 1 : VL;
  const uint32_t flip = is_a_signed(g) ? 0x80808080u : 0;
  if (width > 1 && count % VL) memset(words + count / VL * groups * VL, 0, (size_t)(groups * VL) * sizeof *words);
  for (ptrdiff_t i = 0; i < count; i++) {
    int32_t *to = words + i / VL * groups * VL + i % VL;
    uint8_t space[QUANTIZED_PIECE];
    ptrdiff_t group = 0;
    for (ptrdiff_t done = 0; done < depth;) {
      const i8_piece piece = read_piece(g, row, i, k + done, k + depth, sums, rows, space);
      for (ptrdiff_t j = 0; j < piece.count; j += 4) {
        uint32_t word = 0;
        if (piece.stride == 1 && j + 4 <= piece.count) {
          memcpy(&word, piece.from + j, sizeof word);
        } else {
          for (ptrdiff_t b = 0; b < least(4, piece.count - j); b++) {
            word |= (uint32_t)piece.from[(j + b) * piece.stride] << (8 * b);
          }
        }
        to[group++ * width] = (int32_t)(word ^ flip);
      }
      done += piece.count;
    }
    for (; group < groups; group++) to[group * width] = 0;
  }
}

/// All converted rows against one chunk of a panel.
static void split_multiply(
  ptrdiff_t rows, ptrdiff_t groups, const int32_t *words, const split_panel *p, ptrdiff_t first_group, int32_t *sums) {
  const int depth = p->header->depth;
  if (depth == SPARSE) {
    memset(sums, 0, (size_t)(rows + VL - 1) / VL * VL * PANEL * sizeof *sums);
    return;
  }
  if (rows == 1) {
    split_rows[depth](groups, words, p->bytes + first_group * PANEL * 4, first_group > 0, sums);
    return;
  }
  for (ptrdiff_t r = 0; r < rows; r += TILE_ROWS) {
    const ptrdiff_t count = least(TILE_ROWS, rows - r);
    const int32_t *a = words + r / VL * groups * VL + r % VL;
    split_tiles[count - 1][depth](groups, a, p->bytes + first_group * PANEL * 4, first_group > 0, sums + r * PANEL);
  }
}

void KERNEL(gemm_i8)(
  const adze_gemm_i8 *g, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  _Alignas(64) int32_t words[A_WORDS];
  _Alignas(64) int32_t sums[BLOCK_ROWS * PANEL];
  i8_rows values;
  const ptrdiff_t groups = group_count(g->k), chunk = least(groups, CHUNK);
  const ptrdiff_t column_end = least(panel_end * PANEL, g->n);
  // Row blocks of nearly equal height.
  const ptrdiff_t most_rows = chunk ? least(ROW_BLOCKS, CHUNK / chunk) * VL : ROW_BLOCKS * VL;
  const ptrdiff_t steps = (row_end - row_begin + most_rows - 1) / most_rows;
  const ptrdiff_t block_rows = ((row_end - row_begin + VL - 1) / VL + steps - 1) / most(1, steps) * VL;
  for (ptrdiff_t row = row_begin; row < row_end; row += block_rows) {
    const ptrdiff_t rows = least(block_rows, row_end - row);
    find_row_ranges(g, row, rows, &values);
    for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
      split_panel p = panel_at(g->b_packed, groups, panel);
      if (p.header->depth == SPARSE) p.entries = (split_entries *)(void *)p.bytes;
      const bool is_first = panel == panel_begin;
      if (g->k == 0) memset(sums, 0, sizeof sums);
      for (ptrdiff_t group = 0; group < groups; group += chunk) {
        const ptrdiff_t k = group * 4, depth = least(g->k - k, chunk * 4);
        if (chunk < groups || is_first) {
          split_convert(g, row, rows, k, depth, is_first && needs_row_sums(g), &values, words);
        }
        split_multiply(rows, group_count(depth), words, &p, group, sums);
      }
      // Only panels that are one chunk deep have entries.
      const bool has_entries = p.header->entry_ends[PANEL - 1] > 0;
      if (has_entries && rows == 1) add_entries_to_row(&p, words, sums);
      else if (has_entries) add_entries(&p, rows, words, groups * VL, sums);
      const ptrdiff_t column = panel * PANEL, columns = least(PANEL, column_end - column);
      finish_panel(g, row, rows, column, columns, sums, p.header->column_sums, &values);
    }
    activate(g, row, row + rows, panel_begin * PANEL, column_end);
  }
}

/// Bytes of one packed panel.
#define I8_PANEL_BYTES(k) \
  ((ptrdiff_t)sizeof(split_header) + group_count(k) * PANEL * 4 + ENTRY_BYTES(group_count(k)))
