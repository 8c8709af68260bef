# shellcheck shell=bash
# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
#
# `bench`: installs the packages it needs, then runs bench/run, which does everything else.

ring_bench() {
  local argument
  for argument; do
    case $argument in
      --help | -h | --list) exec "$POLLEN8_ROOT/bench/run" "$@" ;;
    esac
  done
  packages_need "the benchmark" "${PACKAGES_BUILD[@]}" "${PACKAGES_RUN[@]}"
  exec "$POLLEN8_ROOT/bench/run" "$@"
}
