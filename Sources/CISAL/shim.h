#ifndef TOLLFS_CISAL_SHIM_H
#define TOLLFS_CISAL_SHIM_H

#include <isa-l.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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

/// The version that the layout of the state was compiled from.
static inline uint32_t tollfs_isal_version(void) { return ISAL_VERSION; }

/// Makes of a copy of the state something that means the same in another process: without addresses, and with zeros for what no later
/// call reads. Of the output that it keeps, only the last window in front of what is valid can be referred to.
static inline void tollfs_inflate_freeze(void *opaque) {
  struct inflate_state *state = (struct inflate_state *)opaque;
  state->next_in = NULL;
  state->avail_in = 0;
  state->next_out = NULL;
  state->avail_out = 0;
  int32_t first = state->tmp_out_valid - ISAL_DEF_HIST_SIZE;
  if (first > state->tmp_out_processed) first = state->tmp_out_processed;
  if (first > 0) memset(state->tmp_out_buffer, 0, (size_t)first);
  size_t valid = (size_t)state->tmp_out_valid;
  memset(state->tmp_out_buffer + valid, 0, sizeof(state->tmp_out_buffer) - valid);
}

/// Whether the counts in a state stay within its buffers.
static inline int tollfs_inflate_is_sound(const void *opaque) {
  const struct inflate_state *state = (const struct inflate_state *)opaque;
  return state->block_state <= ISAL_BLOCK_FINISH && state->read_in_length >= 0 && state->read_in_length <= 64 &&
         state->tmp_in_size >= 0 && state->tmp_in_size <= ISAL_DEF_MAX_HDR_SIZE && state->tmp_out_processed >= 0 &&
         state->tmp_out_processed <= state->tmp_out_valid &&
         state->tmp_out_valid <= (int32_t)sizeof(state->tmp_out_buffer) && state->write_overflow_len == 0 &&
         state->copy_overflow_length == 0 && state->dict_length == 0 && state->crc_flag == ISAL_DEFLATE;
}

/// Compresses all of `input` as raw deflate. Returns the number of bytes, 0 if they do not fit or there is no memory.
static inline uint32_t tollfs_deflate(const uint8_t *input, uint32_t count, uint8_t *output, uint32_t room) {
  struct isal_zstream *stream = (struct isal_zstream *)malloc(sizeof(struct isal_zstream));
  uint8_t *levelBuffer = (uint8_t *)malloc(ISAL_DEF_LVL1_DEFAULT);
  uint32_t written = 0;
  if (stream != NULL && levelBuffer != NULL) {
    isal_deflate_stateless_init(stream);
    stream->level = 1;
    stream->level_buf = levelBuffer;
    stream->level_buf_size = ISAL_DEF_LVL1_DEFAULT;
    stream->next_in = (uint8_t *)input;
    stream->avail_in = count;
    stream->next_out = output;
    stream->avail_out = room;
    stream->end_of_stream = 1;
    stream->flush = NO_FLUSH;
    if (isal_deflate_stateless(stream) == COMP_OK && stream->avail_in == 0) written = room - stream->avail_out;
  }
  free(stream);
  free(levelBuffer);
  return written;
}

#endif
