#ifndef TOLLFS_CFUSE_SHIM_H
#define TOLLFS_CFUSE_SHIM_H

#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fuse_lowlevel.h>
#include <fuse_opt.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Some of libfuse's functions are macros in some of its versions: Swift sees functions only. */

static inline struct fuse_session *tollfs_session_new(struct fuse_args *args, const struct fuse_lowlevel_ops *ops,
                                                      void *userdata) {
  return fuse_session_new(args, ops, sizeof(*ops), userdata);
}

static inline int tollfs_session_custom_io(struct fuse_session *session, const struct fuse_custom_io *io, int fd) {
  return fuse_session_custom_io(session, io, fd);
}

/* libfuse logs through a va_list, which Swift can't take portably: here it becomes text. */

typedef void (*tollfs_log_sink)(int level, const char *message);

static inline tollfs_log_sink *tollfs_log_sink_in_use(void) {
  static tollfs_log_sink sink;
  return &sink;
}

static inline void tollfs_log_formatted(enum fuse_log_level level, const char *format, va_list arguments) {
  char line[1024];
  vsnprintf(line, sizeof(line), format, arguments);
  if (*tollfs_log_sink_in_use()) (*tollfs_log_sink_in_use())((int)level, line);
}

static inline void tollfs_set_log_sink(tollfs_log_sink sink) {
  *tollfs_log_sink_in_use() = sink;
  fuse_set_log_func(tollfs_log_formatted);
}

/* preadv2 with RWF_NOWAIT (8): only what needs no waiting for a disk. Glibc shows it to _GNU_SOURCE alone, which would
   change what Swift's Glibc module holds. Returns the count, or a negative errno. */
static inline ssize_t tollfs_pread_nowait(int fd, void *buffer, size_t count, off_t offset) {
  struct iovec part = {.iov_base = buffer, .iov_len = count};
  /* The kernel takes the offset in two words; on 64-bit machines the high one is ignored. */
  ssize_t result = syscall(SYS_preadv2, fd, &part, 1, offset, 0L, 8);
  return result < 0 ? -errno : result;
}

#endif
