# shellcheck shell=bash
# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
#
# Builds the programs of a ring. Ninja decides what is out of date; if nothing is, this takes a moment.

build_ring() {
  local log=$LOG_DIR/build.log
  mkdir -p "$LOG_DIR" || fail 1 "cannot write to $RUN_DIR"
  # A build folder of a copied checkout names a different path: start again.
  if [ -f "$BUILD_DIR/CMakeCache.txt" ] &&
    ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$POLLEN8_ROOT" "$BUILD_DIR/CMakeCache.txt"; then
    rm -rf "$BUILD_DIR"
  fi
  if [ ! -f "$BUILD_DIR/build.ninja" ]; then
    echo "pollen8: building (a minute or two the first time; ./pollen8 logs build)"
    (cd "$POLLEN8_ROOT" && cmake --preset dev) >"$log" 2>&1 </dev/null || build_failed "$log"
  fi
  # flock: two rings that start at once share the build folder.
  flock "$BUILD_DIR" ninja -C "$BUILD_DIR" gateway auth-svc value-svc pollen8ctl >>"$log" 2>&1 </dev/null ||
    build_failed "$log"
}

build_failed() {
  tail -n 30 "$1" >&2
  fail 1 "the build failed; the whole output is in $1"
}

# For token, emit and watch: builds the tool if it has never been built.
build_tool() {
  [ -x "$BUILD_DIR/bin/pollen8ctl" ] && return
  packages_need building "${PACKAGES_BUILD[@]}"
  build_ring
}
