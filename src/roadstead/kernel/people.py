"""The person behind root: whom sudo serves.

What `make setup` built lies in that person's cache, and the AWS profile is for that person's shell: root's own home holds neither.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def person_home() -> Path:
    """The home directory of whoever typed the command, behind sudo too (SUDO_UID, sudo(8)); raises RuntimeError when there is none."""
    uid = os.environ.get("SUDO_UID", "")
    if os.geteuid() == 0 and uid.isdecimal():
        try:
            return Path(pwd.getpwuid(int(uid)).pw_dir)
        except KeyError:  # the account is gone, or in another namespace: root is all there is
            return Path.home()
    return Path.home()
