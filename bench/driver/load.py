# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
"""The load client as the driver sees it: opens the sessions, obeys a line, answers with one."""
import json
import select
import subprocess

from .machine import OTHER_CPU, Failed, Process

ANSWER_S = 240


class Load:
    def __init__(self, peer, sessions, *more, port=None, name="load", cpu=OTHER_CPU):
        command = [peer.bench.bin / "bench-load", "--port", port or peer.port, "--sessions", sessions, "--ack", peer.ack_port,
                   *peer.load_arguments(), *more]
        if any("%t" in str(word) for word in command):
            command += ["--tokens", peer.bench.tokens]
        if peer.use_tls:
            command.append("--tls")
        self.process = Process(f"{peer.name}-{name}", cpu, command, peer.bench.folder, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
        self.pending = b""

    def answer(self):
        """The next line, read."""
        while b"\n" not in self.pending:
            ready, _, _ = select.select([self.process.popen.stdout], [], [], ANSWER_S)
            more = self.process.popen.stdout.read1(65536) if ready else b""
            if not more:
                self.process.check()
                raise Failed(f"the load client does not answer: {self.process.tail()}")
            self.pending += more
        line, self.pending = self.pending.split(b"\n", 1)
        return json.loads(line)

    def tell(self, line):
        self.process.popen.stdin.write(line.encode() + b"\n")
        self.process.popen.stdin.flush()
        return self.answer()

    def stop(self):
        self.process.popen.stdin.close()
        try:
            self.process.popen.wait(20)
        except subprocess.TimeoutExpired:
            pass
        self.process.stop()
