# shellcheck shell=bash
# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
#
# Debian packages: finds what is missing, prints what it installs, installs it as root or through sudo.

PACKAGES_BUILD=(
  build-essential cmake ninja-build pkg-config protobuf-c-compiler protobuf-compiler libprotobuf-c-dev
  libjansson-dev libssl-dev libmicrohttpd-dev libutf8proc-dev libuv1-dev libwebsockets-dev libwebsockets-evlib-uv
  libjwt-dev libmongoc-dev libhiredis-dev libnats-dev libcmocka-dev)
PACKAGES_RUN=(nats-server redis-server)
# What tests need, as command:package. A command that is already installed, from any source, is sufficient.
COMMANDS_TEST=(
  clang:clang clang-format:clang-format clang-tidy:clang-tidy llvm-symbolizer:llvm shellcheck:shellcheck node:nodejs
  npm:npm python3:python3 git:git chromium:chromium ccache:ccache)
# libclang-rt-dev: clang links it for sanitizers and fuzzing; its own package only recommends it.
PACKAGES_TEST=(python3-venv libclang-rt-dev)

# packages_need PURPOSE PACKAGE...: returns once all are installed, else ends the program.
packages_need() {
  local purpose=$1 package state
  local -A have=()
  local missing=()
  shift
  command -v dpkg-query >/dev/null ||
    { echo "pollen8: this is not Debian; install what $purpose needs yourself: $*" >&2; return 0; }
  while read -r package state; do
    [ "$state" = installed ] && have[$package]=1
  done < <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null)
  for package; do
    [ -n "${have[$package]:-}" ] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] || packages_install "$purpose" "${missing[@]}"
}

# packages_for COMMAND:PACKAGE...: the packages whose command is missing.
packages_for() {
  local pair
  for pair; do
    command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"
  done
}

packages_install() {
  local purpose=$1
  local as_root=()
  shift
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; } ||
      fail 1 "$purpose needs packages; as root, run: apt-get install --no-install-recommends $*"
    as_root=(sudo)
  fi
  echo "pollen8: installing for $purpose: $*"
  packages_apt "${as_root[@]}" "$@"
}

# packages_apt [sudo] PACKAGE...: installs without starting the services of the packages.
packages_apt() {
  local prefix=()
  [ "$1" = sudo ] && { prefix=(sudo); shift; }
  local apt=("${prefix[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq -o Dpkg::Use-Pty=0)
  mkdir -p "${LOG_DIR:-$POLLEN8_ROOT/build}" 2>/dev/null
  local log=${LOG_DIR:-$POLLEN8_ROOT/build}/packages.log
  { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "$@"; } </dev/null >"$log" 2>&1 && return 0
  tail -n 20 "$log" >&2
  fail 1 "the packages could not be installed; the whole output is in $log"
}
