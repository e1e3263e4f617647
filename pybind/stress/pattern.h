/* What one exchange carries, derived from its id on both sides: see
 * bridge/plan_test.go, which must compute the same. */
#ifndef COVET_STRESS_PATTERN_H
#define COVET_STRESS_PATTERN_H

#include <stdint.h>

enum stream { REQUEST_HEAD = 1, REQUEST_BODY, RESPONSE_FIELDS, RESPONSE_BODY, REQUEST_INDEX };
enum request_body { NO_BODY, INLINE_BODY, STREAMED_BODY };
enum response_kind { WHOLE_RESPONSE, WHOLE_LATE_DONE, STREAMED_RESPONSE };

static inline uint64_t mix(uint64_t x) {
    x ^= x >> 31;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 29;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 32;
}

static inline uint64_t draw(uint64_t seed, uint64_t id, uint64_t what) {
    return mix(mix(seed ^ id) + what * 0x9e3779b97f4a7c15u);
}

static inline uint8_t pattern_byte(uint64_t stream, uint64_t at) {
    return (uint8_t)(mix(stream + (at >> 3)) >> ((at & 7) * 8));
}

static inline void pattern_fill(uint64_t stream, uint64_t at, uint8_t *to, uint32_t len) {
    uint32_t i = 0;
    while (i < len && ((at + i) & 7) != 0) {
        to[i] = pattern_byte(stream, at + i);
        i++;
    }
    for (; i + 8 <= len; i += 8) {
        uint64_t word = mix(stream + ((at + i) >> 3));
        __builtin_memcpy(to + i, &word, 8);
    }
    for (; i < len; i++) {
        to[i] = pattern_byte(stream, at + i);
    }
}

/* The first byte that differs, or -1. */
static inline int64_t pattern_check(uint64_t stream, uint64_t at, const uint8_t *from, uint32_t len) {
    uint32_t i = 0;
    for (; i < len && ((at + i) & 7) != 0; i++) {
        if (from[i] != pattern_byte(stream, at + i)) {
            return i;
        }
    }
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        __builtin_memcpy(&word, from + i, 8);
        if (word != mix(stream + ((at + i) >> 3))) {
            break;
        }
    }
    for (; i < len; i++) {
        if (from[i] != pattern_byte(stream, at + i)) {
            return i;
        }
    }
    return -1;
}

/* Mostly small, sometimes larger than a slot's room, seldom larger than a block. */
static inline uint32_t size_of(uint64_t r, uint32_t limit) {
    uint64_t kind = r % 100, rest = r >> 8;
    uint64_t size = kind < 90 ? rest % 200 : kind < 98 ? rest % 4096 : rest % limit;
    return (uint32_t)size;
}

typedef struct {
    uint32_t head, headers, params, body, fields, answer;
    enum request_body body_kind;
    enum response_kind response_kind;
    uint32_t delay;  /* rounds before the worker does anything */
    int overlapping; /* the response begins before the request body has ended */
    uint64_t route;
} plan;

static inline plan plan_of(uint64_t seed, uint64_t id) {
    plan p;
    uint64_t r = draw(seed, id, 100);
    p.headers = (uint32_t)(r & 15);
    p.params = (uint32_t)(r >> 4 & 7);
    p.body_kind = (enum request_body)((r >> 8 & 255) % 3);
    p.response_kind = (enum response_kind)((r >> 16 & 255) % 3);
    p.delay = (r >> 24 & 15) == 0 ? (uint32_t)(r >> 28 & 7) : 0;
    p.overlapping = (int)(r >> 32 & 1);
    p.head = 1 + size_of(draw(seed, id, 101), 60000);
    p.body = p.body_kind == NO_BODY ? 0 : size_of(draw(seed, id, 102), p.body_kind == INLINE_BODY ? 65536 : 400000);
    p.fields = size_of(draw(seed, id, 103), 20000);
    p.answer = size_of(draw(seed, id, 104), p.response_kind == STREAMED_RESPONSE ? 400000 : 200000);
    p.route = draw(seed, id, 105);
    return p;
}

#endif
