"""Start programs that run beside this one."""

import subprocess
import sys
from typing import Any


def own_process_group() -> dict[str, Any]:
    """Arguments of ``subprocess.Popen`` for programs that survive Ctrl-C and a closed terminal."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
