# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
# One interface target with every warning flag; -Werror with -DPOLLEN8_WERROR=ON (CI).
option(POLLEN8_WERROR "Treat warnings as errors" OFF)
add_library(pollen8_warnings INTERFACE)
target_compile_options(pollen8_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes
  -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough -Wnull-dereference
  -Wdouble-promotion
  # gcc only: clang also looks into protobuf-c's generated __INIT macros
  $<$<C_COMPILER_ID:GNU>:-Wcast-qual>
  $<$<BOOL:${POLLEN8_WERROR}>:-Werror>)
target_compile_definitions(pollen8_warnings INTERFACE _GNU_SOURCE)
