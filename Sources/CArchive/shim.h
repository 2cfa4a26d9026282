#ifndef TOLLFS_CARCHIVE_SHIM_H
#define TOLLFS_CARCHIVE_SHIM_H

#include <archive.h>
#include <archive_entry.h>

#endif
