// Vectors as wide as the machine's registers, and a small matrix product that uses them. They rely on
// a vector extension that GCC and Clang share, so the same source compiles to AVX-512, AVX2, SSE or NEON.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__AVX512BF16__) && defined(__AVX512BW__)
#include <immintrin.h>
#define HAS_BFLOAT16 1
#else
#define HAS_BFLOAT16 0
#endif

#if defined(_WIN32)
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED
#endif

#if defined(__AVX512F__)
constexpr int LANES = 16, REGISTERS = 32;
#elif defined(__AVX__)
constexpr int LANES = 8, REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int LANES = 4, REGISTERS = 32;
#else
constexpr int LANES = 4, REGISTERS = 16;
#endif

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 64")
#endif

typedef float Floats __attribute__((vector_size(LANES * 4)));
typedef int32_t Ints __attribute__((vector_size(LANES * 4)));
typedef int8_t Bytes __attribute__((vector_size(LANES)));
typedef float LooseFloats __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int8_t LooseBytes __attribute__((vector_size(LANES), aligned(1), may_alias));

constexpr int round_up(int n, int multiple) { return (n + multiple - 1) / multiple * multiple; }

inline Floats load(const float* p) { return *reinterpret_cast<const LooseFloats*>(p); }
inline void store(float* p, Floats v) { *reinterpret_cast<LooseFloats*>(p) = v; }
inline Floats broadcast(float v) { return v - Floats{}; }
inline Floats dot(float a, Floats b, Floats sum) { return a * b + sum; }

// Keep a value in a register. Compilers tend to reload an operand at each use and then wait for the
// loads, which takes about 20% of the time of a matrix product.
template <class Vector> inline void pin(Vector& v) {
#if defined(__AVX512F__)
    asm("" : "+v"(v));
#elif defined(__x86_64__)
    asm("" : "+x"(v));
#elif defined(__aarch64__)
    asm("" : "+w"(v));
#endif
}

// The lanes of `v` where all bits of `chosen` are set; zero elsewhere.
inline Floats keep(Ints chosen, Floats v) { return reinterpret_cast<Floats>(chosen & reinterpret_cast<Ints>(v)); }

// One mask byte per lane -> all bits of a lane are set if its byte is not zero.
inline Ints lanes_of(const uint8_t* bytes) {
    Bytes b = *reinterpret_cast<const LooseBytes*>(bytes);
    return __builtin_convertvector(b, Ints) != 0;
}

// ReLU that lets NaN through, as torch's does: a diverged state must not look healthy.
inline Floats relu(Floats v) { return v < 0 ? Floats{} : v; }
inline Floats at_most(Floats v, float bound) { return v > bound ? broadcast(bound) : v; }

// Gradient through min(relu(v), bound), computed from the clipped value itself.
inline Floats pass_gradient(Floats gradient, Floats clipped, float bound) {
    return keep(~((clipped <= 0) | (clipped >= bound)), gradient);
}

#if HAS_BFLOAT16
// Two values in bfloat16, adjacent along the summed dimension: one lane's operand in a bfloat16 dot
// product.
struct Pair {
    uint32_t bits;
};
typedef uint32_t Pairs __attribute__((vector_size(LANES * 4)));

inline Pairs load(const Pair* p) { return reinterpret_cast<Pairs>(_mm512_loadu_si512(p)); }
inline Floats dot(Pair a, Pairs b, Floats sum) {
    auto left = reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(a.bits)));
    return _mm512_dpbf16_ps(sum, left, reinterpret_cast<__m512bh>(b));
}
inline __m256i bfloat16_of(const float* p) { return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(load(p))); }

// Convert LANES floats to LANES / 2 pairs of adjacent values.
inline void pack_neighbors(const float* from, Pair* to) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bfloat16_of(from));
}
// Convert two rows of LANES floats to LANES pairs, each with one value from each row.
inline void pack_rows(const float* first, const float* second, Pair* to) {
    const __m512i low = _mm512_cvtepu16_epi32(bfloat16_of(first)), high = _mm512_cvtepu16_epi32(bfloat16_of(second));
    _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}
inline Pair make_pair(float first, float second) {
    Floats both = {first, second};
    auto packed = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(both));
    return {static_cast<uint32_t>(_mm256_extract_epi32(packed, 0))};
}
#endif

// Number of values of the summed dimension in one Unit (a float, or a Pair of bfloat16).
template <class Unit> constexpr int depth_of = 1;
#if HAS_BFLOAT16
template <> constexpr int depth_of<Pair> = 2;
#endif

// Compute a block of  start + left * right  in registers, ROWS x VECTORS; call finish(i, j, v) with
// vector j of row i.
template <int ROWS, int VECTORS, class Unit, class Start, class Finish>
inline void multiply_block(const Unit* left, ptrdiff_t next_row, ptrdiff_t next_column, const Unit* right,
                           ptrdiff_t right_row, int depth, Start start, Finish finish) {
    Floats sum[ROWS][VECTORS];
    UNROLL for (int i = 0; i < ROWS; ++i) UNROLL for (int j = 0; j < VECTORS; ++j) sum[i][j] = start(j);
    for (int k = 0; k < depth; ++k) {
        decltype(load(right)) row[VECTORS];
        UNROLL for (int j = 0; j < VECTORS; ++j) {
            row[j] = load(right + k * right_row + j * LANES);
            pin(row[j]);
        }
        UNROLL for (int i = 0; i < ROWS; ++i) {
            const Unit value = left[i * next_row + k * next_column];
            UNROLL for (int j = 0; j < VECTORS; ++j) sum[i][j] = dot(value, row[j], sum[i][j]);
        }
    }
    UNROLL for (int i = 0; i < ROWS; ++i) UNROLL for (int j = 0; j < VECTORS; ++j) finish(i, j, sum[i][j]);
}

// Number of sums that fit in registers beside the operands, and the widest block, in vectors, that
// makes good use of these registers.
constexpr int SUMS = REGISTERS == 32 ? 24 : 12;
constexpr int widest_block(int vectors) {
    const int most = REGISTERS == 32 ? 6 : 3;
    if (vectors <= most) return vectors;
    for (int width = most; width > most / 2; --width)
        if (vectors % width == 0) return width;
    return most - 1;
}
// Number of rows in a block: always a divisor of 48, and at most 24.
constexpr int rows_of_block(int vectors) { return SUMS / vectors; }
constexpr int MAX_BLOCK_ROWS = 24;

// Row-major product of a strided left side (element (i, k) is left[i * next_row + k * next_column])
// and a right side whose rows are VECTORS vectors wide. Rows are computed in whole blocks, so the
// caller's buffers must hold round_up(rows, MAX_BLOCK_ROWS) rows.
template <int VECTORS, class Unit, class Start, class Finish>
inline void multiply(const Unit* left, ptrdiff_t next_row, ptrdiff_t next_column, int rows, const Unit* right,
                     ptrdiff_t right_row, int depth, Start start, Finish finish) {
    constexpr int WIDTH = widest_block(VECTORS), REST = VECTORS % WIDTH;
    constexpr int ROWS = rows_of_block(WIDTH);
    for (int j = 0; j + WIDTH <= VECTORS; j += WIDTH)
        for (int i = 0; i < rows; i += ROWS)
            multiply_block<ROWS, WIDTH>(
                left + i * next_row, next_row, next_column, right + j * LANES, right_row, depth,
                [&](int v) { return start(j + v); }, [&](int r, int v, Floats sum) { finish(i + r, j + v, sum); });
    if constexpr (REST > 0) {
        constexpr int REST_ROWS = rows_of_block(REST), FIRST = VECTORS - REST;
        for (int i = 0; i < rows; i += REST_ROWS)
            multiply_block<REST_ROWS, REST>(
                left + i * next_row, next_row, next_column, right + FIRST * LANES, right_row, depth,
                [&](int v) { return start(FIRST + v); },
                [&](int r, int v, Floats sum) { finish(i + r, FIRST + v, sum); });
    }
}
