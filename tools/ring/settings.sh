# shellcheck shell=bash
# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
#
# Ports, folder and secret of a ring. `up` takes the environment and the defaults, and stores the ports in
# RUN_DIR/ring.env, so that emit, watch and the others need only RUN_DIR.

settings_port() { # NAME VALUE
  [[ $2 =~ ^[0-9]{1,5}$ ]] && [ "$((10#$2))" -ge 1 ] && [ "$((10#$2))" -le 65535 ] ||
    fail 2 "$1 is '$2', expected a port (1 to 65535)"
}

settings_count() { # OPTION VALUE
  [[ $2 =~ ^[0-9]{1,2}$ ]] && [ "$((10#$2))" -ge 1 ] || fail 2 "$1 is '$2', expected a number from 1 to 99"
}

settings_load() { # COMMAND
  RUN_DIR=${RUN_DIR:-.run}
  [[ $RUN_DIR == /* ]] || RUN_DIR=$POLLEN8_ROOT/$RUN_DIR # relative to the repository's root, like the default
  LOG_DIR=$RUN_DIR/log
  PID_DIR=$RUN_DIR/pid
  SECRET_FILE=$RUN_DIR/jwt-secret

  local kept_port='' kept_ops='' kept_nats='' kept_redis='' name value
  if [ "$1" != up ] && [ -r "$RUN_DIR/ring.env" ]; then
    while IFS='=' read -r name value; do
      case $name in
        PORT) kept_port=$value ;;
        OPS_PORT_BASE) kept_ops=$value ;;
        NATS_PORT) kept_nats=$value ;;
        REDIS_PORT) kept_redis=$value ;;
      esac
    done <"$RUN_DIR/ring.env"
  fi
  RING_PORT=${PORT:-${kept_port:-3001}}
  RING_OPS_PORT=${OPS_PORT_BASE:-${kept_ops:-9001}}
  RING_NATS_PORT=${NATS_PORT:-${kept_nats:-4222}}
  RING_REDIS_PORT=${REDIS_PORT:-${kept_redis:-6379}}
  settings_port PORT "$RING_PORT"
  settings_port OPS_PORT_BASE "$RING_OPS_PORT"
  settings_port NATS_PORT "$RING_NATS_PORT"
  settings_port REDIS_PORT "$RING_REDIS_PORT"
}

settings_keep() {
  printf 'PORT=%s\nOPS_PORT_BASE=%s\nNATS_PORT=%s\nREDIS_PORT=%s\n' \
    "$RING_PORT" "$RING_OPS_PORT" "$RING_NATS_PORT" "$RING_REDIS_PORT" >"$RUN_DIR/ring.env"
}

# The secret that signs the ring's tokens: from the environment, else the stored one, else a new random one.
settings_secret() {
  local secret=${JWT_SECRET:-}
  if [ -z "$secret" ] && [ -s "$SECRET_FILE" ]; then
    secret=$(<"$SECRET_FILE")
  elif [ -z "$secret" ]; then
    secret=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
  fi
  [ "${#secret}" -ge 32 ] || fail 2 "JWT_SECRET has ${#secret} bytes, expected at least 32"
  (umask 077 && printf '%s\n' "$secret" >"$SECRET_FILE.new" && mv "$SECRET_FILE.new" "$SECRET_FILE") ||
    fail 1 "cannot write $SECRET_FILE"
  RING_SECRET=$secret
}
