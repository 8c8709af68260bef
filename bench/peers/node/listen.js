// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// The HTTP server of a peer: plain, or with TLS where a certificate is given.
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');

exports.createServer = () => {
  const { BENCH_CERT, BENCH_KEY } = process.env;
  if (!BENCH_CERT) return http.createServer();
  return https.createServer({ cert: fs.readFileSync(BENCH_CERT), key: fs.readFileSync(BENCH_KEY) });
};
