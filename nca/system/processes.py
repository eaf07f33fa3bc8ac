"""Start programs that run independently of this one."""

import subprocess
import sys
from typing import Any


def own_process_group() -> dict[str, Any]:
    """Arguments for ``subprocess.Popen``: the program survives Ctrl-C and a closed terminal."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
