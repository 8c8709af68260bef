// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// A certificate for 127.0.0.1 that signs itself, in the ring's folder.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

/** Makes key.pem and cert.pem anew; returns their paths. */
function certificate(folder) {
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(folder, name));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { key, cert };
}

/** A ring's `env.gateway`: all gateways speak TLS with one certificate. */
function tlsEnvironment(_, ring) {
  if (!fs.existsSync(path.join(ring.folder, 'cert.pem'))) certificate(ring.folder);
  return { TLS_CERT_FILE: path.join(ring.folder, 'cert.pem'), TLS_KEY_FILE: path.join(ring.folder, 'key.pem') };
}

/** What a client of the ring trusts. */
function authority(ring) {
  return fs.readFileSync(path.join(ring.folder, 'cert.pem'));
}

module.exports = { certificate, tlsEnvironment, authority };
