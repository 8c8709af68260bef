# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
# A folder of sources is a room: a static library of its own, linked to the rooms below it by rooms.txt.
#   pollen8_room(gateway session session.c ...)   the library pollen8_gateway_session from <service>/session/*.c;
#                                                 `.` is the service's own folder
#   pollen8_rooms(gateway)                        pollen8_gateway: all its rooms
#
# For each room there is a program of an empty main, that room whole and only the rooms below it: a call of a room
# above is an undefined symbol there. The target `rooms` links them all; it is a part of the tier `check`.
set(POLLEN8_ROOMS_TABLE ${CMAKE_CURRENT_LIST_DIR}/rooms.txt)
set(POLLEN8_ROOM_MAIN ${CMAKE_CURRENT_LIST_DIR}/room_main.c)
set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${POLLEN8_ROOMS_TABLE})
if(NOT TARGET rooms)
  add_custom_target(rooms)
endif()

# The library of a room.
function(pollen8_room_target service room result)
  if(room STREQUAL ".")
    set(room root)
  endif()
  string(REGEX REPLACE "-svc$" "" name ${service})
  string(MAKE_C_IDENTIFIER pollen8_${name}_${room} target)
  set(${result} ${target} PARENT_SCOPE)
endfunction()

# The libraries of the rooms that a room may use.
function(pollen8_rooms_below service room result)
  file(STRINGS ${POLLEN8_ROOMS_TABLE} lines REGEX "^${service}/")
  set(found FALSE)
  foreach(line IN LISTS lines)
    separate_arguments(words UNIX_COMMAND "${line}")
    list(POP_FRONT words name)
    if(name STREQUAL "${service}/${room}")
      set(found TRUE)
      set(below)
      foreach(word IN LISTS words)
        pollen8_room_target(${service} ${word} target)
        list(APPEND below ${target})
      endforeach()
    endif()
  endforeach()
  if(NOT found)
    message(FATAL_ERROR "${POLLEN8_ROOMS_TABLE} has no line for ${service}/${room}")
  endif()
  set(${result} "${below}" PARENT_SCOPE)
endfunction()

function(pollen8_room service room)
  pollen8_room_target(${service} ${room} target)
  pollen8_rooms_below(${service} ${room} below)
  list(TRANSFORM ARGN PREPEND ${room}/)
  add_library(${target} STATIC ${ARGN})
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR}/${service} ${CMAKE_SOURCE_DIR})
  target_link_libraries(${target} PUBLIC ${below} pollen8_proto PRIVATE pollen8_warnings pollen8_sanitizers)
  if(NOT service STREQUAL common)
    target_link_libraries(${target} PUBLIC pollen8_common)
  endif()
  set_property(GLOBAL APPEND PROPERTY POLLEN8_ROOMS_${service} ${target})

  add_executable(room_${target} EXCLUDE_FROM_ALL ${POLLEN8_ROOM_MAIN})
  target_link_libraries(room_${target} PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,${target}> pollen8_sanitizers)
  set_target_properties(room_${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/rooms)
  add_dependencies(rooms room_${target})
endfunction()

function(pollen8_rooms service)
  string(REGEX REPLACE "-svc$" "" name ${service})
  get_property(rooms GLOBAL PROPERTY POLLEN8_ROOMS_${service})
  list(REVERSE rooms) # those above first, as the linker wants them
  add_library(pollen8_${name} INTERFACE)
  target_link_libraries(pollen8_${name} INTERFACE ${rooms})
endfunction()
