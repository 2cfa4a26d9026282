#ifndef TOLLFS_CISAL_SHIM_H
#define TOLLFS_CISAL_SHIM_H

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include <stddef.h>

// Swift would import the arrays inside `struct inflate_state` as tuples of 65,000 elements: it is kept opaque instead.

static inline size_t tollfs_inflate_state_size(void) { return sizeof(struct inflate_state); }

/// Readies the state for a new raw deflate stream.
static inline void tollfs_inflate_start(void *opaque) {
  struct inflate_state *state = (struct inflate_state *)opaque;
  isal_inflate_init(state);
  state->crc_flag = ISAL_DEFLATE;
}

/// One call of isal_inflate; the counts become what is left of input and of room for output.
static inline int tollfs_inflate_step(
    void *opaque, const uint8_t *input, uint32_t *input_left, uint8_t *output, uint32_t *output_left) {
  struct inflate_state *state = (struct inflate_state *)opaque;
  state->next_in = (uint8_t *)input;
  state->avail_in = *input_left;
  state->next_out = output;
  state->avail_out = *output_left;
  // A distance is refused that is larger than total_out, which has 32 bits: it must not go round after 4 GiB.
  if (state->total_out > 0x40000000) state->total_out = 0x40000000;
  int result = isal_inflate(state);
  *input_left = state->avail_in;
  *output_left = state->avail_out;
  return result;
}

static inline int tollfs_inflate_is_finished(const void *opaque) {
  return ((const struct inflate_state *)opaque)->block_state == ISAL_BLOCK_FINISH;
}

/// Whole bytes that were taken from the input but lie behind the end of the deflate stream: their number (0 to 8) is
/// returned, the first of them is the lowest byte of `bytes`. Newer versions of ISA-L give them back to the input instead.
static inline int tollfs_inflate_unused(const void *opaque, uint64_t *bytes) {
  const struct inflate_state *state = (const struct inflate_state *)opaque;
  int32_t bits = state->read_in_length;
  if (bits < 8) return 0;
  *bytes = state->read_in >> (bits % 8);
  return bits / 8;
}

#endif
