# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
"""Makes what is measured: our own programs, optimised, and the peers, installed by their ordinary clients into
a cache folder outside the tree."""
import filecmp
import os
import pathlib
import shutil
import subprocess

from .machine import Failed

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "bench"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "pollen8-bench"
PEERS = ROOT / "bench" / "peers"
TARGETS = ["gateway", "auth-svc", "value-svc", "bench-load", "bench-publish", "bench-limit",
           "bench-submit", "bench-bare"]


def run(command, folder, what):
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise Failed(f"{what}: " + " | ".join(done.stdout.strip().splitlines()[-5:]))


def run_output(command):
    """What a command prints, empty where it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def need(command, why):
    if not shutil.which(command):
        raise Failed(f"{command} is not installed: {why} needs it")


def build():
    if not (BUILD / "build.ninja").exists():
        run(["cmake", "-B", str(BUILD), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DPOLLEN8_TESTS=OFF",
             "-DPOLLEN8_BENCH=ON", str(ROOT)], ROOT, "the build could not be configured")
    run(["ninja", "-C", str(BUILD), *TARGETS], ROOT, "the build failed")
    return BUILD / "bin"


def refreshed(source, target, names):
    """Copies files that differ; whether any did."""
    target.mkdir(parents=True, exist_ok=True)
    changed = False
    for name in names:
        if not (target / name).exists() or not filecmp.cmp(source / name, target / name, shallow=False):
            shutil.copyfile(source / name, target / name)
            changed = True
    return changed


def node_peers():
    """The folder with node_modules."""
    need("node", "a peer")
    need("npm", "a peer")
    folder = CACHE / "node"
    if refreshed(PEERS / "node", folder, ["package.json"]) or not (folder / "node_modules").exists():
        try:
            run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], folder, "npm install failed")
        except Failed:
            (folder / "package.json").unlink()  # so that the next run tries again
            raise
    refreshed(PEERS / "node", folder, sorted(p.name for p in (PEERS / "node").glob("*.js")))
    return folder


def centrifuge():
    """Its executable."""
    need("go", "the peer centrifuge")
    folder = CACHE / "centrifuge"
    program = folder / "centrifuge"
    kept = folder / "source"
    if refreshed(PEERS / "centrifuge", kept, ["go.mod", "main.go"]) or not program.exists():
        program.unlink(missing_ok=True)
        for name in ("go.mod", "main.go"):  # go writes into go.mod: the copy beside stays as committed
            shutil.copyfile(kept / name, folder / name)
        run(["go", "mod", "tidy"], folder, "go mod tidy failed")
        run(["go", "build", "-o", str(program), "."], folder, "go build failed")
    return program


def certificate():
    """A self-signed certificate for the loopback and its key."""
    folder = CACHE / "tls"
    cert, key = folder / "cert.pem", folder / "key.pem"
    if not cert.exists():
        folder.mkdir(parents=True, exist_ok=True)
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
             "3650", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert)], folder,
            "the certificate could not be made")
    return cert, key
