# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
# One build, then one small non-root image a service: docker build --target gateway|auth-svc|value-svc|tools .
# Needs no BuildKit. The package names pin the library families (their sonames) the code is tested with.

FROM debian:trixie-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
      cmake ninja-build gcc libc6-dev pkg-config protobuf-c-compiler \
      libprotobuf-c-dev libjansson-dev libssl-dev libmicrohttpd-dev libutf8proc-dev libuv1-dev \
      libnats-dev libwebsockets-dev libjwt-dev libmongoc-dev libhiredis-dev \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt
WORKDIR /src
COPY . .
RUN cmake --preset release && cmake --build --preset release && strip build/release/bin/*

FROM debian:trixie-slim AS runtime
RUN groupadd --system --gid 10001 pollen8 \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent pollen8 \
    && install -d -o pollen8 -g pollen8 -m 0750 /run/pollen8 \
    && apt-get update && apt-get upgrade -y && apt-get install -y --no-install-recommends \
      ca-certificates libnats3.10 libprotobuf-c1 libjansson4 libmicrohttpd12t64 libutf8proc3 libssl3t64 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt
COPY deploy/docker/healthcheck /usr/local/bin/healthcheck
STOPSIGNAL SIGTERM
USER 10001:10001
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=3 CMD ["/usr/local/bin/healthcheck"]

FROM runtime AS gateway
USER root
RUN apt-get update && apt-get install -y --no-install-recommends \
      libwebsockets19t64 libwebsockets-evlib-uv libuv1t64 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt
COPY --from=build /src/build/release/bin/gateway /usr/local/bin/gateway
USER 10001:10001
ENV PORT=3001 OPS_PORT=9001
EXPOSE 3001 9001
ENTRYPOINT ["/usr/local/bin/gateway"]

FROM runtime AS auth-svc
USER root
RUN apt-get update && apt-get install -y --no-install-recommends libjwt2 libmongoc-1.0-0t64 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt
COPY --from=build /src/build/release/bin/auth-svc /usr/local/bin/auth-svc
USER 10001:10001
# No statistics segment of the MongoDB library in shared memory: nobody reads it, and a killed container leaves it.
ENV OPS_PORT=9002 MONGOC_DISABLE_SHM=1
EXPOSE 9002
ENTRYPOINT ["/usr/local/bin/auth-svc"]

FROM runtime AS value-svc
USER root
RUN apt-get update && apt-get install -y --no-install-recommends libhiredis1.1.0 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt
COPY --from=build /src/build/release/bin/value-svc /usr/local/bin/value-svc
USER 10001:10001
ENV OPS_PORT=9003
EXPOSE 9003
ENTRYPOINT ["/usr/local/bin/value-svc"]

# What an operator runs beside the services: pollen8ctl, and the seeding of a local ring.
FROM runtime AS tools
USER root
RUN apt-get update && apt-get install -y --no-install-recommends \
      libjwt2 libmongoc-1.0-0t64 libwebsockets19t64 libwebsockets-evlib-uv libuv1t64 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt
COPY --from=build /src/build/release/bin/pollen8ctl /src/build/release/bin/pollen8-seed /usr/local/bin/
COPY deploy/demo-users.json /usr/local/share/pollen8/demo-users.json
USER 10001:10001
HEALTHCHECK NONE
ENTRYPOINT ["/usr/local/bin/pollen8ctl"]
