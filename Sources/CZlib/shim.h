#ifndef TOLLFS_CZLIB_SHIM_H
#define TOLLFS_CZLIB_SHIM_H

#include <zlib.h>

// deflateInit2 is a macro, which Swift can't see. 15 bits of window, negated: a raw stream without zlib's own wrapping,
// which is what a zip member holds (APPNOTE 4.4.5, method 8). 8 is zlib's default memory level.
static inline int tollfs_deflate_init_raw(z_stream *stream, int level) {
  return deflateInit2(stream, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
}

#endif
