# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
# Files (Lua scripts, web pages) -> C arrays in the build tree, so that a service is one executable.
#   pollen8_embed(target prefix file...)
# adds to `target`, for each file a/b.lua, `const char <prefix>_b_lua[]` (NUL-terminated) and
# `const size_t <prefix>_b_lua_length` (without the NUL), declared in <prefix>_embedded.h.
set(POLLEN8_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/embed_file.cmake)

function(pollen8_embed target prefix)
  set(header ${CMAKE_CURRENT_BINARY_DIR}/${prefix}_embedded.h)
  set(declarations "/* Generated: the files embedded in ${target}. */\n#pragma once\n#include <stddef.h>\n")
  foreach(file IN LISTS ARGN)
    get_filename_component(name ${file} NAME)
    string(MAKE_C_IDENTIFIER ${prefix}_${name} symbol)
    set(output ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.c)
    add_custom_command(
      OUTPUT ${output}
      COMMAND ${CMAKE_COMMAND} -DINPUT=${CMAKE_CURRENT_SOURCE_DIR}/${file} -DOUTPUT=${output}
              -DSYMBOL=${symbol} -DHEADER=${prefix}_embedded.h -P ${POLLEN8_EMBED_SCRIPT}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${file} ${POLLEN8_EMBED_SCRIPT}
      VERBATIM)
    target_sources(${target} PRIVATE ${output})
    string(APPEND declarations "extern const char ${symbol}[];\nextern const size_t ${symbol}_length;\n")
  endforeach()
  file(CONFIGURE OUTPUT ${header} CONTENT "${declarations}" @ONLY)
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
endfunction()
