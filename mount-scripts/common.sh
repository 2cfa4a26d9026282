# shellcheck shell=bash disable=SC2034 # the variables are for who sources this
# Shared by the scripts beside it; not a program of its own. Sourced by bash with `set -eu`, from the repository's root.

# What the build links against, and what a mount needs at run time. zlib1g-dev is for the API simulator and for SwiftNIO.
build_packages="pkg-config libfuse3-dev fuse3 libarchive-dev libisal-dev libsqlite3-dev zlib1g-dev"

# The manifest's tools version.
swift_needed_major=6
swift_needed_minor=2

# Colour is for terminals, not for logs.
bold="" green="" plain=""
if [ -t 1 ]; then
  bold=$'\033[1m' green=$'\033[1;32m' plain=$'\033[0m'
fi

say() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
note() { printf '   %s\n' "$*"; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo "$@"
  else
    die "this needs root, and there is no sudo: run '$*' as root and start again"
  fi
}

# Installs those of the packages given that are missing, and says which.
need_packages() {
  if ! command -v dpkg-query >/dev/null 2>&1; then
    note "This is neither Debian nor Ubuntu, so please see to it that these, or what your system calls them, are there:"
    note "$*"
    return 0
  fi
  local package missing=""
  for package in "$@"; do
    # A package may also be there under a new name that provides the old one.
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" != installed ]; then
      missing="$missing $package"
    fi
  done
  if [ -z "$missing" ]; then
    note "All system packages are there already."
    return 0
  fi
  note "Installing:$missing"
  as_root apt-get update -qq
  # shellcheck disable=SC2086 # one word a package
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

check_swift() {
  command -v swift >/dev/null 2>&1 ||
    die "Swift isn't installed, or isn't in PATH: see https://www.swift.org/install/linux/"
  local version major minor
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -n 1)
  major=${version%%.*}
  minor=${version#*.}
  minor=${minor%%.*}
  case $major$minor in
    '' | *[!0-9]*) die "can't tell the version of Swift from 'swift --version'" ;;
  esac
  if [ "$major" -lt $swift_needed_major ] ||
    { [ "$major" -eq $swift_needed_major ] && [ "$minor" -lt $swift_needed_minor ]; }; then
    die "Swift $version is too old; $swift_needed_major.$swift_needed_minor or newer is needed"
  fi
  note "Swift $version"
}

check_fuse() {
  # In a subshell, so that being refused doesn't end the script before it has said what is wrong.
  [ -e /dev/fuse ] || (as_root modprobe fuse) >/dev/null 2>&1 || true
  [ -c /dev/fuse ] ||
    die "there is no /dev/fuse. In a container, start it with --device /dev/fuse --cap-add SYS_ADMIN; elsewhere: modprobe fuse"
  { [ -r /dev/fuse ] && [ -w /dev/fuse ]; } || die "/dev/fuse may not be opened by $(id -un)"
  command -v fusermount3 >/dev/null 2>&1 || die "fusermount3 isn't there; it comes with the package fuse3"
  note "/dev/fuse is there."
}
