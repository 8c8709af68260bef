# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
# .proto -> protobuf-c sources in the build tree, never committed. The generated code is compiled
# without the project's warning flags.
function(pollen8_protobuf_library target)
  set(generated)
  foreach(proto IN LISTS ARGN)
    get_filename_component(stem ${proto} NAME_WE)
    set(outputs ${CMAKE_CURRENT_BINARY_DIR}/${stem}.pb-c.c ${CMAKE_CURRENT_BINARY_DIR}/${stem}.pb-c.h)
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND ${PROTOC_C} --c_out=${CMAKE_CURRENT_BINARY_DIR} -I${CMAKE_CURRENT_SOURCE_DIR} ${proto}
      WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
      DEPENDS ${ARGN}
      VERBATIM)
    list(APPEND generated ${outputs})
  endforeach()
  add_library(${target} STATIC ${generated})
  target_include_directories(${target} SYSTEM PUBLIC ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(${target} PUBLIC PkgConfig::PROTOBUF_C pollen8_sanitizers)
endfunction()
