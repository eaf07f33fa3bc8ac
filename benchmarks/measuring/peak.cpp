// The most that one core can multiply and add, with all operands in registers.
#include "lanes.h"

namespace {
constexpr int CHAINS = REGISTERS - 4;  // independent sums: more than latency times units

template <class Value> Floats run(int64_t rounds, Value left, decltype(load(&left)) right) {
    Floats sum[CHAINS] = {};
    for (int64_t i = 0; i < rounds; ++i) {
        UNROLL for (int j = 0; j < CHAINS; ++j) {
            sum[j] = dot(left, right, sum[j]);
            pin(sum[j]);
        }
    }
    Floats total = {};
    UNROLL for (int j = 0; j < CHAINS; ++j) total += sum[j];
    return total;
}
}  // namespace

extern "C" {

// Operations, two per multiply-add, in one call of one of the functions below.
EXPORTED int64_t peak_operations(int64_t rounds, int64_t bfloat16) { return rounds * CHAINS * LANES * (bfloat16 ? 4 : 2); }

EXPORTED float peak_float32(int64_t rounds) { return run(rounds, 1e-3f, broadcast(1e-3f))[0]; }

#if HAS_BFLOAT16
EXPORTED float peak_bfloat16(int64_t rounds) { return run(rounds, Pair{0}, Pairs{})[0]; }
#endif
}
