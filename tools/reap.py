#!/usr/bin/env python3
"""Runs a command and adopts the orphans that it leaves, so that a killed server is gone at once.

A server started by pg_ctl belongs to process 1, and in some containers that one collects the dead late or
never. Until then the number of a killed postmaster looks alive, and the next start on its data refuses.
"""
import ctypes
import os
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36

ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
child = os.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the command as well
signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
while True:
    pid, status = os.wait()
    if pid == child:
        sys.exit(os.waitstatus_to_exitcode(status) % 256)
