# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
# A folder of sources is a room: a library of its own that is linked to the rooms below it, by rooms.txt.
#   pollen8_room(gateway session session.c ...)   the library pollen8_gateway_session from <service>/session/*.c;
#                                                 `.` is the service's own folder
#   pollen8_rooms(gateway)                        pollen8_gateway: all its rooms
set(POLLEN8_ROOMS_TABLE ${CMAKE_CURRENT_LIST_DIR}/rooms.txt)

# The library of a room; for `.` that of the service's own folder.
function(pollen8_room_target service room result)
  if(room STREQUAL ".")
    set(room root)
  endif()
  string(REGEX REPLACE "-svc$" "" name ${service})
  string(MAKE_C_IDENTIFIER pollen8_${name}_${room} target)
  set(${result} ${target} PARENT_SCOPE)
endfunction()

function(pollen8_room service room)
  pollen8_room_target(${service} ${room} target)
  list(TRANSFORM ARGN PREPEND ${room}/)
  add_library(${target} OBJECT ${ARGN})
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR}/${service} ${CMAKE_SOURCE_DIR})
  target_link_libraries(${target} PUBLIC pollen8_proto PRIVATE pollen8_warnings pollen8_sanitizers)
  if(NOT service STREQUAL common)
    target_link_libraries(${target} PUBLIC pollen8_common pollen8_bus)
  endif()
  set_property(GLOBAL APPEND PROPERTY POLLEN8_ROOMS_${service} ${target})
endfunction()

function(pollen8_rooms service)
  string(REGEX REPLACE "-svc$" "" name ${service})
  get_property(rooms GLOBAL PROPERTY POLLEN8_ROOMS_${service})
  add_library(pollen8_${name} STATIC)
  target_include_directories(pollen8_${name} PUBLIC ${CMAKE_SOURCE_DIR}/${service} ${CMAKE_SOURCE_DIR})
  target_link_libraries(pollen8_${name} PUBLIC ${rooms})
endfunction()
