# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
# Finds every library once, with the oldest version the code is known to work with. A target links
# only those it is allowed to name (see tools/check): the imported targets are not linked globally.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c>=1.4)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.13)
pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET libcrypto>=3.0)
pkg_check_modules(OPENSSL_TLS REQUIRED IMPORTED_TARGET libssl>=3.0)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd>=0.9.75)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc>=2.0)
pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv>=1.44)
pkg_check_modules(LIBWEBSOCKETS REQUIRED IMPORTED_TARGET libwebsockets>=4.1)
pkg_check_modules(LIBJWT REQUIRED IMPORTED_TARGET libjwt>=1.10)
pkg_check_modules(MONGOC REQUIRED IMPORTED_TARGET libmongoc-1.0>=1.23)
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis>=0.14)
pkg_check_modules(LIBURING IMPORTED_TARGET liburing>=2.2)
pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka>=1.1.5)

# Debian's libnats-dev ships no pkg-config file in every version.
find_path(NATS_INCLUDE_DIR nats/nats.h REQUIRED)
find_library(NATS_LIBRARY nats REQUIRED)
add_library(nats_client INTERFACE)
target_include_directories(nats_client SYSTEM INTERFACE ${NATS_INCLUDE_DIR})
target_link_libraries(nats_client INTERFACE ${NATS_LIBRARY})

find_program(PROTOC_C protoc-c REQUIRED)
